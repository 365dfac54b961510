use std::sync::Arc;

use crate::{Attempt, HostCalls};

/// The port to whoever looks on while one request is decided, or has a hand in it: it is put
/// between the pipeline and the database, and between the engine and the pipeline.
///
/// What a request's rules ask and are told is recorded through it, and a harness that tries
/// every order of two requests holds each of their flights back until it is its turn. It must
/// leave what it does not mean to change as it is, errors and the order of things included.
pub trait Probe: Send + Sync {
    /// Takes the place of an attempt that was just opened.
    fn attempt(&self, attempt: Box<dyn Attempt>) -> Box<dyn Attempt>;

    /// Takes the place of what the call of `rule`, which is about to begin, may ask of the host.
    fn calls(&self, rule: &str, calls: Arc<dyn HostCalls>) -> Arc<dyn HostCalls>;
}
