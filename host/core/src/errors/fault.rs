use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::chain::with_causes;
use crate::{Code, Limit, LimitExceeded, SqlError, SqlState};

/// Whose fault a failure is. It decides who is notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller sent an invalid request.
    Caller,
    /// The rule has a bug or does something that it may not.
    Rule,
    /// The host, or a service that it depends on, is broken or unreachable.
    Host,
}

/// Why the database or the vault did not do what the host asked.
///
/// Use its methods instead of matching on the driver's error: what may be retried, what is settled,
/// and what a rule may see is decided here.
///
/// `{}` shows what failed, `{:#}` its causes too.
#[derive(Clone, Debug)]
pub struct Fault {
    kind: Kind,
    message: String,
    code: Option<Code>,
    source: Option<Arc<dyn Error + Send + Sync>>,
    read: RowsRead,
}

/// The rows that statements sent together had returned before one of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsRead {
    /// Rows.
    pub rows: u64,
    /// Bytes of their values.
    pub bytes: u64,
}

#[derive(Clone, Debug)]
enum Kind {
    Conflict(Option<SqlState>),
    CommitUnknown,
    Sql(Box<SqlError>),
    Limit(LimitExceeded),
    /// `shut`: for how long no connection is attempted, if the breaker allows none. Zero while one is probed.
    Unavailable {
        sqlstate: Option<SqlState>,
        shut: Option<Duration>,
    },
    Slow,
    Deadline,
    Vault,
    Other(Option<SqlState>),
}

