use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenet_core::CallerId;

/// A request that holds a place for this long is slow.
pub(crate) const SLOW: Duration = Duration::from_secs(1);

/// How long an operation counts as slow after a slow request.
const REMEMBERED: Duration = Duration::from_secs(30);

/// The operations that were slow a short time ago, each with the last two callers for whom it was.
#[derive(Debug, Default)]
pub(crate) struct SlowOperations(HashMap<Arc<str>, [Option<(CallerId, Instant)>; 2]>);

impl SlowOperations {
    /// A request was slow.
    pub(crate) fn add(&mut self, operation: &Arc<str>, caller: CallerId, now: Instant) {
        let [newest, other] = self.0.entry(Arc::clone(operation)).or_default();
        if newest.is_some_and(|(before, _)| before != caller) {
            *other = *newest;
        }
        *newest = Some((caller, now));
    }

    /// The callers, at most two, for whom it was slow.
    pub(crate) fn callers(&self, operation: &str, now: Instant) -> impl Iterator<Item = CallerId> {
        let callers = self.0.get(operation).into_iter().flatten().flatten();
        let recent = callers.filter(move |(_, at)| now.saturating_duration_since(*at) < REMEMBERED);
        recent.map(|(caller, _)| *caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_callers_for_whom_an_operation_was_slow_are_remembered_for_a_while() {
        let (mut slow, operation, now) = (SlowOperations::default(), Arc::from("pay"), Instant::now());
        let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| CallerId::of(Some(name)));
        let callers = |slow: &SlowOperations, now| slow.callers("pay", now).collect::<Vec<_>>();
        (0..3).for_each(|_| slow.add(&operation, ann, now));
        assert_eq!(callers(&slow, now), [ann]);
        assert_eq!(slow.callers("other", now).count(), 0);
        slow.add(&operation, bob, now);
        assert_eq!(callers(&slow, now), [bob, ann]);
        let later = now + REMEMBERED;
        slow.add(&operation, eve, later);
        assert_eq!(callers(&slow, later), [eve]);
        assert_eq!(callers(&slow, later + REMEMBERED), []);
    }
}
