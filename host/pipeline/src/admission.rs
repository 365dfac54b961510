use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::{Either, select};
use tenet_core::{CallerId, Clock};
use tokio::sync::{Semaphore, oneshot};

use crate::slow_operations::{SLOW, SlowOperations};

/// The most requests that wait at one time. Each holds its payload.
const MOST_WAITING: usize = 1024;

/// From this number of places on, some of them are kept from slow operations, and one from each single operation.
const ENOUGH: usize = 4;

/// Limits the users served at one time to the number of connections.
///
/// A user of the host (a request, a shadow, an outbox update) holds a [`Place`] while it may need a
/// connection or an instance of a rule. The host has one connection and one instance for each
/// place, and a user needs one of each at a time. So the holder of a place never waits for another
/// user, and two users cannot deadlock by holding one resource each and waiting for the other.
///
/// # Who gets a place
///
/// A party is one caller's requests for one operation. A free place is given to the waiting party that holds the fewest
/// places, and among equals to the request that came first. So no party waits behind one that holds more, whatever that
/// sends. With [`ENOUGH`] places there are three exceptions, which leave a free place unused:
///
/// - One operation holds all places but one.
/// - So does one authenticated caller.
/// - All slow parties together hold three quarters of the places. A party is slow from the moment at which a request of
///   it has held a place for a second until 30 s after that request; an operation is slow for all callers if it was
///   for two of them.
///
/// So a quarter of the places is for parties that are not known to be slow, however many slow ones there are. What is
/// not known yet can take it once: until the first slow requests of a party end, the others may have to wait.
///
/// A user that is dropped while it waits leaves the queue.
pub(crate) struct Admission {
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
    /// Limits background work, which no response waits for, to one place.
    background: Semaphore,
}

/// Permission to be served, until it is dropped.
pub struct Place {
    id: u64,
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
}

/// Who uses a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// A request for this operation.
    Party(Arc<str>, CallerId),
    /// The host itself.
    Host,
}

/// No place was available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The queue is full.
    Full,
    /// The deadline passed first.
    Late,
    /// Its caller has left.
    Left,
}

struct Queue {
    places: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    holders: Vec<Holder>,
    /// In order of arrival.
    waiting: VecDeque<Waiter>,
    slow: SlowOperations,
    last_id: u64,
}

struct Holder {
    id: u64,
    user: User,
    since: Instant,
}

struct Waiter {
    id: u64,
    user: User,
    turn: oneshot::Sender<Place>,
}

/// A user in the queue. It leaves when this is dropped.
struct Waiting<'a> {
    id: u64,
    queue: &'a Queue,
}

impl Admission {
    /// A limit of `places`, at least one.
    pub(crate) fn new(places: u32, clock: Arc<dyn Clock>) -> Self {
        let places = usize::try_from(places.max(1)).unwrap_or(1);
        Self { clock, queue: Arc::new(Queue { places, state: Mutex::default() }), background: Semaphore::new(1) }
    }

    /// Waits for a place until the deadline `until`.
    pub(crate) async fn enter(&self, user: User, until: Instant) -> Result<Place, Refused> {
        let (turn, given) = oneshot::channel();
        let id = self.queue.join(user, turn).ok_or(Refused::Full)?;
        let _waiting = Waiting { id, queue: &self.queue };
        self.queue.give(&self.clock);
        let left = until.saturating_duration_since(self.clock.instant());
        match select(pin!(given), self.clock.sleep(left)).await {
            // The sender is only dropped with the waiting user.
            Either::Left((place, _)) => place.map_err(|_| Refused::Late),
            Either::Right(_) => Err(Refused::Late),
        }
    }

    /// Waits for a place for background work.
    pub(crate) async fn enter_in_background(&self, until: Instant) -> Result<InBackground<'_>, Refused> {
        let turn = pin!(self.background.acquire());
        let left = until.saturating_duration_since(self.clock.instant());
        let turn = match select(turn, self.clock.sleep(left)).await {
            // The semaphore is never closed.
            Either::Left((turn, _)) => turn.map_err(|_| Refused::Late)?,
            Either::Right(_) => return Err(Refused::Late),
        };
        Ok(InBackground { _place: self.enter(User::Host, until).await?, _turn: turn })
    }

    /// A place for the host itself, if one is free.
    pub(crate) fn enter_now(&self) -> Option<Place> {
        let mut state = self.queue.lock();
        let is_free = state.holders.len() < self.queue.places;
        is_free.then(|| self.queue.place(&mut state, User::Host, &self.clock))
    }

    /// A place for optional work: only while more than half of the places are free.
    pub(crate) fn spare(&self) -> Option<Place> {
        let mut state = self.queue.lock();
        let free = self.queue.places.saturating_sub(state.holders.len());
        if free.saturating_mul(2) <= self.queue.places {
            return None;
        }
        Some(self.queue.place(&mut state, User::Host, &self.clock))
    }
}

