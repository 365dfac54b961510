use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tenet_core::{
    AnswerWaits, Attempt, BoxFuture, CallerId, Clock, ColumnValues, Event, EventError, EventId, Fault, FollowUp,
    FollowUpId, HostCalls, IdempotencyKey, Limit, LimitExceeded, Limits, LogLevel, Mutant, Occasion, OperationCall,
    Outcome, Policy, Progress, Randomness, ReadCap, Request, RowsRead, RuleReceipt, Schedule, ScheduleError, SqlError,
    SqlState, Staged, StagedEvent, Statement, Stop, StoredAnswer, Trace, Vault, VaultCall, VaultRefusal, VaultVerb,
    Vaulted,
};
use tracing::Span;

use crate::Operations;
use crate::in_span::in_span;
use tenet_core::Random;

/// State shared by the rules of one attempt.
pub(crate) struct Shared {
    state: Mutex<State>,
}

pub(crate) struct State {
    /// Absent while a statement runs, and after a running statement was cancelled.
    pub(crate) attempt: Option<Box<dyn Attempt>>,
    /// Whether the key lookup has been answered.
    pub(crate) looked_up: bool,
    /// The failed statement whose error a rule received. After it, only a rejection may follow.
    pub(crate) spent: Option<Spent>,
    /// Why the host stopped the guest.
    pub(crate) stopped: Option<StopReason>,
    pub(crate) staged: Staged,
    pub(crate) written: Written,
    pub(crate) log: Vec<LogLine>,
    pub(crate) waits: Waits,
}

/// What the transaction has written so far, as far as command tags and parameters show. The database enforces its own
/// limits on the rest.
#[derive(Clone, Copy, Default)]
pub(crate) struct Written {
    rows: u64,
    bytes: u64,
}

/// A follow-up counts twice, because of its index entry.
const FOLLOW_UP_ROWS: u64 = 2;

impl Written {
    /// What a transaction writes that removes the row of a follow-up.
    pub(crate) const OF_FOLLOW_UP: Self = Self { rows: FOLLOW_UP_ROWS, bytes: 0 };

    /// Whether the transaction stays within DSQL's limits if what was staged, the key row and an answer of `answer`
    /// bytes are added.
    pub(crate) fn check(&self, Staged { events, follow_ups }: &Staged, answer: usize) -> Result<(), LimitExceeded> {
        let of_event =
            |StagedEvent { event, .. }: &StagedEvent| event.source.len() + event.detail_type.len() + event.detail.len();
        let rows = self.rows + events.len() as u64 + FOLLOW_UP_ROWS * follow_ups.len() as u64 + 1;
        let bytes = self.bytes
            + (events.iter().map(of_event).sum::<usize>() + answer) as u64
            + follow_ups.iter().map(FollowUp::bytes).sum::<u64>();
        Limit::TransactionRows.check(Limit::MOST_ROWS, rows)?;
        Limit::TransactionBytes.check(Limit::MOST_BYTES, bytes)
    }
}

pub(crate) struct Spent {
    /// Counted from 1 over the rule's statements.
    pub(crate) statement: u64,
    pub(crate) error: SqlError,
}

pub(crate) enum StopReason {
    Answered(StoredAnswer),
    Fault(Fault),
    Limit(LimitExceeded),
}

pub(crate) struct LogLine {
    pub(crate) rule: String,
    pub(crate) level: LogLevel,
    pub(crate) message: String,
}

