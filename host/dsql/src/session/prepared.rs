use std::sync::Arc;

use sqlparser::ast::Statement;

use crate::query::{Analyzed, OutputColumn};
use crate::values::kind::Kind;
use crate::values::value::Value;

/// How a statement is run.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// BEGIN, COMMIT and ROLLBACK.
    Transaction,
    /// SET, RESET, SHOW, and DEALLOCATE ALL.
    Session,
    SchemaChange,
    /// CALL.
    Call,
    Query(Arc<Analyzed>),
}

/// A prepared statement.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// `None` for a text without a statement.
    pub(crate) statement: Option<(Statement, Plan)>,
    /// The types that the client gave for its parameters; Unknown where it gave none.
    pub(crate) given: Vec<Kind>,
    pub(crate) parameters: Vec<Kind>,
    pub(crate) columns: Option<Vec<OutputColumn>>,
    /// Of the catalogue and the search path that it was planned with.
    pub(crate) version: u64,
    pub(crate) search_path: Arc<[String]>,
}

/// A statement with its parameters, which is or was run.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) values: Vec<Value>,
    pub(crate) formats: Vec<i16>,
    pub(crate) state: PortalState,
}

#[derive(Debug)]
pub(crate) enum PortalState {
    Ready,
    /// It has run; these rows are not fetched yet.
    Run {
        rows: std::vec::IntoIter<Vec<Value>>,
        tag: String,
    },
}
