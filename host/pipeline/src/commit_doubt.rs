use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tenet_core::{IdempotencyKey, Mutant};

/// What the host has to know about a request even if it panics while deciding it: whether the
/// request may be committed, and under which key.
#[derive(Debug, Default)]
pub(crate) struct CommitDoubt {
    may_be_committed: AtomicBool,
    key: OnceLock<(IdempotencyKey, bool)>,
}

impl CommitDoubt {
    /// Records the key of the request, and whether the host generated it.
    pub(crate) fn set_key(&self, key: &IdempotencyKey, is_given: bool) {
        self.key.get_or_init(|| (key.clone(), is_given));
    }

    /// The key of a request that may write, once it is known, and whether the host generated it.
    pub(crate) fn key(&self) -> Option<&(IdempotencyKey, bool)> {
        self.key.get()
    }

    /// Whether the request may have committed without the host knowing.
    pub(crate) fn may_be_committed(&self) -> bool {
        self.may_be_committed.load(Ordering::Relaxed) && !Mutant::DoubtForgotten.is_alive()
    }

    /// COMMIT is about to be sent: from now on the request may be committed. Returns the previous
    /// state.
    pub(crate) fn commit_sent(&self) -> bool {
        self.may_be_committed.swap(true, Ordering::Relaxed)
    }

    /// An attempt has certainly not committed: restores the state before it.
    pub(crate) fn restore(&self, before: bool) {
        self.may_be_committed.store(before, Ordering::Relaxed);
    }
}
