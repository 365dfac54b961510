use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenet_core::Moment;

/// Takes a rule out that keeps failing, so that it costs others nothing: after so many failures
/// with no call between them that came to a verdict, it rests. Then one request tries it, and
/// how that one ends counts for all.
///
/// Only what is the rule's fault is a failure: a trap, a limit, a bug; never a rejection, a
/// conflict or a database that is away.
pub(crate) struct RuleBreaker {
    /// 0 takes no rule out.
    failures: u32,
    rest: Duration,
    rules: Mutex<HashMap<String, State>>,
    /// Counts the trials.
    trials: AtomicU64,
}

#[derive(Clone, Copy, Default)]
struct State {
    in_a_row: u32,
    /// Since when it rests, once it does.
    out_since: Option<Moment>,
    /// Which request tries it then, if one does.
    tried_by: Option<u64>,
}

/// What one request may run of the rules that rest. It belongs to the request and not to one of
/// its attempts: a conflict is no reason to give a trial back. Dropped, it leaves the trials that
/// came to no end to the next request.
pub(crate) struct RulePasses<'a> {
    breaker: &'a RuleBreaker,
    trials: Mutex<Vec<(String, u64)>>,
}

impl RulePasses<'_> {
    /// Whether the request may run the rule now, which begins the trial of one whose rest is over.
    pub(crate) fn admits(&self, rule: &str, now: Moment) -> bool {
        let mut rules = self.breaker.lock();
        let Some(state) = rules.get_mut(rule) else { return true };
        let Some(since) = state.out_since else { return true };
        let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trial) = state.tried_by {
            return trials.iter().any(|(tried, by)| tried == rule && *by == trial);
        }
        if now.since(&since) < self.breaker.rest {
            return false;
        }
        let trial = self.breaker.trials.fetch_add(1, Ordering::Relaxed);
        state.tried_by = Some(trial);
        trials.push((rule.to_owned(), trial));
        true
    }
}

impl Drop for RulePasses<'_> {
    fn drop(&mut self) {
        let trials = self.trials.get_mut().unwrap_or_else(PoisonError::into_inner);
        if trials.is_empty() {
            return;
        }
        let mut rules = self.breaker.lock();
        for (rule, trial) in trials {
            if let Some(state) = rules.get_mut(rule).filter(|state| state.tried_by == Some(*trial)) {
                state.tried_by = None;
            }
        }
    }
}

impl RuleBreaker {
    pub(crate) fn new(failures: u32, rest: Duration) -> Self {
        Self { failures, rest, rules: Mutex::default(), trials: AtomicU64::new(0) }
    }

    /// What a request may run.
    pub(crate) fn passes(&self) -> RulePasses<'_> {
        RulePasses { breaker: self, trials: Mutex::default() }
    }

    /// Whether the rule certainly rests now, and is not due to be tried.
    pub(crate) fn rests(&self, rule: &str, now: Moment) -> bool {
        let rules = self.lock();
        let Some(state) = rules.get(rule) else { return false };
        state.tried_by.is_some() || state.out_since.is_some_and(|since| now.since(&since) < self.rest)
    }

    /// The rule came to a verdict.
    pub(crate) fn succeeded(&self, rule: &str) {
        if self.lock().remove(rule).is_some_and(|state| state.out_since.is_some()) {
            tracing::info!(rule, "a rule is back");
        }
    }

    /// The rule failed, and it was its own fault.
    pub(crate) fn failed(&self, rule: &str, now: Moment) {
        if self.failures == 0 {
            return;
        }
        let mut rules = self.lock();
        let state = rules.entry(rule.to_owned()).or_default();
        state.tried_by = None;
        state.in_a_row = state.in_a_row.saturating_add(1);
        if state.in_a_row >= self.failures {
            state.out_since = Some(now);
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
        let start = Moment::now();
        let admits = |rule: &str, now| breaker.passes().admits(rule, now);
        for _ in 0..2 {
            breaker.failed("a", start);
        }
        breaker.succeeded("a");
        for _ in 0..2 {
            breaker.failed("a", start);
        }
        assert!(admits("a", start) && !breaker.rests("a", start), "a verdict between them begins anew");
        breaker.failed("a", start);
        assert!(!admits("a", start) && breaker.rests("a", start) && admits("b", start));

        let due = start + REST;
        let tries = breaker.passes();
        assert!(!breaker.rests("a", due) && tries.admits("a", due));
        assert!(!admits("a", due) && breaker.rests("a", due), "one tries, and the others are told");
        assert!(tries.admits("a", due), "its next attempt too");
        breaker.failed("a", due);
        drop(tries);
        assert!(!admits("a", due + (REST - Duration::from_secs(1))));
        let tries = breaker.passes();
        assert!(tries.admits("a", due + REST));
        breaker.succeeded("a");
        drop(tries);
        assert!(admits("a", due + REST) && !breaker.rests("a", due + REST));
    }

    #[test]
    fn a_trial_that_comes_to_no_end_is_the_next_requests() {
        let breaker = RuleBreaker::new(1, REST);
        let start = Moment::now();
        breaker.failed("a", start);
        let gives_up = breaker.passes();
        assert!(gives_up.admits("a", start + REST));
        drop(gives_up);
        assert!(!breaker.passes().admits("a", start), "its rest is not over");
        assert!(breaker.passes().admits("a", start + REST));
    }

    #[test]
    fn with_no_failures_to_count_no_rule_is_taken_out() {
        let breaker = RuleBreaker::new(0, REST);
        let start = Moment::now();
        (0..100).for_each(|_| breaker.failed("a", start));
        assert!(breaker.passes().admits("a", start));
    }
}
