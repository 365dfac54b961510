use std::time::Instant;

use crate::{BoxFuture, CallerId, EventId, Fault, IdempotencyKey, StagedEvent, Timestamp};

/// The port to the events that committed transactions have staged.
pub trait Outbox: Send + Sync {
    /// The events that the committed transaction of (operation, caller, key) has left in the
    /// outbox and that are not parked, in the order they were staged.
    fn staged<'a>(
        &'a self,
        operation: &'a str,
        caller: CallerId,
        key: &'a IdempotencyKey,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<StagedEvent>, Fault>>;

    /// Events in the outbox whose requests came before `before` and that are not parked, in order
    /// of their places: the first ones behind `after`, and no more than a small host has memory
    /// for. When there are none, there are no more of them.
    fn left<'a>(
        &'a self,
        before: Timestamp,
        after: Option<Place>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<StagedEvent>, Fault>>;

    /// Removes events from the outbox that every bus has taken.
    fn forget<'a>(&'a self, events: &'a [EventId], deadline: Instant) -> BoxFuture<'a, Result<(), Fault>>;

    /// Parks events that no bus will ever take, each with the reason: they stay in the outbox
    /// and are not [`left`](Self::left) to anybody.
    fn park<'a>(&'a self, events: &'a [(EventId, String)], deadline: Instant) -> BoxFuture<'a, Result<(), Fault>>;

    /// How many events are parked.
    fn parked(&self, deadline: Instant) -> BoxFuture<'_, Result<u64, Fault>>;
}

/// The place of an event in the outbox: the oldest come first.
pub type Place = (Timestamp, EventId);
