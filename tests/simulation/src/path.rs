use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// The way from the hosts of one region to the endpoint of one.
pub(crate) struct Path {
    pub(crate) to: usize,
    /// How long a message takes, on the average.
    pub(crate) latency: Duration,
    is_away: AtomicBool,
    is_silent: AtomicBool,
    one_in: AtomicU32,
}

impl Path {
    pub(crate) fn new(to: usize, latency: Duration) -> Self {
        let (is_away, is_silent) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { to, latency, is_away, is_silent, one_in: AtomicU32::new(0) }
    }

    /// Whether connections are refused.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    /// Whether messages are held.
    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Relaxed)
    }

    pub(crate) fn set_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::Relaxed);
    }

    /// One in how many statements is harmed; 0 for none.
    pub(crate) fn one_in(&self) -> u32 {
        self.one_in.load(Ordering::Relaxed)
    }

    pub(crate) fn set_one_in(&self, one_in: u32) {
        self.one_in.store(one_in, Ordering::Relaxed);
    }
}
