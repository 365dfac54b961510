use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use crate::{BoxFuture, CallerId, Digest, Fault, IdempotencyKey, Outcome, StagedEvent, Statement, Timestamp};

/// The port to the database's transactions, each of which leaves exactly one answer under a key.
pub trait Transactions: Send + Sync {
    /// Begins an attempt. Nothing is sent yet: BEGIN and the look-up of the key travel
    /// with the first statement.
    fn open(&self, claim: Claim) -> Box<dyn Attempt>;

    /// Whether an attempt could be made now: the database answers and has Tenet's tables.
    fn ready(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Fault>>;
}

/// What an attempt is made for.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The operation.
    pub operation: String,
    /// Whose answers are looked up and stored.
    pub caller: CallerId,
    /// Whether it may write, and under which key.
    pub mode: Mode,
    /// The request's moment, stored with the answer.
    pub now: Timestamp,
    /// The region that commits, stored with the answer.
    pub region: String,
    /// When the attempt has to be over.
    pub deadline: Instant,
    /// Whether the database is reached by another endpoint first, where it has one, because the
    /// last attempt got no answer by the usual one.
    pub elsewhere: bool,
    /// Counts round trips: waits for the database with nothing of ours in flight. It
    /// outlives the attempt, however that ends.
    pub round_trips: Arc<AtomicU32>,
}

/// Whether an operation may write.
#[derive(Clone, Debug)]
pub enum Mode {
    /// The verdict is stored under a key, together with what was written.
    Write {
        /// The name of the answer among the caller's.
        key: IdempotencyKey,
        /// What was asked, so that the same key with another payload is found out.
        digest: Digest,
    },
    /// A READ ONLY transaction that leaves nothing.
    Read,
}

/// An answer that is stored under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// Whether the verdict was to accept.
    pub accepted: bool,
    /// The body of the answer, byte for byte.
    pub body: String,
    /// What was asked.
    pub digest: Digest,
    /// The moment of the request that committed it.
    pub now: Timestamp,
}

/// How far an attempt got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// It went on.
    Continue(T),
    /// The key has an answer already. The attempt is over and has changed nothing.
    Answered(StoredAnswer),
}

/// How much a statement may give before reading it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadCap {
    /// Rows.
    pub rows: u64,
    /// Bytes of values.
    pub bytes: u64,
}

/// One try at a transaction.
///
/// An attempt that is dropped is rolled back: nothing of it stays, and its connection is
/// used again only when the state of that is known.
pub trait Attempt: Send {
    /// Runs statements in order, in one round trip. The first error ends the flight; a
    /// batch names the failed one by the detail `statement`.
    ///
    /// Cancelled while it waits, it leaves an attempt that can only be dropped.
    fn run<'a>(
        &'a mut self,
        statements: Vec<Statement>,
        cap: ReadCap,
    ) -> BoxFuture<'a, Result<Progress<Vec<Outcome>>, Fault>>;

    /// Commits with `output` as the accepted answer and `events` in the outbox, in one
    /// flight. `Ok(On)` means that it is certainly committed.
    fn accept(
        self: Box<Self>,
        output: String,
        events: Vec<StagedEvent>,
    ) -> BoxFuture<'static, Result<Progress<()>, Fault>>;

    /// Undoes what the attempt did and commits `body` as the rejected answer, in one
    /// flight. A read-only attempt stores nothing.
    fn reject(self: Box<Self>, body: String) -> BoxFuture<'static, Result<Progress<()>, Fault>>;

    /// Undoes what the attempt did and stores nothing. The key is looked up all the same
    /// if that had not happened yet.
    fn roll_back(self: Box<Self>) -> BoxFuture<'static, Result<Progress<()>, Fault>>;
}
