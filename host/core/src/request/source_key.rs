use crate::IdempotencyKey;

/// The id that a source gives its request: the key if the request has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKey {
    /// An event's id: part of the event, and the same on every delivery path.
    Event(IdempotencyKey),
    /// A delivery's id: the invocation's, or the queue message's. Lambda and the queue redeliver under the same id. A
    /// caller that retries gets another one, and so does a message that is moved from a dead-letter queue back to its
    /// source
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html>).
    Delivery(IdempotencyKey),
}

impl SourceKey {
    /// The id.
    pub fn key(&self) -> &IdempotencyKey {
        match self {
            Self::Event(key) | Self::Delivery(key) => key,
        }
    }
}
