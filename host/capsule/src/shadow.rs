use std::borrow::Cow;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tenet_core::bundle::Rule;
use tenet_core::{
    AnswerWaits, Attempt, BoxFuture, Claim, Ended, Event, EventError, EventId, Fault, FollowUpId, HostCalls,
    IdempotencyKey, LogLevel, Mode, Occasion, Outcome, Policy, Progress, Random, Randomness, ReadCap, Request, Rules,
    Schedule, ScheduleError, SqlError, Statement, Stop, Timestamp, Transactions, Vault, VaultCall, VaultVerb, Vaulted,
    Verdict,
};
use tenet_schema::{Misfit, Schema};

use crate::CapsuleError;
use crate::capsule::{Call, Capsule, End, Recorded};
use crate::difference::lists;
use crate::wire;

/// Runs the next version of a rule on the recording of an answered live request, and compares the
/// results.
///
/// A recorded statement gets its recorded rows. A new read goes to a READ ONLY transaction with a
/// newer snapshot. A new write is recorded and never sent: if the same text with other parameters
/// was recorded and returned no rows, that result is used; otherwise the shadow stops. Vault calls
/// get their recorded results; only new calls reach the vault. Nothing that the shadow does is
/// stored.
pub struct Shadow {
    /// The rules, including the next version.
    pub rules: Arc<dyn Rules>,
    /// What it may do, under its own name.
    pub policy: Arc<dyn Policy>,
    /// Where it may read.
    pub transactions: Arc<dyn Transactions>,
    /// The vault for calls that were not recorded.
    pub vault: Arc<dyn Vault>,
    /// Whether a statement is certainly read-only.
    pub only_reads: fn(&str) -> bool,
}

/// How long after the shadow's deadline its statements time out.
const A_MOMENT: Duration = Duration::from_secs(1);

/// The result of a shadow run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// The differences, for people.
    pub differences: Vec<String>,
    /// Whether the next version reached a verdict. It did not if it needed the result of a write
    /// that was not sent, or if it failed, which is a difference too.
    pub is_comparable: bool,
    /// Whether it read data that the live request did not, from a newer snapshot.
    pub has_read_newer: bool,
}

impl Compared {
    /// Whether both gave the same results.
    pub fn agrees(&self) -> bool {
        self.is_comparable && self.differences.is_empty()
    }
}

impl Shadow {
    /// Runs the rule `by`, within its limits, in place of the rule `of` of the capsule's operation.
    ///
    /// # Errors
    /// Fails if the capsule is not of a live request, or if the rule's schema is not supported.
    pub async fn run(
        &self,
        capsule: &Capsule,
        (of, by): (&str, &Rule),
        deadline: Instant,
    ) -> Result<Compared, CapsuleError> {
        let mut request = capsule.request.to_core(deadline)?;
        let limits = &by.limits;
        let misfit = fit(by, &mut request)?;
        let place = capsule.operation.rules.iter().position(|rule| rule == of).unwrap_or_default();
        let key = capsule.answer.key.as_ref().map(IdempotencyKey::new).transpose();
        let key = key.map_err(|error| CapsuleError::new(format!("the capsule's key: {error}")))?;
        let calls = Arc::new(Calls {
            policy: Arc::clone(&self.policy),
            transactions: Arc::clone(&self.transactions),
            vault: Arc::clone(&self.vault),
            only_reads: self.only_reads,
            rule: by.name.clone(),
            claim: Claim {
                operation: request.operation.clone(),
                caller: request.scope(),
                mode: Mode::Read,
                follow_up: None,
                now: request.now,
                region: request.region.clone(),
                // The shadow's own end is not a database timeout: it drops the attempt.
                deadline: deadline + A_MOMENT,
                elsewhere: false,
                probes_session: false,
                round_trips: Arc::new(AtomicU32::new(0)),
            },
            cap: ReadCap { rows: limits.rows_read, bytes: limits.bytes_read },
            waits: AnswerWaits::new(limits),
            key,
            now: request.now,
            state: Mutex::new(State {
                left: recorded(capsule, of),
                random: Random::new(&request.seed, "rule", place as u64),
                runtime: Random::new(&request.seed, "runtime", place as u64),
                salts: Random::new(&request.seed, "vault", place as u64),
                vault_left: vaulted(capsule, of),
                vault_asked: Vec::new(),
                attempt: None,
                asked: Vec::new(),
                events_before: staged_before(capsule, of, |call| matches!(call, Call::Publish { refused: None, .. })),
                events: Vec::new(),
                follow_ups_before: staged_before(capsule, of, |call| {
                    matches!(call, Call::Schedule { refused: None, .. })
                }),
                follow_ups: Vec::new(),
                stopped: None,
                has_read_newer: false,
            }),
        });
        let host = Arc::clone(&calls) as Arc<dyn HostCalls>;
        let ended = match misfit {
            Some(misfit) => Ended::Verdict(Verdict::Reject(misfit.into())),
            None => self.rules.call(&by.name, &request, limits, host).await.ended,
        };
        let attempt = calls.lock().attempt.take();
        if let Some(attempt) = attempt {
            // It only read; the result of the rollback does not matter.
            let _ended = attempt.roll_back().await;
        }
        Ok(compare(capsule, of, &calls.lock(), &ended))
    }
}

