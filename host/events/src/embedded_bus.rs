use std::time::Instant;

use tenet_core::{BoxFuture, Delivery, Publisher, StagedEvent};

use crate::Buses;
use crate::entry::Entry;

/// One region's bus of [`Buses`], for the host of that region.
#[derive(Clone, Debug)]
pub struct EmbeddedBus {
    buses: Buses,
    region: String,
}

impl EmbeddedBus {
    pub(crate) fn new(buses: Buses, region: String) -> Self {
        Self { buses, region }
    }
}

impl Publisher for EmbeddedBus {
    /// Never waits, so the deadline is ignored.
    fn publish<'a>(&'a self, events: &'a [StagedEvent], _deadline: Instant) -> BoxFuture<'a, Vec<Delivery>> {
        Box::pin(async move {
            events
                .iter()
                .map(|event| match Entry::new(event, &self.region) {
                    Ok(entry) => self.buses.put(&self.region, &entry),
                    Err(text) => Delivery::Refused(text),
                })
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::staged;
    use crate::{MAX_TOTAL_BYTES, Subscription};

    const EVERY: &str = r#"{"source":[{"prefix":""}]}"#;
    const EAST: &str = "us-east-1";
    const WEST: &str = "us-west-2";

    fn both() -> (Buses, Subscription, Subscription) {
        let buses = Buses::new([EAST, WEST]).unwrap();
        let (east, west) = (buses.subscribe(EAST, EVERY).unwrap(), buses.subscribe(WEST, EVERY).unwrap());
        (buses, east, west)
    }

    async fn publish(buses: &Buses, region: &str, events: &[StagedEvent]) -> Vec<Delivery> {
        buses.publisher(region).unwrap().publish(events, Instant::now()).await
    }

    fn detail(envelope: &str) -> &str {
        envelope.split_once(",\"detail\":").unwrap().1.strip_suffix('}').unwrap()
    }

    #[tokio::test]
    async fn an_event_reaches_each_bus_once_wherever_it_is_put() {
        for region in [EAST, WEST] {
            let (buses, east, west) = both();
            let event = staged(0, "{\"amount\":100.50}");
            assert_eq!(publish(&buses, region, std::slice::from_ref(&event)).await, [Delivery::Taken]);
            let (east, west) = (east.received(), west.received());
            assert_eq!((east.len(), west.len()), (1, 1));
            for received in east.iter().chain(&west) {
                assert_eq!(detail(received), event.detail_for(region));
                assert!(received.contains(&format!("\"region\":\"{region}\",\"resources\"")), "{received}");
            }
            assert_ne!(east, west, "an event that is forwarded gets an id of its own");
        }
    }

    #[tokio::test]
    async fn three_regions_make_no_circles_either() {
        let buses = Buses::new(["a", "b", "c"]).unwrap();
        let subscriptions = ["a", "b", "c"].map(|region| buses.subscribe(region, EVERY).unwrap());
        assert_eq!(publish(&buses, "b", &[staged(0, "{}")]).await, [Delivery::Taken]);
        assert_eq!(subscriptions.map(|subscription| subscription.received().len()), [1, 1, 1]);
    }

    #[tokio::test]
    async fn a_bus_that_is_off_puts_the_event_off_and_a_later_try_reaches_both() {
        let (buses, east, west) = both();
        let event = [staged(0, "{}")];
        for region in [EAST, WEST] {
            buses.set_up(WEST, false).unwrap();
            let deliveries = publish(&buses, region, &event).await;
            assert!(matches!(&deliveries[..], [Delivery::Later(text)] if text.contains(WEST)), "{deliveries:?}");
            buses.set_up(WEST, true).unwrap();
        }
        assert!(west.received().is_empty());
        assert_eq!(publish(&buses, EAST, &event).await, [Delivery::Taken]);
        assert_eq!(west.received().len(), 1);
        let id = format!("\"id\":\"{}\"", event[0].id);
        assert!(east.received().iter().all(|received| detail(received).contains(&id)), "the same event each time");
    }

    #[tokio::test]
    async fn subscriptions_get_what_their_patterns_match() {
        let buses = Buses::new([EAST]).unwrap();
        let large = r#"{"detail":{"amount":[{"numeric":[">",100]}]}}"#;
        let mut large = buses.subscribe(EAST, large).unwrap();
        let mut none = buses.subscribe(EAST, r#"{"source":["another.source"]}"#).unwrap();
        let events = [staged(0, "{\"amount\":99.99}"), staged(1, "{\"amount\":100.01}")];
        assert_eq!(publish(&buses, EAST, &events).await, [Delivery::Taken, Delivery::Taken]);
        assert!(large.try_next().unwrap().contains("\"amount\":100.01,"));
        assert_eq!((large.try_next(), none.try_next()), (None, None));
        assert_eq!(large.received(), [""; 0], "what was read is gone");
    }

    #[tokio::test]
    async fn next_waits_for_an_event() {
        let (buses, _east, mut west) = both();
        let waiting = tokio::spawn(async move { (west.next().await, west.next().await) });
        tokio::task::yield_now().await;
        publish(&buses, EAST, &[staged(0, "{\"n\":0}"), staged(1, "{\"n\":1}")]).await;
        let (first, second) = waiting.await.unwrap();
        assert!(detail(&first).starts_with("{\"n\":0,") && detail(&second).starts_with("{\"n\":1,"));
    }

    #[tokio::test]
    async fn a_refused_event_keeps_nobody_else_back() {
        let (buses, east, _west) = both();
        let mut typed = staged(1, "{}");
        typed.event.detail_type = "t".repeat(129);
        let large = staged(2, &format!("{{\"x\":\"{}\"}}", "x".repeat(MAX_TOTAL_BYTES)));
        let deliveries = publish(&buses, EAST, &[staged(0, "{}"), typed, large, staged(3, "{}")]).await;
        assert!(
            matches!(
                &deliveries[..],
                [Delivery::Taken, Delivery::Refused(typed), Delivery::Refused(large), Delivery::Taken]
                    if typed.contains("detail-type") && large.contains("bytes")
            ),
            "{deliveries:?}"
        );
        assert_eq!(east.received().len(), 2);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let buses = Buses::new([EAST, WEST]).unwrap();
        let error = buses.publisher("eu-west-1").unwrap_err().to_string();
        assert!(error.contains("eu-west-1") && error.contains(EAST), "{error}");
        assert!(buses.set_up("eu-west-1", true).is_err());
        let error = buses.subscribe(EAST, "{\"source\":\"x\"}").unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("(source)"));
    }
}
