use std::time::{Duration, Instant};

use tenet_core::{Clock, Fault, FollowUp, Ledger, Timestamp};

use crate::{FollowUpEnd, Handled, Status};

/// How many times one may fail before it is given up.
const FAILURES: u32 = 8;

/// The pause after the first failure. Each further pause is twice as long, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LAST_PAUSE: Duration = Duration::from_secs(3_600);

/// A run that had less time than this and did not end has not failed: the next one may have more.
const FAIR: Duration = Duration::from_secs(5);

/// A run of a follow-up that failed.
#[derive(Clone, Debug)]
pub struct FollowUpFailure<'a> {
    /// The follow-up, as it was before the run.
    pub follow_up: &'a FollowUp,
    /// Why it failed, for an operator.
    pub reason: String,
    /// The time of the run.
    pub now: Timestamp,
    /// The region that ran it.
    pub region: &'a str,
}

/// What a failure means for the follow-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// It runs again after a pause.
    Postponed,
    /// It has ended, and this follows.
    Ended(Box<FollowUp>),
    /// It is parked: nothing follows its failure.
    Parked,
    /// Nothing: meanwhile another host has noted the failure, or it has ended.
    Unchanged,
}

impl<'a> FollowUpFailure<'a> {
    /// The failure in what a run that had this much time ended with, if it is one.
    ///
    /// Also an answer that another run would get too (400, 403, 409) counts, and a payload that does not fit: while two
    /// versions of a bundle serve, the other version may know the operation. Of those that a retry may mend (503) only
    /// the one counts whose time is up, since it may need more than there ever is.
    pub fn of(
        Handled { answer, reason, .. }: &Handled,
        had: Duration,
        follow_up: &'a FollowUp,
        now: Timestamp,
        region: &'a str,
    ) -> Option<Self> {
        let failed = match answer.status {
            Status::Accepted | Status::Rejected => false,
            Status::Failed | Status::Invalid | Status::Forbidden | Status::KeyReused => true,
            Status::Unavailable => had >= FAIR && answer.problem().is_some_and(|problem| problem.code == "out-of-time"),
        };
        let message = || answer.problem().map(|problem| problem.message.into_owned());
        let reason = || reason.clone().or_else(message).unwrap_or_default();
        failed.then(|| Self { follow_up, reason: reason(), now, region })
    }

    /// Notes the failure: postpones the follow-up, or gives it up. One that is given up ends with what follows its
    /// failure, or is parked if nothing does.
    ///
    /// # Errors
    /// Fails if the database is out of reach. The follow-up is then as due as it was.
    pub async fn record(self, ledger: &Ledger, clock: &dyn Clock, deadline: Instant) -> Result<AfterFailure, Fault> {
        let Self { follow_up, reason, now, region } = self;
        let (id, failures) = (follow_up.id, follow_up.failures);
        if failures + 1 < FAILURES {
            let due = Timestamp(now.micros().saturating_add(pause(failures)));
            let is_noted = ledger.follow_ups.postpone(id, failures, due, deadline).await?;
            return Ok(if is_noted { AfterFailure::Postponed } else { AfterFailure::Unchanged });
        }
        let Some(follows) = follow_up.after_failure(now, region) else {
            let is_parked = ledger.follow_ups.park(id, failures, &reason, deadline).await?;
            return Ok(if is_parked { AfterFailure::Parked } else { AfterFailure::Unchanged });
        };
        let end = FollowUpEnd {
            follow_up,
            code: "given-up",
            message: "The follow-up kept failing and was given up.",
            follows: Some(follows.clone()),
            region,
        };
        let has_ended = end.commit(&*ledger.transactions, clock, deadline).await?;
        Ok(if has_ended { AfterFailure::Ended(Box::new(follows)) } else { AfterFailure::Unchanged })
    }
}

/// The pause after the failure that comes after so many, in microseconds.
fn pause(failures: u32) -> i64 {
    let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(FAILURES)).min(LAST_PAUSE);
    i64::try_from(pause.as_micros()).unwrap_or(i64::MAX)
}
