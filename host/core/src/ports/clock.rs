use std::fmt;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::{BoxFuture, DualInstant};

/// A time in microseconds since 1970-01-01 00:00:00 UTC. This is the resolution of SQL's
/// `timestamptz`, so a stored time is read back unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    pub fn micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The port to time. Rules never see it: they get the time stored in their request.
pub trait Clock: Send + Sync {
    /// The wall clock, for stored times.
    fn now(&self) -> Timestamp;

    /// The monotonic clock, for deadlines and durations.
    fn instant(&self) -> Instant;

    /// Both clocks, for durations that may exceed one request.
    fn dual_instant(&self) -> DualInstant {
        let micros = u64::try_from(self.now().micros()).unwrap_or_default();
        DualInstant::of(self.instant(), UNIX_EPOCH + Duration::from_micros(micros))
    }

    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}
