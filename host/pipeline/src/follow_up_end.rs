use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use tenet_core::{Backoff, Claim, Clock, Digest, Fault, FollowUp, Mode, Progress, Random, Transactions};

use crate::answer::Problem;

/// How often a commit is tried that loses a conflict or whose outcome is not known.
const TRIES: u32 = 4;

/// The end of a follow-up that is not run any more.
#[derive(Clone, Debug)]
pub struct FollowUpEnd<'a> {
    /// The follow-up.
    pub follow_up: &'a FollowUp,
    /// The code of the answer that is stored under its key: `given-up`, `cancelled`.
    pub code: &'a str,
    /// The message of that answer.
    pub message: &'a str,
    /// What follows.
    pub follows: Option<FollowUp>,
    /// The region that commits it.
    pub region: &'a str,
}

impl FollowUpEnd<'_> {
    /// Commits the end: an answer under the follow-up's key, so that no host runs it any more, and the removal of its
    /// row. Returns whether it has done so; it has not if the follow-up had ended before.
    ///
    /// # Errors
    /// Fails if the database is out of reach, or loses each try to others.
    pub async fn commit(
        self,
        transactions: &dyn Transactions,
        clock: &dyn Clock,
        deadline: Instant,
    ) -> Result<bool, Fault> {
        let Self { follow_up, code, message, follows, region } = self;
        let invalid = |error: &dyn std::fmt::Display| Fault::other(None, error.to_string());
        let key = follow_up.id.key().map_err(|error| invalid(&error))?;
        let digest = Digest::of(&follow_up.call.payload).map_err(|error| invalid(&error))?;
        let (now, body) = (clock.now(), Problem::new(code, message).body());
        let mut jitter = Random::new(digest.as_bytes(), code, 0);
        let mut tries = 0;
        // Whether a commit may have succeeded whose answer was lost.
        let mut unknown = false;
        loop {
            tries += 1;
            let claim = Claim {
                operation: follow_up.call.operation.clone(),
                caller: follow_up.scope(),
                mode: Mode::Write { key: key.clone(), digest },
                follow_up: Some(follow_up.id),
                now,
                region: region.to_owned(),
                deadline,
                elsewhere: false,
                probes_session: false,
                round_trips: Arc::new(AtomicU32::new(0)),
            };
            match transactions.open(claim).reject(body.clone(), follows.clone()).await {
                Ok(Progress::Continue(())) => return Ok(true),
                Ok(Progress::Answered(stored)) => return Ok(unknown && stored.body == body && stored.now == now),
                Err(fault) if tries < TRIES && (fault.is_conflict() || fault.commit_unknown()) => {
                    unknown |= fault.commit_unknown();
                    clock.sleep(Backoff::default().after(tries, jitter.number())).await;
                }
                Err(fault) => return Err(fault),
            }
        }
    }
}
