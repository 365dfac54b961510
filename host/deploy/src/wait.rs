use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::DeployError;

/// How long something may take until it is over, and how often it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct PollPolicy {
    /// The longest that a cluster takes to be created, peered or deleted.
    pub cluster: Duration,
    /// The longest that a stack takes.
    pub stack: Duration,
    /// The longest that an event takes to arrive.
    pub event: Duration,
    /// Between two looks.
    pub pause: Duration,
}

impl Default for PollPolicy {
    fn default() -> Self {
        Self {
            cluster: Duration::from_secs(20 * 60),
            stack: Duration::from_secs(30 * 60),
            event: Duration::from_secs(90),
            pause: Duration::from_secs(3),
        }
    }
}

/// Looks until there is something to be seen.
///
/// # Errors
/// Gives the error of a look, or `late` with the last thing that a look said.
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

/// What a look has shown.
pub(crate) enum Looked<T> {
    /// What was waited for.
    Seen(T),
    /// How it stands meanwhile.
    NotYet(String),
}
