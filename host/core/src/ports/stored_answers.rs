use std::time::Instant;

use crate::{AnswerRetention, BoxFuture, Fault};

/// The port to the answers that committed transactions stored.
pub trait StoredAnswers: Send + Sync {
    /// Removes some expired answers that have no event in the outbox, at most as many as one
    /// transaction may change, and returns their number. 0 means that there are no more, or that
    /// another host is removing them now.
    ///
    /// No answer expires early, whatever the clocks of the hosts say: only the database's clock
    /// decides the age of an answer.
    fn expire(&self, keep: AnswerRetention, deadline: Instant) -> BoxFuture<'_, Result<u64, Fault>>;
}
