//! Events that their own request could not deliver: what is parked, and what a relay of
//! whichever region brings to both buses.

use std::sync::Arc;

use serde_json::{Value, json};
use tenet_database::Endpoint;
use tenet_events::EventBridge;

use crate::support;
use crate::support::eventbridge::{Bus, config, endpoint};
use crate::support::eventbridge_relay::Relay;
use crate::support::host::{EAST, Host, Regions, WEST};

const WRITE: &str = r#"{"operation":"write","transaction_id":"t-1","amount":1}"#;

/// A host whose events go to a bus that is reached at `endpoint`.
fn host(url: &str, region: &'static str, endpoint: &str, bus: &str) -> Host {
    let bus = EventBridge::new(&config(region, endpoint), region, bus);
    Host::publishing(Endpoint::parse(url).unwrap(), "rules", region, Arc::new(bus))
}

#[tokio::test]
async fn an_event_that_is_refused_for_good_is_parked_with_the_reason_and_offered_to_nobody_again() {
    let database = support::database().await;
    let bus = Bus::create().await;
    let relay = Relay::start(endpoint(), |_| vec![(0, "MalformedDetail")]).await;
    let east = host(database.url(), EAST, relay.url(), bus.name());
    let mut handled = east.decide(WRITE).await;
    assert_eq!((handled.answer.status.code(), east.publish(&mut handled).await), (200, 0));
    let reason = database.text("select parked from tenet.outbox").await;
    assert!(reason.starts_with("MalformedDetail"), "{reason}");

    let west = host(database.url(), WEST, &endpoint(), bus.name());
    for host in [&east, &west] {
        let relayed = host.relay().await;
        assert!(relayed.complete, "{relayed:?}");
        assert_eq!((relayed.delivered, relayed.left, relayed.parked, relayed.parked_now), (0, 0, 0, 1));
    }
    assert_eq!(relay.calls().len(), 1);
    assert!(east.invoke(WRITE).await.answer.repeated);
}

#[tokio::test]
async fn what_one_region_leaves_the_relay_of_the_other_brings_to_both_buses_once() {
    let database = support::database().await;
    let (at_east, at_west) = (Bus::create_in(EAST).await, Bus::create_in(WEST).await);
    at_east.forward_to(&at_west).await;
    at_west.forward_to(&at_east).await;
    let east = host(database.url(), EAST, "http://127.0.0.1:1", at_east.name());
    let mut handled = east.decide(WRITE).await;
    assert_eq!((handled.answer.status.code(), east.publish(&mut handled).await), (200, 1));
    let id = database.text("select id::text from tenet.outbox").await;

    let west = host(database.url(), WEST, &endpoint(), at_west.name());
    assert_eq!(west.relay().await.delivered, 1);
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
    for bus in [&at_east, &at_west] {
        let received = bus.receive(1).await;
        let [event] = &received[..] else { panic!("once: {received:?}") };
        let event: Value = serde_json::from_str(event).unwrap();
        assert_eq!(event["detail"]["tenet"], json!({ "id": id, "region": EAST, "bus": WEST }));
    }
    assert_eq!(west.relay().await.delivered, 0);
}

#[tokio::test]
async fn a_publisher_that_a_relay_was_faster_than_does_no_harm() {
    let database = support::database().await;
    let regions = Regions::start("rules", database.url());
    let mut handled = regions.east.decide(WRITE).await;
    assert_eq!(regions.west.relay().await.delivered, 1);
    assert_eq!(regions.east.publish(&mut handled).await, 0);
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
    let (mut east, mut west) = regions.event_ids();
    for ids in [&mut east, &mut west] {
        ids.dedup();
        assert_eq!(ids.len(), 1, "perhaps twice, and then with one id");
    }
    assert_eq!(regions.west.relay().await.delivered, 0);
}
