use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Limit, LimitExceeded, Limits};

/// How much longer a call may wait where the endpoint took the time, until that is examined again.
const EXTENSION: Duration = Duration::from_millis(500);

/// How long one call of a rule has waited for the database's answers in one attempt, and how long it may:
/// [`Limits::database_ms`].
#[derive(Debug)]
pub struct AnswerWaits {
    allowed_ms: u64,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    flights: u32,
    waited: Duration,
    /// The time waited at which the cause is to be found.
    until: Duration,
}

impl AnswerWaits {
    /// A call with these limits that has not waited yet.
    pub fn new(limits: &Limits) -> Self {
        let state = State { flights: 0, waited: Duration::ZERO, until: limits.database() };
        Self { allowed_ms: limits.database_ms, state: Mutex::new(state) }
    }

    /// Adds the wait for the answer to one flight.
    pub fn add(&self, waited: Duration) {
        let mut state = self.lock();
        state.flights = state.flights.saturating_add(1);
        state.waited += waited;
    }

    /// How much longer the call may wait until [`Self::examine`] has to find the cause.
    pub fn left(&self) -> Duration {
        let state = self.lock();
        state.until.saturating_sub(state.waited)
    }

    /// The limit, if the call's statements took the time, and not the endpoint: as many small queries would take less
    /// than half of it, where one of them has just taken `small`, or `None` if it was not answered. Otherwise the call
    /// may go on for a while.
    ///
    /// `ongoing` is the time since the flight that is not answered yet was sent.
    pub fn examine(&self, ongoing: Option<Duration>, small: Option<Duration>) -> Option<LimitExceeded> {
        let mut state = self.lock();
        let waited = state.waited + ongoing.unwrap_or_default();
        let flights = state.flights.saturating_add(u32::from(ongoing.is_some()));
        if small.is_some_and(|small| small.saturating_mul(flights) < waited / 2) {
            let used = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            // Rounded up, so that the used time always exceeds the allowed time.
            let used = Some(used.max(self.allowed_ms.saturating_add(1)));
            return Some(LimitExceeded { limit: Limit::Database, allowed: Some(self.allowed_ms), used });
        }
        state.until = waited + EXTENSION;
        None
    }

    /// After a panic the data is still consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn waits() -> AnswerWaits {
        AnswerWaits::new(&Limits { database_ms: 100, ..Limits::default() })
    }

    #[test]
    fn the_waits_of_all_flights_are_summed() {
        let waits = waits();
        waits.add(30 * MILLI);
        waits.add(50 * MILLI);
        assert_eq!(waits.left(), 20 * MILLI);
        waits.add(50 * MILLI);
        assert_eq!(waits.left(), Duration::ZERO);
        let exceeded = LimitExceeded { limit: Limit::Database, allowed: Some(100), used: Some(130) };
        assert_eq!(waits.examine(None, Some(MILLI)), Some(exceeded));
    }

    #[test]
    fn the_wait_that_goes_on_counts() {
        let waits = waits();
        waits.add(60 * MILLI);
        let exceeded = LimitExceeded { limit: Limit::Database, allowed: Some(100), used: Some(101) };
        assert_eq!(waits.examine(Some(40 * MILLI), Some(24 * MILLI)), Some(exceeded));
    }

    #[test]
    fn an_endpoint_that_does_not_answer_or_is_slow_itself_is_no_rules_fault() {
        for small in [None, Some(13 * MILLI)] {
            let waits = waits();
            (0..4).for_each(|_| waits.add(26 * MILLI));
            assert_eq!(waits.examine(None, small), None);
            // It is examined again after a while.
            assert_eq!(waits.left(), EXTENSION);
            waits.add(EXTENSION);
            assert!(waits.examine(None, Some(13 * MILLI)).is_some());
        }
    }
}
