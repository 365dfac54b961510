use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a quick answer says something about the next requests.
const REMEMBERED: Duration = Duration::from_secs(10);

/// How many requests of each operation were quick a short time ago, without a pause between them.
#[derive(Debug, Default)]
pub(crate) struct QuickAnswers(HashMap<Arc<str>, (usize, Instant)>);

impl QuickAnswers {
    /// A request was quick.
    pub(crate) fn add(&mut self, operation: &Arc<str>, now: Instant) {
        let before = self.count(operation, now);
        self.0.insert(Arc::clone(operation), (before.saturating_add(1), now));
    }

    /// How many were, the last one a short time ago.
    pub(crate) fn count(&self, operation: &str, now: Instant) -> usize {
        let recent = self.0.get(operation).filter(|(_, last)| now.saturating_duration_since(*last) < REMEMBERED);
        recent.map_or(0, |(count, _)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_answers_count_until_there_was_none_for_a_while() {
        let (mut quick, pay, now) = (QuickAnswers::default(), Arc::from("pay"), Instant::now());
        quick.add(&pay, now);
        let later = now + REMEMBERED / 2;
        quick.add(&pay, later);
        assert_eq!((quick.count("pay", later), quick.count("other", later)), (2, 0));
        assert_eq!(quick.count("pay", now + REMEMBERED), 2);
        assert_eq!(quick.count("pay", later + REMEMBERED), 0);
        quick.add(&pay, later + REMEMBERED);
        assert_eq!(quick.count("pay", later + REMEMBERED), 1);
    }
}
