use std::time::Instant;

use crate::{AnswerRetention, BoxFuture, Fault};

/// The port to the answers that committed transactions have left.
pub trait StoredAnswers: Send + Sync {
    /// Removes some of the answers that have been kept for as long as they are to be and have no
    /// event in the outbox, and gives their number: no more than a transaction holds. With 0
    /// there are no more of them, or somebody else removes them just now.
    ///
    /// None goes early, whatever the clocks of the hosts say: how old an answer is only the
    /// database's tells.
    fn expire(&self, keep: AnswerRetention, deadline: Instant) -> BoxFuture<'_, Result<u64, Fault>>;
}
