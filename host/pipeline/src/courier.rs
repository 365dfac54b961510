use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::{Either, select};
use tenet_core::{Clock, StagedEvent};
use tokio::sync::{Semaphore, oneshot};

/// The most events that one turn takes: what the outbox forgets in one flight.
const MOST_EVENTS: usize = 100;

/// What became of one event that the bus was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The bus has taken it.
    Taken,
    /// The bus refused it for good, and it is parked.
    Parked,
    /// It stays in the outbox for the relay.
    Left,
}

/// Takes the events of several requests to the bus together: one call of the bus for what is
/// there, and one flight that takes it out of the outbox.
///
/// One request at a time does that, for all who wait meanwhile. There is no task of its own: a
/// frozen sandbox runs none.
pub(crate) struct Courier {
    parcels: Mutex<VecDeque<Parcel>>,
    turn: Semaphore,
}

/// The events of one request.
struct Parcel {
    events: Vec<StagedEvent>,
    fates: oneshot::Sender<Vec<Fate>>,
}

impl Courier {
    pub(crate) fn new() -> Self {
        Self { parcels: Mutex::default(), turn: Semaphore::new(1) }
    }

    /// Has events delivered, by `deliver` with those of others, and tells the fate of each. They
    /// stay in the outbox where that takes longer than the deadline.
    pub(crate) async fn send<F>(
        &self,
        events: Vec<StagedEvent>,
        clock: &dyn Clock,
        deadline: Instant,
        deliver: impl Fn(Vec<StagedEvent>) -> F,
    ) -> Vec<Fate>
    where
        F: Future<Output = Vec<Fate>>,
    {
        let count = events.len();
        let (sender, mut fates) = oneshot::channel();
        self.lock().push_back(Parcel { events, fates: sender });
        let delivered = pin!(async {
            loop {
                match select(&mut fates, pin!(self.turn.acquire())).await {
                    Either::Left((fates, _)) => return fates.ok(),
                    Either::Right((turn, _)) => {
                        let Ok(_turn) = turn else { return None };
                        // Those who have come at the same moment can add theirs first.
                        tokio::task::yield_now().await;
                        if let Ok(fates) = fates.try_recv() {
                            return Some(fates);
                        }
                        self.deliver_some(&deliver).await;
                    }
                }
            }
        });
        let left = deadline.saturating_duration_since(clock.instant());
        let fates = match select(delivered, clock.sleep(left)).await {
            Either::Left((fates, _)) => fates,
            Either::Right(_) => None,
        };
        fates.unwrap_or_else(|| vec![Fate::Left; count])
    }

    /// Delivers what waits, up to a bound.
    async fn deliver_some<F>(&self, deliver: &impl Fn(Vec<StagedEvent>) -> F)
    where
        F: Future<Output = Vec<Fate>>,
    {
        let (mut owners, mut events) = (Vec::new(), Vec::new());
        {
            let mut parcels = self.lock();
            while let Some(parcel) = parcels.pop_front() {
                if parcel.fates.is_closed() {
                    continue;
                }
                if !events.is_empty() && events.len() + parcel.events.len() > MOST_EVENTS {
                    parcels.push_front(parcel);
                    break;
                }
                owners.push((parcel.events.len(), parcel.fates));
                events.extend(parcel.events);
            }
        }
        if events.is_empty() {
            return;
        }
        let mut fates = deliver(events).await.into_iter();
        for (count, owner) in owners {
            // An owner that has given up left its events to the relay, which finds them gone.
            let _given_up = owner.send(fates.by_ref().take(count).collect());
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Parcel>> {
        self.parcels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;
    use tenet_core::{CallerId, Event, EventId, IdempotencyKey, Timestamp};

    use super::*;
    use crate::SystemClock;

    fn events(count: u32) -> Vec<StagedEvent> {
        let key = IdempotencyKey::new("k").unwrap();
        let event = |ordinal| StagedEvent {
            id: EventId::derive("o", CallerId::NOBODY, &key, Timestamp(0), ordinal),
            operation: "o".into(),
            caller: CallerId::NOBODY,
            key: key.clone(),
            ordinal,
            event: Event { source: "s".into(), detail_type: "t".into(), detail: "{}".into() },
            region: "r".into(),
            at: Timestamp(0),
            trace: None,
        };
        (0..count).map(event).collect()
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn events_of_requests_that_end_together_go_together_and_each_learns_of_its_own() {
        let courier = Courier::new();
        let turns = Mutex::new(Vec::new());
        let deliver = |events: Vec<StagedEvent>| {
            turns.lock().unwrap().push(events.len());
            let fates =
                events.iter().map(|event| if event.ordinal == 1 { Fate::Parked } else { Fate::Taken }).collect();
            async move { fates }
        };
        let sent = join_all((1..=3).map(|count| courier.send(events(count), &SystemClock, later(), deliver))).await;
        use Fate::{Parked, Taken};
        assert_eq!(sent, [vec![Taken], vec![Taken, Parked], vec![Taken, Parked, Taken]]);
        assert_eq!(*turns.lock().unwrap(), [6]);
    }

    #[tokio::test]
    async fn more_than_a_turn_takes_is_delivered_in_several() {
        let courier = Courier::new();
        let turns = Mutex::new(Vec::new());
        let deliver = |events: Vec<StagedEvent>| {
            turns.lock().unwrap().push(events.len());
            async move { vec![Fate::Taken; events.len()] }
        };
        let sent = join_all([60, 60, 250].map(|count| courier.send(events(count), &SystemClock, later(), deliver)));
        assert_eq!(sent.await.into_iter().map(|fates| fates.len()).collect::<Vec<_>>(), [60, 60, 250]);
        assert_eq!(*turns.lock().unwrap(), [60, 60, 250]);
    }

    #[tokio::test]
    async fn one_that_runs_out_of_time_leaves_its_events_and_keeps_nobody_back() {
        let courier = Courier::new();
        let soon = Instant::now() + Duration::from_millis(5);
        let never = |_| std::future::pending();
        assert_eq!(courier.send(events(2), &SystemClock, soon, never).await, [Fate::Left; 2]);
        let deliver = |events: Vec<StagedEvent>| async move { vec![Fate::Taken; events.len()] };
        assert_eq!(courier.send(events(1), &SystemClock, later(), deliver).await, [Fate::Taken]);
    }
}
