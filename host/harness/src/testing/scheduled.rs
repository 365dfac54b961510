use tenet_capsule::{Attempt, End, FollowUp};
use tenet_pipeline::{Handled, Status};

/// The operations that a request has scheduled. A stored answer schedules none: they came with the first.
pub fn scheduled<'a>(handled: &Handled, attempts: &'a [Attempt]) -> &'a [FollowUp] {
    let is_own = handled.answer.status == Status::Accepted && !handled.answer.repeated;
    let last = attempts.iter().rev().filter(|_| is_own).find_map(|attempt| match &attempt.ended.as_ref()?.by {
        End::Accept { follow_ups, .. } => Some(follow_ups.as_slice()),
        _ => None,
    });
    last.unwrap_or_default()
}
