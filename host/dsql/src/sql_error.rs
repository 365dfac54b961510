/// An error of a statement, as the protocol reports it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (SQLSTATE {sqlstate})")]
pub struct SqlError {
    /// Five characters (<https://www.postgresql.org/docs/16/errcodes-appendix.html>).
    pub sqlstate: &'static str,
    /// The message, in the words of the server.
    pub message: String,
    /// More about the case.
    pub detail: Option<String>,
    /// What may help.
    pub hint: Option<String>,
    /// The place in the statement's text, in characters, from 1.
    pub position: Option<usize>,
    /// The object that the error is about.
    pub object: Box<ErrorObject>,
}

/// The object that an error is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorObject {
    /// Its schema.
    pub schema: Option<String>,
    /// Its table.
    pub table: Option<String>,
    /// Its column.
    pub column: Option<String>,
    /// Its constraint.
    pub constraint: Option<String>,
}

/// What the message of an error ends with whose SQLSTATE is 0A000 because the model does not know a thing, which
/// Aurora DSQL may know.
pub const UNKNOWN: &str = "is not supported by this model of Aurora DSQL";

impl SqlError {
    /// An error with this SQLSTATE and message.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        let object = Box::default();
        Self { sqlstate, message: message.into(), detail: None, hint: None, position: None, object }
    }

    /// What the model does not know.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new("0A000", format!("{what} {UNKNOWN}"))
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
