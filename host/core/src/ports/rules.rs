use std::sync::Arc;
use std::time::Duration;

use crate::{
    BoxFuture, Event, EventError, EventId, LimitExceeded, Limits, Outcome, Request, SqlError, Statement, VaultCall,
    Vaulted, Verdict,
};

/// The port to the engine.
pub trait Rules: Send + Sync {
    /// Calls a rule in an instance of its own. How the call ended is never an `Err`: a
    /// trap is an ending like any other.
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

/// How a rule's call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCall {
    /// How it ended.
    pub ended: Ended,
    /// What was computed in the guest, and in the host on its behalf. Waiting is neither.
    pub cpu: Duration,
    /// The most linear memory it had, in bytes.
    pub memory_bytes: u64,
    /// What it computed, in wasmtime's units: about one an instruction, the same each time. Only
    /// a metered engine counts it.
    pub fuel: Option<u64>,
}

/// Every way in which a rule's call can end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The rule decided.
    Verdict(Verdict),
    /// The rule said that it is broken.
    Bug(String),
    /// The guest trapped: a panic, an access out of bounds, a division by zero.
    Trap(String),
    /// It used more than it may.
    Limit(LimitExceeded),
    /// A host call stopped it, and whoever implements [`HostCalls`] knows why.
    Stopped,
    /// The host could not run it: no such rule, no room for an instance.
    Host(String),
}

/// A host call's order to stop the guest at once. The reason stays with the one who gave
/// the order; the guest never learns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// How urgent a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the variants say themselves")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Who draws random bytes. Each has a sequence of its own, so that a rule draws the same ones
/// whatever the runtime of its language has drawn before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Randomness {
    /// The rule, by the contract.
    Rule,
    /// The runtime of its language, by WASI.
    Runtime,
}

/// What a guest may ask of the host while it runs. One object serves one call of one rule.
pub trait HostCalls: Send + Sync {
    /// Runs statements in order in one round trip. What it computes when it is polled counts as the
    /// rule's computing, and what it waits for does not.
    fn run(&self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Result<Vec<Outcome>, SqlError>, Stop>>;

    /// Takes note of a statement that cannot be sent because of `error`, and gives the
    /// error that the guest is to be shown. It counts like one of the database.
    fn refuse(&self, error: SqlError) -> Result<SqlError, Stop>;

    /// Stages an event.
    fn publish(&self, event: Event) -> Result<Result<EventId, EventError>, Stop>;

    /// Seals or opens a sensitive value.
    fn vault(&self, call: VaultCall) -> BoxFuture<'_, Result<Vaulted, Stop>>;

    /// Takes a line for the log.
    fn log(&self, level: LogLevel, message: String) -> Result<(), Stop>;

    /// The next bytes of one of the call's random sequences.
    fn random(&self, whose: Randomness, length: u32) -> Result<Vec<u8>, Stop>;

    /// The idempotency key under which the request runs; none for a read-only operation.
    fn key(&self) -> Option<&str>;
}
