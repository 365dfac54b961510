//! Events that their own request could not deliver: which are parked, and which a relay of either
//! region delivers to both buses.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tenet_database::Endpoint;
use tenet_events::EventBridge;

use crate::support;
use crate::support::eventbridge::{Bus, config, endpoint};
use crate::support::eventbridge_relay::Relay;
use crate::support::host::{EAST, Host, Regions, WEST};
use crate::support::tenet::tenet;

const WRITE: &str = r#"{"operation":"write","transaction_id":"t-1","amount":1}"#;

/// A host whose bus is at `endpoint`.
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
async fn parked_events_are_listed_and_released_to_the_next_relay() {
    let database = support::database().await;
    database
        .execute(
            "insert into tenet.outbox \
             (id, operation, caller, key, ordinal, source, detail_type, detail, region, at, parked) values \
             ('00000000-0000-8000-9000-00000000000a', 'write', '', 'k', 0, 's', 't', '{\"secret\":1}', 'us-east-1', \
             now() - interval '3 hours', 'too large')",
        )
        .await;
    let events = |arguments: &[&str]| {
        let arguments = [&["events"], arguments, &["--database-url", database.url()]].concat();
        tenet(Path::new("."), &arguments)
    };
    let id = "00000000-0000-8000-9000-00000000000a";
    let listed = events(&["parked"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (0, format!("{id}  write  3 h  too large\n").as_str()));

    let regions = Regions::start("rules", database.url());
    assert_eq!(regions.west.relay().await.delivered, 0);
    let released = events(&["release", id]);
    assert!(released.code == 0 && released.stderr.contains("next relay"), "{released:?}");
    let again = events(&["release", id]);
    assert!(again.code == 3 && again.stderr.contains("is not parked"), "{again:?}");
    assert!(events(&["parked"]).stderr.contains("no event is parked"));
    let relayed = regions.west.relay().await;
    assert_eq!((relayed.delivered, relayed.parked_now), (1, 0));
    assert_eq!(regions.event_ids(), (vec![id.to_owned()], vec![id.to_owned()]));

    let wrong = events(&["release", "k"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("UUID"), "{wrong:?}");
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
        assert_eq!(event["detail"]["tenet"], json!({ "id": id, "operation": "write", "region": EAST, "bus": WEST }));
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