/// Gives a rule its payload as in a live request, or says where it does not fit.
fn fit(rule: &Rule, request: &mut Request) -> Result<Option<Misfit>, CapsuleError> {
    let Some(input) = &rule.input else { return Ok(None) };
    let schema =
        Schema::read(input).map_err(|error| CapsuleError::new(format!("the schema of {}: {error}", rule.name)))?;
    match schema.fit(&request.payload) {
        Ok(Cow::Borrowed(_)) => Ok(None),
        Ok(Cow::Owned(payload)) => {
            request.payload = payload;
            Ok(None)
        }
        Err(misfit) => Ok(Some(misfit)),
    }
}

/// A statement and its result.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    statement: wire::Statement,
    told: Result<wire::Outcome, wire::SqlError>,
}

/// The statements of a rule in the attempt that settled the request.
fn recorded(capsule: &Capsule, rule: &str) -> Vec<Asked> {
    let mut asked = Vec::new();
    let entries = capsule.attempts.last().into_iter().flat_map(|attempt| &attempt.entries);
    for entry in entries.filter(|entry| entry.rule == rule) {
        match &entry.call {
            Call::Run { statements, told: Recorded::Outcomes(outcomes) } => {
                let pairs = statements.iter().zip(outcomes);
                asked.extend(
                    pairs.map(|(statement, outcome)| Asked { statement: statement.clone(), told: Ok(outcome.clone()) }),
                );
            }
            Call::Run { statements, told: Recorded::Fault(wire::RecordedFault::Sql(error)) }
            | Call::Refused { statements, error } => {
                let failed = statements.last().cloned();
                asked.extend(failed.map(|statement| Asked { statement, told: Err(error.clone()) }));
            }
            _ => {}
        }
    }
    asked
}

/// How many calls of this kind that staged something the rules before this one made in that attempt.
fn staged_before(capsule: &Capsule, rule: &str, is_meant: impl Fn(&Call) -> bool) -> u32 {
    let in_front: Vec<_> = capsule.operation.rules.iter().take_while(|name| *name != rule).collect();
    let entries = capsule.attempts.last().into_iter().flat_map(|attempt| &attempt.entries);
    let before = entries.filter(|entry| in_front.contains(&&entry.rule));
    let staged = before.filter(|entry| is_meant(&entry.call));
    u32::try_from(staged.count()).unwrap_or(u32::MAX)
}

/// The vault calls of a rule in that attempt, with their results.
fn vaulted(capsule: &Capsule, rule: &str) -> Vec<(wire::VaultCall, wire::RecordedVault)> {
    let entries = capsule.attempts.last().into_iter().flat_map(|attempt| &attempt.entries);
    entries
        .filter(|entry| entry.rule == rule)
        .filter_map(|entry| match &entry.call {
            Call::Vault { call, told } => Some((call.clone(), told.clone())),
            _ => None,
        })
        .collect()
}

struct Calls {
    policy: Arc<dyn Policy>,
    transactions: Arc<dyn Transactions>,
    vault: Arc<dyn Vault>,
    only_reads: fn(&str) -> bool,
    rule: String,
    claim: Claim,
    cap: ReadCap,
    waits: AnswerWaits,
    key: Option<IdempotencyKey>,
    now: Timestamp,
    state: Mutex<State>,
}

