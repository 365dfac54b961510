//! What the host says, as lines: of JSON, or for people.
//!
//! The other crates say it through `tracing`; this one writes it down ([`subscriber`]). Every
//! line is an event, with what the spans around it say. A span that ends waits in the span
//! around it, and an event that has that one's name takes it along: so one line tells all of
//! a request when it is over, its attempts, their rules, what each took. A line can carry
//! [`Metrics`], for whoever draws graphs of them.
//!
//! There is one subscriber and no layers: where tracing-subscriber's registry keeps a map for
//! each span and its JSON reads every span back for each line, a request cost twice what its
//! rule does. Here the memory of a closed span serves the next.
//!
//! A value's `Debug` or `Display` may use the log itself: it runs while no lock is held. What a writer
//! logs while it writes is left out, since the same writer would have to write that too.
//!
//! What this crate must never know: what is said. It has no word of Tenet's in it.

mod format;
mod lines;
mod members;
mod metrics;
mod rfc3339;
mod spans;

use tracing::Subscriber;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;

pub use crate::format::Format;
use crate::lines::Lines;
pub use crate::metrics::Metrics;

/// Writes what `filter` lets through to `out`, a whole line at a time, and lines with one of
/// `metrics` in any case. There is one of it in a process.
///
/// # Errors
/// Fails where `filter` is none that [`Targets`] reads: a level, or targets with theirs, as in
/// `info,tenet_events=debug`.
pub fn subscriber<W>(
    format: Format,
    filter: &str,
    metrics: Vec<Metrics>,
    out: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Ok(Lines::new(format, filter.parse::<Targets>()?, metrics, out))
}
