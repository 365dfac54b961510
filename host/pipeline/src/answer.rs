use serde::Serialize;
use tenet_core::{IdempotencyKey, Rejection};

/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// In one word.
    pub status: Status,
    /// JSON text: the rule's output, or an object with `code` and `message`.
    pub body: String,
    /// The key under which the answer is, or will be, stored; none where nothing is.
    pub key: Option<IdempotencyKey>,
    /// Whether the key was given to a request that came without one, so that the caller
    /// has to be told.
    pub key_is_given: bool,
    /// Whether the answer had been stored by an earlier request.
    pub repeated: bool,
}

/// The kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All rules accepted; the body is the last one's output.
    Accepted,
    /// A rule said no.
    Rejected,
    /// The request cannot be served as it is; nothing was tried.
    Invalid,
    /// The key has an answer to another payload.
    KeyReused,
    /// A rule or the host is broken. Nothing was changed.
    Failed,
    /// Not now. With a key: ask again with it, whatever happened before.
    Unavailable,
}

impl Status {
    /// The HTTP status code.
    pub fn code(self) -> u16 {
        match self {
            Self::Accepted => 200,
            Self::Rejected => 422,
            Self::Invalid => 400,
            Self::KeyReused => 409,
            Self::Failed => 500,
            Self::Unavailable => 503,
        }
    }
}

/// The body of every answer that is not a rule's output.
#[derive(Serialize)]
pub(crate) struct Problem<'a> {
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<&'a str>,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub(crate) details: serde_json::Map<String, serde_json::Value>,
}

impl<'a> Problem<'a> {
    pub(crate) fn new(code: &'a str, message: &'a str) -> Self {
        Self { code, message, key: None, reference: None, details: serde_json::Map::new() }
    }

    pub(crate) fn body(&self) -> String {
        // Strings only: serde_json has nothing to refuse in them.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A rejection as it is stored and answered.
pub(crate) fn rejection_body(rejection: &Rejection) -> String {
    let mut problem = Problem::new(&rejection.code, &rejection.message);
    problem.details = rejection.details.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
    problem.body()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_becomes_one_line_of_json() {
        let mut rejection = Rejection { code: "no".into(), message: "say \"no\"".into(), details: vec![] };
        assert_eq!(rejection_body(&rejection), r#"{"code":"no","message":"say \"no\""}"#);
        rejection.details.push(("balance".into(), "1.00".into()));
        assert_eq!(rejection_body(&rejection), r#"{"code":"no","message":"say \"no\"","details":{"balance":"1.00"}}"#);
    }
}
