use std::time::Instant;

use crate::{BoxFuture, StagedEvent};

/// The port to the event bus.
pub trait Publisher: Send + Sync {
    /// Publishes committed events. Returns one result per event, in the same order.
    ///
    /// The host may publish an event twice (its id identifies it), so any doubt is
    /// [`Delivery::Later`].
    fn publish<'a>(&'a self, events: &'a [StagedEvent], deadline: Instant) -> BoxFuture<'a, Vec<Delivery>>;
}

/// The result of publishing an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The bus accepted it, and so did whatever forwards it to the other region.
    Taken,
    /// Not accepted, or unknown. The event stays in the outbox.
    Later(String),
    /// The bus refuses this event permanently. The outbox parks it with the reason, which contains
    /// nothing of the event's detail.
    Refused(String),
}