impl Shared {
    pub(crate) fn new(attempt: Box<dyn Attempt>, written: Written) -> Arc<Self> {
        let state = State {
            attempt: Some(attempt),
            looked_up: false,
            spent: None,
            stopped: None,
            staged: Staged::default(),
            written,
            log: Vec::new(),
            waits: Waits::default(),
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// The lock is never held across an await. After a panic the data is still consistent.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a rule waits for while the host works for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    Database,
    Vault,
}

/// How long rules have waited for the host. This time is not charged to them.
#[derive(Default)]
pub(crate) struct Waits {
    database: Duration,
    vault: Duration,
    /// What a rule waits for now, and since when.
    now: Option<(WaitFor, Instant)>,
}

impl Waits {
    /// A rule begins to wait. It waits for one thing at a time.
    pub(crate) fn begin(&mut self, what: WaitFor, now: Instant) {
        self.now = Some((what, now));
    }

    pub(crate) fn end(&mut self, now: Instant) {
        if let Some((what, since)) = self.now.take() {
            let waited = now.saturating_duration_since(since);
            match what {
                WaitFor::Database => self.database += waited,
                WaitFor::Vault => self.vault += waited,
            }
        }
    }

    /// Time spent waiting for the database, including waits that were abandoned.
    pub(crate) fn for_database(&self, now: Instant) -> Duration {
        self.database + self.ongoing(|what| what == WaitFor::Database, now)
    }

    /// Total time spent waiting.
    pub(crate) fn total(&self, now: Instant) -> Duration {
        self.database + self.vault + self.ongoing(|_| true, now)
    }

    fn ongoing(&self, is_meant: impl Fn(WaitFor) -> bool, now: Instant) -> Duration {
        let ongoing = self.now.filter(|(what, _)| is_meant(*what));
        ongoing.map(|(_, since)| now.saturating_duration_since(since)).unwrap_or_default()
    }
}

/// Serves one call of one rule: counts, enforces limits, stages events, and passes statements on to the attempt.
pub(crate) struct Calls {
    shared: Arc<Shared>,
    policy: Arc<dyn Policy>,
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    /// Those that the rule may schedule.
    operations: Arc<Operations>,
    rule: String,
    limits: Limits,
    operation: String,
    region: String,
    /// Whose key it is.
    scope: CallerId,
    /// The caller's identity.
    caller: Option<String>,
    /// The follow-up that the request is.
    follow_up: Option<Arc<FollowUp>>,
    key: Option<IdempotencyKey>,
    now: tenet_core::Timestamp,
    deadline: Instant,
    trace: Option<Trace>,
    random: Mutex<Random>,
    /// Salts for the values that the call seals.
    salts: Mutex<Random>,
    /// Random bytes for the language's runtime.
    runtime: Mutex<Random>,
    used: Mutex<Used>,
    waits: AnswerWaits,
}

#[derive(Default)]
struct Used {
    receipt: RuleReceipt,
    bytes_sent: u64,
    bytes_written: u64,
    log_lines: u64,
    log_bytes: u64,
}

/// What the calls of a rule use of the host.
pub(crate) struct CallParts {
    pub(crate) policy: Arc<dyn Policy>,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) operations: Arc<Operations>,
}

impl Calls {
    pub(crate) fn new(
        shared: Arc<Shared>,
        CallParts { policy, vault, clock, operations }: CallParts,
        request: &Request,
        key: Option<&IdempotencyKey>,
        rule: &str,
        place: usize,
        limits: &Limits,
    ) -> Self {
        Self {
            shared,
            policy,
            vault,
            clock,
            operations,
            rule: rule.to_owned(),
            limits: limits.clone(),
            operation: request.operation.clone(),
            region: request.region.clone(),
            scope: request.scope(),
            caller: request.caller.clone(),
            follow_up: request.follow_up.clone(),
            key: key.cloned(),
            now: request.now,
            deadline: request.deadline,
            trace: request.trace,
            salts: Mutex::new(Random::new(&request.seed, "vault", place as u64)),
            random: Mutex::new(Random::new(&request.seed, "rule", place as u64)),
            runtime: Mutex::new(Random::new(&request.seed, "runtime", place as u64)),
            used: Mutex::new(Used {
                receipt: RuleReceipt { rule: rule.to_owned(), ..RuleReceipt::default() },
                ..Used::default()
            }),
            waits: AnswerWaits::new(limits),
        }
    }

    /// The costs of the call so far.
    pub(crate) fn receipt(&self) -> RuleReceipt {
        self.used().receipt.clone()
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, why: StopReason) -> Stop {
        self.shared.lock().stopped.get_or_insert(why);
        Stop
    }

    fn enforce(&self, limit: Limit, allowed: u64, used: u64) -> Result<(), Stop> {
        limit.check(allowed, used).map_err(|exceeded| self.stop(StopReason::Limit(exceeded)))
    }