impl Fault {
    /// The transaction is certainly not committed and may succeed the next time.
    pub fn conflict(sqlstate: Option<SqlState>, message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict(sqlstate), message)
    }

    /// COMMIT was sent and its response was not received.
    pub fn unknown_commit(message: impl Into<String>) -> Self {
        Self::new(Kind::CommitUnknown, message)
    }

    /// An error that the rule may see.
    pub fn sql(error: SqlError) -> Self {
        let message = error.to_string();
        Self::new(Kind::Sql(Box::new(error)), message)
    }

    /// A limit was exceeded.
    pub fn limit(exceeded: LimitExceeded) -> Self {
        Self::new(Kind::Limit(exceeded), exceeded.to_string())
    }

    /// No connection could be opened, or the database did not respond in time. Nothing is
    /// committed: COMMIT was not sent.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable { sqlstate: None, shut: None }, message)
    }

    /// The database is reachable but rejects connections with this code.
    pub fn refused(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable { sqlstate: Some(sqlstate), shut: None }, message)
    }

    /// No connection is attempted for the time `rest`, because too many attempts failed.
    pub fn shut(rest: Duration, message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable { sqlstate: None, shut: Some(rest) }, message)
    }

    /// A rule's statement was not answered in time, by a database that answered others meanwhile. Nothing is
    /// committed. Another attempt shows whether its connection was lost or the statement is slow.
    pub fn slow(message: impl Into<String>) -> Self {
        Self::new(Kind::Slow, message)
    }

    /// The caller's deadline passed before COMMIT was sent.
    pub fn deadline(message: impl Into<String>) -> Self {
        Self::new(Kind::Deadline, message)
    }

    /// The vault's keys are unreachable. This concerns KMS, not the database.
    pub fn vault(message: impl Into<String>) -> Self {
        Self::new(Kind::Vault, message)
    }

    /// Anything else. Not retried.
    pub fn other(sqlstate: Option<SqlState>, message: impl Into<String>) -> Self {
        Self::new(Kind::Other(sqlstate), message)
    }

    /// Adds the code of an explanation for the operator: a wrong role, a missing grant, a missing
    /// schema.
    #[must_use]
    pub fn with_code(self, code: Code) -> Self {
        Self { code: Some(code), ..self }
    }

    /// Adds the cause, which the message does not repeat. Its text goes to logs: it must not quote
    /// data or secrets.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(Arc::from(source.into())), ..self }
    }

    /// Adds what the statements sent together with the failed one, and itself, had returned.
    #[must_use]
    pub fn with_read(self, read: RowsRead) -> Self {
        Self { read, ..self }
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code: None, source: None, read: RowsRead::default() }
    }

    /// Classifies an error that the database reported for a statement other than COMMIT.
    pub fn from_sql(error: SqlError) -> Self {
        let sqlstate = error.sqlstate;
        if sqlstate.is_transient() {
            Self::conflict(Some(sqlstate), error.message)
        } else if sqlstate.is_for_rules() {
            Self::sql(error)
        } else if let Some(limit) = Limit::of_error(sqlstate, &error.message) {
            Self::new(Kind::Limit(LimitExceeded { limit, allowed: None, used: None }), error.to_string())
        } else {
            Self::other(Some(sqlstate), error.to_string())
        }
    }

    /// Whether the transaction is certainly not committed and may be retried.
    pub fn is_conflict(&self) -> bool {
        matches!(self.kind, Kind::Conflict(_))
    }

    /// Whether it is unknown if the transaction committed.
    pub fn commit_unknown(&self) -> bool {
        matches!(self.kind, Kind::CommitUnknown)
    }

    /// Whether the database was unreachable or did not respond, with nothing committed.
    pub fn is_unavailable(&self) -> bool {
        matches!(self.kind, Kind::Unavailable { .. } | Kind::Slow)
    }

    /// Whether a rule's statement was not answered in time, although the database answered others meanwhile.
    pub fn is_slow(&self) -> bool {
        matches!(self.kind, Kind::Slow)
    }

    /// Whether the breaker allows no connection, so that an immediate retry is useless.
    pub fn is_shut(&self) -> bool {
        self.rest().is_some()
    }

    /// How long no connection is attempted, if the breaker allows none.
    pub fn rest(&self) -> Option<Duration> {
        match self.kind {
            Kind::Unavailable { shut, .. } => shut,
            _ => None,
        }
    }

    /// Whether the caller's deadline passed, with nothing committed.
    pub fn is_deadline(&self) -> bool {
        matches!(self.kind, Kind::Deadline)
    }

    /// Whether the vault's keys are unreachable, with nothing committed.
    pub fn is_vault(&self) -> bool {
        matches!(self.kind, Kind::Vault)
    }

    /// The error as a rule may see it.
    pub fn sql_error(&self) -> Option<&SqlError> {
        match &self.kind {
            Kind::Sql(error) => Some(error),
            _ => None,
        }
    }

    /// The limit that was exceeded.
    pub fn limit_exceeded(&self) -> Option<&LimitExceeded> {
        match &self.kind {
            Kind::Limit(exceeded) => Some(exceeded),
            _ => None,
        }
    }

    /// The message and what its causes say, without the code.
    pub fn message(&self) -> String {
        with_causes(self.message.clone(), self)
    }

    /// The database's code, if it gave one.
    pub fn sqlstate(&self) -> Option<SqlState> {
        match &self.kind {
            Kind::Conflict(sqlstate) | Kind::Other(sqlstate) | Kind::Unavailable { sqlstate, .. } => *sqlstate,
            Kind::Sql(error) => Some(error.sqlstate),
            Kind::CommitUnknown | Kind::Limit(_) | Kind::Slow | Kind::Deadline | Kind::Vault => None,
        }
    }

    /// The code under which `tenet explain` has advice for the operator.
    pub fn code(&self) -> Option<Code> {
        self.code
    }

    /// What the statements sent together with the failed one, and itself, had returned.
    pub fn read(&self) -> RowsRead {
        self.read
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self.kind {
            Kind::Sql(_) | Kind::Limit(_) => Blame::Rule,
            Kind::Conflict(_)
            | Kind::CommitUnknown
            | Kind::Unavailable { .. }
            | Kind::Slow
            | Kind::Deadline
            | Kind::Vault
            | Kind::Other(_) => Blame::Host,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = if f.alternate() { Cow::Owned(self.message()) } else { Cow::Borrowed(&*self.message) };
        match &self.kind {
            Kind::Conflict(Some(sqlstate)) => write!(f, "{message} (SQLSTATE {sqlstate})"),
            _ => f.write_str(&message),
        }
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(code: &str) -> Fault {
        Fault::from_sql(SqlError::new(SqlState::new(code).unwrap(), "said the database"))
    }

    #[test]
    fn answers_what_an_error_of_a_statement_means() {
        assert!(reported("40001").is_conflict());
        assert!(reported("23505").sql_error().is_some());
        assert_eq!(reported("54000").limit_exceeded().map(|e| e.limit), Some(Limit::Statement));
        for (message, limit) in [
            ("transaction age limit of 300s exceeded", Limit::TransactionAge),
            ("transaction row limit exceeded", Limit::TransactionRows),
            ("transaction size limit 10mb exceeded", Limit::TransactionBytes),
            ("no more of the transaction, on average", Limit::Transaction),
            ("maximum row size exceeded", Limit::Statement),
            ("maximum column size exceeded", Limit::Statement),
            ("number of array dimensions (7) exceeds the maximum allowed (6)", Limit::Statement),
            ("requested length too large", Limit::Statement),
        ] {
            let fault = Fault::from_sql(SqlError::new(SqlState::new("54000").unwrap(), message));
            assert_eq!(fault.limit_exceeded().map(|e| e.limit), Some(limit), "{message}");
        }
        assert_eq!(reported("53200").limit_exceeded().map(|e| e.limit), Some(Limit::QueryMemory));
        for code in ["54001", "54011", "54023"] {
            assert_eq!(reported(code).limit_exceeded().map(|e| e.limit), Some(Limit::Statement), "{code}");
            assert_eq!(reported(code).blame(), Blame::Rule, "{code}");
        }
        let odd = reported("28000");
        assert!(!odd.is_conflict() && odd.sql_error().is_none() && odd.limit_exceeded().is_none());
        assert_eq!(odd.blame(), Blame::Host);
    }

    #[test]
    fn keeps_its_cause_and_says_each_text_once() {
        let cause = std::io::Error::other(Fault::other(None, "reset by peer"));
        let fault = Fault::unavailable("not connected").with_source(cause);
        assert_eq!(fault.to_string(), "not connected");
        assert_eq!(format!("{fault:#}"), "not connected: reset by peer");
        assert_eq!(fault.message(), "not connected: reset by peer");
        let source = fault.source().and_then(|source| source.downcast_ref::<std::io::Error>());
        assert!(source.is_some_and(|error| error.kind() == std::io::ErrorKind::Other));
        let conflict = Fault::conflict(SqlState::new("40001"), "lost").with_source("a cause");
        assert_eq!(format!("{conflict:#}"), "lost: a cause (SQLSTATE 40001)");
    }

    #[test]
    fn says_its_code_once() {
        for code in ["40001", "23505", "28000"] {
            assert_eq!(reported(code).to_string().matches(code).count(), 1, "{code}");
        }
    }
}
