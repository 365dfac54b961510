use std::sync::Arc;
use std::time::Instant;

use crate::{
    AnswerRetention, BoxFuture, CallerId, EventId, Fault, IdempotencyKey, Outbox, OutboxPosition, StagedEvent,
    StoredAnswers, Timestamp, Transactions,
};

/// The three ports to the database of one host.
#[derive(Clone)]
pub struct Ledger {
    /// Transactions that leave exactly one answer under a key.
    pub transactions: Arc<dyn Transactions>,
    /// The events that these transactions staged.
    pub outbox: Arc<dyn Outbox>,
    /// The answers that they stored.
    pub answers: Arc<dyn StoredAnswers>,
}

impl Ledger {
    /// Only transactions, with no outbox and no stored answers: for a recording.
    pub fn of_transactions(transactions: Arc<dyn Transactions>) -> Self {
        Self { transactions, outbox: Arc::new(NothingStored), answers: Arc::new(NothingStored) }
    }
}

impl<D: Transactions + Outbox + StoredAnswers + 'static> From<Arc<D>> for Ledger {
    fn from(database: Arc<D>) -> Self {
        Self { transactions: Arc::clone(&database) as _, outbox: Arc::clone(&database) as _, answers: database }
    }
}

/// A store that is always empty.
struct NothingStored;

impl Outbox for NothingStored {
    fn staged<'a>(
        &'a self,
        _: &'a str,
        _: CallerId,
        _: &'a IdempotencyKey,
        _: Instant,
    ) -> BoxFuture<'a, Result<Vec<StagedEvent>, Fault>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn left<'a>(
        &'a self,
        _: Timestamp,
        _: Option<OutboxPosition>,
        _: Instant,
    ) -> BoxFuture<'a, Result<Vec<StagedEvent>, Fault>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn forget<'a>(&'a self, _: &'a [EventId], _: Instant) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn park<'a>(&'a self, _: &'a [(EventId, String)], _: Instant) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn parked(&self, _: Instant) -> BoxFuture<'_, Result<u64, Fault>> {
        Box::pin(async { Ok(0) })
    }
}

impl StoredAnswers for NothingStored {
    fn expire(&self, _: AnswerRetention, _: Instant) -> BoxFuture<'_, Result<u64, Fault>> {
        Box::pin(async { Ok(0) })
    }
}
