use std::future::poll_fn;
use std::pin::Pin;

use tracing::Span;

/// Does work inside a span, which stays the caller's: what is known only afterwards can still
/// be recorded. `tracing`'s own way enters the span once more to drop the work, which for
/// most of ours is as much as entering it at all.
///
/// The work is pinned where it was made: a request's futures lie in one another, and what
/// moves one copies all that are in it.
pub(crate) async fn in_span<F: Future>(span: &Span, mut work: Pin<&mut F>) -> F::Output {
    poll_fn(|context| span.in_scope(|| work.as_mut().poll(context))).await
}
