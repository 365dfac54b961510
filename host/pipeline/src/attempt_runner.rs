use std::fmt;
use std::pin::pin;
use std::sync::Arc;
#[cfg(feature = "mutants")]
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::future::{Either, select};
use tenet_core::{
    Attempt, Blame, Clock, Code, Ended, Fault, HostCalls, IdempotencyKey, Limit, LimitExceeded, Limits, LogLevel,
    Mutant, Policy, Probe, Progress, Receipt, Request, RuleReceipt, Rules, Staged, StoredAnswer, Vault, Verdict,
};
use tenet_schema::Misfit;
use tracing::Span;

use crate::Operations;
use crate::answer::rejection_body;
use crate::calls::{CallParts, Calls, LogLine, Shared, StopReason, Written};
use crate::chained_rule::ChainedRule;
use crate::commit_doubt::CommitDoubt;
use crate::in_span::in_span;
use crate::presence::Presence;
use crate::rule_breaker::RulePasses;

/// Runs one attempt of one request: the rules in order, then the commit of their verdict.
pub(crate) struct AttemptRunner<'a> {
    pub(crate) rules: &'a dyn Rules,
    pub(crate) policy: &'a Arc<dyn Policy>,
    pub(crate) vault: &'a Arc<dyn Vault>,
    /// Which of the suspended rules this request may run.
    pub(crate) passes: &'a RulePasses<'a>,
    /// A rule of the chain that is certainly suspended.
    pub(crate) suspended: Option<&'a str>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    /// Those that the rules may schedule.
    pub(crate) operations: &'a Arc<Operations>,
    pub(crate) request: &'a Request,
    pub(crate) presence: &'a Presence,
    /// Observes the attempt, if set.
    pub(crate) probe: Option<&'a dyn Probe>,
    pub(crate) key: Option<&'a IdempotencyKey>,
    pub(crate) doubt: &'a CommitDoubt,
    #[cfg(feature = "mutants")]
    pub(crate) publisher: &'a dyn tenet_core::Publisher,
    /// The events of the attempt before.
    #[cfg(feature = "mutants")]
    pub(crate) leftovers: std::sync::Mutex<Vec<tenet_core::StagedEvent>>,
    /// The operation's rules, at least one.
    pub(crate) chain: &'a [ChainedRule],
}

/// How an attempt ended.
pub(crate) enum AttemptOutcome {
    /// Certainly committed, with what was staged.
    Committed { accepted: bool, body: String, staged: Staged },
    /// The key already had an answer.
    Answered(StoredAnswer),
    /// Nothing was committed, or the outcome of the commit is unknown. A retry may succeed.
    Again(Interrupted),
    /// Nothing was committed, and another attempt of this request would end in the same way. A later
    /// request may not, if it is for want of a [`MissingResource`].
    Failed(AttemptFailure),
}

/// The cause of a lost attempt that may be retried, and where it occurred.
#[derive(Debug)]
pub(crate) struct Interrupted {
    pub(crate) fault: Fault,
    /// The rule whose statement failed. None if the host's own work failed.
    pub(crate) rule: Option<String>,
    /// The statement, counted from 1 within the rule.
    pub(crate) statement: Option<u64>,
}

/// Why an attempt failed. For the log, never for the caller.
#[derive(Debug)]
pub(crate) struct AttemptFailure {
    pub(crate) blame: Blame,
    pub(crate) rule: Option<String>,
    /// What was missing, if a later request may have it.
    pub(crate) missing: Option<MissingResource>,
    /// The limit that was exceeded, if any.
    pub(crate) limit: Option<LimitExceeded>,
    pub(crate) code: Code,
    text: String,
}

/// What a failed request was missing and a later request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissingResource {
    /// The rule keeps failing and is suspended for this much longer.
    Rule(Duration),
    /// The caller's deadline passed.
    Time,
    /// The caller has left.
    Caller,
    /// The vault's keys cannot be reached.
    Vault,
    /// The tables of the database differ from those of the bundle.
    Tables,
}

/// Whose time is up.
enum TimeOver {
    Rules,
    Callers,
    /// The caller has left.
    Nobodys,
}

/// What the rules decided, before the commit.
enum Decision {
    Accept(String),
    Reject(String),
}