struct State {
    /// Statements of the live request that this one has not sent yet. The same statement later in a
    /// transaction may have had another result.
    left: Vec<Asked>,
    random: Random,
    runtime: Random,
    salts: Random,
    /// Vault calls of the live request that this one has not made yet.
    vault_left: Vec<(wire::VaultCall, wire::RecordedVault)>,
    vault_asked: Vec<String>,
    /// The transaction for new reads.
    attempt: Option<Box<dyn Attempt>>,
    asked: Vec<wire::Statement>,
    /// The number of events staged by earlier rules: its own are counted from there.
    events_before: u32,
    events: Vec<Event>,
    /// The same of the operations that follow.
    follow_ups_before: u32,
    follow_ups: Vec<wire::Schedule>,
    /// Why the shadow could not continue.
    stopped: Option<String>,
    has_read_newer: bool,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, why: String) -> Stop {
        self.lock().stopped.get_or_insert(why);
        Stop
    }

    async fn answer(&self, statement: &Statement) -> Result<Result<Outcome, SqlError>, Stop> {
        let sent = match self.policy.statement(&self.rule, &statement.sql) {
            Ok(sent) => sent,
            Err(error) => return Ok(Err(*error)),
        };
        let asked = wire::Statement::from(statement);
        let same = {
            let mut state = self.lock();
            state.asked.push(asked.clone());
            let place = state.left.iter().position(|recorded| recorded.statement == asked);
            place.map(|place| state.left.remove(place))
        };
        let damaged = |error: CapsuleError| self.stop(error.to_string());
        if let Some(same) = same {
            return match &same.told {
                Ok(outcome) => Ok(Ok(outcome.to_core().map_err(damaged)?)),
                Err(error) => {
                    let error = error.to_core().map_err(damaged)?;
                    Ok(Err(self.policy.shown(&self.rule, &statement.sql, error)))
                }
            };
        }
        if (self.only_reads)(&statement.sql) {
            return self.read(statement, sent).await;
        }
        let alike = {
            let mut state = self.lock();
            let place = state.left.iter().position(|recorded| recorded.statement.sql == asked.sql);
            place.map(|place| state.left.remove(place))
        };
        match alike.as_ref().map(|alike| &alike.told) {
            Some(Ok(outcome)) if outcome.columns.is_empty() => Ok(Ok(outcome.to_core().map_err(damaged)?)),
            _ => Err(self.stop(format!("it needs what a write does that is not sent: {asked}"))),
        }
    }

    async fn read(&self, statement: &Statement, sent: Arc<str>) -> Result<Result<Outcome, SqlError>, Stop> {
        let mut attempt = {
            let mut state = self.lock();
            state.has_read_newer = true;
            state.attempt.take().unwrap_or_else(|| self.transactions.open(self.claim.clone()))
        };
        let as_sent = Statement { canonical: Some(sent), ..statement.clone() };
        let ran = attempt.run(vec![as_sent], self.cap, &self.waits).await;
        self.lock().attempt = Some(attempt);
        match ran {
            Ok(Progress::Continue(outcomes)) => {
                let outcome = outcomes.into_iter().next();
                outcome.map(Ok).ok_or_else(|| self.stop("the database gave no outcome".to_owned()))
            }
            Ok(Progress::Answered(_)) => Err(self.stop("the database gave an answer for a read".to_owned())),
            Err(fault) => self.failed(statement, &fault),
        }
    }

    async fn ask_vault(&self, call: VaultCall) -> Result<Vaulted, Stop> {
        if let Err(error) = call.check().and_then(|()| self.policy.vault(&self.rule, call.verb, &call.field)) {
            return Ok(Err(error));
        }
        let asked = wire::VaultCall::from(&call);
        let (same, salt) = {
            let mut state = self.lock();
            state.vault_asked.push(asked.to_string());
            let place = state.vault_left.iter().position(|(recorded, _)| *recorded == asked);
            let same = place.map(|place| state.vault_left.remove(place).1);
            let salt = if call.verb == VaultVerb::Seal { state.salts.array() } else { [0; 32] };
            (same, salt)
        };
        if let Some(told) = same {
            let told = told.to_core().map_err(|error| self.stop(error.to_string()))?;
            return told.ok_or_else(|| self.stop("the recording has no answer of the vault".to_owned()));
        }
        let Claim { operation, now, deadline, .. } = &self.claim;
        let occasion = Occasion { operation, now: *now, salt, deadline: *deadline };
        self.vault.ask(&call, occasion).await.map_err(|fault| self.stop(format!("the vault did not answer: {fault:#}")))
    }

    fn failed(&self, statement: &Statement, fault: &Fault) -> Result<Result<Outcome, SqlError>, Stop> {
        match fault.sql_error() {
            Some(error) => Ok(Err(self.policy.shown(&self.rule, &statement.sql, error.clone()))),
            None => Err(self.stop(format!("it could not read: {fault:#}"))),
        }
    }
}

