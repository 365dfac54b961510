use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenet_core::{CallerId, Digest, DualInstant};

/// A circuit breaker: suspends a rule that keeps failing at a cost, for the callers for whom it
/// fails.
///
/// A failure counts only if it is the rule's fault and costly: a limit on time, memory or database
/// work was exceeded, or much processor time was used before a trap. A rejection, a conflict or an
/// unreachable database never counts. A cheap failure takes nothing from others and does not count.
///
/// Failures are counted per caller: the breaker opens if `failures` of the last `2 * failures`
/// calls for one caller failed, or if the last [`MANY`] did and each took [`LONG`] or longer: so a
/// rule that holds a place for seconds each time does not have to do so `failures` times. If few payloads failed, the rule is suspended for these payloads
/// only; if many did, for this caller. It is suspended for all callers once that holds for [`MANY`]
/// callers and for most of the recent callers. So no caller can take a rule away from others, and
/// no payload can take it away from its caller.
///
/// After the suspension one request tries the rule, and its result decides.
pub(crate) struct RuleBreaker {
    /// 0 disables the breaker.
    failures: u32,
    rest: Duration,
    rules: Mutex<HashMap<String, History>>,
    /// Numbers the trials.
    trials: AtomicU64,
}

/// From this number on, failing payloads of one caller, failing callers, or long failures in a row count as many.
const MANY: usize = 5;

/// A failed call that took this long is long.
const LONG: Duration = Duration::from_secs(1);

/// The most callers remembered for a rule, and the most suspensions of a rule.
const MOST: usize = 64;

/// The recent calls and the suspensions of a rule that has failed.
#[derive(Default)]
struct History {
    /// Ordered by the last call, most recent last.
    callers: VecDeque<(CallerId, Calls)>,
    suspended: VecDeque<Suspension>,
}

/// The last calls for one caller.
#[derive(Default)]
struct Calls(VecDeque<Option<Failure>>);

/// A failed call.
struct Failure {
    payload: Digest,
    is_long: bool,
}

struct Suspension {
    of: Scope,
    since: DualInstant,
    /// The trial in progress, if any.
    tried_by: Option<u64>,
}

/// For whom a rule is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Payload(CallerId, Digest),
    Caller(CallerId),
    All,
}

/// Decides which of the suspended rules one request may run. It belongs to the request, not to one
/// of its attempts: a conflict does not end a trial. When dropped, it passes unfinished trials on
/// to the next request.
pub(crate) struct RulePasses<'a> {
    breaker: &'a RuleBreaker,
    caller: CallerId,
    payload: Digest,
    trials: Mutex<Vec<(String, u64)>>,
}

