use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tenet_core::IdempotencyKey;

/// What has to be known of a request even where the host panics in the middle of it: whether it may be
/// committed, and under which key.
#[derive(Debug, Default)]
pub(crate) struct CommitDoubt {
    is_there: AtomicBool,
    key: OnceLock<(IdempotencyKey, bool)>,
}

impl CommitDoubt {
    /// The request runs under this key, which it was given or has brought.
    pub(crate) fn of(&self, key: &IdempotencyKey, is_given: bool) {
        self.key.get_or_init(|| (key.clone(), is_given));
    }

    /// The key of a request that may write, once it is known, and whether it was given to it.
    pub(crate) fn key(&self) -> Option<&(IdempotencyKey, bool)> {
        self.key.get()
    }

    /// Whether something of the request may be committed without the host's knowing.
    pub(crate) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Relaxed)
    }

    /// COMMIT is about to be handed over: from now on it may be. Gives whether it might before.
    pub(crate) fn begins(&self) -> bool {
        self.is_there.swap(true, Ordering::Relaxed)
    }

    /// An attempt has certainly not committed: it is as it was before that.
    pub(crate) fn is_as(&self, before: bool) {
        self.is_there.store(before, Ordering::Relaxed);
    }
}
