use std::sync::Arc;

use tokio::sync::watch;

/// Counts running work, so that a caller can wait until none is left.
#[derive(Clone, Debug)]
pub(crate) struct Work(Arc<watch::Sender<usize>>);

/// One piece of running work, until it is dropped.
#[derive(Debug)]
pub(crate) struct Ongoing(Arc<watch::Sender<usize>>);

impl Work {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    pub(crate) fn begin(&self) -> Ongoing {
        self.0.send_modify(|count| *count += 1);
        Ongoing(Arc::clone(&self.0))
    }

    /// Waits until no work is running.
    pub(crate) async fn is_done(&self) {
        // This struct holds the sender, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn it_is_done_when_the_last_has_ended() {
        let work = Work::new();
        assert!(work.is_done().now_or_never().is_some());
        let (first, second) = (work.begin(), work.begin());
        assert!(work.is_done().now_or_never().is_none());
        drop(first);
        assert!(work.is_done().now_or_never().is_none());
        drop(second);
        assert!(work.is_done().now_or_never().is_some());
    }
}
