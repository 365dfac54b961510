use http::{HeaderMap, Method};

use crate::Path;

/// A request as the interface reads it. A query says nothing here.
#[derive(Clone, Debug)]
pub struct Request<B> {
    /// What is to be done.
    pub method: Method,
    /// With what.
    pub path: Path,
    /// Each with its name in lower case.
    pub headers: HeaderMap,
    /// Its bytes.
    pub body: B,
}
