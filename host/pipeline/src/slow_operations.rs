use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenet_core::CallerId;

/// A request that holds a place for this long is slow.
pub(crate) const SLOW: Duration = Duration::from_secs(1);

/// How long an operation counts as slow after a slow request.
const REMEMBERED: Duration = Duration::from_secs(30);

/// The operations that were slow a short time ago, each with the last two callers for whom it was.
///
/// One caller's payloads make an operation slow for that caller alone. If it was slow for two of them, it is so for all.
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

    /// Whether a request of this caller for this operation is expected to be slow.
    pub(crate) fn contains(&self, operation: &Arc<str>, caller: CallerId, now: Instant) -> bool {
        let callers = self.0.get(operation).into_iter().flatten().flatten();
        let recent = callers.filter(|(_, at)| now.saturating_duration_since(*at) < REMEMBERED);
        let (all, own) = recent.fold((0, false), |(all, own), (other, _)| (all + 1, own || *other == caller));
        own || all > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_slow_for_the_caller_that_met_it_and_for_all_if_two_did() {
        let (mut slow, operation, now) = (SlowOperations::default(), Arc::from("pay"), Instant::now());
        let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| CallerId::of(Some(name)));
        (0..3).for_each(|_| slow.add(&operation, ann, now));
        assert!(slow.contains(&operation, ann, now) && !slow.contains(&operation, bob, now));
        assert!(!slow.contains(&Arc::from("other"), ann, now));
        slow.add(&operation, bob, now);
        assert!(slow.contains(&operation, eve, now));
        // The newest two count.
        let later = now + REMEMBERED;
        slow.add(&operation, eve, later);
        assert!(slow.contains(&operation, eve, later) && !slow.contains(&operation, ann, later));
        assert!(!slow.contains(&operation, eve, later + REMEMBERED));
    }
}
