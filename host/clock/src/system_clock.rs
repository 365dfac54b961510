use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tenet_core::{BoxFuture, Clock, Timestamp};

use crate::monotonic;

/// The machine's wall clock, and tokio's monotonic clock and timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn instant(&self) -> Instant {
        monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
