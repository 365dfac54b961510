//! Events published to a third-party EventBridge API, and read back at a rule's target.

use std::time::{Duration, Instant};

use serde_json::Value;
use tenet_core::{CallerId, Delivery, Event, EventId, IdempotencyKey, Publisher, StagedEvent, Timestamp};
use tenet_events::EventBridge;

use crate::support::eventbridge::{Bus, config, endpoint};
use crate::support::eventbridge_relay::Relay;

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";

/// Events of one transaction that `us-east-1` committed.
fn staged(count: u32) -> Vec<StagedEvent> {
    let (key, at) = (IdempotencyKey::new("test-001").unwrap(), Timestamp(1_700_000_000_000_000));
    let event = |ordinal| StagedEvent {
        id: EventId::derive("write", CallerId::ANONYMOUS, &key, at, ordinal),
        operation: "write".into(),
        caller: CallerId::ANONYMOUS,
        key: key.clone(),
        ordinal,
        event: Event {
            source: "dsql.application".into(),
            detail_type: "Transaction Created".into(),
            detail: format!(r#"{{"transaction_id":"test-{ordinal:03}","amount":100.50,"region":"us-east-1"}}"#),
        },
        region: EAST.into(),
        at,
        trace: None,
    };
    (0..count).map(event).collect()
}

fn ids(events: &[StagedEvent]) -> Vec<String> {
    events.iter().map(|event| event.id.to_string()).collect()
}

/// The ids of received events, sorted: a queue does not guarantee an order.
fn received_ids(received: &[String]) -> Vec<String> {
    let id = |event: &String| {
        let event: Value = serde_json::from_str(event).unwrap();
        event["detail"]["tenet"]["id"].as_str().unwrap().to_owned()
    };
    let mut ids: Vec<String> = received.iter().map(id).collect();
    ids.sort();
    ids
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

fn ample() -> Instant {
    Instant::now() + Duration::from_secs(300)
}

#[tokio::test]
async fn an_event_arrives_with_all_that_identifies_it() {
    let bus = Bus::create().await;
    let relay = Relay::start(endpoint(), |_| vec![]).await;
    let publisher = EventBridge::new(&config(EAST, relay.url()), EAST, bus.name());
    let events = staged(1);
    assert_eq!(publisher.publish(&events, ample()).await, [Delivery::Taken]);

    // The digits are exact up to the bus. moto parses and prints what it delivers, 100.50 as 100.5,
    // which EventBridge does not do.
    assert_eq!(relay.calls(), [[events[0].detail_for(EAST)]]);
    assert!(relay.calls()[0][0].contains("\"amount\":100.50,"));

    let received = bus.receive(1).await;
    assert_eq!(received.len(), 1);
    let event: Value = serde_json::from_str(&received[0]).unwrap();
    assert_eq!(event["source"], "dsql.application");
    assert_eq!(event["detail-type"], "Transaction Created");
    assert_eq!(event["time"], "2023-11-14T22:13:20Z");
    assert_eq!(event["region"], EAST);
    let detail = &event["detail"];
    assert_eq!((&detail["transaction_id"], &detail["region"]), (&"test-000".into(), &EAST.into()));
    assert_eq!(detail["amount"].as_f64(), Some(100.5));
    let member =
        serde_json::json!({ "id": events[0].id.to_string(), "operation": "write", "region": EAST, "bus": EAST });
    assert_eq!(detail["tenet"], member);
}

#[tokio::test]
async fn twenty_five_events_take_three_calls() {
    let bus = Bus::create().await;
    let relay = Relay::start(endpoint(), |_| vec![]).await;
    let publisher = EventBridge::new(&config(EAST, relay.url()), EAST, bus.name());
    let events = staged(25);
    assert_eq!(publisher.publish(&events, ample()).await, vec![Delivery::Taken; 25]);
    let sent: Vec<usize> = relay.calls().iter().map(Vec::len).collect();
    assert_eq!(sent, [10, 10, 5]);
    assert_eq!(received_ids(&bus.receive(25).await), sorted(ids(&events)));
}

#[tokio::test]
async fn only_the_entry_that_failed_is_sent_again() {
    let bus = Bus::create().await;
    let relay = Relay::start(endpoint(), |call| if call == 0 { vec![(1, "InternalFailure")] } else { vec![] }).await;
    let publisher = EventBridge::new(&config(EAST, relay.url()), EAST, bus.name());
    let events = staged(3);
    assert_eq!(publisher.publish(&events, ample()).await, vec![Delivery::Taken; 3]);
    let details: Vec<String> = events.iter().map(|event| event.detail_for(EAST)).collect();
    assert_eq!(relay.calls(), [details.clone(), vec![details[1].clone()]]);
    assert_eq!(received_ids(&bus.receive(3).await), sorted(ids(&events)), "each event once");
}

#[tokio::test]
async fn what_fails_for_good_or_too_often_keeps_nothing_else_back() {
    let bus = Bus::create().await;
    let relay = Relay::start(endpoint(), |call| match call {
        0 => vec![(0, "ThrottlingException"), (1, "MalformedDetail")],
        _ => vec![(0, "ThrottlingException")],
    })
    .await;
    let publisher = EventBridge::new(&config(EAST, relay.url()), EAST, bus.name());
    let mut events = staged(4);
    let large = "x".repeat(tenet_events::MAX_TOTAL_BYTES);
    events[2].event.detail = format!("{{\"x\":\"{large}\"}}");
    let deliveries = publisher.publish(&events, ample()).await;
    assert!(
        matches!(
            &deliveries[..],
            [Delivery::Later(often), Delivery::Refused(malformed), Delivery::Refused(large), Delivery::Taken]
                if often.contains("ThrottlingException")
                    && malformed.contains("MalformedDetail")
                    && large.contains("less than 1000000")
        ),
        "{deliveries:?}"
    );
    let throttled = events[0].detail_for(EAST);
    let calls = relay.calls();
    assert_eq!(calls[0].len(), 3, "the one that is too large was never sent");
    assert!(calls.len() > 1 && calls[1..].iter().all(|call| call[..] == [throttled.clone()]), "{calls:?}");
    assert_eq!(received_ids(&bus.receive(1).await), ids(&events[3..]));
}

#[tokio::test]
async fn two_regions_forward_to_each_other_and_an_event_reaches_each_bus_once() {
    let (east, west) = (Bus::create_in(EAST).await, Bus::create_in(WEST).await);
    east.forward_to(&west).await;
    west.forward_to(&east).await;
    // The second publish simulates the west's host delivering what the east's left behind.
    for (region, bus) in [(EAST, &east), (WEST, &west)] {
        let publisher = EventBridge::new(&config(region, &endpoint()), region, bus.name());
        let events = staged(2);
        assert_eq!(publisher.publish(&events, ample()).await, vec![Delivery::Taken; 2]);
        for bus in [&east, &west] {
            assert_eq!(received_ids(&bus.receive(2).await), sorted(ids(&events)));
        }
    }
}

#[tokio::test]
async fn a_bus_that_nobody_answers_for_puts_events_off() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let events = staged(11);
    let later = |deliveries: &[Delivery], why: &str| {
        assert_eq!(deliveries.len(), events.len());
        for delivery in deliveries {
            assert!(matches!(delivery, Delivery::Later(text) if text.contains(why)), "{delivery:?}");
        }
    };
    let publisher = EventBridge::new(&config(EAST, &silent), EAST, "bus");
    later(&publisher.publish(&events, Instant::now() + Duration::from_millis(200)).await, "deadline");
    later(&publisher.publish(&events, Instant::now()).await, "deadline");

    drop(listener);
    let deliveries = publisher.publish(&events, ample()).await;
    later(&deliveries, "not reached");
    later(&deliveries, "Connection refused");
}

#[tokio::test]
async fn an_event_for_which_a_whole_call_is_refused_keeps_no_other_back() {
    let bus = Bus::create().await;
    let relay = Relay::start(endpoint(), |_| vec![]).await;
    relay.refuse_calls_with("test-003");
    let publisher = EventBridge::new(&config(EAST, relay.url()), EAST, bus.name());
    let events = staged(12);
    let deliveries = publisher.publish(&events, ample()).await;
    assert_eq!(deliveries.len(), events.len());
    for (place, delivery) in deliveries.iter().enumerate() {
        match place {
            3 => assert!(matches!(delivery, Delivery::Refused(text) if text.contains("ValidationException"))),
            _ => assert_eq!(*delivery, Delivery::Taken, "{place}"),
        }
    }
    let others: Vec<_> =
        events.iter().enumerate().filter(|(place, _)| *place != 3).map(|(_, event)| event.clone()).collect();
    assert_eq!(received_ids(&bus.receive(11).await), sorted(ids(&others)));

    // If every call is refused, the host is at fault, not the events.
    relay.refuse_calls_with("test-");
    let deliveries = publisher.publish(&staged(2), ample()).await;
    assert!(matches!(&deliveries[..], [Delivery::Later(_), Delivery::Later(_)]), "{deliveries:?}");
}