impl AttemptRunner<'_> {
    /// Runs the attempt to its end and adds its costs to the receipt.
    pub(crate) async fn run(&self, attempt: Box<dyn Attempt>, receipt: &mut Receipt) -> AttemptOutcome {
        let written = self.request.follow_up.as_ref().map_or(Written::default(), |_| Written::OF_FOLLOW_UP);
        let shared = Shared::new(attempt, written);
        #[cfg(feature = "mutants")]
        if Mutant::EventsOfLostAttempt.is_alive() {
            shared.lock().staged.events =
                std::mem::take(&mut *self.leftovers.lock().unwrap_or_else(PoisonError::into_inner));
        }
        receipt.rules.clear();
        let decision = self.decide(&shared, &mut receipt.rules).await;
        receipt.events = receipt.rules.iter().map(|rule| rule.events).sum();
        receipt.follow_ups = receipt.rules.iter().map(|rule| rule.follow_ups).sum();
        receipt.fuel = receipt.rules.iter().map(|rule| rule.fuel).sum();
        for rule in &receipt.rules {
            receipt.statements += rule.statements;
            receipt.rows_read += rule.rows_read;
            receipt.bytes_read += rule.bytes_read;
            receipt.rows_affected += rule.rows_affected;
            receipt.computing += rule.cpu;
        }
        let ending = self.clock.instant();
        let commits = decision.is_ok();
        let outcome = match decision {
            Ok(decision) => self.settle(&shared, decision).await,
            Err(outcome) => self.undo(&shared, outcome).await,
        };
        let ended = self.clock.instant() - ending;
        let mut state = shared.lock();
        receipt.database += state.waits.for_database(self.clock.instant()) + ended;
        receipt.commit += if commits { ended } else { Duration::ZERO };
        if matches!(outcome, AttemptOutcome::Committed { .. } | AttemptOutcome::Failed(_)) {
            write_log(std::mem::take(&mut state.log));
        }
        outcome
    }

    async fn decide(&self, shared: &Arc<Shared>, receipts: &mut Vec<RuleReceipt>) -> Result<Decision, AttemptOutcome> {
        if let Some(rule) = self.suspended {
            // The writes of the rules before it would be wasted. The key is still looked up.
            let rest = self.passes.suspension_left(rule, self.clock.dual_instant());
            return Err(AttemptOutcome::Failed(AttemptFailure::suspended(rule, rest)));
        }
        let mut output = String::new();
        for (place, chained) in self.chain.iter().enumerate() {
            let ChainedRule { name: rule, limits, .. } = chained;
            let request = match chained.given(self.request) {
                Ok(request) => request,
                Err(misfit) if self.request.follow_up.is_some() => {
                    return Err(AttemptOutcome::Failed(AttemptFailure::misfit(rule, &misfit)));
                }
                Err(misfit) => return Ok(Decision::Reject(rejection_body(&misfit.into()))),
            };
            // Only checked when the rule's turn comes: a rule before it may reject, and then it
            // does not run.
            let now = self.clock.dual_instant();
            if !self.passes.admits(rule, now) {
                return Err(AttemptOutcome::Failed(AttemptFailure::suspended(
                    rule,
                    self.passes.suspension_left(rule, now),
                )));
            }
            let span = tracing::info_span!("rule", rule, cpu_us = tracing::field::Empty, ended = tracing::field::Empty);
            let parts = CallParts {
                policy: Arc::clone(self.policy),
                vault: Arc::clone(self.vault),
                clock: Arc::clone(self.clock),
                operations: Arc::clone(self.operations),
            };
            let calls = Calls::new(Arc::clone(shared), parts, self.request, self.key, rule, place, limits);
            let calls = Arc::new(calls);
            let verdict = in_span(&span, pin!(self.call(&span, shared, (chained, &request), &calls, receipts))).await?;
            match verdict {
                Verdict::Accept(text) => output = text,
                Verdict::Reject(rejection) => return Ok(Decision::Reject(rejection_body(&rejection))),
            }
        }
        Ok(Decision::Accept(output))
    }

    async fn call(
        &self,
        span: &Span,
        shared: &Arc<Shared>,
        (chained, request): (&ChainedRule, &Request),
        calls: &Arc<Calls>,
        receipts: &mut Vec<RuleReceipt>,
    ) -> Result<Verdict, AttemptOutcome> {
        let ChainedRule { name: rule, limits, .. } = chained;
        let rule = rule.as_str();
        let fail = |blame, code, text: String| {
            AttemptOutcome::Failed(AttemptFailure {
                blame,
                rule: Some(rule.to_owned()),
                missing: None,
                limit: None,
                code,
                text,
            })
        };
        let passed =
            |exceeded: LimitExceeded| AttemptOutcome::Failed(AttemptFailure::limit(Some(rule.to_owned()), exceeded));
        let host = Arc::clone(calls) as Arc<dyn HostCalls>;
        let host = match self.probe {
            Some(probe) => probe.calls(rule, host),
            None => host,
        };
        let time_over = pin!(self.time_over(shared, limits));
        let call = match select(self.rules.call(rule, request, limits, host), time_over).await {
            Either::Left((call, _)) => call,
            Either::Right((whose, call)) => {
                drop(call);
                receipts.push(calls.receipt());
                return Err(AttemptOutcome::Failed(match whose {
                    TimeOver::Rules => {
                        // It was stopped once the time was used up.
                        let allowed = Some(limits.wall_ms);
                        let exceeded = LimitExceeded { limit: Limit::Wall, allowed, used: allowed };
                        AttemptFailure::limit(Some(rule.to_owned()), exceeded)
                    }
                    TimeOver::Callers => AttemptFailure::out_of_time(rule),
                    TimeOver::Nobodys => AttemptFailure::left(rule),
                }));
            }
        };
        let mut receipt = calls.receipt();
        receipt.cpu = call.cpu;
        receipt.memory_bytes = call.memory_bytes;
        receipt.fuel = call.fuel;
        receipts.push(receipt);
        let cpu_us = u64::try_from(call.cpu.as_micros()).unwrap_or(u64::MAX);
        tracing::record_all!(span, cpu_us, ended = name_of(&call.ended));

        let mut state = shared.lock();
        // If the host stopped the guest, the host's reason decides, whatever the guest returned.
        if let Some(stopped) = state.stopped.take() {
            return Err(match stopped {
                StopReason::Answered(stored) => AttemptOutcome::Answered(stored),
                StopReason::Limit(exceeded) => passed(exceeded),
                StopReason::Fault(fault) => over(fault, Some((rule, calls.receipt().statements))),
            });
        }
        match call.ended {
            Ended::Verdict(Verdict::Accept(output)) => match &state.spent {
                None => {
                    if let Some(misfit) = chained.output_misfit(&output) {
                        let text = format!("its output does not fit what it declares: {misfit}");
                        return Err(fail(Blame::Rule, Code::Output, text));
                    }
                    self.passes.succeeded(rule);
                    Ok(Verdict::Accept(output))
                }
                Some(spent) => Err(fail(
                    Blame::Rule,
                    Code::SpentTransaction,
                    format!("it accepted although its statement {} had failed: {}", spent.statement, spent.error),
                )),
            },
            Ended::Verdict(reject) => {
                self.passes.succeeded(rule);
                Ok(reject)
            }
            Ended::Bug(text) => Err(fail(Blame::Rule, Code::Broken, format!("it says that it is broken: {text}"))),
            Ended::Trap(text) => Err(fail(Blame::Rule, Code::Trapped, format!("it trapped: {text}"))),
            Ended::Limit(exceeded) => Err(passed(exceeded)),
            Ended::Host(text) => Err(fail(Blame::Host, Code::HostFailed, text)),
            Ended::Stopped => {
                Err(fail(Blame::Host, Code::HostFailed, "it was stopped while a statement was running".to_owned()))
            }
        }
    }

    /// Waits until the rule has used up its time or the caller's deadline passes. Time spent
    /// waiting for the host does not count against the rule; the host bounds that time itself.
    async fn time_over(&self, shared: &Shared, limits: &Limits) -> TimeOver {
        let began = self.clock.instant();
        let waited_before = shared.lock().waits.total(began);
        loop {
            let now = self.clock.instant();
            let left = self.request.deadline.saturating_duration_since(now);
            if left.is_zero() {
                return TimeOver::Callers;
            }
            let waited = shared.lock().waits.total(now).saturating_sub(waited_before);
            let own = now.saturating_duration_since(began).saturating_sub(waited);
            let left_to_rule = limits.wall().saturating_sub(own);
            if left_to_rule.is_zero() {
                return TimeOver::Rules;
            }
            let pause = self.clock.sleep(left.min(left_to_rule));
            if let Either::Right(_) = select(pause, pin!(self.presence.left())).await {
                return TimeOver::Nobodys;
            }
        }
    }

    async fn settle(&self, shared: &Shared, decision: Decision) -> AttemptOutcome {
        let (attempt, staged) = {
            let mut state = shared.lock();
            (state.attempt.take(), std::mem::take(&mut state.staged))
        };
        let Some(attempt) = attempt else {
            return AttemptOutcome::Failed(AttemptFailure {
                blame: Blame::Host,
                rule: None,
                missing: None,
                limit: None,
                code: Code::HostFailed,
                text: "the attempt was lost before its verdict".to_owned(),
            });
        };
        let (in_doubt_before, accepted, body, staged, ended) = match decision {
            Decision::Accept(output) => {
                if let (Some(_), Err(exceeded)) = (self.key, shared.lock().written.check(&staged, output.len())) {
                    // The attempt is rolled back. The failure is attributed to the last rule.
                    drop(attempt);
                    let rule = self.chain.last().map(|rule| rule.name.clone());
                    return AttemptOutcome::Failed(AttemptFailure::limit(rule, exceeded));
                }
                #[cfg(feature = "mutants")]
                if Mutant::EventsBeforeCommit.is_alive() {
                    self.publisher.publish(&staged.events, self.request.deadline).await;
                }
                #[cfg(feature = "mutants")]
                if Mutant::EventsOfLostAttempt.is_alive() {
                    *self.leftovers.lock().unwrap_or_else(PoisonError::into_inner) = staged.events.clone();
                }
                let before = self.doubt.commit_sent();
                let ended = attempt.accept(output.clone(), staged.clone()).await;
                (before, true, output, staged, ended)
            }
            Decision::Reject(body) => {
                let before = self.doubt.commit_sent();
                let Request { follow_up, now, region, .. } = self.request;
                let follows = follow_up.as_ref().and_then(|follow_up| follow_up.after_rejection(*now, region));
                let follows = follows.filter(|_| !Mutant::CompensationForgotten.is_alive());
                let ended = attempt.reject(body.clone(), follows.clone()).await;
                let staged = Staged { events: Vec::new(), follow_ups: follows.into_iter().collect() };
                (before, false, body, staged, ended)
            }
        };
        match &ended {
            // Committed, but the caller does not know yet.
            Ok(Progress::Continue(())) => {}
            Err(fault) if fault.commit_unknown() => {}
            Ok(Progress::Answered(_)) | Err(_) => self.doubt.restore(in_doubt_before),
        }
        match ended {
            Ok(Progress::Continue(())) => AttemptOutcome::Committed { accepted, body, staged },
            Ok(Progress::Answered(stored)) => AttemptOutcome::Answered(stored),
            Err(fault) if fault.commit_unknown() && Mutant::DoubtIsCommitted.is_alive() => {
                AttemptOutcome::Committed { accepted, body, staged }
            }
            Err(fault) => over(fault, None),
        }
    }

    /// Rolls back. An answer found by the key lookup takes precedence over how the attempt ended.
    async fn undo(&self, shared: &Shared, ended: AttemptOutcome) -> AttemptOutcome {
        let attempt = shared.lock().attempt.take();
        let Some(attempt) = attempt else { return ended };
        if Mutant::SuspendedBeforeKey.is_alive()
            && let AttemptOutcome::Failed(failure) = &ended
            && matches!(failure.missing, Some(MissingResource::Rule(_)))
        {
            return ended;
        }
        match (attempt.roll_back().await, ended) {
            (_, AttemptOutcome::Answered(stored)) | (Ok(Progress::Answered(stored)), _) => {
                AttemptOutcome::Answered(stored)
            }
            (Ok(Progress::Continue(())), ended) => ended,
            (Err(fault), AttemptOutcome::Failed(failure)) if !shared.lock().looked_up && self.key.is_some() => {
                // Without the lookup it is unknown whether the key has an answer.
                tracing::warn!(fault = format!("{fault:#}"), %failure, "the key could not be looked up after a failure");
                over(fault, None)
            }
            (Err(fault), ended) => {
                tracing::debug!(fault = format!("{fault:#}"), "the connection was dropped instead of rolled back");
                ended
            }
        }
    }
}

