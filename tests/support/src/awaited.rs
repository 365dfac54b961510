use std::time::Duration;

use tokio::time::timeout;

/// Longer than anything takes that a test waits for, on a machine with much else to do.
pub const HANGS: Duration = Duration::from_secs(60);

/// Waits for what a test has made to come. One that does not come ends the test with what was seen
/// instead, so that it is not the whole run that hangs.
pub async fn awaited<F: Future>(coming: F, instead: impl FnOnce() -> String) -> F::Output {
    awaited_for(HANGS, coming, instead).await
}

/// The same for so long.
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
