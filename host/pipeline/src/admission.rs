use std::collections::{BTreeSet, HashMap};
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

/// From this number of places on, one of them is kept from the requests of each single rule.
const ENOUGH: u32 = 4;

/// Limits the users served at one time to the number of connections.
///
/// A user of the host (a request, a shadow, an outbox update) holds a [`Place`] while it may need a
/// connection or an instance of a rule. The host has one connection and one instance for each
/// place, and a user needs one of each at a time. So the holder of a place never waits for another
/// user, and two users cannot deadlock by holding one resource each and waiting for the other.
///
/// Requests of one rule hold all places but one, so that a slow rule leaves the others a way. With fewer than
/// [`ENOUGH`] places that would cost too much, and a rule may hold all of them.
///
/// Waiting users are served in order of arrival, those of one rule among each other. Dropping the future leaves the
/// queue.
pub(crate) struct Admission {
    places: u32,
    semaphore: Arc<Semaphore>,
    /// The places that requests of each rule may hold.
    shares: HashMap<String, Arc<Semaphore>>,
    waiting: AtomicUsize,
    /// The number of places given so far.
    given: AtomicU64,
    /// Limits background work, which no response waits for, to one place.
    background: Semaphore,
}

/// Permission to be served, until it is dropped.
#[derive(Debug)]
pub struct Place {
    #[expect(dead_code, reason = "it is held")]
    permit: OwnedSemaphorePermit,
    #[expect(dead_code, reason = "they are held")]
    shares: Vec<OwnedSemaphorePermit>,
}

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
    /// A limit of `places`, at least one, for requests of these rules.
    pub(crate) fn new<'r>(places: u32, rules: impl Iterator<Item = &'r str>) -> Self {
        let places = places.max(1);
        let semaphore = |permits: u32| Arc::new(Semaphore::new(usize::try_from(permits).unwrap_or(1)));
        let share = if places < ENOUGH { places } else { places - 1 };
        Self {
            places,
            semaphore: semaphore(places),
            shares: rules.map(|rule| (rule.to_owned(), semaphore(share))).collect(),
            waiting: AtomicUsize::new(0),
            given: AtomicU64::new(0),
            background: Semaphore::new(1),
        }
    }

    /// Waits for a place for a request of these rules until the deadline `until`.
    pub(crate) async fn enter<'r>(
        &self,
        clock: &dyn Clock,
        until: Instant,
        rules: impl Iterator<Item = &'r str>,
    ) -> Result<Place, Refused> {
        // In one order for all requests, so that no two wait for each other.
        let rules: BTreeSet<_> = rules.collect();
        let mut semaphores = rules.into_iter().filter_map(|rule| self.shares.get(rule)).chain([&self.semaphore]);
        let mut permits = Vec::new();
        // The semaphores are fair: a free permit never belongs to a waiting user.
        let first = loop {
            let Some(semaphore) = semaphores.next() else { break None };
            match Arc::clone(semaphore).try_acquire_owned() {
                Ok(permit) => permits.push(permit),
                Err(_) => break Some(semaphore),
            }
        };
        if first.is_some() {
            let Some(_waiting) = Waiting::among(&self.waiting) else { return Err(Refused::Full) };
            for semaphore in first.into_iter().chain(semaphores) {
                permits.push(acquire(semaphore, clock, until).await?);
            }
        }
        // The last one is the place itself.
        let permit = permits.pop().ok_or(Refused::Late)?;
        Ok(self.give(permit, permits))
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
        let permit = acquire(&self.semaphore, clock, until).await?;
        Ok(InBackground { _place: self.give(permit, Vec::new()), _turn: turn })
    }

    /// The number of places given so far. It grows while the host makes progress.
    pub(crate) fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    fn give(&self, permit: OwnedSemaphorePermit, shares: Vec<OwnedSemaphorePermit>) -> Place {
        self.given.fetch_add(1, Ordering::Relaxed);
        Place { permit, shares }
    }

    /// A place for optional work: only while more than half of the places are free.
    pub(crate) fn spare(&self) -> Option<Place> {
        let free = self.semaphore.available_permits();
        let most = usize::try_from(self.places).unwrap_or(usize::MAX);
        if free.saturating_mul(2) <= most {
            return None;
        }
        let permit = Arc::clone(&self.semaphore).try_acquire_owned().ok()?;
        Some(Place { permit, shares: Vec::new() })
    }
}

