use std::time::Duration;

/// How long answers are kept under their keys, counted from when they were stored. Until then a
/// repeated key gets its answer; afterwards it is a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerRetention {
    /// Answers that accept: longer than any source redelivers.
    pub accepted: Duration,
    /// Answers that reject, which have no effect that could be doubled.
    pub rejected: Duration,
}
