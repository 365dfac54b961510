//! Errors and notices of a session, in the words of PostgreSQL.

use crate::sql_error::SqlError;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Notice,
    Warning,
    Error,
    /// The session ends.
    Fatal,
}

impl Severity {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// A message to the client in addition to the results.
pub(crate) type Notice = (Severity, SqlError);

pub(crate) fn no_transaction() -> Notice {
    (Severity::Warning, SqlError::new("25P01", "there is no transaction in progress"))
}

pub(crate) fn already_in_transaction() -> Notice {
    (Severity::Warning, SqlError::new("25001", "there is already a transaction in progress"))
}

pub(crate) fn aborted() -> SqlError {
    SqlError::new("25P02", "current transaction is aborted, commands ignored until end of transaction block")
}

pub(crate) fn read_only(command: &str) -> SqlError {
    SqlError::new("25006", format!("cannot execute {command} in a read-only transaction"))
}

/// The server takes no more connections.
pub(crate) fn too_many_connections() -> SqlError {
    SqlError::new("53300", "Unable to accept connection, too many open connections.")
}

/// Connections come faster than the server takes them.
pub(crate) fn too_fast() -> SqlError {
    SqlError::new("53400", "Unable to accept connection, rate exceeded.")
}

pub(crate) fn access_denied() -> SqlError {
    SqlError::new("28000", "unable to accept connection, access denied")
}
