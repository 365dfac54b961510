//! Which operations follow an event, on a laptop as in a region.

use serde::Deserialize;
use tenet_core::IdempotencyKey;
use tenet_events::Routes;
use tenet_pipeline::BridgeEvent;

use crate::error::{Error, Result};

/// The most operations that follow one request, directly and through each other's events.
pub const MOST: usize = 100;

/// What an event asks of an operation.
pub(crate) struct Taken {
    pub(crate) operation: String,
    /// The event's own id, under which the operation runs once.
    pub(crate) key: IdempotencyKey,
    pub(crate) payload: String,
}

/// What an event on the bus of `region` asks of the operations that take it. What the other region
/// has published asks nothing here.
pub(crate) fn taken(routes: &Routes, region: &str, event: &str) -> Result<Vec<Taken>> {
    #[derive(Deserialize)]
    struct Event {
        detail: Detail,
    }
    #[derive(Deserialize)]
    struct Detail {
        tenet: Published,
    }
    #[derive(Deserialize)]
    struct Published {
        bus: String,
    }
    let Event { detail } = serde_json::from_str(event)?;
    if detail.tenet.bus != region {
        return Ok(Vec::new());
    }
    let bridge = BridgeEvent::read(event).map_err(Error::plain)?;
    let mut taken = Vec::new();
    for operation in routes.takers(event) {
        let key = bridge.key().map_err(Error::plain)?;
        let key = key.ok_or_else(|| Error::plain(format!("{} has no id", bridge.name())))?;
        let payload = bridge.invocation(operation).map_err(Error::plain)?.payload;
        taken.push(Taken { operation: operation.to_owned(), key, payload });
    }
    Ok(taken)
}
