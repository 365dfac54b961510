use std::error::Error as _;
use std::io;

use tenet_core::{Code, Fault, Limit, LimitExceeded, SqlError, SqlState};
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, ErrorPosition, Severity};

use crate::statements::columns::ReadStop;

/// Why a statement failed.
pub(crate) enum QueryError {
    /// An error of the server or the network.
    Driver(Error),
    /// It succeeded, but its result cannot be read.
    Unreadable(Box<SqlError>),
    /// Its result exceeds a limit.
    Limit(LimitExceeded),
    /// The server began a message of so many bytes, which was not read.
    TooLong(u32),
}

/// A fault, and the state of the connection after it.
pub(crate) struct QueryFailure {
    pub(crate) fault: Fault,
    pub(crate) left: ConnectionState,
}

/// The state of a connection after a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    /// The server has failed the transaction: it cannot be committed any more.
    Aborted,
    /// A transaction that the server would still commit.
    Open,
    /// A connection that must not be used again.
    Stuck,
    /// A broken connection.
    Lost,
}

impl QueryFailure {
    /// The failure of a rule's statement.
    pub(crate) fn of_statement(error: QueryError) -> Self {
        match error {
            QueryError::Unreadable(error) => Self { fault: Fault::sql(*error), left: ConnectionState::Open },
            QueryError::Limit(exceeded) => Self { fault: Fault::limit(exceeded), left: ConnectionState::Stuck },
            QueryError::TooLong(length) => {
                let used = Some(u64::from(length));
                Self {
                    fault: Fault::limit(LimitExceeded { limit: Limit::BytesRead, allowed: None, used }),
                    left: ConnectionState::Stuck,
                }
            }
            QueryError::Driver(error) => match error.as_db_error() {
                None => lost(error),
                Some(db) => {
                    let (mut error, left) = (sql_error(db), left_by(db));
                    if error.sqlstate.as_str() == "08P01" {
                        if left == ConnectionState::Lost {
                            // A protocol error, which a retry would repeat.
                            return Self { fault: Fault::other(Some(error.sqlstate), error.to_string()), left };
                        }
                        // A number of parameters that does not match the statement. This is the
                        // rule's mistake, but it has the code of a protocol violation.
                        error.sqlstate = SqlState::new("42601").unwrap_or(error.sqlstate);
                    }
                    Self { fault: Fault::from_sql(error), left }
                }
            },
        }
    }

    /// The failure of one of the host's own statements that was not sent.
    pub(crate) fn before_sending(fault: Fault) -> Self {
        Self { fault, left: ConnectionState::Open }
    }

    /// The failure of one of the host's own statements, which rules never see.
    pub(crate) fn of_host(error: QueryError, doing: &str) -> Self {
        match error {
            QueryError::Unreadable(error) => Self {
                fault: Fault::other(Some(error.sqlstate), doing).with_source(error),
                left: ConnectionState::Open,
            },
            QueryError::Limit(exceeded) => {
                Self { fault: Fault::other(None, doing).with_source(exceeded), left: ConnectionState::Stuck }
            }
            QueryError::TooLong(length) => {
                let text = format!("{doing}: the server sent a message of {length} bytes, which is more than is read");
                Self { fault: Fault::other(None, text), left: ConnectionState::Stuck }
            }
            QueryError::Driver(error) => match error.as_db_error() {
                None => lost(error),
                Some(db) => Self { fault: host_fault(sql_error(db), doing), left: left_by(db) },
            },
        }
    }
}

/// The fault of an error in place of COMMIT's answer: `Ok` if certainly not committed, `Err` if
/// unknown.
pub(crate) fn of_commit(error: Error) -> Result<Fault, Fault> {
    let unknown = || Fault::unknown_commit("whether the transaction is committed is not known");
    let Some(db) = error.as_db_error() else {
        return Err(unknown().with_source(error));
    };
    let reported = sql_error(db);
    match (reported.sqlstate.class(), reported.sqlstate.as_str()) {
        // A key row or an event that another attempt has stored concurrently.
        ("23", _) if db.schema() == Some("tenet") => Ok(Fault::conflict(Some(reported.sqlstate), reported.message)),
        ("23", _) | (_, "40001" | "54000" | "25P02") => Ok(Fault::from_sql(reported)),
        _ => Err(unknown().with_source(reported)),
    }
}