impl Queue {
    /// After a panic the data is still consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a user to the queue, unless it is full.
    fn join(&self, user: User, turn: oneshot::Sender<Place>) -> Option<u64> {
        let mut state = self.lock();
        if state.waiting.len() >= MOST_WAITING {
            return None;
        }
        state.last_id += 1;
        let id = state.last_id;
        state.waiting.push_back(Waiter { id, user, turn });
        Some(id)
    }

    /// Gives the free places to those who may have them.
    fn give(self: &Arc<Self>, clock: &Arc<dyn Clock>) {
        loop {
            let (turn, place) = {
                let mut state = self.lock();
                let Some(next) = state.next(self.places, clock.instant()) else { return };
                let Some(Waiter { user, turn, .. }) = state.waiting.remove(next) else { return };
                (turn, self.place(&mut state, user, clock))
            };
            // Without the lock: a place that is not taken is given back at once.
            drop(turn.send(place));
        }
    }

    fn place(self: &Arc<Self>, state: &mut State, user: User, clock: &Arc<dyn Clock>) -> Place {
        state.last_id += 1;
        let id = state.last_id;
        state.holders.push(Holder { id, user, since: clock.instant() });
        Place { id, clock: Arc::clone(clock), queue: Arc::clone(self) }
    }
}

impl State {
    /// The next to get one of the places.
    fn next(&self, places: usize, now: Instant) -> Option<usize> {
        if self.holders.len() >= places {
            return None;
        }
        let slow = self.holders.iter().filter(|holder| self.is_slow(&holder.user, now)).count();
        let mut next: Option<(usize, usize)> = None;
        for (place, Waiter { user, .. }) in self.waiting.iter().enumerate() {
            let held = self.holders.iter().filter(|holder| holder.user == *user).count();
            // The first of equals.
            if next.is_none_or(|(_, least)| held < least) && self.admits(user, places, slow, now) {
                next = Some((place, held));
            }
            if matches!(next, Some((_, 0))) {
                break;
            }
        }
        next.map(|(place, _)| place)
    }

    /// Whether this user may have one of the free places, where slow parties hold `slow` of the others.
    fn admits(&self, user: &User, places: usize, slow: usize, now: Instant) -> bool {
        let User::Party(operation, caller) = user else { return true };
        if places < ENOUGH {
            return true;
        }
        let held = |by: &dyn Fn(&Arc<str>, CallerId) -> bool| {
            let holders = self.holders.iter();
            holders.filter(|holder| matches!(&holder.user, User::Party(of, for_) if by(of, *for_))).count()
        };
        held(&|of, _| of == operation) < places - 1
            && (*caller == CallerId::ANONYMOUS || held(&|_, for_| for_ == *caller) < places - 1)
            && (slow < places - places / 4 || !self.is_slow(user, now))
    }

    fn is_slow(&self, user: &User, now: Instant) -> bool {
        let User::Party(operation, caller) = user else { return false };
        let holds = |holder: &Holder| holder.user == *user && now.saturating_duration_since(holder.since) >= SLOW;
        self.slow.contains(operation, *caller, now) || self.holders.iter().any(holds)
    }

