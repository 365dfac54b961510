use std::time::Instant;

use crate::{BoxFuture, CallerId, EventId, Fault, IdempotencyKey, StagedEvent, Timestamp};

/// The port to the events that committed transactions have staged.
pub trait Outbox: Send + Sync {
    /// The events that the committed transaction of (operation, caller, key) left in the outbox and
    /// that are not parked, in the order in which they were staged.
    fn staged<'a>(
        &'a self,
        operation: &'a str,
        caller: CallerId,
        key: &'a IdempotencyKey,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<StagedEvent>, Fault>>;

    /// Events in the outbox whose requests arrived before `before` and that are not parked, ordered
    /// by their places and starting after `after`. It returns one page, small enough for a small
    /// host's memory; an empty page is the last one.
    fn left<'a>(
        &'a self,
        before: Timestamp,
        after: Option<OutboxPosition>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<StagedEvent>, Fault>>;

    /// Removes events that the bus has accepted.
    fn forget<'a>(&'a self, events: &'a [EventId], deadline: Instant) -> BoxFuture<'a, Result<(), Fault>>;

    /// Parks events that every bus refuses, each with the reason: they stay in the outbox and
    /// [`left`](Self::left) does not return them.
    fn park<'a>(&'a self, events: &'a [(EventId, String)], deadline: Instant) -> BoxFuture<'a, Result<(), Fault>>;

    /// How many events are parked.
    fn parked(&self, deadline: Instant) -> BoxFuture<'_, Result<u64, Fault>>;
}

/// The position of an event in the outbox, oldest first.
pub type OutboxPosition = (Timestamp, EventId);
