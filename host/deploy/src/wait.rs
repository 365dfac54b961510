use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::DeployError;

/// The timeouts for operations, and the polling interval.
#[derive(Clone, Copy, Debug)]
pub struct PollPolicy {
    /// For a cluster to be created, peered or deleted.
    pub cluster: Duration,
    /// For the name of a new cluster's endpoint to resolve.
    pub name: Duration,
    /// For a stack operation.
    pub stack: Duration,
    /// For an event to arrive, and for a new function to be ready.
    pub event: Duration,
    /// For the tag of a new KMS key to count.
    pub tag: Duration,
    /// The polling interval.
    pub pause: Duration,
}

impl Default for PollPolicy {
    fn default() -> Self {
        Self {
            cluster: Duration::from_secs(20 * 60),
            name: Duration::from_secs(5 * 60),
            stack: Duration::from_secs(30 * 60),
            event: Duration::from_secs(90),
            // At most five minutes, and one to spare (https://docs.aws.amazon.com/kms/latest/developerguide/abac.html).
            tag: Duration::from_secs(6 * 60),
            pause: Duration::from_secs(3),
        }
    }
}

/// Polls until the result is available.
///
/// # Errors
/// Returns the error of a poll, or `late` with the last state.
pub(crate) async fn until<T>(
    most: Duration,
    pause: Duration,
    late: impl FnOnce(&str) -> DeployError,
    mut look: impl AsyncFnMut() -> Result<Looked<T>, DeployError>,
) -> Result<T, DeployError> {
    let end = Instant::now() + most;
    loop {
        match look().await? {
            Looked::Seen(value) => return Ok(value),
            Looked::NotYet(state) if Instant::now() >= end => return Err(late(&state)),
            Looked::NotYet(_) => sleep(pause).await,
        }
    }
}

/// The result of a poll.
pub(crate) enum Looked<T> {
    /// The expected result.
    Seen(T),
    /// The current state.
    NotYet(String),
}
