pub(crate) mod catalog;
pub(crate) mod civil;
pub(crate) mod decimal;
pub(crate) mod identifier;
pub(crate) mod number;
pub(crate) mod value;

use std::fmt;
use std::sync::Arc;

use crate::{RowSet, Value};

/// One SQL statement with its parameters, `$1` first.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The text, with `$1`, `$2` ... for the parameters.
    pub sql: Arc<str>,
    /// The parameters' values.
    pub parameters: Vec<Value>,
    /// The text sent to the database instead: the same statement, printed from the policy's syntax tree. If absent,
    /// `sql` itself is sent.
    pub canonical: Option<Arc<str>>,
}

impl Statement {
    /// A statement as written, without a canonical text.
    pub fn new(sql: impl Into<Arc<str>>, parameters: Vec<Value>) -> Self {
        Self { sql: sql.into(), parameters, canonical: None }
    }
}

/// What one statement did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The rows that it returned.
    pub rows: RowSet,
    /// The rows that its command tag counts.
    pub affected: u64,
    /// How many of those it may have written: 0 if it certainly only reads.
    pub written: u64,
}

/// An SQLSTATE: five characters that name the kind of a database error.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// `40001`, serialization failure: on DSQL every OCC conflict, OC000 and OC001
    /// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-concurrency-control.html>).
    pub const SERIALIZATION_FAILURE: Self = Self(*b"40001");
    /// `23505`, unique violation.
    pub const UNIQUE_VIOLATION: Self = Self(*b"23505");
    /// `25P02`, in failed SQL transaction.
    pub const IN_FAILED_TRANSACTION: Self = Self(*b"25P02");
    /// `22P02`, invalid text representation.
    pub const INVALID_TEXT: Self = Self(*b"22P02");
    /// `0A000`, feature not supported.
    pub const FEATURE_NOT_SUPPORTED: Self = Self(*b"0A000");

    /// `42501`, insufficient privilege.
    pub const INSUFFICIENT_PRIVILEGE: Self = Self(*b"42501");
    /// `42703`, undefined column.
    pub const UNDEFINED_COLUMN: Self = Self(*b"42703");
    /// `42601`, syntax error.
    pub const SYNTAX_ERROR: Self = Self(*b"42601");

    /// Takes the code of an error if it has five upper-case letters or digits.
    pub fn new(code: &str) -> Option<Self> {
        let bytes: [u8; 5] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()).then_some(Self(bytes))
    }

    /// The five characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }

    /// The first two characters, which name the class.
    pub fn class(&self) -> &str {
        self.as_str().get(..2).unwrap_or("XX")
    }

    /// Whether a rule may see an error with this code: classes 22, 23, 42 and 0A, and `25006` of a statement that a
    /// read-only transaction does not admit.
    pub fn is_for_rules(&self) -> bool {
        matches!(self.class(), "22" | "23" | "42" | "0A") || self.as_str() == "25006"
    }

    /// Whether the transaction failed for a reason that a retry may not meet: conflicts, deadlocks, unavailable locks,
    /// lost connections, shutdowns, and DSQL's `XX000 server unavailable`
    /// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/troubleshooting.html>).
    pub fn is_transient(&self) -> bool {
        matches!(self.as_str(), "40001" | "40P01" | "55P03" | "XX000")
            || matches!(self.class(), "08")
            || self.as_str().starts_with("57P")
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error that the database reported about a statement.
///
/// Its `Display` is for logs and omits messages of class 22, which quote the invalid value. A rule receives them in
/// full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// What kind.
    pub sqlstate: SqlState,
    /// The database's primary message.
    pub message: String,
    /// The violated constraint.
    pub constraint: Option<String>,
    /// The table.
    pub table: Option<String>,
    /// The column.
    pub column: Option<String>,
    /// Further details by name: `detail`, `hint`, `position`, and `statement`, the number within a batch.
    pub details: Vec<(String, String)>,
}

impl SqlError {
    /// An error with only a code and a message.
    pub fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into(), constraint: None, table: None, column: None, details: Vec::new() }
    }

    /// The bytes of all its texts.
    pub fn bytes(&self) -> u64 {
        let names = [&self.constraint, &self.table, &self.column].into_iter().flatten().map(String::len);
        let details = self.details.iter().map(|(name, text)| name.len() + text.len());
        (self.message.len() + names.chain(details).sum::<usize>()) as u64
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = if self.sqlstate.class() == "22" { "wrong data" } else { &self.message };
        write!(f, "{message} (SQLSTATE {})", self.sqlstate)
    }
}

impl std::error::Error for SqlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_codes_as_the_design_lists_them() {
        let state = |code| SqlState::new(code).unwrap();
        for code in ["40001", "40P01", "55P03", "XX000", "08006", "57P01"] {
            assert!(state(code).is_transient() && !state(code).is_for_rules(), "{code}");
        }
        for code in ["22003", "23505", "42P01", "0A000", "25006"] {
            assert!(!state(code).is_transient() && state(code).is_for_rules(), "{code}");
        }
        for code in ["25P02", "54000", "53200", "28000", "57014"] {
            assert!(!state(code).is_transient() && !state(code).is_for_rules(), "{code}");
        }
        assert_eq!(SqlState::new("4000"), None);
        assert_eq!(SqlState::new("4000é"), None);
    }

    #[test]
    fn a_message_that_may_quote_a_value_stays_out_of_logs() {
        let error = |code, message: &str| SqlError::new(SqlState::new(code).unwrap(), message).to_string();
        let quoting = error("22P02", "invalid input syntax for type integer: \"4711\"");
        assert_eq!(quoting, "wrong data (SQLSTATE 22P02)");
        assert_eq!(error("42P01", "relation \"x\" does not exist"), "relation \"x\" does not exist (SQLSTATE 42P01)");
    }
}
