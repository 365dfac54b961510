use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::{Either, select};
use tenet_core::Clock;
use tokio::sync::{Semaphore, oneshot};

use crate::held_places::HeldPlaces;
use crate::quick_answers::QuickAnswers;
use crate::slow_operations::{SLOW, SlowOperations};
use crate::user::User;
use crate::waiting_users::WaitingUsers;

/// The most requests that wait at one time. Each holds its payload.
const MOST_WAITING: usize = 1024;

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
/// sends. With four places or more there are exceptions, which leave a free place unused:
///
/// - One operation holds all places but one.
/// - So does one authenticated caller.
/// - All slow parties together hold three quarters of the places. A party is slow from the moment at which a request of
///   it has held a place for a second until 30 s after that request; an operation is slow for all callers if it is
///   for two of them.
/// - A new operation holds no more places than it leaves free, and one more for each quick answer that it has given
///   since it was new. An operation is new while nothing is known of it: no request of it is slow, and none was quick in
///   the last 10 s.
///
/// So a quarter of the places is for parties that are not known to be slow, however many slow ones there are. And what is
/// not known yet does not take all places at once: of eight places, three new operations leave one to a fourth. Where
/// more new operations than that are slow, or operations that were quick are slow from one moment to the next, the others
/// may have to wait, once, until a slow request ends.
///
/// The last exception costs an operation that is alone something after a pause: from the fifth request at one time on
/// (of eight places), its first requests wait for its first answers, or for a second.
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
    waiting: WaitingUsers<oneshot::Sender<Place>>,
    slow: SlowOperations,
    quick: QuickAnswers,
    last_id: u64,
}

struct Holder {
    id: u64,
    user: User,
    since: Instant,
}

