use std::sync::Arc;
use std::time::{Duration, Instant};

use tenet_core::{Clock, IdempotencyKey, Request, SourceKey, Timestamp, Trace};

/// What the host knows about a request apart from what the caller sent.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The region that serves it.
    pub region: String,
    /// When it arrived.
    pub now: Timestamp,
    /// When its caller stops waiting for the response.
    pub deadline: Instant,
    /// Seed of the random numbers of its attempts.
    pub seed: [u8; 32],
    /// The id that its source gave it.
    pub source_key: Option<SourceKey>,
    /// The caller's identity, as the authoriser reports it.
    pub caller: Option<String>,
    /// The caller's trace context.
    pub trace: Option<Trace>,
}

/// Where the seeds come from of the requests that a host makes by itself. The error says why there is none.
pub type Seeds = Arc<dyn Fn() -> Result<[u8; 32], getrandom::Error> + Send + Sync>;

/// A seed of the machine's own source of randomness.
pub(crate) fn random_seed() -> Result<[u8; 32], getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}

impl Arrival {
    /// A request that arrives now with a timeout of `time`.
    ///
    /// # Errors
    /// Fails if the machine has no source of randomness.
    pub fn now(clock: &dyn Clock, region: impl Into<String>, time: Duration) -> Result<Self, getrandom::Error> {
        Ok(Self::with_seed(random_seed()?, clock, region, time))
    }

    /// The same with this seed.
    pub(crate) fn with_seed(seed: [u8; 32], clock: &dyn Clock, region: impl Into<String>, time: Duration) -> Self {
        Self {
            region: region.into(),
            now: clock.now(),
            deadline: clock.instant() + time,
            seed,
            source_key: None,
            caller: None,
            trace: None,
        }
    }

    /// Builds the request.
    pub fn request(self, operation: String, key: Option<IdempotencyKey>, payload: String) -> Request {
        Request {
            operation,
            key,
            source_key: self.source_key,
            payload,
            caller: self.caller,
            region: self.region,
            now: self.now,
            seed: self.seed,
            deadline: self.deadline,
            trace: self.trace,
            follow_up: None,
        }
    }
}
