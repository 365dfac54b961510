//! Which of two endpoints an attempt takes, and when one is left alone.

pub(crate) mod breaker;
pub(crate) mod endpoint_router;
pub(crate) mod guarded_endpoint;