impl HostCalls for Calls {
    fn run(&self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Result<Vec<Outcome>, SqlError>, Stop>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(statements.len());
            for statement in &statements {
                match self.answer(statement).await? {
                    Ok(outcome) => outcomes.push(outcome),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok(Ok(outcomes))
        })
    }

    fn refuse(&self, error: SqlError) -> Result<SqlError, Stop> {
        Ok(error)
    }

    fn publish(&self, event: Event) -> Result<Result<EventId, EventError>, Stop> {
        let Some(key) = &self.key else { return Ok(Err(EventError::read_only())) };
        if let Err(error) = event.check().and_then(|()| self.policy.event(&self.rule, &event)) {
            return Ok(Err(error));
        }
        let mut state = self.lock();
        let ordinal = u32::try_from(state.events.len()).unwrap_or(u32::MAX).saturating_add(state.events_before);
        state.events.push(event);
        Ok(Ok(EventId::derive(&self.claim.operation, self.claim.caller, key, self.now, ordinal)))
    }

    fn schedule(&self, schedule: Schedule) -> Result<Result<FollowUpId, ScheduleError>, Stop> {
        let Some(key) = &self.key else { return Ok(Err(ScheduleError::read_only())) };
        let granted = || schedule.calls().try_for_each(|call| self.policy.schedule(&self.rule, &call.operation));
        if let Err(error) = schedule.check(self.now).and_then(|()| granted()) {
            return Ok(Err(error));
        }
        let mut state = self.lock();
        let staged = u32::try_from(state.follow_ups.len()).unwrap_or(u32::MAX);
        let ordinal = staged.saturating_add(state.follow_ups_before);
        state.follow_ups.push((&schedule).into());
        Ok(Ok(FollowUpId::derive(&self.claim.operation, self.claim.caller, key, self.now, ordinal)))
    }

    fn cancel(&self, id: FollowUpId) -> BoxFuture<'_, Result<Result<bool, ScheduleError>, Stop>> {
        Box::pin(async move {
            if self.key.is_none() {
                return Ok(Err(ScheduleError::read_only()));
            }
            let asked = wire::Statement::from(&id.cancellation());
            let same = {
                let mut state = self.lock();
                state.asked.push(asked.clone());
                let place = state.left.iter().position(|recorded| recorded.statement == asked);
                place.map(|place| state.left.remove(place))
            };
            let damaged = |error: CapsuleError| self.stop(error.to_string());
            match same {
                Some(Asked { told: Ok(outcome), .. }) => Ok(Ok(outcome.to_core().map_err(damaged)?.affected > 0)),
                Some(Asked { told: Err(error), .. }) => {
                    Ok(Err(ScheduleError::database(&error.to_core().map_err(damaged)?)))
                }
                None => Err(self.stop(format!("it needs what a write does that is not sent: {asked}"))),
            }
        })
    }

    fn vault(&self, call: VaultCall) -> BoxFuture<'_, Result<Vaulted, Stop>> {
        Box::pin(self.ask_vault(call))
    }

    fn log(&self, _level: LogLevel, _message: String) -> Result<(), Stop> {
        Ok(())
    }

    fn random(&self, whose: Randomness, length: u32) -> Result<Vec<u8>, Stop> {
        let mut state = self.lock();
        let sequence = match whose {
            Randomness::Rule => &mut state.random,
            Randomness::Runtime => &mut state.runtime,
        };
        Ok(sequence.bytes(usize::try_from(length).unwrap_or(usize::MAX)))
    }

    fn key(&self) -> Option<&str> {
        self.key.as_ref().map(IdempotencyKey::as_str)
    }
}