/// Maps a fault of the database or the vault to the outcome of the attempt.
fn over(fault: Fault, at: Option<(&str, u64)>) -> AttemptOutcome {
    let rule = at.map(|(rule, _)| rule.to_owned());
    if fault.is_conflict() || fault.commit_unknown() || fault.is_unavailable() {
        AttemptOutcome::Again(Interrupted { fault, rule, statement: at.map(|(_, statement)| statement) })
    } else {
        AttemptOutcome::Failed(AttemptFailure {
            blame: fault.blame(),
            rule,
            missing: match fault.code() {
                _ if fault.is_deadline() => Some(MissingResource::Time),
                _ if fault.is_vault() => Some(MissingResource::Vault),
                Some(Code::SchemaDiffers) => Some(MissingResource::Tables),
                _ => None,
            },
            limit: fault.limit_exceeded().copied(),
            code: match fault.limit_exceeded() {
                Some(_) => Code::Limit,
                None => fault.code().unwrap_or(Code::HostFailed),
            },
            text: format!("{fault:#}"),
        })
    }
}

fn name_of(ended: &Ended) -> &'static str {
    match ended {
        Ended::Verdict(Verdict::Accept(_)) => "accept",
        Ended::Verdict(Verdict::Reject(_)) => "reject",
        Ended::Bug(_) => "bug",
        Ended::Trap(_) => "trap",
        Ended::Limit(_) => "limit",
        Ended::Stopped => "stopped",
        Ended::Host(_) => "host",
    }
}

