use crate::IdempotencyKey;

/// The id that its source gives a request: its key where the request brings none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKey {
    /// An event's: a part of the event, and the same on every way that leads it here.
    Event(IdempotencyKey),
    /// A delivery's: the invocation's, or the message's of a queue. Lambda and the queue deliver
    /// again under the same id. A caller that asks again gets another, and so does a message that
    /// is moved from a dead-letter queue back to its own
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
