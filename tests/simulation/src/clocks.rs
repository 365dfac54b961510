use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tenet_core::{BoxFuture, Clock, Timestamp};
use tokio::time::Instant;

/// When each story begins: 2026-11-30 12:00:00 UTC, in microseconds since 1970.
const NOON: i64 = 1_796_040_000_000_000;

/// The clock of a host: the simulated time, and how much the wall clock is off.
pub(crate) struct HostClock {
    began: Instant,
    off: AtomicI64,
    /// The latest time that it has shown.
    latest: AtomicI64,
}

/// The clock of the database, which is right.
pub(crate) struct DatabaseClock(pub(crate) Instant);

impl HostClock {
    /// A clock that is right, of a story that began at this time.
    pub(crate) fn new(began: Instant) -> Self {
        Self { began, off: AtomicI64::new(0), latest: AtomicI64::new(0) }
    }

    /// Sets the wall clock off by so many microseconds.
    pub(crate) fn set_off(&self, micros: i64) {
        self.off.store(micros, Ordering::Relaxed);
    }

    /// The latest time that it has shown.
    pub(crate) fn latest(&self) -> Timestamp {
        Timestamp(self.latest.load(Ordering::Relaxed))
    }
}

/// The right time so long after the beginning of a story, in microseconds since 1970.
pub(crate) fn micros(elapsed: Duration) -> i64 {
    NOON + i64::try_from(elapsed.as_micros()).unwrap()
}

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        let now = micros(self.began.elapsed()) + self.off.load(Ordering::Relaxed);
        self.latest.fetch_max(now, Ordering::Relaxed);
        Timestamp(now)
    }

    fn instant(&self) -> std::time::Instant {
        Instant::now().into_std()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl tenet_dsql::Clock for DatabaseClock {
    fn now(&self) -> i64 {
        micros(self.0.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
