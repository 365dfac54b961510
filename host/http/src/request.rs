use http::{HeaderMap, Method};

use crate::Path;

/// A request to the interface. Queries are ignored.
#[derive(Clone, Debug)]
pub struct Request<B> {
    /// The HTTP method.
    pub method: Method,
    /// The path.
    pub path: Path,
    /// Names in lower case.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: B,
}
