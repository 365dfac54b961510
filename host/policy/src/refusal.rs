use tenet_core::{SqlError, SqlState};

/// Why a statement is not sent, and the place in its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Refusal {
    kind: Kind,
    what: String,
    at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The text is not in the supported subset of SQL.
    NotUnderstood,
    /// It is supported, but names a column that does not exist.
    NoColumn,
    /// It is supported, but uses something that is not granted.
    NotGranted,
}

impl Refusal {
    pub(crate) fn not_understood(at: usize, what: impl Into<String>) -> Self {
        Self { kind: Kind::NotUnderstood, what: what.into(), at }
    }

    pub(crate) fn no_column(at: usize, what: impl Into<String>) -> Self {
        Self { kind: Kind::NoColumn, what: what.into(), at }
    }

    pub(crate) fn not_granted(at: usize, what: impl Into<String>) -> Self {
        Self { kind: Kind::NotGranted, what: what.into(), at }
    }

    /// Adds that the column hides one of the same name further out: that of `hidden`, if there is
    /// one.
    pub(crate) fn hiding(mut self, column: &str, nearer: Option<&str>, hidden: Option<&str>) -> Self {
        if let (Some(nearer), Some(hidden)) = (nearer, hidden) {
            let more = format!("; {nearer} is nearer than {hidden}, so that {column} alone is its column: write");
            self.what = format!("{}{more} {hidden}.{column} if you mean the other", self.what);
        }
        self
    }

    /// The place in the text, in bytes from the beginning.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The error that the rule receives, in PostgreSQL's form: insufficient privilege, an undefined
    /// column or a syntax error, with the position in characters, counted from 1.
    pub fn error(&self, sql: &str) -> SqlError {
        let sqlstate = match self.kind {
            Kind::NotUnderstood => SqlState::SYNTAX_ERROR,
            Kind::NoColumn => SqlState::UNDEFINED_COLUMN,
            Kind::NotGranted => SqlState::INSUFFICIENT_PRIVILEGE,
        };
        let position = sql.char_indices().take_while(|(at, _)| *at < self.at).count() + 1;
        let mut error = SqlError::new(sqlstate, format!("the host does not send this statement: {}", self.what));
        error.details.push(("position".to_owned(), position.to_string()));
        error
    }
}
