use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use tenet_core::{DueFollowUps, DuePage, Fault, FollowUp, FollowUpCounts, Request};

use crate::{AfterFailure, Arrival, FollowUpFailure, Pipeline, Status};

/// How many operations may follow the answers of one invocation in it. The relay runs the rest: so a long chain keeps
/// no caller waiting.
const AFTER_ANSWER: usize = 16;

/// The most time that one run gets.
const LONGEST: Duration = Duration::from_secs(20);

/// Follow-ups that are read at once. One has less than two megabytes, and a small function has 128.
const PAGE: u32 = 20;

/// What runs of follow-ups did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Those that have ended: accepted, rejected, or ended before by another host.
    pub ended: usize,
    /// Those of them that were rejected.
    pub rejected: usize,
    /// Those that failed and will be run again.
    pub failed: usize,
    /// Those that were given up.
    pub given_up: usize,
    /// Those that are due and were not run, or whose outcome is not known.
    pub left: usize,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Accepted,
    Rejected,
    Failed,
    GivenUp,
    Left,
}

impl Followed {
    fn add(&mut self, fate: Fate) {
        self.ended += usize::from(matches!(fate, Fate::Accepted | Fate::Rejected));
        self.rejected += usize::from(fate == Fate::Rejected);
        self.failed += usize::from(fate == Fate::Failed);
        self.given_up += usize::from(fate == Fate::GivenUp);
        self.left += usize::from(fate == Fate::Left);
    }
}

impl Pipeline {
    /// Runs follow-ups of a committed transaction that are due at once, one after the other, and what they schedule in
    /// turn, up to a bound. What is left the relay runs.
    pub async fn follow(&self, follow_ups: Vec<FollowUp>, region: &str, deadline: Instant) -> Followed {
        let mut followed = Followed::default();
        let mut left = std::collections::VecDeque::from(follow_ups);
        for _ in 0..AFTER_ANSWER {
            if self.clock.instant() >= deadline {
                break;
            }
            let Some(next) = left.pop_front() else { return followed };
            let (fate, scheduled) = self.run_follow_up(next, region, deadline).await;
            followed.add(fate);
            left.extend(scheduled);
        }
        followed.left += left.len();
        followed
    }

    /// Runs what is due, as many at once as there are places for requests.
    ///
    /// # Errors
    /// Fails if the follow-ups cannot be read at all.
    pub(crate) async fn follow_due(&self, region: &str, deadline: Instant) -> Result<Followed, Fault> {
        let mut followed = Followed::default();
        let mut after = None;
        while self.clock.instant() < deadline {
            let read = async {
                let _place = self.in_background(deadline).await?;
                let which = DueFollowUps::at(region, self.clock.now());
                self.ledger.follow_ups.due(which, after, PAGE, deadline).await
            };
            let DuePage { follow_ups, last } = match read.await {
                Ok(page) => page,
                Err(fault) if after.is_some() => {
                    tracing::warn!(fault = format!("{fault:#}"), "the rest of the follow-ups could not be read");
                    break;
                }
                Err(fault) => return Err(fault),
            };
            if last.is_none() {
                break;
            }
            // Continue from here in any case, so that those that stay do not block the others.
            after = last;
            let runs = follow_ups.into_iter().map(|follow_up| self.run_follow_up(follow_up, region, deadline));
            let fates: Vec<_> = stream::iter(runs).buffer_unordered(self.concurrency()).collect().await;
            fates.iter().for_each(|(fate, _)| followed.add(*fate));
        }
        Ok(followed)
    }

    /// How many follow-ups there are.
    pub(crate) async fn count_follow_ups(&self, deadline: Instant) -> Result<FollowUpCounts, Fault> {
        let _place = self.in_background(deadline).await?;
        self.ledger.follow_ups.count(self.clock.now(), deadline).await
    }

    /// Runs one, and publishes its events. Also returns those that it scheduled and that are due at once.
    async fn run_follow_up(&self, follow_up: FollowUp, region: &str, deadline: Instant) -> (Fate, Vec<FollowUp>) {
        let arrival = match (self.seeds)() {
            Ok(seed) => Arrival::with_seed(seed, &*self.clock, region, LONGEST),
            Err(error) => {
                tracing::error!(id = %follow_up.id, reason = %error, "a follow-up was not run");
                return (Fate::Left, Vec::new());
            }
        };
        let arrival = Arrival {
            deadline: arrival.deadline.min(deadline),
            caller: follow_up.caller.clone(),
            trace: follow_up.trace,
            ..arrival
        };
        let follow_up = Arc::new(follow_up);
        let call = follow_up.call.clone();
        let request = arrival.request(call.operation, None, call.payload);
        let request = Request { follow_up: Some(Arc::clone(&follow_up)), ..request };
        let (now, had) = (request.now, request.deadline.saturating_duration_since(self.clock.instant()));
        let observation =
            self.observer.as_ref().and_then(|observer| Some((observer.begin(&request)?, request.clone())));
        let probe = observation.as_ref().map(|(observation, _)| observation.probe());
        let mut handled = self.handle_under(request, probe).await;
        let mut scheduled = Vec::new();
        if let Some(mut pending) = handled.pending.take() {
            scheduled = pending.take_follow_ups();
            self.publish(pending, deadline).await;
        }
        if let Some((observation, request)) = observation {
            observation.end(request, &handled, self).await;
        }
        match (handled.answer.status, FollowUpFailure::of(&handled, had, &follow_up, now, region)) {
            (_, Some(failure)) => self.note(failure, deadline).await,
            (Status::Accepted, None) => (Fate::Accepted, scheduled),
            (Status::Rejected, None) => (Fate::Rejected, scheduled),
            (_, None) => (Fate::Left, scheduled),
        }
    }

    /// Notes a failure. Also returns what follows it at once.
    async fn note(&self, failure: FollowUpFailure<'_>, deadline: Instant) -> (Fate, Vec<FollowUp>) {
        let (follow_up, reason) = (failure.follow_up, failure.reason.clone());
        let (id, operation, failures) = (follow_up.id, follow_up.call.operation.as_str(), follow_up.failures + 1);
        let noted = async {
            let _place = self.in_background(deadline).await?;
            failure.record(&self.ledger, &*self.clock, deadline).await
        };
        match noted.await {
            Ok(AfterFailure::Postponed) => {
                tracing::warn!(%id, operation, failures, reason, "follow-up failed");
                (Fate::Failed, Vec::new())
            }
            Ok(AfterFailure::Ended(follows)) => {
                let what = follows.call.operation.as_str();
                tracing::error!(%id, operation, failures, follows = what, reason, "follow-up given up");
                (Fate::GivenUp, vec![*follows])
            }
            Ok(AfterFailure::Parked) => {
                tracing::error!(%id, operation, failures, reason, "follow-up given up and parked");
                (Fate::GivenUp, Vec::new())
            }
            Ok(AfterFailure::Unchanged) => (Fate::Left, Vec::new()),
            Err(fault) => {
                let fault = format!("{fault:#}");
                tracing::warn!(%id, operation, reason, fault, "a failure of a follow-up could not be noted");
                (Fate::Left, Vec::new())
            }
        }
    }
}
