use std::time::Instant;

/// The current time of the clock that tokio's timers use. It is the machine's monotonic clock,
/// except in a test that pauses the runtime's.
pub fn monotonic() -> Instant {
    tokio::time::Instant::now().into_std()
}
