use std::time::Instant;

use crate::{BoxFuture, StagedEvent};

/// The port to the event bus.
pub trait Publisher: Send + Sync {
    /// Hands committed events over and tells, event by event, what became of each. The
    /// answer has one entry an event, in the same order.
    ///
    /// An event may be handed over twice (its id tells), so that anything which leaves a
    /// doubt is [`Delivery::Later`].
    fn publish<'a>(&'a self, events: &'a [StagedEvent], deadline: Instant) -> BoxFuture<'a, Vec<Delivery>>;
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The bus has it, and whatever carries it to the other region has it too.
    Taken,
    /// Not now, or not known; the outbox keeps it.
    Later(String),
    /// Never: the bus refuses this event for good. The outbox parks it with the reason, in which
    /// nothing of the event's detail is.
    Refused(String),
}
