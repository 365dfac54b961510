use std::time::Instant;

use crate::{BoxFuture, Fault, FollowUp, FollowUpId, Timestamp};

/// The port to the follow-ups that committed transactions have scheduled.
///
/// A follow-up that runs ends with its own transaction, which removes its row and stores its answer: see
/// [`Claim::follow_up`](crate::Claim::follow_up).
pub trait FollowUps: Send + Sync {
    /// At most so many follow-ups that are due and not parked, soonest first, starting after `after`. Another host may
    /// run them meanwhile.
    fn due<'a>(
        &'a self,
        which: DueFollowUps<'a>,
        after: Option<FollowUpPosition>,
        most: u32,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<FollowUp>, Fault>>;

    /// Notes that one has failed once more than `failures` times and is due again at `due`. Nothing changes if another
    /// host has noted it.
    fn postpone(
        &self,
        id: FollowUpId,
        failures: u32,
        due: Timestamp,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<(), Fault>>;

    /// Parks one that keeps failing, with the reason: it stays and is not [due](Self::due) again.
    fn park<'a>(&'a self, id: FollowUpId, reason: &'a str, deadline: Instant) -> BoxFuture<'a, Result<(), Fault>>;

    /// How many there are at this time.
    fn count(&self, now: Timestamp, deadline: Instant) -> BoxFuture<'_, Result<FollowUpCounts, Fault>>;
}

/// The position of a follow-up among those that are due, soonest first.
pub type FollowUpPosition = (Timestamp, FollowUpId);

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

/// How many follow-ups there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FollowUpCounts {
    /// Those that are due and not parked.
    pub due: u64,
    /// Those that are parked.
    pub parked: u64,
    /// How long the one that is due longest has been due, in seconds; 0 if none is.
    pub lag_s: u64,
}
