use std::time::Duration;

/// How long answers are kept under their keys, counted from when they were stored. Until then a
/// repeated key gets the stored answer; afterwards it is a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerRetention {
    /// Accepted answers: longer than any source redelivers.
    pub accepted: Duration,
    /// Rejected answers. They have no effect that a repeated request could duplicate.
    pub rejected: Duration,
}