impl RulePasses<'_> {
    /// Whether the request may run the rule now. Starts a trial if the suspension is over.
    pub(crate) fn admits(&self, rule: &str, now: DualInstant) -> bool {
        let mut rules = self.breaker.lock();
        let Some(history) = rules.get_mut(rule) else { return true };
        let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own = |by: u64| trials.iter().any(|(tried, own)| tried == rule && *own == by);
        let bars = |suspended: &&mut Suspension| suspended.of.holds(self.caller, &self.payload);
        let mut due: Vec<&mut Suspension> = history.suspended.iter_mut().filter(bars).collect();
        if due.iter().any(|suspended| suspended.tried_by.is_some_and(|by| !is_own(by))) {
            return false;
        }
        due.retain(|suspended| suspended.tried_by.is_none());
        if due.iter().any(|suspended| now.since(&suspended.since) < self.breaker.rest) {
            return false;
        }
        if !due.is_empty() {
            let trial = self.breaker.trials.fetch_add(1, Ordering::Relaxed);
            due.iter_mut().for_each(|suspended| suspended.tried_by = Some(trial));
            trials.push((rule.to_owned(), trial));
        }
        true
    }

    /// Whether the rule is certainly suspended now and not due for a trial.
    pub(crate) fn is_suspended(&self, rule: &str, now: DualInstant) -> bool {
        let rules = self.breaker.lock();
        let Some(history) = rules.get(rule) else { return false };
        let mut barring = history.suspended.iter().filter(|suspended| suspended.of.holds(self.caller, &self.payload));
        barring.any(|suspended| suspended.tried_by.is_some() || now.since(&suspended.since) < self.breaker.rest)
    }

    /// How long the rule stays suspended. Zero while another request tries it.
    pub(crate) fn suspension_left(&self, rule: &str, now: DualInstant) -> Duration {
        let rules = self.breaker.lock();
        let suspended = rules.get(rule).into_iter().flat_map(|history| &history.suspended);
        let barring = suspended.filter(|suspended| suspended.of.holds(self.caller, &self.payload));
        let left = barring.map(|suspended| self.breaker.rest.saturating_sub(now.since(&suspended.since)));
        left.max().unwrap_or_default()
    }

    /// The rule reached a verdict.
    pub(crate) fn succeeded(&self, rule: &str) {
        let mut back = Vec::new();
        {
            let mut rules = self.breaker.lock();
            let Some(history) = rules.get_mut(rule) else { return };
            history.suspended.retain(|suspended| {
                let is_back = suspended.of.holds(self.caller, &self.payload);
                back.extend(is_back.then_some(suspended.of));
                !is_back
            });
            if back.contains(&Scope::All) {
                history.callers.clear();
            }
            if !back.is_empty() {
                // Forget this caller's failures: other payloads may have failed and would suspend
                // the rule again at once.
                history.callers.retain(|(caller, _)| *caller != self.caller);
            }
            history.record(self.caller, None, self.breaker.kept());
            if history.suspended.is_empty() && history.callers.iter().all(|(_, calls)| calls.failed() == 0) {
                rules.remove(rule);
            }
        }
        for of in back {
            tracing::info!(rule, of = of.name(), "a rule is back");
        }
    }

    /// The rule failed by its own fault, at a cost, after it `took` this long.
    pub(crate) fn failed(&self, rule: &str, took: Duration, now: DualInstant) {
        if self.breaker.failures == 0 {
            return;
        }
        let (suspended, failures) = {
            let mut rules = self.breaker.lock();
            let history = rules.entry(rule.to_owned()).or_default();
            let failure = Failure { payload: self.payload, is_long: took >= LONG };
            let failures = history.record(self.caller, Some(failure), self.breaker.kept());
            (history.suspend(self.caller, &self.payload, self.breaker.failures, now), failures)
        };
        if let Some(of) = suspended {
            let rest_s = self.breaker.rest.as_secs();
            tracing::error!(rule, of = of.name(), failures, rest_s, "a rule keeps failing and is suspended");
        }
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
            let suspended = rules.get_mut(rule).into_iter().flat_map(|history| &mut history.suspended);
            suspended
                .filter(|suspended| suspended.tried_by == Some(*trial))
                .for_each(|suspended| suspended.tried_by = None);
        }
    }
}

impl RuleBreaker {
    pub(crate) fn new(failures: u32, rest: Duration) -> Self {
        Self { failures, rest, rules: Mutex::default(), trials: AtomicU64::new(0) }
    }

