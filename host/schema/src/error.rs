use std::fmt;

use tenet_core::Rejection;

/// Where a payload does not fit its schema, and why. It contains no value of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// A JSON Pointer into the payload, empty for the payload as a whole.
    pub path: String,
    /// A sentence without its subject: `is less than 1`.
    pub reason: String,
}

/// Why a document is not a supported schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    pub(crate) pointer: String,
    pub(crate) reason: String,
}

impl From<Misfit> for Rejection {
    /// The rejection that the caller receives: `invalid-payload`, with the path.
    fn from(misfit: Misfit) -> Self {
        Self {
            code: "invalid-payload".to_owned(),
            message: format!("the payload does not fit: {misfit}"),
            details: vec![("path".to_owned(), misfit.path)],
        }
    }
}

impl SchemaError {
    pub(crate) fn new(pointer: &str, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), reason: reason.into() }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "it" } else { &self.path };
        write!(f, "{path} {}", self.reason)
    }
}

impl std::error::Error for Misfit {}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "{} (at {})", self.reason, self.pointer)
        }
    }
}

impl std::error::Error for SchemaError {}
