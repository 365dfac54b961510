use std::time::Instant;

/// The current time of the clock that tokio's timers use. It is the machine's monotonic clock,
/// except in a test that pauses the runtime's.
pub fn monotonic() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tenet_core::Clock;
    use tokio::time::{pause, sleep};

    use super::*;
    use crate::SystemClock;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_paused_clock_is_paused_for_all() {
        pause();
        let (began, of_port) = (monotonic(), SystemClock.instant());
        sleep(HOUR).await;
        let (passed, of_port) = (monotonic() - began, SystemClock.instant() - of_port);
        assert!(passed >= HOUR && of_port >= HOUR, "{passed:?}, {of_port:?}");
    }
}