/// The error as text, including its causes.
pub(crate) fn describe(error: &Error) -> String {
    match error.as_db_error() {
        Some(db) => sql_error(db).to_string(),
        None => match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

/// Why a server refuses the log-in, as text with its details and hints.
pub(crate) fn describe_refusal(error: &Error) -> String {
    let more = error.as_db_error().map(|db| [db.detail(), db.hint()]).into_iter().flatten().flatten();
    more.fold(describe(error), |text, more| format!("{text}: {more}"))
}

/// The fault of a deadline that passed before COMMIT was handed over.
pub(crate) fn late() -> Fault {
    Fault::deadline("the time ran out while waiting for the database")
}

/// The code of an error that the server reported.
pub(crate) fn code(error: &Error) -> Option<&str> {
    error.code().map(|code| code.code())
}

fn host_fault(error: SqlError, doing: &str) -> Fault {
    let sqlstate = error.sqlstate;
    // Another attempt under the same key was faster; the look-up will find its answer.
    if sqlstate == SqlState::UNIQUE_VIOLATION {
        return Fault::conflict(Some(sqlstate), format!("{doing}: {}", error.message));
    }
    let lack = set_up(sqlstate);
    if lack.is_none() && !sqlstate.is_for_rules() {
        return Fault::from_sql(error);
    }
    let other = Fault::other(Some(sqlstate), doing).with_source(error);
    match lack {
        Some(code) => other.with_code(code),
        None => other,
    }
}

/// What the database lacks for the host's own statements, by the SQLSTATE.
fn set_up(sqlstate: SqlState) -> Option<Code> {
    match sqlstate.as_str() {
        "42501" => Some(Code::DatabaseGrant),
        // No such table, schema or column.
        "42P01" | "3F000" | "42703" => Some(Code::DatabaseSchema),
        _ => None,
    }
}

fn left_by(db: &DbError) -> ConnectionState {
    // The parsed severity is independent of the language, but not every server sends it.
    let fatal = matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
    if fatal || matches!(db.severity(), "FATAL" | "PANIC") { ConnectionState::Lost } else { ConnectionState::Aborted }
}

fn lost(error: Error) -> QueryFailure {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    let broken =
        matches!(cause, Some(kind) if !matches!(kind, io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData));
    let fault = if error.is_closed() || broken {
        Fault::conflict(None, "the connection to the database was lost")
    } else {
        Fault::other(None, "the database's driver failed")
    };
    QueryFailure { fault: fault.with_source(error), left: ConnectionState::Lost }
}

fn sql_error(db: &DbError) -> SqlError {
    let internal = || SqlState::new("XX000").unwrap_or(SqlState::FEATURE_NOT_SUPPORTED);
    let mut error = SqlError::new(SqlState::new(db.code().code()).unwrap_or_else(internal), db.message());
    error.constraint = db.constraint().map(str::to_owned);
    error.table = db.table().map(str::to_owned);
    error.column = db.column().map(str::to_owned);
    let position = match db.position() {
        Some(ErrorPosition::Original(position)) => Some(position.to_string()),
        _ => None,
    };
    let details = [("detail", db.detail()), ("hint", db.hint()), ("position", position.as_deref())];
    error.details =
        details.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    error
}

impl From<ReadStop> for QueryError {
    fn from(stopped: ReadStop) -> Self {
        match stopped {
            ReadStop::Unreadable(error) => Self::Unreadable(error),
            ReadStop::Limit(exceeded) => Self::Limit(exceeded),
        }
    }
}
