use std::time::{Duration, Instant};

use tenet_core::{Clock, IdempotencyKey, Request, SourceKey, Timestamp, Trace};

/// What the host knows of a request beside what the caller sent.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The region that serves it.
    pub region: String,
    /// When it came.
    pub now: Timestamp,
    /// When its caller stops waiting.
    pub deadline: Instant,
    /// Where the randomness of its attempts comes from.
    pub seed: [u8; 32],
    /// The id that its source gives it.
    pub source_key: Option<SourceKey>,
    /// Who asks, as an authoriser vouches for it.
    pub caller: Option<String>,
    /// Where it stands in a trace of its caller's.
    pub trace: Option<Trace>,
}

impl Arrival {
    /// A request that arrives now and may take `time`.
    ///
    /// # Errors
    /// Fails where the machine has no randomness to give.
    pub fn now(clock: &dyn Clock, region: impl Into<String>, time: Duration) -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self {
            region: region.into(),
            now: clock.now(),
            deadline: clock.instant() + time,
            seed,
            source_key: None,
            caller: None,
            trace: None,
        })
    }

    /// The request, put together.
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
        }
    }
}
