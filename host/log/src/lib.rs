//! Writes the host's log as lines of JSON or of readable text.
//!
//! The other crates log through `tracing`; this crate writes the lines ([`subscriber`]). Every line
//! is an event with the fields of the spans around it. A closed span is kept in its parent span,
//! and an event with the parent's name includes it: so one line describes a whole request when it
//! is over, with its attempts, their rules, and what each took. A line can carry [`Metrics`].
//!
//! There is one subscriber and no layers. tracing-subscriber's registry keeps a map for each span,
//! and its JSON layer parses every span again for each line: with it, logging a request cost twice
//! as much as its rule. Here the memory of a closed span is reused.
//!
//! A value's `Debug` or `Display` may use the log itself: it runs while no lock is held. What a
//! writer logs while it writes is dropped, because the same writer would have to write that too.
//!
//! This crate must not know what is logged: of the core it takes the calendar and what a terminal obeys, and no term
//! of Tenet's.

mod format;
mod line_time;
mod lines;
mod members;
mod metrics;
mod shown;
mod spans;

use tracing::Subscriber;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;

pub use crate::format::Format;
use crate::lines::Lines;
pub use crate::metrics::Metrics;

/// A subscriber that writes what `filter` admits to `out`, one whole line at a time. Lines with one
/// of `metrics` are always written. A process has one subscriber.
///
/// # Errors
/// Fails if [`Targets`] cannot parse `filter`: a level, or targets with levels, as in
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