fn write_log(lines: Vec<LogLine>) {
    for LogLine { rule, level, message } in lines {
        match level {
            LogLevel::Debug => tracing::debug!(target: "tenet::rule", rule, "{message}"),
            LogLevel::Info => tracing::info!(target: "tenet::rule", rule, "{message}"),
            LogLevel::Warn => tracing::warn!(target: "tenet::rule", rule, "{message}"),
            LogLevel::Error => tracing::error!(target: "tenet::rule", rule, "{message}"),
        }
    }
}

/// A call that uses this much processor time is costly, however it ended. A healthy call needs less
/// in any language.
const COSTLY: Duration = Duration::from_millis(100);

impl AttemptFailure {
    /// Whether the failure used up shared resources: time, memory, or work of the database.
    pub(crate) fn costs(&self, receipt: &Receipt) -> bool {
        use Limit::*;
        let passed = self.limit.map(|exceeded| exceeded.limit);
        let is_work = matches!(
            passed,
            Some(
                Wall | Cpu
                    | Memory
                    | Statements
                    | RowsRead
                    | BytesRead
                    | RowsWritten
                    | BytesWritten
                    | QueryMemory
                    | StatementTime
                    | Database
            )
        );
        is_work || receipt.rules.iter().any(|rule| Some(&rule.rule) == self.rule.as_ref() && rule.cpu >= COSTLY)
    }

