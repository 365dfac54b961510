use std::fmt;

use tenet_core::Code;

/// An error that a command itself gives a next step or a place to. It may be the context
/// of another.
#[derive(Debug)]
pub(crate) struct Problem {
    what: String,
    help: String,
    explained: Option<Code>,
}

impl Problem {
    /// A problem, and what to do about it: the rest of a sentence, without a full stop.
    pub(crate) fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into(), explained: None }
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> &str {
        &self.help
    }

    /// The page of `tenet explain` that it has, if any.
    pub(crate) fn code(&self) -> Option<Code> {
        self.explained
    }

    /// The same, with a page of its own in `tenet explain`.
    pub(crate) fn explained(self, code: Code) -> Self {
        Self { explained: Some(code), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}
