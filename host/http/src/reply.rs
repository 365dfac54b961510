use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;
use tenet_pipeline::{Answer, Status};

use crate::key_header::{self, IDEMPOTENCY_KEY};
use crate::problem_details::ProblemDetails;

/// The header that says whether the answer was stored by an earlier request: `true` or `false`.
pub(crate) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A reply: JSON text with its headers.
pub type Reply = Response<String>;

/// The pipeline's answer as a reply.
pub(crate) fn answer(answer: &Answer) -> Reply {
    let status = match answer.status {
        Status::Accepted => StatusCode::OK,
        Status::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
        Status::Invalid => StatusCode::BAD_REQUEST,
        Status::Forbidden => StatusCode::FORBIDDEN,
        Status::KeyReused => StatusCode::CONFLICT,
        Status::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        Status::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut reply = match answer.problem() {
        Some(problem) => problem_reply(status, &ProblemDetails::of(status, problem)),
        None => json(status, "application/json", answer.body.clone()),
    };
    let headers = reply.headers_mut();
    // A key may have characters that no header can hold; then its caller sent it and knows it.
    if let Some(key) = answer.key.as_ref().and_then(key_header::write) {
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    if answer.key.is_some() {
        let replayed = if answer.repeated { "true" } else { "false" };
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static(replayed));
    }
    if let Some(after) = answer.again_after {
        // The header has whole seconds.
        headers.insert(RETRY_AFTER, seconds(after).into());
    }
    reply
}

/// Whole seconds, at least one.
fn seconds(after: Duration) -> u64 {
    after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1)
}

/// A reply of the interface itself.
pub(crate) fn problem(status: StatusCode, code: &str, detail: &str) -> Reply {
    problem_reply(status, &ProblemDetails::new(status, code, detail))
}

/// The path exists, but not with this method.
pub(crate) fn not_allowed(allowed: &'static str) -> Reply {
    let detail = format!("This path accepts {allowed}.");
    let mut reply = problem(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", &detail);
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

/// A reply with JSON text.
pub(crate) fn json(status: StatusCode, media_type: &'static str, body: String) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    // A reply is only for its caller, who can repeat the request with the key.
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// Serializes strings, numbers and lists of them, which cannot fail.
pub(crate) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn problem_reply(status: StatusCode, problem: &ProblemDetails<'_>) -> Reply {
    json(status, "application/problem+json", text(problem))
}

#[cfg(test)]
mod tests {
    use tenet_core::IdempotencyKey;

    use super::*;

    fn accepted() -> Answer {
        Answer {
            status: Status::Accepted,
            body: r#"{"amount":100.50}"#.into(),
            key: IdempotencyKey::new("k-1").ok(),
            key_is_given: false,
            repeated: false,
            again_after: None,
        }
    }

    fn header(reply: &Reply, name: &str) -> Option<String> {
        Some(reply.headers().get(name)?.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_output_leaves_as_it_is_with_its_key_and_whether_it_is_a_repeat() {
        let reply = answer(&accepted());
        assert_eq!((reply.status(), reply.body().as_str()), (StatusCode::OK, r#"{"amount":100.50}"#));
        assert_eq!(header(&reply, "content-type").as_deref(), Some("application/json"));
        assert_eq!(header(&reply, "idempotency-key").as_deref(), Some("k-1"));
        assert_eq!(header(&reply, "idempotent-replayed").as_deref(), Some("false"));
        let again = answer(&Answer { repeated: true, ..accepted() });
        assert_eq!(header(&again, "idempotent-replayed").as_deref(), Some("true"));
        let read = answer(&Answer { key: None, ..accepted() });
        assert_eq!((header(&read, "idempotency-key"), header(&read, "idempotent-replayed")), (None, None));
    }

    #[test]
    fn a_key_that_no_header_can_hold_is_left_out() {
        let reply = answer(&Answer { key: IdempotencyKey::new("a\nb").ok(), ..accepted() });
        assert_eq!(header(&reply, "idempotency-key"), None);
        assert_eq!(header(&reply, "idempotent-replayed").as_deref(), Some("false"));
    }

    #[test]
    fn what_is_wrong_leaves_as_problem_details() {
        let body = r#"{"code":"insufficient-funds","message":"too little","details":{"balance":"1.00"}}"#;
        let reply = answer(&Answer { status: Status::Rejected, body: body.into(), ..accepted() });
        assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(header(&reply, "content-type").as_deref(), Some("application/problem+json"));
        assert_eq!(
            reply.body(),
            "{\"title\":\"Unprocessable Entity\",\"status\":422,\"detail\":\"too little\",\
             \"code\":\"insufficient-funds\",\"details\":{\"balance\":\"1.00\"}}"
        );
    }

    #[test]
    fn what_may_succeed_later_says_when_and_with_which_key() {
        let body = r#"{"code":"busy","message":"m","key":"k-1","reference":"ab"}"#;
        let away =
            |after| Answer { status: Status::Unavailable, body: body.into(), again_after: Some(after), ..accepted() };
        let reply = answer(&away(Duration::from_millis(12_001)));
        assert_eq!(header(&reply, "retry-after").as_deref(), Some("13"));
        assert_eq!(header(&answer(&away(Duration::ZERO)), "retry-after").as_deref(), Some("1"));
        assert!(reply.body().contains(r#""key":"k-1","reference":"ab""#), "{}", reply.body());
        assert_eq!(header(&answer(&accepted()), "retry-after"), None);
    }

    #[test]
    fn every_status_of_the_pipeline_keeps_its_number() {
        for status in [
            Status::Accepted,
            Status::Rejected,
            Status::Invalid,
            Status::Forbidden,
            Status::KeyReused,
            Status::Failed,
            Status::Unavailable,
        ] {
            let body = r#"{"code":"c","message":"m"}"#.to_owned();
            assert_eq!(answer(&Answer { status, body, ..accepted() }).status().as_u16(), status.code());
        }
    }
}