async fn acquire(
    semaphore: &Arc<Semaphore>,
    clock: &dyn Clock,
    until: Instant,
) -> Result<OwnedSemaphorePermit, Refused> {
    let turn = pin!(Arc::clone(semaphore).acquire_owned());
    let left = until.saturating_duration_since(clock.instant());
    match select(turn, clock.sleep(left)).await {
        // The semaphores are never closed.
        Either::Left((permit, _)) => permit.map_err(|_| Refused::Late),
        Either::Right(_) => Err(Refused::Late),
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

    fn admission(places: u32) -> Admission {
        Admission::new(places, ["slow", "other", "third"].into_iter())
    }

    async fn enter(admission: &Admission, until: Instant) -> Result<Place, Refused> {
        admission.enter(&SystemClock, until, std::iter::empty()).await
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn places_are_given_in_the_order_of_asking() {
        let admission = admission(1);
        let first = enter(&admission, later()).await.unwrap();
        let mut second = pin!(enter(&admission, later()));
        let mut third = pin!(enter(&admission, later()));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        drop(first);
        assert!(third.as_mut().now_or_never().is_none());
        let second = second.await.unwrap();
        assert!(enter(&admission, later()).now_or_never().is_none());
        drop(second);
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn a_wait_that_is_dropped_leaves_the_queue() {
        let admission = admission(1);
        let first = enter(&admission, later()).await.unwrap();
        {
            let mut gone = pin!(enter(&admission, later()));
            assert!(gone.as_mut().now_or_never().is_none());
        }
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
        drop(first);
        assert!(enter(&admission, later()).now_or_never().is_some());
    }

    #[tokio::test]
    async fn too_many_are_refused_at_once_and_others_when_their_time_is_over() {
        let admission = admission(1);
        let _first = enter(&admission, later()).await.unwrap();
        let soon = Instant::now() + Duration::from_millis(1);
        assert_eq!(enter(&admission, soon).await.err(), Some(Refused::Late));
        let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| Box::pin(enter(&admission, later()))).collect();
        assert!(waiting.iter_mut().all(|wait| wait.as_mut().now_or_never().is_none()));
        assert_eq!(enter(&admission, later()).await.err(), Some(Refused::Full));
        waiting.clear();
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn background_work_has_one_place_and_waits_like_all_others() {
        let admission = admission(2);
        let first = admission.enter_in_background(&SystemClock, later()).await.unwrap();
        assert!(admission.enter_in_background(&SystemClock, later()).now_or_never().is_none());
        assert!(enter(&admission, later()).now_or_never().is_some());
        drop(first);
        assert!(admission.enter_in_background(&SystemClock, later()).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_spare_place_is_given_while_more_than_half_are_free() {
        let admission = admission(4);
        let _one = enter(&admission, later()).await.unwrap();
        let spare = admission.spare().unwrap();
        assert!(admission.spare().is_none());
        drop(spare);
        assert!(admission.spare().is_some());
        assert!(super::Admission::new(1, std::iter::empty()).spare().is_some());
    }
    #[tokio::test]
    async fn requests_of_one_rule_leave_a_place_to_the_others() {
        let admission = admission(4);
        let enter =
            |rules: &'static [&'static str]| Box::pin(admission.enter(&SystemClock, later(), rules.iter().copied()));
        let held: Vec<_> =
            ["slow"; 3].map(|_| enter(&["other", "slow"]).now_or_never().unwrap().unwrap()).into_iter().collect();
        let (mut fourth, mut chained) = (enter(&["slow"]), enter(&["slow", "third"]));
        assert!(fourth.as_mut().now_or_never().is_none() && chained.as_mut().now_or_never().is_none());
        // Those who wait for a rule's share take no place from the others.
        let last = enter(&["third"]).now_or_never().unwrap().unwrap();
        drop(held);
        assert!(fourth.await.is_ok() && chained.await.is_ok());
        drop(last);
    }

    #[tokio::test]
    async fn a_rule_may_hold_all_of_few_places() {
        let admission = admission(3);
        let enter = || admission.enter(&SystemClock, later(), ["slow"].into_iter()).now_or_never();
        let _held = [(); 3].map(|()| enter().unwrap().unwrap());
        assert!(enter().is_none());
    }
}
