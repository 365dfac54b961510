use std::sync::Arc;
use std::time::Instant;

use crate::{
    AnswerRetention, BoxFuture, CallerId, DueFollowUps, DuePage, EventId, Fault, FollowUpCounts, FollowUpId,
    FollowUpPosition, FollowUps, IdempotencyKey, Outbox, OutboxPosition, StagedEvent, StoredAnswers, Timestamp,
    Transactions,
};

/// The four ports to the database of one host.
#[derive(Clone)]
pub struct Ledger {
    /// Transactions that leave exactly one answer under a key.
    pub transactions: Arc<dyn Transactions>,
    /// The events that these transactions staged.
    pub outbox: Arc<dyn Outbox>,
    /// The answers that they stored.
    pub answers: Arc<dyn StoredAnswers>,
    /// The operations that they scheduled.
    pub follow_ups: Arc<dyn FollowUps>,
}

impl Ledger {
    /// Only transactions, with nothing stored: for a recording.
    pub fn of_transactions(transactions: Arc<dyn Transactions>) -> Self {
        let nothing = Arc::new(NothingStored);
        Self {
            transactions,
            outbox: Arc::clone(&nothing) as _,
            answers: Arc::clone(&nothing) as _,
            follow_ups: nothing,
        }
    }

    /// The same with no follow-ups to be run.
    #[must_use]
    pub fn without_follow_ups(self) -> Self {
        Self { follow_ups: Arc::new(NothingStored), ..self }
    }
}

impl<D: Transactions + Outbox + StoredAnswers + FollowUps + 'static> From<Arc<D>> for Ledger {
    fn from(database: Arc<D>) -> Self {
        Self {
            transactions: Arc::clone(&database) as _,
            outbox: Arc::clone(&database) as _,
            answers: Arc::clone(&database) as _,
            follow_ups: database,
        }
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

impl FollowUps for NothingStored {
    fn due<'a>(
        &'a self,
        _: DueFollowUps<'a>,
        _: Option<FollowUpPosition>,
        _: u32,
        _: Instant,
    ) -> BoxFuture<'a, Result<DuePage, Fault>> {
        Box::pin(async { Ok(DuePage::default()) })
    }

    fn postpone(&self, _: FollowUpId, _: u32, _: Timestamp, _: Instant) -> BoxFuture<'_, Result<bool, Fault>> {
        Box::pin(async { Ok(false) })
    }

    fn park<'a>(&'a self, _: FollowUpId, _: u32, _: &'a str, _: Instant) -> BoxFuture<'a, Result<bool, Fault>> {
        Box::pin(async { Ok(false) })
    }

    fn count(&self, _: Timestamp, _: Instant) -> BoxFuture<'_, Result<FollowUpCounts, Fault>> {
        Box::pin(async { Ok(FollowUpCounts::default()) })
    }
}