    fn limit(rule: Option<String>, exceeded: LimitExceeded) -> Self {
        let (limit, code) = (Some(exceeded), Code::Limit);
        Self { blame: Blame::Rule, rule, missing: None, limit, code, text: exceeded.to_string() }
    }

    /// The payload of a follow-up does not fit. That is no verdict of a rule, which would end it: either the rule that
    /// scheduled it has a bug, or another version of the bundle did.
    fn misfit(rule: &str, misfit: &Misfit) -> Self {
        let text = format!("the payload of an operation that follows does not fit: {misfit}");
        let (blame, code) = (Blame::Caller, Code::FollowUpPayload);
        Self { blame, rule: Some(rule.to_owned()), missing: None, limit: None, code, text }
    }

    fn out_of_time(rule: &str) -> Self {
        Self::missing(MissingResource::Time, rule, "the caller's time ran out while it ran")
    }

    fn left(rule: &str) -> Self {
        Self::missing(MissingResource::Caller, rule, "the caller left while it ran")
    }

    fn suspended(rule: &str, rest: Duration) -> Self {
        Self::missing(MissingResource::Rule(rest), rule, "it keeps failing and is not run for a while")
    }

    fn missing(resource: MissingResource, rule: &str, text: &str) -> Self {
        let (rule, text) = (Some(rule.to_owned()), text.to_owned());
        Self { blame: Blame::Host, rule, missing: Some(resource), limit: None, code: Code::HostFailed, text }
    }
}

impl fmt::Display for AttemptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) => write!(f, "rule {rule}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}
