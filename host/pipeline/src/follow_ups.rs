use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use tenet_core::{DueFollowUps, Fault, FollowUp, FollowUpCounts, Request, Timestamp};

use crate::{Arrival, FollowUpEnd, Pipeline, Status};

/// How many operations may follow an answer in the same invocation. The relay runs the rest: so a long chain keeps no
/// caller waiting.
const AFTER_ANSWER: usize = 16;

/// The most time that one run gets.
const LONGEST: Duration = Duration::from_secs(20);

/// How many times one may fail before it is given up.
const FAILURES: u32 = 8;

/// The pause after the first failure. Each further pause is twice as long, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LAST_PAUSE: Duration = Duration::from_secs(3_600);

/// How long the hosts of the region that committed one have to run it before others do, so that they do not all run it.
const OF_OTHERS: Duration = Duration::from_secs(120);

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
                let now = self.clock.now();
                let of_others = Timestamp(now.micros().saturating_sub(micros(OF_OTHERS)));
                self.ledger.follow_ups.due(DueFollowUps { region, now, of_others }, after, PAGE, deadline).await
            };
            let page = match read.await {
                Ok(page) => page,
                Err(fault) if after.is_some() => {
                    tracing::warn!(fault = format!("{fault:#}"), "the rest of the follow-ups could not be read");
                    break;
                }
                Err(fault) => return Err(fault),
            };
            let Some(last) = page.last() else { break };
            // Continue from here in any case, so that those that stay do not block the others.
            after = Some((last.due, last.id));
            let runs = page.into_iter().map(|follow_up| self.run_follow_up(follow_up, region, deadline));
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
        let arrival = match Arrival::now(&*self.clock, region, LONGEST) {
            Ok(arrival) => arrival,
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
        let mut handled = self.handle(request).await;
        let mut scheduled = Vec::new();
        if let Some(mut pending) = handled.pending.take() {
            scheduled = pending.take_follow_ups();
            self.publish(pending, deadline).await;
        }
        let reason = handled.reason.unwrap_or_else(|| {
            handled.answer.problem().map(|problem| problem.message.into_owned()).unwrap_or_default()
        });
        let fate = match handled.answer.status {
            Status::Accepted => Fate::Accepted,
            Status::Rejected => Fate::Rejected,
            Status::Unavailable => Fate::Left,
            Status::Failed if follow_up.failures + 1 < FAILURES => {
                self.postpone(&follow_up, deadline).await;
                Fate::Failed
            }
            // Another try would end in the same way.
            Status::Failed | Status::Invalid | Status::Forbidden | Status::KeyReused => {
                self.give_up(&follow_up, &reason, region, deadline).await
            }
        };
        (fate, scheduled)
    }

    async fn postpone(&self, follow_up: &FollowUp, deadline: Instant) {
        let pause = FIRST_PAUSE.saturating_mul(1 << follow_up.failures.min(FAILURES)).min(LAST_PAUSE);
        let due = Timestamp(self.clock.now().micros().saturating_add(micros(pause)));
        let postponed = async {
            let _place = self.in_background(deadline).await?;
            self.ledger.follow_ups.postpone(follow_up.id, follow_up.failures, due, deadline).await
        };
        if let Err(fault) = postponed.await {
            tracing::warn!(id = %follow_up.id, fault = format!("{fault:#}"), "a follow-up that failed is run again soon");
        }
    }

    /// Parks one that keeps failing. If an operation follows its failure, it ends instead: what follows is committed
    /// with an answer under its key, so that it cannot run any more.
    async fn give_up(&self, follow_up: &FollowUp, reason: &str, region: &str, deadline: Instant) -> Fate {
        let (id, operation) = (follow_up.id, follow_up.call.operation.as_str());
        let given_up = match &follow_up.on_failure {
            Some(_) => self.end_as_failed(follow_up, region, deadline).await,
            None => {
                let parked = async {
                    let _place = self.in_background(deadline).await?;
                    self.ledger.follow_ups.park(id, reason, deadline).await
                };
                parked.await
            }
        };
        match given_up {
            Ok(()) => {
                let follows = follow_up.on_failure.as_ref().map(|call| call.operation.as_str());
                tracing::error!(%id, operation, follows, reason, "follow-up given up");
                Fate::GivenUp
            }
            Err(fault) => {
                tracing::warn!(%id, fault = format!("{fault:#}"), "a follow-up could not be given up and is tried again");
                Fate::Left
            }
        }
    }

    async fn end_as_failed(&self, follow_up: &FollowUp, region: &str, deadline: Instant) -> Result<(), Fault> {
        let _place = self.in_background(deadline).await?;
        let end = FollowUpEnd {
            follow_up,
            code: "given-up",
            message: "The follow-up kept failing and was given up.",
            follows: follow_up.after_failure(self.clock.now(), region),
            region,
        };
        end.commit(&*self.ledger.transactions, &*self.clock, deadline).await.map(drop)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
