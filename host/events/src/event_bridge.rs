use std::collections::VecDeque;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::config::timeout::TimeoutConfig;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use tenet_clock::monotonic;
use tenet_core::{Backoff, BoxFuture, Delivery, Publisher, StagedEvent};
use tokio::time::{sleep_until, timeout_at};

use crate::answer::{Fate, fates};
use crate::batches::batches;
use crate::entry::Entry;
use crate::put_events_failure::PutEventsFailure;

/// The attempts to send an entry whose failure the service documents as retryable.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(50), cap: Duration::from_millis(200), attempts: 4 };

/// One region's Amazon EventBridge bus, called with classic `PutEvents`.
///
/// "Taken" means that this region's bus has the entry. From then on EventBridge's forwarding rule
/// is responsible for the other region: it retries for a day and then uses the deployment's
/// dead-letter queue.
#[derive(Clone, Debug)]
pub struct EventBridge {
    client: Client,
    bus: String,
    region: String,
}

/// An entry to be sent, and the position of its event in the result.
struct Pending {
    place: usize,
    entry: Entry,
}

impl EventBridge {
    /// The bus named `bus` (or with that ARN) in `region`, reached with `config`.
    ///
    /// `region` overrides the configuration. Retries of whole calls and the timeout of one try are
    /// set here too, so that they fit into deadlines of a few seconds.
    pub fn new(config: &SdkConfig, region: impl Into<String>, bus: impl Into<String>) -> Self {
        let region = region.into();
        let config = aws_sdk_eventbridge::config::Builder::from(config)
            .region(Region::new(region.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(BACKOFF.base))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(2))
                    .operation_attempt_timeout(Duration::from_secs(5))
                    .build(),
            )
            .build();
        Self { client: Client::from_conf(config), bus: bus.into(), region }
    }

    /// The bus named `bus` in `region`, with credentials and endpoint from the standard AWS
    /// sources: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` and so on.
    pub async fn from_env(region: impl Into<String>, bus: impl Into<String>) -> Self {
        let region = region.into();
        let config = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region.clone())).load().await;
        Self::new(&config, region, bus)
    }

    async fn publish_all(&self, events: &[StagedEvent], deadline: Instant) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(events.len());
        let mut waiting = Vec::with_capacity(events.len());
        for (place, event) in events.iter().enumerate() {
            deliveries.push(match Entry::new(event, &self.region) {
                Ok(entry) => {
                    waiting.push(Pending { place, entry });
                    Delivery::Later("not sent".to_owned())
                }
                Err(text) => Delivery::Refused(text),
            });
        }
        let mut settle = |place: usize, delivery: Delivery| {
            if let Some(slot) = deliveries.get_mut(place) {
                *slot = delivery;
            }
        };
        // Entries that the service rejected when sent alone as an invalid call, and whether it
        // accepts other calls.
        let (mut doubted, mut understands) = (Vec::new(), false);
        for round in 1..=BACKOFF.attempts {
            let mut again = Vec::new();
            let batches = batches(waiting.iter().map(|pending| pending.entry.size()));
            let mut unsent = waiting.into_iter();
            let mut calls: VecDeque<Vec<Pending>> =
                batches.into_iter().map(|batch| unsent.by_ref().take(batch.len()).collect()).collect();
            while let Some(batch) = calls.pop_front() {
                match self.call(&batch, deadline).await {
                    Ok(fates) => {
                        understands = true;
                        for (pending, fate) in batch.into_iter().zip(fates) {
                            match fate {
                                Fate::Settled(delivery) => settle(pending.place, delivery),
                                Fate::Again(text) => {
                                    settle(pending.place, Delivery::Later(text));
                                    again.push(pending);
                                }
                            }
                        }
                    }
                    Err(failure) => {
                        tracing::warn!(bus = self.bus, entries = batch.len(), error = failure.text, "PutEvents failed");
                        if failure.ends_all {
                            for pending in batch.into_iter().chain(calls.into_iter().flatten()) {
                                settle(pending.place, Delivery::Later(failure.text.clone()));
                            }
                            return deliveries;
                        }
                        if let [alone] = batch.as_slice() {
                            settle(alone.place, Delivery::Later(failure.text.clone()));
                            doubted.push((alone.place, failure.text));
                        } else {
                            // One of them is invalid, and the others must not be held up by it.
                            batch.into_iter().rev().for_each(|pending| calls.push_front(vec![pending]));
                        }
                    }
                }
            }
            waiting = again;
            if waiting.is_empty() || round == BACKOFF.attempts {
                break;
            }
            let wake = monotonic() + BACKOFF.after(round, fastrand::u64(..));
            if wake >= deadline {
                break;
            }
            sleep_until(wake.into()).await;
        }
        // If it accepts no call at all, the problem is the host's, for example the name of its bus.
        if understands {
            for (place, text) in doubted {
                settle(place, Delivery::Refused(text));
            }
        }
        deliveries
    }

    /// One call of PutEvents through the SDK, which tries up to three times.
    async fn call(&self, batch: &[Pending], deadline: Instant) -> Result<Vec<Fate>, PutEventsFailure> {
        // A timeout polls its future before it checks the time: without this, a late call would
        // still be sent.
        if monotonic() >= deadline {
            return Err(PutEventsFailure::deadline());
        }
        let entries = batch.iter().map(|Pending { entry, .. }| {
            PutEventsRequestEntry::builder()
                .event_bus_name(&self.bus)
                .source(&entry.source)
                .detail_type(&entry.detail_type)
                .detail(&entry.detail)
                .time(entry.time)
                .set_trace_header(entry.trace.clone())
                .build()
        });
        let call = self.client.put_events().set_entries(Some(entries.collect())).send();
        let answer = timeout_at(deadline.into(), call).await.map_err(|_| PutEventsFailure::deadline())?;
        let fates = answer.map(|answer| fates(&answer, batch.len())).map_err(|error| PutEventsFailure::of(&error))?;
        let taken = fates.iter().filter(|fate| **fate == Fate::Settled(Delivery::Taken)).count();
        tracing::debug!(bus = self.bus, entries = batch.len(), taken, "PutEvents answered");
        Ok(fates)
    }
}

impl Publisher for EventBridge {
    fn publish<'a>(&'a self, events: &'a [StagedEvent], deadline: Instant) -> BoxFuture<'a, Vec<Delivery>> {
        Box::pin(self.publish_all(events, deadline))
    }
}
