use std::borrow::Cow;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

/// Problem details (RFC 9457). The type is `about:blank`, the default, which is not written: it has
/// the meaning of the status. `code` is for programs. Each rule has its own codes, too many to give
/// each a URI.
#[derive(Debug, Serialize)]
pub(crate) struct ProblemDetails<'a> {
    title: &'a str,
    status: u16,
    detail: Cow<'a, str>,
    code: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    details: Map<String, Value>,
}

impl<'a> ProblemDetails<'a> {
    pub(crate) fn new(status: StatusCode, code: &'a str, detail: &'a str) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        Self {
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code: code.into(),
            key: None,
            reference: None,
            details: Map::new(),
        }
    }

    /// The pipeline's problem.
    pub(crate) fn of(status: StatusCode, problem: tenet_pipeline::Problem<'a>) -> Self {
        let tenet_pipeline::Problem { code, message, key, reference, details } = problem;
        Self { detail: message, code, key, reference, details, ..Self::new(status, "", "") }
    }
}