fn compare(capsule: &Capsule, of: &str, state: &State, ended: &Ended) -> Compared {
    let mut lines = Vec::new();
    let verdict = match (&state.stopped, ended) {
        (Some(why), _) => Err(why.clone()),
        (None, Ended::Verdict(verdict)) => Ok(verdict),
        (None, Ended::Bug(why) | Ended::Trap(why) | Ended::Host(why)) => Err(format!("it failed: {why}")),
        (None, Ended::Limit(exceeded)) => Err(format!("it failed: {exceeded}")),
        (None, Ended::Stopped) => Err("it was stopped".to_owned()),
    };
    match &verdict {
        Ok(verdict) => compare_verdicts(capsule, of, verdict, &mut lines),
        Err(why) => lines.push(format!("verdict: none to compare, {why}")),
    }
    let before: Vec<wire::Statement> = recorded(capsule, of).into_iter().map(|asked| asked.statement).collect();
    lists("statement", &before, &state.asked, &mut lines);
    let before: Vec<String> = vaulted(capsule, of).into_iter().map(|(call, _)| call.to_string()).collect();
    lists("vault", &before, &state.vault_asked, &mut lines);
    let text = |source: &str, detail_type: &str, detail: &str| format!("{source} {detail_type:?} {detail}");
    let entries = capsule.attempts.last().into_iter().flat_map(|attempt| &attempt.entries);
    let events = entries.filter(|entry| entry.rule == of).filter_map(|entry| match &entry.call {
        Call::Publish { event, refused: None, .. } => Some(text(&event.source, &event.detail_type, &event.detail)),
        _ => None,
    });
    let now = state.events.iter().map(|event| text(&event.source, &event.detail_type, &event.detail));
    lists("event", &events.collect::<Vec<_>>(), &now.collect::<Vec<_>>(), &mut lines);
    let entries = capsule.attempts.last().into_iter().flat_map(|attempt| &attempt.entries);
    let scheduled = entries.filter(|entry| entry.rule == of).filter_map(|entry| match &entry.call {
        Call::Schedule { schedule, refused: None, .. } => Some(schedule.to_string()),
        _ => None,
    });
    let now = state.follow_ups.iter().map(ToString::to_string);
    lists("follow-up", &scheduled.collect::<Vec<_>>(), &now.collect::<Vec<_>>(), &mut lines);
    Compared { differences: lines, is_comparable: verdict.is_ok(), has_read_newer: state.has_read_newer }
}

fn compare_verdicts(capsule: &Capsule, of: &str, verdict: &Verdict, lines: &mut Vec<String>) {
    let ended = capsule.attempts.last().and_then(|attempt| attempt.ended.as_ref());
    let entries = capsule.attempts.last().map(|attempt| attempt.entries.as_slice()).unwrap_or_default();
    // The last rule that ran is the one that rejected, if any did.
    let ran_last = entries.last().is_none_or(|entry| entry.rule == of)
        || !capsule
            .operation
            .rules
            .iter()
            .skip_while(|rule| *rule != of)
            .skip(1)
            .any(|rule| entries.iter().any(|entry| entry.rule == *rule));
    let is_last = capsule.operation.rules.last().is_some_and(|rule| rule == of);
    let (before, output) = match ended.map(|ended| &ended.by) {
        Some(End::Reject(body)) if ran_last => (Err(serde_json::from_str::<Value>(body).unwrap_or_default()), None),
        Some(End::Accept { output, .. }) => (Ok(()), Some(output).filter(|_| is_last)),
        _ => (Ok(()), None),
    };
    match (before, verdict) {
        (Ok(()), Verdict::Accept(now)) => {
            if let Some(before) = output.filter(|before| *before != now) {
                lines.push(format!("verdict: accepted with {before} before, with {now} now"));
            }
        }
        (Err(before), Verdict::Reject(now)) => {
            let mut body = serde_json::Map::new();
            body.insert("code".to_owned(), now.code.as_str().into());
            body.insert("message".to_owned(), now.message.as_str().into());
            if !now.details.is_empty() {
                let details = now.details.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str())));
                body.insert("details".to_owned(), Value::Object(details.collect()));
            }
            let body = Value::Object(body);
            if before != body {
                lines.push(format!("verdict: rejected with {before} before, with {body} now"));
            }
        }
        (Ok(()), Verdict::Reject(now)) => {
            lines.push(format!("verdict: accepted before, rejected with {} now", now.code))
        }
        (Err(before), Verdict::Accept(_)) => {
            lines
                .push(format!("verdict: rejected with {} before, accepted now", before.get("code").unwrap_or(&before)));
        }
    }
}
