use std::fmt;
use std::time::Duration;

use crate::{Code, Limit, LimitExceeded, SqlError, SqlState};

/// Whose fault a failure is, which decides who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller sent something that cannot be served.
    Caller,
    /// The rule is broken or does what it may not.
    Rule,
    /// The host, or what it stands on, is broken or out of reach.
    Host,
}

/// Why the database, or the vault, did not do what it was asked.
///
/// Ask it questions instead of matching on what the driver said: what may be tried
/// again, what is settled, and what a rule may see is decided in one place.
#[derive(Clone, Debug)]
pub struct Fault {
    kind: Kind,
    message: String,
    code: Option<Code>,
}

#[derive(Clone, Debug)]
enum Kind {
    Conflict(Option<SqlState>),
    CommitUnknown,
    Sql(Box<SqlError>),
    Limit(LimitExceeded),
    /// With how long no connection is tried, where none is.
    Unavailable {
        sqlstate: Option<SqlState>,
        shut: Option<Duration>,
    },
    Deadline,
    Vault,
    Other(Option<SqlState>),
}

impl Fault {
    /// The transaction is certainly not committed and may succeed the next time.
    pub fn conflict(sqlstate: Option<SqlState>, message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict(sqlstate), message)
    }

    /// COMMIT was handed over and its answer never read.
    pub fn unknown_commit(message: impl Into<String>) -> Self {
        Self::new(Kind::CommitUnknown, message)
    }

    /// An error that the rule may see.
    pub fn sql(error: SqlError) -> Self {
        let message = error.to_string();
        Self::new(Kind::Sql(Box::new(error)), message)
    }

    /// A limit was passed.
    pub fn limit(exceeded: LimitExceeded) -> Self {
        Self::new(Kind::Limit(exceeded), exceeded.to_string())
    }

    /// No connection could be opened, or one gave no answer in time. Nothing is committed: COMMIT was
    /// not sent.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable { sqlstate: None, shut: None }, message)
    }

    /// The database is there and lets no connection in, and this is the code that it gives.
    pub fn refused(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable { sqlstate: Some(sqlstate), shut: None }, message)
    }

    /// No connection is tried for so long: too many have failed.
    pub fn shut(rest: Duration, message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable { sqlstate: None, shut: Some(rest) }, message)
    }

    /// The caller's time ran out before COMMIT was handed over.
    pub fn deadline(message: impl Into<String>) -> Self {
        Self::new(Kind::Deadline, message)
    }

    /// The keys of the vault are out of reach: of KMS, and not of the database.
    pub fn vault(message: impl Into<String>) -> Self {
        Self::new(Kind::Vault, message)
    }

    /// Anything else. It is not tried again.
    pub fn other(sqlstate: Option<SqlState>, message: impl Into<String>) -> Self {
        Self::new(Kind::Other(sqlstate), message)
    }

    /// The same with the code of its page, where the operator can mend it: a wrong role, a missing
    /// grant, a missing schema.
    #[must_use]
    pub fn with_code(self, code: Code) -> Self {
        Self { code: Some(code), ..self }
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code: None }
    }

    /// Sorts an error that the database reported about a statement other than COMMIT.
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

    /// Whether the whole transaction, certainly not committed, may be run again.
    pub fn is_conflict(&self) -> bool {
        matches!(self.kind, Kind::Conflict(_))
    }

    /// Whether the transaction may or may not be committed.
    pub fn commit_unknown(&self) -> bool {
        matches!(self.kind, Kind::CommitUnknown)
    }

    /// Whether the database could not be reached, or was silent, with nothing committed.
    pub fn is_unavailable(&self) -> bool {
        matches!(self.kind, Kind::Unavailable { .. })
    }

    /// Whether none is tried just now, so that asking again at once is of no use.
    pub fn is_shut(&self) -> bool {
        self.rest().is_some()
    }

    /// How long none is tried yet, where that is so.
    pub fn rest(&self) -> Option<Duration> {
        match self.kind {
            Kind::Unavailable { shut, .. } => shut,
            _ => None,
        }
    }

    /// Whether the caller's time ran out, with nothing committed.
    pub fn is_deadline(&self) -> bool {
        matches!(self.kind, Kind::Deadline)
    }

    /// Whether the keys of the vault are out of reach, with nothing committed.
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

    /// The limit that was passed.
    pub fn limit_exceeded(&self) -> Option<&LimitExceeded> {
        match &self.kind {
            Kind::Limit(exceeded) => Some(exceeded),
            _ => None,
        }
    }

    /// What whoever met it said about it, without the code.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The database's code, where it gave one.
    pub fn sqlstate(&self) -> Option<SqlState> {
        match &self.kind {
            Kind::Conflict(sqlstate) | Kind::Other(sqlstate) | Kind::Unavailable { sqlstate, .. } => *sqlstate,
            Kind::Sql(error) => Some(error.sqlstate),
            Kind::CommitUnknown | Kind::Limit(_) | Kind::Deadline | Kind::Vault => None,
        }
    }

    /// Under which code `tenet explain` tells the operator what to do.
    pub fn code(&self) -> Option<Code> {
        self.code
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self.kind {
            Kind::Sql(_) | Kind::Limit(_) => Blame::Rule,
            Kind::Conflict(_)
            | Kind::CommitUnknown
            | Kind::Unavailable { .. }
            | Kind::Deadline
            | Kind::Vault
            | Kind::Other(_) => Blame::Host,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Conflict(Some(sqlstate)) => write!(f, "{} (SQLSTATE {sqlstate})", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Fault {}

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
        assert_eq!(reported("54000").limit_exceeded().map(|e| e.limit), Some(Limit::Transaction));
        for (message, limit) in [
            ("transaction age limit of 300s exceeded", Limit::TransactionAge),
            ("transaction row limit exceeded", Limit::TransactionRows),
            ("transaction size limit 10mb exceeded", Limit::TransactionBytes),
            ("no more, on average", Limit::Transaction),
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
    fn says_its_code_once() {
        for code in ["40001", "23505", "28000"] {
            assert_eq!(reported(code).to_string().matches(code).count(), 1, "{code}");
        }
    }
}
