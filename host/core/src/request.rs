pub(crate) mod caller_id;
pub(crate) mod derived_id;
pub(crate) mod digest;
pub(crate) mod event;
pub(crate) mod follow_up;
pub(crate) mod key;
pub(crate) mod random;
pub(crate) mod receipt;
pub(crate) mod source_key;
pub(crate) mod trace;
pub(crate) mod verdict;

use std::sync::Arc;
use std::time::Instant;

use crate::{CallerId, FollowUp, IdempotencyKey, SourceKey, Timestamp, Trace};

/// A caller's request, independent of the format in which it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// The operation's name.
    pub operation: String,
    /// The idempotency key, if the caller sent one.
    pub key: Option<IdempotencyKey>,
    /// A key to use if neither the caller nor the payload has one.
    pub source_key: Option<SourceKey>,
    /// JSON text. The host parses only what the digest needs.
    pub payload: String,
    /// The caller's identity, as the authoriser reports it. Keys belong to their callers:
    /// [`CallerId`](crate::CallerId).
    pub caller: Option<String>,
    /// The region that serves the request.
    pub region: String,
    /// When the host received it. Rules see no other time.
    pub now: Timestamp,
    /// Seed of the random numbers of all its attempts.
    pub seed: [u8; 32],
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// The caller's trace context. Rules never see it, and no key, digest or event id depends on
    /// it.
    pub trace: Option<Trace>,
    /// The follow-up that it is; none if a caller has sent it.
    pub follow_up: Option<Arc<FollowUp>>,
}

impl Request {
    /// Whose answers are looked up and stored.
    pub fn scope(&self) -> CallerId {
        match &self.follow_up {
            Some(follow_up) => follow_up.scope(),
            None => CallerId::of(self.caller.as_deref()),
        }
    }
}
