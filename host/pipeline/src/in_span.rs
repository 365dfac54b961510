use std::future::poll_fn;
use std::pin::Pin;

use tracing::Span;

/// Polls a future inside a span that the caller keeps, so that the caller can still record values
/// afterwards. `tracing`'s `Instrument` enters the span once more to drop the future, which for
/// most of ours costs as much as entering it at all.
///
/// The future is pinned where it was created: a request's futures are nested, and moving one copies
/// all that it contains.
pub(crate) async fn in_span<F: Future>(span: &Span, mut work: Pin<&mut F>) -> F::Output {
    poll_fn(|context| span.in_scope(|| work.as_mut().poll(context))).await
}
