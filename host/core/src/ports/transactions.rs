use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use crate::{
    AnswerWaits, BoxFuture, CallerId, Digest, Fault, FollowUp, FollowUpId, IdempotencyKey, Outcome, StagedEvent,
    Statement, Timestamp,
};

/// The port to the database's transactions. Each stores exactly one answer under a key.
pub trait Transactions: Send + Sync {
    /// Begins an attempt without sending anything: BEGIN and the key lookup are sent together with
    /// the first statement.
    fn open(&self, claim: Claim) -> Box<dyn Attempt>;

    /// Whether an attempt is possible now: the database responds and has Tenet's tables.
    fn ready(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Fault>>;

    /// The same while requests use all connections: whether the database has answered on one of them a moment ago, or
    /// answers on another one, and whether an attempt has met tables that are not the expected ones.
    fn ready_while_busy(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Fault>>;
}

/// The parameters of an attempt.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The operation.
    pub operation: String,
    /// Whose answers are looked up and stored.
    pub caller: CallerId,
    /// Whether it may write, and under which key.
    pub mode: Mode,
    /// The follow-up that it is a run of, if it is one. Its row goes with the answer's commit, so that it cannot run
    /// again.
    pub follow_up: Option<FollowUpId>,
    /// The time of the request, stored with the answer.
    pub now: Timestamp,
    /// The region that commits, stored with the answer.
    pub region: String,
    /// The deadline of the attempt.
    pub deadline: Instant,
    /// Whether to try another endpoint of the database first, if there is one, because the last
    /// attempt got no response from the usual one.
    pub elsewhere: bool,
    /// Whether the session has to answer ahead of each statement, in the same flight, because the last attempt got no
    /// answer to one while the database answered others. If the session answers and the statement is not answered
    /// again, the statement is slow, and its connection was not lost.
    pub probes_session: bool,
    /// Counts round trips: waits for the database with nothing else of ours in flight. It outlives
    /// the attempt, however that ends.
    pub round_trips: Arc<AtomicU32>,
}

/// Whether an operation may write.
#[derive(Clone, Debug)]
pub enum Mode {
    /// The verdict is stored under a key, together with what was written.
    Write {
        /// The name of the answer among the caller's.
        key: IdempotencyKey,
        /// The digest of the payload, which detects a reused key with another payload.
        digest: Digest,
    },
    /// A READ ONLY transaction that stores nothing.
    Read,
}

/// An answer that is stored under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// Whether the verdict was to accept.
    pub accepted: bool,
    /// The body of the answer, byte for byte.
    pub body: String,
    /// The digest of the payload.
    pub digest: Digest,
    /// The time of the request that committed it.
    pub now: Timestamp,
}

/// What a transaction leaves behind apart from its answer and its writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staged {
    /// Events, which go into the outbox.
    pub events: Vec<StagedEvent>,
    /// Operations that follow.
    pub follow_ups: Vec<FollowUp>,
}

/// How far an attempt got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// The attempt continues.
    Continue(T),
    /// The key already has an answer. The attempt is over and has changed nothing.
    Answered(StoredAnswer),
}

/// How much a statement may return before reading is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadCap {
    /// Rows.
    pub rows: u64,
    /// Bytes of values.
    pub bytes: u64,
}

/// One try at a transaction.
///
/// Dropping an attempt rolls it back: nothing of it is stored, and its connection is reused only if
/// its state is known.
pub trait Attempt: Send {
    /// Runs statements in order, in one round trip. The first error skips the rest; in a batch, the
    /// detail `statement` of the error names the failed one.
    ///
    /// The time until the answer is added to `waits`. Once that exceeds its limit and the statements are the cause,
    /// the fault is that limit.
    ///
    /// If cancelled while it waits, the attempt can only be dropped.
    fn run<'a>(
        &'a mut self,
        statements: Vec<Statement>,
        cap: ReadCap,
        waits: &'a AnswerWaits,
    ) -> BoxFuture<'a, Result<Progress<Vec<Outcome>>, Fault>>;

    /// Commits with `output` as the accepted answer and what was staged, in one round trip.
    /// `Ok(Progress::Continue)` means that it is certainly committed.
    fn accept(self: Box<Self>, output: String, staged: Staged) -> BoxFuture<'static, Result<Progress<()>, Fault>>;

    /// Undoes the attempt's changes and commits `body` as the rejected answer, with what follows the rejection, in one
    /// round trip. A read-only attempt stores nothing.
    fn reject(
        self: Box<Self>,
        body: String,
        follow_up: Option<FollowUp>,
    ) -> BoxFuture<'static, Result<Progress<()>, Fault>>;

    /// Undoes the attempt's changes and stores nothing. If the key has not been looked up yet, it
    /// is looked up now.
    fn roll_back(self: Box<Self>) -> BoxFuture<'static, Result<Progress<()>, Fault>>;
}
