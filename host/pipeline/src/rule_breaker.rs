use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Takes a rule out that keeps failing, so that it costs others nothing: after so many failures
/// with no call between them that came to a verdict, it rests. Then one request tries it, and
/// what comes of that one counts for all.
///
/// Only what is the rule's fault is a failure: a trap, a limit, a bug; never a rejection, a
/// conflict or a database that is away.
pub(crate) struct RuleBreaker {
    /// 0 takes no rule out.
    failures: u32,
    rest: Duration,
    rules: Mutex<HashMap<String, State>>,
}

#[derive(Clone, Copy)]
struct State {
    in_a_row: u32,
    /// Until when it rests, once it does. Whoever asks then tries it, and others wait as long
    /// again.
    out_until: Option<Instant>,
}

impl RuleBreaker {
    pub(crate) fn new(failures: u32, rest: Duration) -> Self {
        Self { failures, rest, rules: Mutex::default() }
    }

    /// Whether a request may run the rule now.
    pub(crate) fn admits(&self, rule: &str, now: Instant) -> bool {
        let mut rules = self.lock();
        let Some(State { out_until: Some(until), .. }) = rules.get_mut(rule) else { return true };
        if now < *until {
            return false;
        }
        *until = now + self.rest;
        true
    }

    /// The rule came to a verdict.
    pub(crate) fn succeeded(&self, rule: &str) {
        if self.lock().remove(rule).is_some_and(|state| state.out_until.is_some()) {
            tracing::info!(rule, "a rule is back");
        }
    }

    /// The rule failed, and it was its own fault.
    pub(crate) fn failed(&self, rule: &str, now: Instant) {
        if self.failures == 0 {
            return;
        }
        let mut rules = self.lock();
        let state = rules.entry(rule.to_owned()).or_insert(State { in_a_row: 0, out_until: None });
        state.in_a_row = state.in_a_row.saturating_add(1);
        if state.in_a_row >= self.failures {
            state.out_until = Some(now + self.rest);
            let rest_s = self.rest.as_secs();
            tracing::error!(rule, failures = state.in_a_row, rest_s, "a rule keeps failing and is taken out");
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(30);

    #[test]
    fn a_rule_rests_after_failures_in_a_row_and_one_request_tries_it_again() {
        let breaker = RuleBreaker::new(3, REST);
        let start = Instant::now();
        for _ in 0..2 {
            breaker.failed("a", start);
        }
        breaker.succeeded("a");
        for _ in 0..2 {
            breaker.failed("a", start);
        }
        assert!(breaker.admits("a", start), "a verdict between them begins anew");
        breaker.failed("a", start);
        assert!(!breaker.admits("a", start) && breaker.admits("b", start));

        assert!(breaker.admits("a", start + REST));
        assert!(!breaker.admits("a", start + REST), "one tries, and the others wait");
        breaker.failed("a", start + REST);
        assert!(!breaker.admits("a", start + REST * 2 - Duration::from_secs(1)));
        assert!(breaker.admits("a", start + REST * 2));
        breaker.succeeded("a");
        assert!(breaker.admits("a", start + REST * 2) && breaker.admits("a", start + REST * 2));
    }

    #[test]
    fn a_trial_that_never_ends_keeps_nobody_out_for_ever() {
        let breaker = RuleBreaker::new(1, REST);
        let start = Instant::now();
        breaker.failed("a", start);
        assert!(breaker.admits("a", start + REST) && breaker.admits("a", start + REST * 2));
    }

    #[test]
    fn with_no_failures_to_count_no_rule_is_taken_out() {
        let breaker = RuleBreaker::new(0, REST);
        let start = Instant::now();
        (0..100).for_each(|_| breaker.failed("a", start));
        assert!(breaker.admits("a", start));
    }
}
