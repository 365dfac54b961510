use std::time::Duration;

use tokio::time::timeout;

/// A timeout longer than anything that tests wait for takes, even on a busy machine.
pub const HANGS: Duration = Duration::from_secs(60);

/// Waits for a future. On timeout the test fails with the description from `instead`, so that the
/// test run does not hang.
pub async fn awaited<F: Future>(coming: F, instead: impl FnOnce() -> String) -> F::Output {
    awaited_for(HANGS, coming, instead).await
}

/// The same with a given timeout.
pub(crate) async fn awaited_for<F: Future>(
    longest: Duration,
    coming: F,
    instead: impl FnOnce() -> String,
) -> F::Output {
    match timeout(longest, coming).await {
        Ok(come) => come,
        Err(_) => panic!("it does not come: {}", instead()),
    }
}