    /// Counts statements that are about to be sent, and returns how much they may read.
    fn count(&self, statements: &[Statement]) -> Result<ReadCap, Stop> {
        let (sent, bytes, rows_read, bytes_read) = {
            let mut used = self.used();
            used.receipt.statements += statements.len() as u64;
            used.bytes_sent += statements.iter().map(bytes_of).sum::<u64>();
            (used.receipt.statements, used.bytes_sent, used.receipt.rows_read, used.receipt.bytes_read)
        };
        self.enforce(Limit::Statements, self.limits.statements, sent)?;
        self.enforce(Limit::BytesSent, self.limits.bytes_sent, bytes)?;
        Ok(ReadCap {
            rows: self.limits.rows_read.saturating_sub(rows_read),
            bytes: self.limits.bytes_read.saturating_sub(bytes_read),
        })
    }

    /// Counts what statements returned, each with its text and its bytes. Returns how many rows and bytes the rule has
    /// written so far.
    fn record(&self, outcomes: &[Outcome], sent: &[(Arc<str>, u64)]) -> (u64, u64) {
        let mut used = self.used();
        for (outcome, (_, bytes)) in outcomes.iter().zip(sent) {
            used.receipt.rows_read += u64::from(outcome.rows.rows);
            used.receipt.bytes_read += outcome.rows.bytes;
            used.receipt.rows_affected += outcome.written;
            used.bytes_written += if outcome.written > 0 { *bytes } else { 0 };
        }
        (used.receipt.rows_affected, used.bytes_written)
    }

    /// The read limits passed to the attempt are what was left of the rule's limit. Converts them back to the whole
    /// limit.
    fn whole_limit(&self, fault: Fault) -> StopReason {
        let Some(exceeded) = fault.limit_exceeded().copied() else { return StopReason::Fault(fault) };
        let receipt = self.receipt();
        let (allowed, before) = match exceeded.limit {
            Limit::RowsRead => (self.limits.rows_read, receipt.rows_read),
            Limit::BytesRead => (self.limits.bytes_read, receipt.bytes_read),
            _ => return StopReason::Limit(exceeded),
        };
        let used = exceeded.used.map(|used| used + before);
        StopReason::Limit(LimitExceeded { allowed: Some(allowed), used, ..exceeded })
    }

    /// Sets the canonical text of each statement, or returns the error of the first statement that the rule may not
    /// send. In a batch the error names the statement.
    fn forbidden(&self, statements: &mut [Statement]) -> Option<SqlError> {
        let (rule, is_batch) = (&self.rule, statements.len() > 1);
        statements.iter_mut().enumerate().find_map(|(number, statement)| {
            let mut error = match self.policy.statement(rule, &statement.sql) {
                Ok(canonical) => {
                    statement.canonical = Some(canonical);
                    return None;
                }
                Err(error) => *error,
            };
            if is_batch {
                error.details.push(("statement".to_owned(), number.to_string()));
            }
            let position = error.details.iter().find(|(name, _)| name == "position").map(|(_, position)| position);
            tracing::warn!(rule, position, reason = %error, "a statement was not sent");
            Some(error)
        })
    }

    /// The error shown to a rule, after which the rule may only reject.
    fn spend(&self, statement: u64, error: SqlError) -> SqlError {
        let mut state = self.shared.lock();
        if let Some(spent) = &state.spent {
            return refused_after(spent);
        }
        state.spent = Some(Spent { statement, error: error.clone() });
        error
    }