    fn leave(&mut self, id: u64, now: Instant) {
        let Some(place) = self.holders.iter().position(|holder| holder.id == id) else { return };
        let Holder { user, since, .. } = self.holders.swap_remove(place);
        if let User::Party(operation, caller) = user
            && now.saturating_duration_since(since) >= SLOW
        {
            self.slow.add(&operation, caller, now);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.lock().leave(self.id, self.clock.instant());
        self.queue.give(&self.clock);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queue.lock().waiting.retain(|waiter| waiter.id != self.id);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("id", &self.id).finish_non_exhaustive()
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

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => write!(f, "{MOST_WAITING} requests are already waiting for a connection"),
            Self::Late => f.write_str("no connection was free in time"),
            Self::Left => f.write_str("its caller has left"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tenet_core::{BoxFuture, Timestamp};

    use super::*;

    /// A clock that stands until it is moved. Nothing waits for it.
    #[derive(Default)]
    struct Stopped(Mutex<Option<Instant>>);

    impl Stopped {
        fn advance(&self, by: Duration) {
            let now = self.instant();
            *self.0.lock().unwrap() = Some(now + by);
        }
    }

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn instant(&self) -> Instant {
            *self.0.lock().unwrap().get_or_insert_with(Instant::now)
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            match duration.is_zero() {
                true => Box::pin(std::future::ready(())),
                false => Box::pin(std::future::pending()),
            }
        }
    }

    fn admission(places: u32) -> (Arc<Stopped>, Admission) {
        let clock = Arc::new(Stopped::default());
        (Arc::clone(&clock), Admission::new(places, clock))
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn party(operation: &str, caller: Option<&str>) -> User {
        User::Party(operation.into(), CallerId::of(caller))
    }

    type Entering<'a> = BoxFuture<'a, Result<Place, Refused>>;

    /// A request without a caller that asked for a place.
    fn ask<'a>(admission: &'a Admission, operation: &str) -> Entering<'a> {
        ask_by(admission, operation, None)
    }

    fn ask_by<'a>(admission: &'a Admission, operation: &str, caller: Option<&str>) -> Entering<'a> {
        Box::pin(admission.enter(party(operation, caller), later()))
    }

    fn now(entering: &mut Entering<'_>) -> Option<Place> {
        entering.now_or_never().map(Result::unwrap)
    }

    /// The places that this many requests get at once.
    fn taken(admission: &Admission, operation: &str, caller: Option<&str>, requests: usize) -> Vec<Place> {
        (0..requests).filter_map(|_| now(&mut ask_by(admission, operation, caller))).collect()
    }

    #[test]
    fn places_are_given_in_the_order_of_asking() {
        let (_, admission) = admission(1);
        let first = now(&mut ask(&admission, "a")).unwrap();
        let (mut second, mut third) = (ask(&admission, "a"), ask(&admission, "a"));
        assert!(now(&mut second).is_none() && now(&mut third).is_none());
        drop(first);
        assert!(now(&mut third).is_none());
        let second = now(&mut second).unwrap();
        assert!(now(&mut ask(&admission, "a")).is_none());
        drop(second);
        assert!(now(&mut third).is_some());
    }

    #[test]
    fn a_wait_that_is_dropped_leaves_the_queue_and_a_place_that_nobody_took_is_free() {
        let (_, admission) = admission(1);
        let first = now(&mut ask(&admission, "a")).unwrap();
        let (mut gone, mut late) = (ask(&admission, "a"), ask(&admission, "a"));
        assert!(now(&mut gone).is_none() && now(&mut late).is_none());
        drop(gone);
        assert_eq!(admission.queue.lock().waiting.len(), 1);
        drop(first);
        // The place was given to it.
        drop(late);
        assert!(now(&mut ask(&admission, "a")).is_some());
    }

    #[test]
    fn too_many_are_refused_at_once_and_others_when_their_time_is_over() {
        let (clock, admission) = admission(1);
        let _first = now(&mut ask(&admission, "a")).unwrap();
        let late = admission.enter(party("a", None), clock.instant()).now_or_never().unwrap();
        assert_eq!(late.err(), Some(Refused::Late));
        let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| ask(&admission, "a")).collect();
        assert!(waiting.iter_mut().all(|wait| now(wait).is_none()));
        assert_eq!(ask(&admission, "a").now_or_never().unwrap().err(), Some(Refused::Full));
        waiting.clear();
        assert!(admission.queue.lock().waiting.is_empty());
    }

    #[test]
    fn background_work_has_one_place_and_waits_like_all_others() {
        let (_, admission) = admission(2);
        let first = admission.enter_in_background(later()).now_or_never().unwrap().unwrap();
        assert!(admission.enter_in_background(later()).now_or_never().is_none());
        assert!(now(&mut ask(&admission, "a")).is_some());
        drop(first);
        assert!(admission.enter_in_background(later()).now_or_never().is_some());
    }

    #[test]
    fn a_spare_place_is_given_while_more_than_half_are_free() {
        let (_, four) = admission(4);
        let _one = now(&mut ask(&four, "a")).unwrap();
        let spare = four.spare().unwrap();
        assert!(four.spare().is_none());
        drop(spare);
        assert!(four.spare().is_some());
        assert!(admission(1).1.spare().is_some());
    }

    #[test]
    fn one_operation_and_one_authenticated_caller_leave_a_place_to_the_others() {
        let (_, admission) = admission(4);
        let held = taken(&admission, "a", None, 8);
        assert_eq!(held.len(), 3);
        assert!(now(&mut ask(&admission, "b")).is_some());
        drop(held);
        let held = [taken(&admission, "a", Some("ann"), 2), taken(&admission, "b", Some("ann"), 2)];
        assert_eq!(held.iter().map(Vec::len).sum::<usize>(), 3);
        assert!(now(&mut ask_by(&admission, "a", Some("bob"))).is_some());
    }

    #[test]
    fn an_operation_may_hold_all_of_few_places() {
        assert_eq!(taken(&admission(3).1, "a", Some("ann"), 8).len(), 3);
    }

    #[test]
    fn slow_operations_leave_a_quarter_of_the_places_however_many_they_are() {
        let (clock, admission) = admission(8);
        // Each holds a place for long, and another one for a moment.
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let held: Vec<_> = names.iter().flat_map(|name| taken(&admission, name, None, 1)).collect();
        let mut quick = ask(&admission, "quick");
        assert!(held.len() == 8 && now(&mut quick).is_none(), "nothing is known of them yet");
        clock.advance(SLOW);
        let mut waiting: Vec<_> = names.iter().map(|name| ask(&admission, name)).collect();
        assert!(waiting.iter_mut().all(|entering| now(entering).is_none()));
        drop(held);
        let mut slow: Vec<_> = waiting.iter_mut().filter_map(now).collect();
        assert_eq!(slow.len(), 6);
        // Two places are left for what is not slow.
        let quick = now(&mut quick).unwrap();
        assert!(now(&mut ask(&admission, "quick")).is_some());
        drop(quick);
        assert!(waiting[6..].iter_mut().all(|entering| now(entering).is_none()));
        // A slow one gets the place that another slow one leaves.
        slow.pop();
        assert!(now(&mut waiting[6]).is_some());
        drop((waiting, slow));
        // After a while they are as good as any.
        clock.advance(Duration::from_secs(31));
        let held: Vec<_> = names.iter().flat_map(|name| taken(&admission, name, None, 8)).collect();
        let held = held.len();
        assert_eq!(held, 8);
    }

    #[test]
    fn what_is_slow_for_one_caller_is_not_for_another() {
        let (clock, admission) = admission(8);
        let held = [taken(&admission, "a", Some("ann"), 3), taken(&admission, "b", Some("ann"), 3)];
        clock.advance(SLOW);
        drop(held);
        let held = [taken(&admission, "a", Some("ann"), 3), taken(&admission, "b", Some("ann"), 8)];
        assert_eq!(held.each_ref().map(Vec::len), [3, 3]);
        // One and the same operation, and all places.
        assert_eq!(taken(&admission, "a", Some("bob"), 8).len(), 2);
    }

    #[test]
    fn no_party_waits_behind_one_that_holds_more() {
        let (_, admission) = admission(2);
        let first = [now(&mut ask(&admission, "a")).unwrap(), now(&mut ask(&admission, "a")).unwrap()];
        let mut same: Vec<_> = (0..4).map(|_| ask(&admission, "a")).collect();
        assert!(same.iter_mut().all(|entering| now(entering).is_none()));
        let (mut other, mut caller) = (ask(&admission, "b"), ask_by(&admission, "a", Some("ann")));
        assert!(now(&mut other).is_none() && now(&mut caller).is_none());
        let [one, two] = first;
        drop(one);
        let other = now(&mut other).unwrap();
        drop(two);
        // Now none of them holds one, and they are served in their order.
        let same = now(&mut same[0]).unwrap();
        drop(other);
        assert!(now(&mut caller).is_some());
        drop(same);
    }
}
