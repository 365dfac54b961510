use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::future::{Either, select};
use tenet_core::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most requests that wait at one time. Each holds its payload.
const MOST_WAITING: usize = 1024;

/// Limits the users served at one time to the number of connections.
///
/// A user of the host (a request, a shadow, an outbox update) holds a [`Place`] while it may need a
/// connection or an instance of a rule. The host has one connection and one instance for each
/// place, and a user needs one of each at a time. So the holder of a place never waits for another
/// user, and two users cannot deadlock by holding one resource each and waiting for the other.
///
/// Waiting users are served in order of arrival. Dropping the future leaves the queue.
pub(crate) struct Admission {
    places: u32,
    semaphore: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// The number of places given so far.
    given: AtomicU64,
    /// Limits background work, which no response waits for, to one place.
    background: Semaphore,
}

/// Permission to be served, until it is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

/// No place was available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The queue is full.
    Full,
    /// The deadline passed first.
    Late,
}

/// Counts one waiting user.
struct Waiting<'a>(&'a AtomicUsize);

impl Admission {
    /// A limit of `places`, at least one.
    pub(crate) fn new(places: u32) -> Self {
        let places = places.max(1);
        Self {
            places,
            semaphore: Arc::new(Semaphore::new(usize::try_from(places).unwrap_or(1))),
            waiting: AtomicUsize::new(0),
            given: AtomicU64::new(0),
            background: Semaphore::new(1),
        }
    }

    /// Waits for a place until the deadline `until`.
    pub(crate) async fn enter(&self, clock: &dyn Clock, until: Instant) -> Result<Place, Refused> {
        // The semaphore is fair: a free permit never belongs to a waiting user.
        if let Ok(permit) = Arc::clone(&self.semaphore).try_acquire_owned() {
            return Ok(self.give(permit));
        }
        let Some(_waiting) = Waiting::among(&self.waiting) else { return Err(Refused::Full) };
        self.wait(clock, until).await
    }

    /// Waits for a place for background work.
    pub(crate) async fn enter_in_background(
        &self,
        clock: &dyn Clock,
        until: Instant,
    ) -> Result<InBackground<'_>, Refused> {
        let turn = pin!(self.background.acquire());
        let left = until.saturating_duration_since(clock.instant());
        let turn = match select(turn, clock.sleep(left)).await {
            // The semaphore is never closed.
            Either::Left((turn, _)) => turn.map_err(|_| Refused::Late)?,
            Either::Right(_) => return Err(Refused::Late),
        };
        Ok(InBackground { _place: self.wait(clock, until).await?, _turn: turn })
    }

    /// The number of places given so far. It grows while the host makes progress.
    pub(crate) fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    fn give(&self, permit: OwnedSemaphorePermit) -> Place {
        self.given.fetch_add(1, Ordering::Relaxed);
        Place(permit)
    }

    /// A place for optional work: only while more than half of the places are free.
    pub(crate) fn spare(&self) -> Option<Place> {
        let free = self.semaphore.available_permits();
        let most = usize::try_from(self.places).unwrap_or(usize::MAX);
        if free.saturating_mul(2) <= most {
            return None;
        }
        Arc::clone(&self.semaphore).try_acquire_owned().ok().map(Place)
    }

    async fn wait(&self, clock: &dyn Clock, until: Instant) -> Result<Place, Refused> {
        let turn = pin!(Arc::clone(&self.semaphore).acquire_owned());
        let left = until.saturating_duration_since(clock.instant());
        match select(turn, clock.sleep(left)).await {
            Either::Left((permit, _)) => permit.map(|permit| self.give(permit)).map_err(|_| Refused::Late),
            Either::Right(_) => Err(Refused::Late),
        }
    }
}

/// A place for background work.
#[derive(Debug)]
pub(crate) struct InBackground<'a> {
    // The place comes first, so it is released before the turn: the next background task then finds
    // a free place.
    _place: Place,
    _turn: tokio::sync::SemaphorePermit<'a>,
}

impl<'a> Waiting<'a> {
    fn among(waiting: &'a AtomicUsize) -> Option<Self> {
        let counted = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < MOST_WAITING).then_some(counted)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => write!(f, "{MOST_WAITING} requests are already waiting for a connection"),
            Self::Late => f.write_str("no connection was free in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use crate::SystemClock;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn places_are_given_in_the_order_of_asking() {
        let admission = Admission::new(1);
        let first = admission.enter(&SystemClock, later()).await.unwrap();
        let mut second = pin!(admission.enter(&SystemClock, later()));
        let mut third = pin!(admission.enter(&SystemClock, later()));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        drop(first);
        assert!(third.as_mut().now_or_never().is_none());
        let second = second.await.unwrap();
        assert!(admission.enter(&SystemClock, later()).now_or_never().is_none());
        drop(second);
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn a_wait_that_is_dropped_leaves_the_queue() {
        let admission = Admission::new(1);
        let first = admission.enter(&SystemClock, later()).await.unwrap();
        {
            let mut gone = pin!(admission.enter(&SystemClock, later()));
            assert!(gone.as_mut().now_or_never().is_none());
        }
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
        drop(first);
        assert!(admission.enter(&SystemClock, later()).now_or_never().is_some());
    }

    #[tokio::test]
    async fn too_many_are_refused_at_once_and_others_when_their_time_is_over() {
        let admission = Admission::new(1);
        let _first = admission.enter(&SystemClock, later()).await.unwrap();
        let soon = Instant::now() + Duration::from_millis(1);
        assert_eq!(admission.enter(&SystemClock, soon).await.err(), Some(Refused::Late));
        let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| Box::pin(admission.enter(&SystemClock, later()))).collect();
        assert!(waiting.iter_mut().all(|wait| wait.as_mut().now_or_never().is_none()));
        assert_eq!(admission.enter(&SystemClock, later()).await.err(), Some(Refused::Full));
        waiting.clear();
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn background_work_has_one_place_and_waits_like_all_others() {
        let admission = Admission::new(2);
        let first = admission.enter_in_background(&SystemClock, later()).await.unwrap();
        assert!(admission.enter_in_background(&SystemClock, later()).now_or_never().is_none());
        assert!(admission.enter(&SystemClock, later()).now_or_never().is_some());
        drop(first);
        assert!(admission.enter_in_background(&SystemClock, later()).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_spare_place_is_given_while_more_than_half_are_free() {
        let admission = Admission::new(4);
        let _one = admission.enter(&SystemClock, later()).await.unwrap();
        let spare = admission.spare().unwrap();
        assert!(admission.spare().is_none());
        drop(spare);
        assert!(admission.spare().is_some());
        assert!(Admission::new(1).spare().is_some());
    }
}
