pub(crate) mod caller_id;
pub(crate) mod digest;
pub(crate) mod event;
pub(crate) mod key;
pub(crate) mod random;
pub(crate) mod receipt;
pub(crate) mod source_key;
pub(crate) mod trace;
pub(crate) mod verdict;

use std::time::Instant;

use crate::{IdempotencyKey, SourceKey, Timestamp, Trace};

/// What a caller asked for, after whatever shape it came in has been read.
#[derive(Clone, Debug)]
pub struct Request {
    /// The operation's name.
    pub operation: String,
    /// The idempotency key, where the caller brought one.
    pub key: Option<IdempotencyKey>,
    /// A key to use if neither the caller nor the payload brings one.
    pub source_key: Option<SourceKey>,
    /// JSON text, never parsed by the host beyond what a digest needs.
    pub payload: String,
    /// Who asks, as an authoriser vouches for it. Keys belong to their callers:
    /// [`CallerId`](crate::CallerId).
    pub caller: Option<String>,
    /// The region that serves the request.
    pub region: String,
    /// When the host received it; the only time that rules see.
    pub now: Timestamp,
    /// Where the randomness of all its attempts comes from.
    pub seed: [u8; 32],
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Where it stands in a trace of its caller's. Rules never see it, and neither a key, a
    /// digest nor an event's id depends on it.
    pub trace: Option<Trace>,
}