/// A user in the queue. It leaves when this is dropped.
struct Waiting<'a> {
    id: u64,
    user: User,
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
        let (turn, mut given) = oneshot::channel();
        let id = self.queue.join(&user, turn).ok_or(Refused::Full)?;
        let _waiting = Waiting { id, user, queue: &self.queue };
        loop {
            self.queue.give(&self.clock);
            let left = until.saturating_duration_since(self.clock.instant());
            // What is new is slow after a while, without an event.
            let pause = left.min(SLOW);
            match select(pin!(&mut given), self.clock.sleep(pause)).await {
                // The sender is only dropped with the waiting user.
                Either::Left((place, _)) => return place.map_err(|_| Refused::Late),
                Either::Right(_) if left > SLOW => {}
                Either::Right(_) => return Err(Refused::Late),
            }
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
    fn join(&self, user: &User, turn: oneshot::Sender<Place>) -> Option<u64> {
        let mut state = self.lock();
        if state.waiting.len() >= MOST_WAITING {
            return None;
        }
        state.last_id += 1;
        let id = state.last_id;
        state.waiting.push(id, user, turn);
        Some(id)
    }

    /// Gives the free places to those who may have them.
    fn give(self: &Arc<Self>, clock: &Arc<dyn Clock>) {
        loop {
            let (turn, place) = {
                let mut state = self.lock();
                let Some((next, user)) = state.next(self.places, clock.instant()) else { return };
                let Some(turn) = state.waiting.remove(next, &user) else { return };
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
    fn next(&self, places: usize, now: Instant) -> Option<(u64, User)> {
        if self.holders.len() >= places || self.waiting.len() == 0 {
            return None;
        }
        let holders = self.holders.iter().map(|holder| (&holder.user, holder.since));
        let held = HeldPlaces::new(places, holders, (&self.slow, &self.quick), now);
        self.waiting.next(
            |operation| operation.is_none_or(|operation| held.is_open(operation)),
            |operation, caller| {
                let is_admitted = operation.is_none_or(|operation| held.admits(operation, caller));
                is_admitted.then(|| held.of(operation.map(AsRef::as_ref), caller))
            },
        )
    }

    fn leave(&mut self, id: u64, now: Instant) {
        let Some(place) = self.holders.iter().position(|holder| holder.id == id) else { return };
        let Holder { user, since, .. } = self.holders.swap_remove(place);
        let User::Party(operation, caller) = user else { return };
        if now.saturating_duration_since(since) >= SLOW {
            self.slow.add(&operation, caller, now);
        } else {
            self.quick.add(&operation, now);
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
        self.queue.lock().waiting.remove(self.id, &self.user);
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
    use tenet_core::{BoxFuture, CallerId, Timestamp};

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

    /// Gives as many quick answers of an operation as it takes to have any place.
    fn prove(admission: &Admission, operation: &str) {
        (0..admission.queue.places).for_each(|_| drop(now(&mut ask(admission, operation))));
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
        assert_eq!(admission.queue.lock().waiting.len(), 0);
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
        ["a", "b"].iter().for_each(|operation| prove(&admission, operation));
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
        prove(&admission, "quick");
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
        names.iter().for_each(|name| prove(&admission, name));
        let held: Vec<_> = names.iter().flat_map(|name| taken(&admission, name, None, 8)).collect();
        let held = held.len();
        assert_eq!(held, 8);
    }

    #[test]
    fn new_operations_leave_places_to_each_other_and_to_a_quick_one() {
        let names = ["a", "b", "c"];
        let one_after_the_other: Vec<_> = names.iter().flat_map(|name| std::iter::repeat_n(name, 12)).collect();
        let in_turn: Vec<_> = names.iter().cycle().take(36).collect();
        for order in [one_after_the_other, in_turn] {
            let (clock, admission) = admission(8);
            let (mut held, mut slow) = (Vec::new(), Vec::new());
            for name in &order {
                let mut entering = ask(&admission, name);
                match now(&mut entering) {
                    Some(place) => held.push(place),
                    None => slow.push(entering),
                }
            }
            assert!((6..8).contains(&held.len()), "{order:?}");
            // The first one's answer lets the others follow it.
            let mut quick: Vec<_> = (0..4).map(|_| ask(&admission, "quick")).collect();
            quick.iter_mut().for_each(|quick| drop(now(quick).unwrap()));
            // When the slow ones are known, and while they last.
            clock.advance(SLOW);
            admission.queue.give(&admission.clock);
            assert!(slow.iter_mut().all(|entering| entering.now_or_never().is_none()));
            drop(now(&mut ask(&admission, "quick")).unwrap());
            drop(held);
            drop(now(&mut ask(&admission, "quick")).unwrap());
            drop(slow);
        }
    }

    #[test]
    fn a_new_operation_gets_more_places_with_each_quick_answer_and_after_a_pause_it_is_new() {
        let (clock, admission) = admission(8);
        let mut held = taken(&admission, "a", None, 8);
        assert_eq!(held.len(), 4);
        let mut most = Vec::new();
        for _ in 0..4 {
            drop(held.pop());
            held.extend(taken(&admission, "a", None, 8));
            most.push(held.len());
        }
        assert_eq!(most, [5, 5, 6, 6]);
        held.clear();
        prove(&admission, "a");
        clock.advance(Duration::from_secs(9));
        assert_eq!(taken(&admission, "a", None, 8).len(), 7);
        clock.advance(Duration::from_secs(10));
        assert_eq!(taken(&admission, "a", None, 8).len(), 4);
    }

    #[test]
    fn an_operation_that_is_slow_is_no_longer_new_and_slow_for_all_if_it_is_for_two_callers() {
        let (clock, admission) = admission(8);
        let ask_by = |caller: usize| ask_by(&admission, "a", Some(["a", "b", "c", "d", "e", "f", "g", "h"][caller]));
        let held: Vec<_> = (0..8).filter_map(|caller| now(&mut ask_by(caller))).collect();
        assert_eq!(held.len(), 4);
        clock.advance(SLOW);
        let more: Vec<_> = (4..8).filter_map(|caller| now(&mut ask_by(caller))).collect();
        assert_eq!(more.len(), 2);
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
