//! What the host says, as lines of JSON.
//!
//! The other crates say it through `tracing`; this one writes it down ([`json`]). An event is
//! a line at once, with the spans around it. A span is part of the line of the span around
//! it, and so one line tells all of a request when it is over: its attempts, their rules,
//! what each took. Lines of spans one by one, as tracing-subscriber's own JSON has them, are
//! read back and written again with every field and cost a request twice what its rule does.
//!
//! What this crate must never know: what is said. It has no word of Tenet's in it.

mod lines;
mod members;

use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use crate::lines::Lines;

/// Writes what `filter` lets through to `out`, a whole line at a time.
///
/// # Errors
/// Fails where `filter` is none that [`EnvFilter`] reads.
pub fn json<W>(filter: &str, out: W) -> Result<impl Subscriber + Send + Sync + use<W>, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Ok(Registry::default().with(Lines::new(EnvFilter::try_new(filter)?, out)))
}
