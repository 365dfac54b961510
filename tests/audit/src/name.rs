use std::fmt;

use tenet_core::CallerId;

/// The name of an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The operation.
    pub operation: String,
    /// The caller's id as it is stored; empty for callers that are not authenticated.
    pub caller: String,
    /// The idempotency key.
    pub key: String,
}

impl Name {
    /// The name for this caller, or for one that is not authenticated.
    pub fn of(operation: &str, caller: Option<&str>, key: &str) -> Self {
        let caller = CallerId::of(caller).to_string();
        Self { operation: operation.to_owned(), caller, key: key.to_owned() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, caller, key } = self;
        write!(f, "{operation} {key:?}")?;
        if !caller.is_empty() {
            write!(f, " of {caller}")?;
        }
        Ok(())
    }
}