    /// What a request of this caller may run with this payload.
    pub(crate) fn passes(&self, caller: CallerId, payload: Digest) -> RulePasses<'_> {
        RulePasses { breaker: self, caller, payload, trials: Mutex::default() }
    }

    /// How many calls are remembered per caller.
    fn kept(&self) -> usize {
        usize::try_from(self.failures).unwrap_or(usize::MAX).saturating_mul(2)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, History>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl History {
    /// Records a call for a caller. Returns how many of that
    /// caller's last calls failed.
    fn record(&mut self, caller: CallerId, failed: Option<Failure>, kept: usize) -> usize {
        let known = self.callers.iter().position(|(known, _)| *known == caller);
        let known = known.and_then(|place| self.callers.remove(place));
        let mut calls = known.map(|(_, calls)| calls).unwrap_or_default();
        calls.push(failed, kept);
        let failures = calls.failed();
        if self.callers.len() >= MOST {
            self.callers.pop_front();
        }
        self.callers.push_back((caller, calls));
        failures
    }

    /// After a failure: the suspension that begins now, if it had not begun before.
    fn suspend(&mut self, caller: CallerId, payload: &Digest, failures: u32, now: DualInstant) -> Option<Scope> {
        let mut is_again = false;
        for suspended in self.suspended.iter_mut().filter(|suspended| suspended.of.holds(caller, payload)) {
            // The trial failed.
            (suspended.since, suspended.tried_by) = (now, None);
            is_again = true;
        }
        let most = usize::try_from(failures).unwrap_or(usize::MAX);
        let failing = |calls: &Calls| calls.failed() >= most || calls.all_take_long();
        let own = self.callers.iter().find(|(known, _)| *known == caller).map(|(_, calls)| calls)?;
        if is_again || !failing(own) {
            return None;
        }
        let of = if own.payloads() < MANY {
            Scope::Payload(caller, *payload)
        } else {
            let failing = self.callers.iter().filter(|(_, calls)| failing(calls) && calls.payloads() >= MANY).count();
            let is_for_most = failing.saturating_mul(2) > self.callers.len();
            if failing >= MANY && is_for_most { Scope::All } else { Scope::Caller(caller) }
        };
        if self.suspended.len() >= MOST {
            self.suspended.pop_front();
        }
        self.suspended.push_back(Suspension { of, since: now, tried_by: None });
        Some(of)
    }
}

impl Calls {
    fn push(&mut self, failed: Option<Failure>, most: usize) {
        while self.0.len() >= most.max(1) {
            self.0.pop_front();
        }
        self.0.push_back(failed);
    }

    fn failed(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// Whether each of the last [`MANY`] failed and took long.
    fn all_take_long(&self) -> bool {
        let is_long = |call: &Option<Failure>| call.as_ref().is_some_and(|failure| failure.is_long);
        self.0.len() >= MANY && self.0.iter().rev().take(MANY).all(is_long)
    }

    /// How many different payloads failed, up to [`MANY`].
    fn payloads(&self) -> usize {
        let mut known: Vec<&Digest> = Vec::new();
        for Failure { payload, .. } in self.0.iter().flatten() {
            if !known.contains(&payload) {
                known.push(payload);
            }
            if known.len() >= MANY {
                break;
            }
        }
        known.len()
    }
}

impl Scope {
    fn holds(&self, caller: CallerId, payload: &Digest) -> bool {
        match self {
            Self::Payload(of, this) => *of == caller && this == payload,
            Self::Caller(of) => *of == caller,
            Self::All => true,
        }
    }

    /// The name in the log.
    fn name(self) -> &'static str {
        match self {
            Self::Payload(..) => "one payload",
            Self::Caller(_) => "one caller",
            Self::All => "all callers",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(30);

    fn caller(name: &str) -> CallerId {
        CallerId::of(Some(name))
    }

    fn payload(number: usize) -> Digest {
        Digest::of(&number.to_string()).unwrap()
    }

    fn fail(breaker: &RuleBreaker, name: &str, payloads: impl IntoIterator<Item = usize>, now: DualInstant) {
        fail_after(Duration::from_millis(999), breaker, name, payloads, now);
    }

    fn fail_after(
        took: Duration,
        breaker: &RuleBreaker,
        name: &str,
        payloads: impl IntoIterator<Item = usize>,
        now: DualInstant,
    ) {
        payloads.into_iter().for_each(|number| breaker.passes(caller(name), payload(number)).failed("a", took, now));
    }

    fn is_suspended(breaker: &RuleBreaker, name: &str, number: usize, now: DualInstant) -> bool {
        let passes = breaker.passes(caller(name), payload(number));
        let suspended = passes.is_suspended("a", now);
        assert_eq!(suspended, !passes.admits("a", now));
        suspended
    }

    #[test]
    fn a_payload_that_keeps_failing_takes_the_rule_from_nobody() {
        let (breaker, now) = (RuleBreaker::new(10, REST), DualInstant::now());
        fail(&breaker, "ann", std::iter::repeat_n(1, 9), now);
        assert!(!is_suspended(&breaker, "ann", 1, now));
        fail(&breaker, "ann", [1], now);
        assert!(is_suspended(&breaker, "ann", 1, now));
        assert!(!is_suspended(&breaker, "ann", 2, now) && !is_suspended(&breaker, "bob", 1, now));
        // Nor do a few payloads.
        fail(&breaker, "ann", [2, 3, 4].repeat(20), now);
        assert!(!is_suspended(&breaker, "ann", 5, now));
    }

    #[test]
    fn a_caller_whose_requests_keep_failing_takes_the_rule_from_no_other() {
        let (breaker, now) = (RuleBreaker::new(10, REST), DualInstant::now());
        fail(&breaker, "ann", 0..1000, now);
        assert!(is_suspended(&breaker, "ann", 7777, now) && !is_suspended(&breaker, "bob", 7777, now));
        assert!(!breaker.passes(caller("ann"), payload(1)).is_suspended("b", now), "another rule goes on");
    }

    #[test]
    fn a_rule_each_of_whose_calls_takes_long_and_fails_is_suspended_after_five() {
        let (breaker, now) = (RuleBreaker::new(20, REST), DualInstant::now());
        fail_after(LONG, &breaker, "ann", 0..4, now);
        assert!(!is_suspended(&breaker, "ann", 0, now));
        fail_after(LONG, &breaker, "ann", [4], now);
        assert!(is_suspended(&breaker, "ann", 7777, now) && !is_suspended(&breaker, "bob", 7777, now));
        // One payload takes it from no other.
        fail_after(LONG, &breaker, "bob", [1; 5], now);
        assert!(is_suspended(&breaker, "bob", 1, now) && !is_suspended(&breaker, "bob", 2, now));
        // Nor is it suspended while others of the caller's requests are answered, or fail soon.
        for number in 0..9 {
            fail_after(LONG, &breaker, "eve", [number, number + 100], now);
            breaker.passes(caller("eve"), payload(1_000_000)).succeeded("a");
        }
        assert!(!is_suspended(&breaker, "eve", 7777, now));
    }

    #[test]
    fn a_rule_that_answers_most_requests_of_a_caller_stays_in() {
        let (breaker, now) = (RuleBreaker::new(10, REST), DualInstant::now());
        for number in 0..1000 {
            fail(&breaker, "ann", [number], now);
            breaker.passes(caller("ann"), payload(1_000_000)).succeeded("a");
            breaker.passes(caller("ann"), payload(1_000_000)).succeeded("a");
        }
        assert!(!is_suspended(&breaker, "ann", 7777, now));
    }

    #[test]
    fn a_rule_that_fails_for_most_callers_is_suspended_for_all() {
        let (breaker, now) = (RuleBreaker::new(10, REST), DualInstant::now());
        for name in ["a", "b", "c", "d"] {
            fail(&breaker, name, 0..10, now);
        }
        assert!(!is_suspended(&breaker, "other", 0, now));
        fail(&breaker, "e", 0..10, now);
        assert!(is_suspended(&breaker, "other", 0, now));

        // But not while it still answers as many other callers.
        let breaker = RuleBreaker::new(10, REST);
        fail(&breaker, "a", [0], now);
        for number in 0..5 {
            breaker.passes(caller(&format!("well {number}")), payload(0)).succeeded("a");
        }
        for name in ["a", "b", "c", "d", "e"] {
            fail(&breaker, name, 0..10, now);
        }
        assert!(!is_suspended(&breaker, "other", 0, now) && is_suspended(&breaker, "e", 0, now));
    }

    #[test]
    fn after_the_suspension_one_request_tries_the_rule_and_how_it_ends_counts() {
        let (breaker, start) = (RuleBreaker::new(10, REST), DualInstant::now());
        fail(&breaker, "ann", 0..10, start);
        let ask = || breaker.passes(caller("ann"), payload(99));
        let due = start + REST;
        let tries = ask();
        assert!(!tries.is_suspended("a", due) && tries.admits("a", due));
        assert!(is_suspended(&breaker, "ann", 99, due), "one tries, and others wait");
        assert!(tries.admits("a", due), "its next attempt too");
        tries.failed("a", LONG, due);
        drop(tries);
        assert!(is_suspended(&breaker, "ann", 99, due + (REST - Duration::from_secs(1))));
        let tries = ask();
        assert!(tries.admits("a", due + REST));
        tries.succeeded("a");
        drop(tries);
        assert!(!is_suspended(&breaker, "ann", 99, due + REST));
        fail(&breaker, "ann", 0..9, due + REST);
        assert!(!is_suspended(&breaker, "ann", 99, due + REST), "it begins anew");
    }

    #[test]
    fn a_trial_that_comes_to_no_end_is_the_next_requests() {
        let (breaker, start) = (RuleBreaker::new(1, REST), DualInstant::now());
        fail(&breaker, "ann", [1], start);
        let ask = || breaker.passes(caller("ann"), payload(1));
        let gives_up = ask();
        assert!(gives_up.admits("a", start + REST));
        drop(gives_up);
        assert!(!ask().admits("a", start), "its suspension is not over");
        assert!(ask().admits("a", start + REST));
    }

    #[test]
    fn with_no_failures_to_count_no_rule_is_taken_out() {
        let (breaker, now) = (RuleBreaker::new(0, REST), DualInstant::now());
        fail_after(LONG, &breaker, "ann", 0..100, now);
        assert!(!is_suspended(&breaker, "ann", 1, now));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (breaker, now) = (RuleBreaker::new(2, REST), DualInstant::now());
        for number in 0..500 {
            fail(&breaker, &number.to_string(), [1, 2, 3], now);
        }
        let rules = breaker.lock();
        assert!(rules["a"].callers.len() <= MOST && rules["a"].suspended.len() <= MOST);
    }
}
