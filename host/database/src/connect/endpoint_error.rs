use std::fmt;

/// An invalid description of an endpoint. It never contains the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError {
    part: Option<&'static str>,
    what: String,
}

impl EndpointError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { part: None, what: what.into() }
    }

    pub(crate) fn of(part: &'static str, what: impl Into<String>) -> Self {
        Self { part: Some(part), what: what.into() }
    }

    /// The invalid part of a [`Dsql`](crate::Dsql): `endpoint`, `address`, `region`, `role` or
    /// `ca`.
    pub fn part(&self) -> Option<&'static str> {
        self.part
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for EndpointError {}
