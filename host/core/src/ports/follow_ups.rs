use std::time::{Duration, Instant};

use serde::Serialize;

use crate::{BoxFuture, Fault, FollowUp, FollowUpId, Timestamp};

/// The port to the follow-ups that committed transactions have scheduled.
///
/// A follow-up that runs ends with its own transaction, which removes its row and stores its answer: see
/// [`Claim::follow_up`](crate::Claim::follow_up).
pub trait FollowUps: Send + Sync {
    /// The follow-ups among the next `most` that are due and not parked, soonest first, starting after `after`. Another
    /// host may run them meanwhile.
    fn due<'a>(
        &'a self,
        which: DueFollowUps<'a>,
        after: Option<FollowUpPosition>,
        most: u32,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<DuePage, Fault>>;

    /// Notes that one has failed once more than `failures` times and is due again at `due`. Returns whether it did: it
    /// does not if another host has noted it, or an operator has released or ended it.
    fn postpone(
        &self,
        id: FollowUpId,
        failures: u32,
        due: Timestamp,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<bool, Fault>>;

    /// Parks one that has failed once more than `failures` times, with the reason: it stays and is not
    /// [due](Self::due) again. Returns whether it did, as [`postpone`](Self::postpone).
    fn park<'a>(
        &'a self,
        id: FollowUpId,
        failures: u32,
        reason: &'a str,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<bool, Fault>>;

    /// How many there are at this time.
    fn count(&self, now: Timestamp, deadline: Instant) -> BoxFuture<'_, Result<FollowUpCounts, Fault>>;
}

/// The position of a follow-up among those that are due, soonest first.
pub type FollowUpPosition = (Timestamp, FollowUpId);

/// Some of the follow-ups that are due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DuePage {
    /// The follow-ups, soonest first. Those that ended while they were read are not among them.
    pub follow_ups: Vec<FollowUp>,
    /// The position of the last one that was due, whether or not it has ended: the next page starts after it. None if
    /// no more is due.
    pub last: Option<FollowUpPosition>,
}

/// Which follow-ups a host takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueFollowUps<'a> {
    /// Those of this region that are due at `now`.
    pub region: &'a str,
    /// The time.
    pub now: Timestamp,
    /// Those of another region if they were due at this time, and its hosts have not run them.
    pub of_others: Timestamp,
}

impl<'a> DueFollowUps<'a> {
    /// How long the hosts of the region that committed a follow-up have to run it before others do, so that they do not
    /// all run it.
    const OF_OTHERS: Duration = Duration::from_secs(120);

    /// Those that a host of this region takes at this time.
    pub fn at(region: &'a str, now: Timestamp) -> Self {
        let span = i64::try_from(Self::OF_OTHERS.as_micros()).unwrap_or(i64::MAX);
        Self { region, now, of_others: Timestamp(now.micros().saturating_sub(span)) }
    }
}

/// How many follow-ups there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FollowUpCounts {
    /// Those that are due and not parked.
    pub due: u64,
    /// Those that are parked.
    pub parked: u64,
    /// How long the one that is due longest has been due, in seconds; 0 if none is.
    pub lag_s: u64,
}
