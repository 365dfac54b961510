use std::fmt;

use futures_util::future::{FutureExt, Shared};
use tenet_core::BoxFuture;

/// Whether the caller of a request still waits for its answer.
///
/// A request whose caller has left ends as one whose time is over, until its commit begins. From then on it is decided
/// and published, as nothing can withdraw a COMMIT.
#[derive(Clone)]
pub struct Presence(Option<Shared<BoxFuture<'static, ()>>>);

impl Presence {
    /// A caller of whom the host does not learn it, as in Lambda.
    pub fn unknown() -> Self {
        Self(None)
    }

    /// A caller who has left once `left` completes.
    pub fn until(left: impl Future<Output = ()> + Send + 'static) -> Self {
        let left: BoxFuture<'static, ()> = Box::pin(left);
        Self(Some(left.shared()))
    }

    /// Completes when the caller has left.
    pub(crate) async fn left(&self) {
        match &self.0 {
            Some(left) => left.clone().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the caller was seen to have left.
    pub fn has_left(&self) -> bool {
        self.0.as_ref().is_some_and(|left| left.clone().now_or_never().is_some())
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").field("has_left", &self.has_left()).finish()
    }
}
