use std::sync::Arc;

use crate::{Attempt, HostCalls};

/// The port for observing or steering one request while it is decided. A probe is placed between
/// the pipeline and the database, and between the engine and the pipeline.
///
/// Recording uses it to capture the calls of a request's rules and their results. The harness that
/// tries every order of two requests uses it to delay each round trip until its turn. A probe must
/// pass on unchanged what it does not mean to change, including errors and the order of calls.
pub trait Probe: Send + Sync {
    /// Wraps an attempt that was just opened.
    fn attempt(&self, attempt: Box<dyn Attempt>) -> Box<dyn Attempt>;

    /// Wraps the host calls of a call of `rule` that is about to begin.
    fn calls(&self, rule: &str, calls: Arc<dyn HostCalls>) -> Arc<dyn HostCalls>;
}
