use std::time::Instant;

use tenet_core::CallerId;

use crate::quick_answers::QuickAnswers;
use crate::slow_operations::{SLOW, SlowOperations};
use crate::user::User;

/// From this number of places on, some of them are kept from slow and new operations, and one from each operation.
const ENOUGH: usize = 4;

/// Who holds the places at a moment, and so who may have a further one.
pub(crate) struct HeldPlaces<'a> {
    places: usize,
    held: usize,
    /// How many slow parties hold together.
    slow: usize,
    parties: Vec<Party<'a>>,
    slow_operations: &'a SlowOperations,
    quick_answers: &'a QuickAnswers,
    now: Instant,
}

/// A user that holds places.
struct Party<'a> {
    user: &'a User,
    held: usize,
    /// Whether it has held one of them for long.
    is_slow: bool,
}

impl<'a> HeldPlaces<'a> {
    /// Of so many `places`, those of these users, each held since a time.
    pub(crate) fn new(
        places: usize,
        holders: impl Iterator<Item = (&'a User, Instant)>,
        (slow_operations, quick_answers): (&'a SlowOperations, &'a QuickAnswers),
        now: Instant,
    ) -> Self {
        let mut parties: Vec<Party<'a>> = Vec::new();
        for (user, since) in holders {
            let is_slow = now.saturating_duration_since(since) >= SLOW;
            match parties.iter_mut().find(|party| party.user == user) {
                Some(party) => {
                    party.held += 1;
                    party.is_slow |= is_slow;
                }
                None => parties.push(Party { user, held: 1, is_slow }),
            }
        }
        let held = parties.iter().map(|party| party.held).sum();
        let mut this = Self { places, held, slow: 0, parties, slow_operations, quick_answers, now };
        let slow = this.parties.iter().filter(|party| {
            party.user.operation().is_some_and(|operation| this.is_slow(operation, party.user.caller()))
        });
        this.slow = slow.map(|party| party.held).sum();
        this
    }

    /// How many places a party holds.
    pub(crate) fn of(&self, operation: Option<&str>, caller: CallerId) -> usize {
        self.count(|user| user.operation().map(AsRef::as_ref) == operation && user.caller() == caller)
    }

    /// Whether an operation may have a further place, for some caller.
    pub(crate) fn is_open(&self, operation: &str) -> bool {
        if self.places < ENOUGH {
            return true;
        }
        let held = self.count(|user| user.operation().is_some_and(|of| **of == *operation));
        let mut slow = self.slow_callers(operation);
        let most = match slow.next() {
            Some(_) => usize::MAX,
            None => {
                let free = self.places.saturating_sub(self.held);
                free.saturating_add(self.quick_answers.count(operation, self.now))
            }
        };
        held < most && held < self.places - 1 && (slow.next().is_none() || self.has_room_for_slow())
    }

    /// Whether this caller of an open operation may have a further place.
    pub(crate) fn admits(&self, operation: &str, caller: CallerId) -> bool {
        if self.places < ENOUGH {
            return true;
        }
        let is_within = || self.count(|user| user.caller() == caller) < self.places - 1;
        (caller == CallerId::ANONYMOUS || is_within()) && (self.has_room_for_slow() || !self.is_slow(operation, caller))
    }

    fn count(&self, is_meant: impl Fn(&User) -> bool) -> usize {
        self.parties.iter().filter(|party| is_meant(party.user)).map(|party| party.held).sum()
    }

    fn has_room_for_slow(&self) -> bool {
        self.slow < self.places - self.places / 4
    }

    /// The callers for whom an operation is slow, each once.
    fn slow_callers(&self, operation: &str) -> impl Iterator<Item = CallerId> {
        let holding = self
            .parties
            .iter()
            .filter(move |party| party.is_slow && party.user.operation().is_some_and(|of| **of == *operation));
        let holding = holding.map(|party| party.user.caller());
        let before = self.slow_operations.callers(operation, self.now);
        let before: Vec<_> = before.filter(|caller| !holding.clone().any(|other| other == *caller)).collect();
        holding.chain(before)
    }

    /// One caller's payloads make an operation slow for that caller alone. If it is slow for two of them, it is so for
    /// all.
    fn is_slow(&self, operation: &str, caller: CallerId) -> bool {
        let (all, own) =
            self.slow_callers(operation).fold((0, false), |(all, own), other| (all + 1, own || other == caller));
        own || all > 1
    }
}
