//! Which of two endpoints an attempt uses, and when an endpoint is not tried.

pub(crate) mod breaker;
pub(crate) mod endpoint_router;
pub(crate) mod guarded_endpoint;
