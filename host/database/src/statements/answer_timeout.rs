use std::time::{Duration, Instant};

use tenet_clock::monotonic;
use tenet_core::{Fault, Limit, LimitExceeded};
use tokio::time::timeout_at;

use crate::statements::failure;

/// The shortest wait without an answer that counts against the endpoint. A shorter wait was cut
/// short by a caller's deadline.
const LEAST_SILENCE: Duration = Duration::from_secs(1);

/// The default timeout. Half of what is left of Lambda's usual 30 seconds has to be enough for a
/// second attempt.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a user of the database waits for one answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerTimeout {
    /// The timeout for one answer. DSQL has no `statement_timeout`, so the host enforces it.
    pub(crate) statement_timeout: Duration,
    /// The user's own deadline.
    pub(crate) deadline: Instant,
}

/// The database gave no answer in time. The connection has to be closed, because the answer may
/// still come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    began: Instant,
    waited: Duration,
    statement_timeout: Duration,
    is_deadline: bool,
    /// The limit of the rule that ended the wait, if that was neither timeout.
    exceeded: Option<LimitExceeded>,
}

impl AnswerTimeout {
    /// Waits for the answer to a message that was sent.
    pub(crate) async fn wait<T>(self, answer: impl Future<Output = T>) -> Result<T, Silence> {
        let began = monotonic();
        timeout_at(self.until(began).into(), answer).await.map_err(|_| self.silence_since(began))
    }

    /// The silence of a wait that began at `began` and has timed out now.
    pub(crate) fn silence_since(self, began: Instant) -> Silence {
        let now = monotonic();
        let (waited, is_deadline) = (now.saturating_duration_since(began), now >= self.deadline);
        Silence { began, waited, statement_timeout: self.statement_timeout, is_deadline, exceeded: None }
    }

    /// When a wait that begins at `began` times out.
    pub(crate) fn until(self, began: Instant) -> Instant {
        self.deadline.min(began + self.statement_timeout)
    }

    /// How long a wait lasts until the endpoint has to show that it still answers others. The rest of the timeout is
    /// left for that.
    pub(crate) fn until_watched(self) -> Duration {
        watched_after(self.statement_timeout)
    }

    pub(crate) fn is_over(self) -> bool {
        monotonic() >= self.deadline
    }
}

fn watched_after(statement_timeout: Duration) -> Duration {
    LEAST_SILENCE.min(statement_timeout) / 2
}

impl Silence {
    /// The same for a wait that this limit has ended.
    pub(crate) fn for_limit(self, exceeded: LimitExceeded) -> Self {
        Self { exceeded: Some(exceeded), ..self }
    }

    /// Since when an answer to others shows that the endpoint still answers. It may have gone silent after an earlier
    /// one.
    pub(crate) fn watched(self) -> Instant {
        match self.exceeded {
            // The limit ends a wait only when the endpoint has just answered a small query.
            Some(_) => self.began,
            None => self.began + watched_after(self.statement_timeout),
        }
    }

    /// Whether it was long enough to count against the endpoint.
    pub(crate) fn is_endpoints(self) -> bool {
        self.waited >= self.statement_timeout.min(LEAST_SILENCE)
    }

    /// The fault if COMMIT was not sent.
    pub(crate) fn fault(self) -> Fault {
        if self.is_deadline {
            failure::late()
        } else {
            Fault::unavailable(format!("the database gave no answer within {} ms", self.waited.as_millis()))
        }
    }

    /// The fault of a rule's statement if the endpoint has answered others meanwhile. The statement is certainly slow if
    /// also its own session has answered right before it, at this time, and then it was not answered for most of the
    /// timeout.
    pub(crate) fn fault_of_statement(self, session_answered: Option<Instant>) -> Fault {
        let millis = |time: Duration| u64::try_from(time.as_millis()).ok();
        let (allowed, used) = (millis(self.statement_timeout), millis(self.waited));
        if self.is_deadline {
            failure::late()
        } else if session_answered.is_some_and(|answered| self.is_statements(answered)) {
            let statement = LimitExceeded { limit: Limit::StatementTime, allowed, used };
            Fault::limit(self.exceeded.unwrap_or(statement))
        } else {
            let waited = self.waited.as_millis();
            Fault::slow(format!("a statement was not answered within {waited} ms, and others were"))
        }
    }

    /// Whether the statement took the time, and not what came before it on its session, which answered at this time.
    fn is_statements(self, session_answered: Instant) -> bool {
        let alone = (self.began + self.waited).saturating_duration_since(session_answered);
        // A limit ends a wait sooner, if the statements are the cause.
        self.exceeded.is_some() || alone >= self.statement_timeout / 2
    }

    /// The fault if COMMIT was sent.
    pub(crate) fn fault_of_commit(self) -> Fault {
        Fault::unknown_commit(format!("COMMIT was not answered within {} ms", self.waited.as_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn silence(statement_timeout: Duration, deadline: Duration) -> Silence {
        let timeout = AnswerTimeout { statement_timeout, deadline: monotonic() + deadline };
        timeout.wait(std::future::pending::<()>()).await.unwrap_err()
    }

    #[tokio::test]
    async fn an_answer_in_time_is_no_silence() {
        let timeout = AnswerTimeout { statement_timeout: Duration::ZERO, deadline: monotonic() };
        assert_eq!(timeout.wait(async { 7 }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_silence_as_long_as_the_statement_timeout_is_the_endpoints_and_may_be_tried_again() {
        let silence = silence(Duration::from_millis(20), Duration::from_secs(60)).await;
        assert!(silence.is_endpoints());
        assert!(silence.fault().is_unavailable() && !silence.fault().is_shut());
        assert!(silence.fault_of_commit().commit_unknown());
    }

    #[tokio::test]
    async fn a_statement_is_slow_if_its_session_had_answered_early_enough() {
        let began = monotonic();
        let silence = silence(Duration::from_millis(20), Duration::from_secs(60)).await;
        let fault = silence.fault_of_statement(Some(began));
        assert_eq!(fault.limit_exceeded().map(|exceeded| exceeded.limit), Some(Limit::StatementTime));
        // The session answered late, or never: the next attempt may find out.
        for answered in [Some(began + Duration::from_secs(60)), None] {
            assert!(silence.fault_of_statement(answered).is_slow());
        }
    }

    #[tokio::test]
    async fn a_caller_without_time_says_nothing_of_the_endpoint() {
        let silence = silence(Duration::from_secs(60), Duration::from_millis(20)).await;
        assert!(!silence.is_endpoints());
        assert!(silence.fault().is_deadline());
    }
}
