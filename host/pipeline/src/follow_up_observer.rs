use tenet_core::{BoxFuture, Probe, Request};

use crate::{Handled, Pipeline};

/// Observes the follow-ups that a host runs by itself, and whose answers no caller gets.
pub trait FollowUpObserver: Send + Sync {
    /// Begins to observe the run of a follow-up, if it is of interest.
    fn begin(&self, request: &Request) -> Option<Box<dyn FollowUpObservation>>;
}

/// The observation of one run.
pub trait FollowUpObservation: Send + Sync {
    /// Observes the attempts.
    fn probe(&self) -> &dyn Probe;

    /// Ends the observation. `handled` has no pending part any more, and a failure is not noted yet. The next follow-up
    /// waits for this.
    fn end<'a>(self: Box<Self>, request: Request, handled: &'a Handled, pipeline: &'a Pipeline) -> BoxFuture<'a, ()>;
}