    async fn ask_vault(&self, call: VaultCall) -> Result<Vaulted, Stop> {
        let salt = match call.verb {
            VaultVerb::Seal => self.salts.lock().unwrap_or_else(PoisonError::into_inner).array(),
            VaultVerb::Open => [0; 32],
        };
        let (rule, field) = (&self.rule, &call.field);
        let told = match call.check().and_then(|()| self.policy.vault(rule, call.verb, field)) {
            Ok(()) => {
                let occasion = Occasion { operation: &self.operation, now: self.now, salt, deadline: self.deadline };
                self.shared.lock().waits.begin(WaitFor::Vault, self.clock.instant());
                let asked = self.vault.ask(&call, occasion).await;
                self.shared.lock().waits.end(self.clock.instant());
                asked.map_err(|fault| self.stop(StopReason::Fault(fault)))?
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &told {
            // The name of a column that is not granted is the rule's own text, and may contain data that it read.
            let is_known = matches!(error.refusal, VaultRefusal::NotSealed | VaultRefusal::Elsewhere);
            let field = is_known.then(|| tracing::field::display(field));
            tracing::warn!(rule, field, verb = call.verb.name(), code = error.refusal.code(), "the vault refused");
        }
        Ok(told)
    }

    async fn send(&self, span: &Span, mut statements: Vec<Statement>) -> Result<Result<Vec<Outcome>, SqlError>, Stop> {
        let first = self.used().receipt.statements + 1;
        let cap = self.count(&statements)?;
        if let Some(error) = self.forbidden(&mut statements) {
            let number = first + offset_of(&error);
            return Ok(Err(self.spend(number, error)));
        }
        self.send_permitted(span, statements, (first, cap)).await
    }

    /// Sends statements that are the rule's `first` and those after it.
    async fn send_permitted(
        &self,
        span: &Span,
        statements: Vec<Statement>,
        (first, cap): (u64, ReadCap),
    ) -> Result<Result<Vec<Outcome>, SqlError>, Stop> {
        // For the results: the text locates an error's position, the bytes count what was written.
        let sent: Vec<_> =
            statements.iter().map(|statement| (Arc::clone(&statement.sql), bytes_of(statement))).collect();
        let mut attempt = {
            let mut state = self.shared.lock();
            if let Some(spent) = &state.spent {
                return Ok(Err(refused_after(spent)));
            }
            // Absent only if an earlier statement was cancelled, and then the guest has ended too.
            let attempt = state.attempt.take().ok_or(Stop)?;
            state.waits.begin(WaitFor::Database, self.clock.instant());
            attempt
        };
        let ran = attempt.run(statements, cap, &self.waits).await;
        let mut state = self.shared.lock();
        state.waits.end(self.clock.instant());
        state.attempt = Some(attempt);
        match ran {
            Ok(Progress::Continue(outcomes)) => {
                state.looked_up = true;
                for (outcome, (_, bytes)) in outcomes.iter().zip(&sent).filter(|(outcome, _)| outcome.written > 0) {
                    state.written.rows += outcome.written;
                    state.written.bytes += *bytes;
                }
                let within = if self.key.is_some() { state.written.check(&state.staged, 0) } else { Ok(()) };
                drop(state);
                span.record("rows", outcomes.iter().map(|outcome| outcome.affected).sum::<u64>());
                let (rows, bytes) = self.record(&outcomes, &sent);
                self.enforce(Limit::RowsWritten, self.limits.rows_written, rows)?;
                self.enforce(Limit::BytesWritten, self.limits.bytes_written, bytes)?;
                within.map_err(|exceeded| self.stop(StopReason::Limit(exceeded)))?;
                Ok(Ok(outcomes))
            }
            Ok(Progress::Answered(stored)) => {
                drop(state);
                Err(self.stop(StopReason::Answered(stored)))
            }
            Err(fault) => {
                if let Some(sqlstate) = fault.sqlstate() {
                    span.record("sqlstate", sqlstate.as_str());
                }
                let RowsRead { rows, bytes } = fault.read();
                let count = |error_bytes: u64| {
                    let mut used = self.used();
                    used.receipt.rows_read += rows;
                    used.receipt.bytes_read = used.receipt.bytes_read.saturating_add(bytes + error_bytes);
                    used.receipt.bytes_read
                };
                let Some(error) = fault.sql_error().cloned() else {
                    drop(state);
                    // The limits of the reading itself are about what was left before.
                    let why = self.whole_limit(fault);
                    count(0);
                    return Err(self.stop(why));
                };
                let read = count(error.bytes());
                let offset = offset_of(&error);
                let error = match usize::try_from(offset).ok().and_then(|offset| sent.get(offset)) {
                    Some((sql, _)) => self.policy.shown(&self.rule, sql, error),
                    None => error,
                };
                state.looked_up = true;
                state.spent = Some(Spent { statement: first + offset, error: error.clone() });
                drop(state);
                self.enforce(Limit::BytesRead, self.limits.bytes_read, read)?;
                Ok(Err(error))
            }
        }
    }
}

/// A span for a flight of statements.
fn flight_span(first: u64, statements: usize) -> Span {
    tracing::debug_span!(
        "statement",
        statement = first,
        statements,
        rows = tracing::field::Empty,
        sqlstate = tracing::field::Empty,
    )
}

impl Calls {
    async fn send_cancellation(&self, span: &Span, id: FollowUpId) -> Result<Result<bool, ScheduleError>, Stop> {
        let first = self.used().receipt.statements + 1;
        // The host's own statement, which no policy has to permit. Whether its result is permitted is checked below.
        let statements = vec![id.cancellation()];
        let cap = self.count(&statements)?;
        let outcomes = match self.send_permitted(span, statements, (first, cap)).await? {
            Ok(outcomes) => outcomes,
            Err(error) => return Ok(Err(ScheduleError::database(&error))),
        };
        let removed = outcomes.first().and_then(|outcome| outcome.rows.columns.first());
        let Some(ColumnValues::Text(operations)) = removed.map(|column| &column.values) else { return Ok(Ok(false)) };
        let Some(operation) = operations.first() else { return Ok(Ok(false)) };
        if let Err(error) = self.policy.schedule(&self.rule, operation) {
            let refused = SqlState::new("42501").unwrap_or(SqlState::SYNTAX_ERROR);
            self.spend(first, SqlError::new(refused, error.to_string()));
            return Ok(Err(error));
        }
        Ok(Ok(true))
    }
}

impl HostCalls for Calls {
    fn run(&self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Result<Vec<Outcome>, SqlError>, Stop>> {
        if statements.is_empty() {
            return Box::pin(std::future::ready(Ok(Ok(Vec::new()))));
        }
        let span = flight_span(self.used().receipt.statements + 1, statements.len());
        Box::pin(async move { in_span(&span, pin!(self.send(&span, statements))).await })
    }

    fn refuse(&self, error: SqlError) -> Result<SqlError, Stop> {
        let statement = {
            let mut used = self.used();
            used.receipt.statements += 1;
            used.receipt.statements
        };
        self.enforce(Limit::Statements, self.limits.statements, statement)?;
        Ok(self.spend(statement, error))
    }

    fn publish(&self, event: Event) -> Result<Result<EventId, EventError>, Stop> {
        let Some(key) = &self.key else { return Ok(Err(EventError::read_only())) };
        let bytes = (event.source.len() + event.detail_type.len() + event.detail.len()) as u64;
        self.enforce(Limit::EventBytes, self.limits.event_bytes, bytes)?;
        if let Err(error) = event.check().and_then(|()| self.policy.event(&self.rule, &event)) {
            return Ok(Err(error));
        }
        let staged = {
            let mut used = self.used();
            used.receipt.events += 1;
            used.receipt.events
        };
        self.enforce(Limit::Events, self.limits.events, staged)?;
        let mut state = self.shared.lock();
        let ordinal = u32::try_from(state.staged.events.len()).unwrap_or(u32::MAX);
        let now = if Mutant::EventIdOfClock.is_alive() { self.clock.now() } else { self.now };
        let id = EventId::derive(&self.operation, self.scope, key, now, ordinal);
        state.staged.events.push(StagedEvent {
            id,
            operation: self.operation.clone(),
            caller: self.scope,
            key: key.clone(),
            ordinal,
            event,
            region: self.region.clone(),
            at: self.now,
            trace: self.trace,
        });
        Ok(Ok(id))
    }

    fn schedule(&self, schedule: Schedule) -> Result<Result<FollowUpId, ScheduleError>, Stop> {
        let Some(key) = &self.key else { return Ok(Err(ScheduleError::read_only())) };
        self.enforce(Limit::FollowUpBytes, self.limits.follow_up_bytes, schedule.bytes())?;
        let may_run = |call: &OperationCall| {
            self.policy.schedule(&self.rule, &call.operation).and_then(|()| self.operations.check(call))
        };
        if let Err(error) = schedule.check(self.now).and_then(|()| schedule.calls().try_for_each(may_run)) {
            return Ok(Err(error));
        }
        let staged = {
            let mut used = self.used();
            used.receipt.follow_ups += 1;
            used.receipt.follow_ups
        };
        self.enforce(Limit::FollowUps, self.limits.follow_ups, staged)?;
        let mut state = self.shared.lock();
        let ordinal = u32::try_from(state.staged.follow_ups.len()).unwrap_or(u32::MAX);
        let id = FollowUpId::derive(&self.operation, self.scope, key, self.now, ordinal);
        let due = schedule.due(self.now);
        let Schedule { call, due: _, on_rejection, on_failure, label } = schedule;
        state.staged.follow_ups.push(FollowUp {
            id,
            call,
            due,
            caller: self.caller.clone(),
            chain: self.follow_up.as_ref().map_or(id, |follow_up| follow_up.chain),
            parent: self.follow_up.as_ref().map(|follow_up| follow_up.id),
            on_rejection,
            on_failure,
            label,
            region: self.region.clone(),
            trace: self.trace,
            failures: 0,
        });
        Ok(Ok(id))
    }

    fn cancel(&self, id: FollowUpId) -> BoxFuture<'_, Result<Result<bool, ScheduleError>, Stop>> {
        let refuse = |error| -> BoxFuture<'_, _> { Box::pin(std::future::ready(Ok(Err(error)))) };
        if self.key.is_none() {
            return refuse(ScheduleError::read_only());
        }
        let is_own = self.follow_up.as_ref().is_some_and(|follow_up| follow_up.id == id)
            || self.shared.lock().staged.follow_ups.iter().any(|staged| staged.id == id);
        if is_own {
            return refuse(ScheduleError::of_this_request());
        }
        let span = flight_span(self.used().receipt.statements + 1, 1);
        Box::pin(async move { in_span(&span, pin!(self.send_cancellation(&span, id))).await })
    }

    fn vault(&self, call: VaultCall) -> BoxFuture<'_, Result<Vaulted, Stop>> {
        Box::pin(self.ask_vault(call))
    }

    fn log(&self, level: LogLevel, message: String) -> Result<(), Stop> {
        let (lines, bytes) = {
            let mut used = self.used();
            used.log_lines += 1;
            used.log_bytes += message.len() as u64;
            (used.log_lines, used.log_bytes)
        };
        self.enforce(Limit::LogLines, self.limits.log_lines, lines)?;
        self.enforce(Limit::LogBytes, self.limits.log_bytes, bytes)?;
        self.shared.lock().log.push(LogLine { rule: self.rule.clone(), level, message });
        Ok(())
    }

    fn random(&self, whose: Randomness, length: u32) -> Result<Vec<u8>, Stop> {
        let sequence = match whose {
            Randomness::Rule => &self.random,
            Randomness::Runtime => &self.runtime,
        };
        Ok(sequence.lock().unwrap_or_else(PoisonError::into_inner).bytes(length as usize))
    }

    fn key(&self) -> Option<&str> {
        self.key.as_ref().map(IdempotencyKey::as_str)
    }
}

/// Which statement of a batch an error is about, counted from 0.
fn offset_of(error: &SqlError) -> u64 {
    let number = error.details.iter().find(|(name, _)| name == "statement");
    number.and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

fn refused_after(spent: &Spent) -> SqlError {
    SqlError::new(
        SqlState::IN_FAILED_TRANSACTION,
        format!(
            "statement {} failed with SQLSTATE {}, so the transaction is spent: only a rejection may follow",
            spent.statement, spent.error.sqlstate
        ),
    )
}

fn bytes_of(statement: &Statement) -> u64 {
    use tenet_core::Value;
    let parameter = |value: &Value| match value {
        Value::Null(_) => 0,
        Value::Bool(_) => 1,
        Value::Int2(_) => 2,
        Value::Int4(_) | Value::Date(_) => 4,
        Value::Int8(_) | Value::Float8(_) | Value::Time(_) | Value::Timestamp(_) | Value::Timestamptz(_) => 8,
        Value::Uuid(_) | Value::Interval(_) => 16,
        Value::Numeric(decimal) => decimal.as_str().len(),
        Value::Text(text) | Value::Json(text) => text.len(),
        Value::Bytea(bytes) => bytes.len(),
    };
    (statement.sql.len() + statement.parameters.iter().map(parameter).sum::<usize>()) as u64
}
