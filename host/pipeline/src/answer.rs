use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenet_core::{IdempotencyKey, Rejection};

/// The response to a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The kind of answer.
    pub status: Status,
    /// JSON text: the rule's output, or an object with `code` and `message`.
    pub body: String,
    /// The key under which the answer is, or will be, stored. None if nothing is stored.
    pub key: Option<IdempotencyKey>,
    /// Whether the host generated the key because the request had none. The caller has to learn it.
    pub key_is_given: bool,
    /// Whether an earlier request had stored this answer.
    pub repeated: bool,
    /// How long to wait before a retry, if a retry can help. The host adds random jitter where many callers get the
    /// same answer at once.
    pub again_after: Option<Duration>,
}

/// The kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All rules accepted; the body is the output of the last rule.
    Accepted,
    /// A rule rejected the request.
    Rejected,
    /// The request cannot be served as it was sent; no attempt was made.
    Invalid,
    /// The caller may not use this operation; no attempt was made.
    Forbidden,
    /// The key already has an answer to another payload.
    KeyReused,
    /// A rule or the host failed. Nothing was changed.
    Failed,
    /// The host cannot decide the request now. If it has a key, it is always safe to retry with
    /// that key.
    Unavailable,
}

impl Status {
    /// The HTTP status code.
    pub fn code(self) -> u16 {
        match self {
            Self::Accepted => 200,
            Self::Rejected => 422,
            Self::Invalid => 400,
            Self::Forbidden => 403,
            Self::KeyReused => 409,
            Self::Failed => 500,
            Self::Unavailable => 503,
        }
    }
}

/// The body of every answer that is not a rule's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem<'a> {
    /// For programs: a rule's own code, or `invalid-request`, `forbidden`, `key-reused`,
    /// `failed`, `busy`, `overloaded`, `unavailable`, `vault-away`, `rule-out`, `schema-differs`,
    /// `out-of-time`, `outcome-unknown`.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// For people.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// The key to retry with.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
    /// The reference under which the operator's log has more.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Cow<'a, str>>,
    /// The details that the rule added, by name.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub details: serde_json::Map<String, serde_json::Value>,
}

impl<'a> Problem<'a> {
    pub(crate) fn new(code: &'a str, message: &'a str) -> Self {
        Self { code: code.into(), message: message.into(), key: None, reference: None, details: serde_json::Map::new() }
    }

    pub(crate) fn body(&self) -> String {
        // Strings only: serialization cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Answer {
    /// The answer to a request that cannot be served as it was sent.
    pub fn invalid(message: &str) -> Self {
        Self::untried(Status::Invalid, &Problem::new("invalid-request", message))
    }

    pub(crate) fn forbidden(message: &str) -> Self {
        Self::untried(Status::Forbidden, &Problem::new("forbidden", message))
    }

    fn untried(status: Status, problem: &Problem<'_>) -> Self {
        Self { status, body: problem.body(), key: None, key_is_given: false, repeated: false, again_after: None }
    }

    /// The problem, if the answer is not a rule's output.
    pub fn problem(&self) -> Option<Problem<'_>> {
        match self.status {
            Status::Accepted => None,
            // This type wrote the body, now or when it was stored.
            _ => serde_json::from_str(&self.body).ok(),
        }
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

    #[test]
    fn what_was_written_as_a_problem_is_read_as_one() {
        let rejection = Rejection {
            code: "no".into(),
            message: "say \"no\"".into(),
            details: vec![("balance".into(), "1.00".into())],
        };
        let body = rejection_body(&rejection);
        let answer = Answer { status: Status::Rejected, body, ..Answer::invalid("") };
        let problem = answer.problem().unwrap();
        assert_eq!((&*problem.code, &*problem.message, &problem.key), ("no", "say \"no\"", &None));
        assert_eq!(problem.details["balance"], "1.00");
        assert_eq!(Answer { status: Status::Accepted, ..answer.clone() }.problem(), None);
    }
}
