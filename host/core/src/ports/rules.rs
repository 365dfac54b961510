use std::sync::Arc;
use std::time::Duration;

use crate::{
    BoxFuture, Event, EventError, EventId, FollowUpId, LimitExceeded, Limits, Outcome, Request, Schedule,
    ScheduleError, SqlError, Statement, VaultCall, Vaulted, Verdict,
};

/// The port to the engine.
pub trait Rules: Send + Sync {
    /// Calls a rule in an instance of its own. The end of a call is never an `Err`: a trap is a
    /// result like any other.
    ///
    /// Dropping the future stops the guest and frees everything it had.
    fn call<'a>(
        &'a self,
        rule: &'a str,
        request: &'a Request,
        limits: &'a Limits,
        calls: Arc<dyn HostCalls>,
    ) -> BoxFuture<'a, RuleCall>;
}

/// The result of a rule's call and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCall {
    /// How it ended.
    pub ended: Ended,
    /// Processor time in the guest, and in the host on its behalf. Waiting is not included.
    pub cpu: Duration,
    /// The peak of its linear memory, in bytes.
    pub memory_bytes: u64,
    /// The fuel it used, in wasmtime's unit: about one per instruction, deterministic. Only a
    /// metered engine counts it.
    pub fuel: Option<u64>,
}

/// How a rule's call can end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The rule decided.
    Verdict(Verdict),
    /// The rule reported a bug.
    Bug(String),
    /// The guest trapped: a panic, an access out of bounds, a division by zero.
    Trap(String),
    /// It exceeded a limit.
    Limit(LimitExceeded),
    /// A host call stopped it. The implementation of [`HostCalls`] knows the reason.
    Stopped,
    /// The host could not run it: the rule does not exist, or no instance was available.
    Host(String),
}

/// Tells the engine to stop the guest at once. The implementation of [`HostCalls`] keeps the
/// reason; the guest never sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the variants say themselves")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Who draws random bytes. Each has its own sequence, so a rule draws the same bytes whatever its
/// language's runtime drew before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Randomness {
    /// The rule, through the contract.
    Rule,
    /// The language's runtime, through WASI.
    Runtime,
}

/// The functions that a guest may call. One object serves one call of one rule.
pub trait HostCalls: Send + Sync {
    /// Runs statements in order in one round trip. Time spent in its `poll` counts as the rule's
    /// processor time; time spent waiting does not.
    fn run(&self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Result<Vec<Outcome>, SqlError>, Stop>>;

    /// Records a statement that was not sent because of `error`, and returns the error for the
    /// guest. It counts like an error of the database.
    fn refuse(&self, error: SqlError) -> Result<SqlError, Stop>;

    /// Stages an event.
    fn publish(&self, event: Event) -> Result<Result<EventId, EventError>, Stop>;

    /// Stages an operation that follows.
    fn schedule(&self, schedule: Schedule) -> Result<Result<FollowUpId, ScheduleError>, Stop>;

    /// Removes a follow-up with the transaction. Returns whether it waited.
    fn cancel(&self, id: FollowUpId) -> BoxFuture<'_, Result<Result<bool, ScheduleError>, Stop>>;

    /// Seals or opens a sensitive value.
    fn vault(&self, call: VaultCall) -> BoxFuture<'_, Result<Vaulted, Stop>>;

    /// Logs a line.
    fn log(&self, level: LogLevel, message: String) -> Result<(), Stop>;

    /// The next bytes of one of the call's random sequences.
    fn random(&self, whose: Randomness, length: u32) -> Result<Vec<u8>, Stop>;

    /// The idempotency key under which the request runs; none for a read-only operation.
    fn key(&self) -> Option<&str>;
}
