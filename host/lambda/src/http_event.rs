//! HTTP requests in the format of API Gateway's HTTP API (payload 2.0) and of function URLs.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Serialize;
use tenet_http::{IDEMPOTENCY_KEY, Path, Reply, Request};

use crate::members::Members;

/// One request, and the caller's identity from the authoriser.
#[derive(Debug)]
pub(crate) struct HttpEvent {
    pub(crate) request: Request<Vec<u8>>,
    pub(crate) caller: Option<String>,
    /// When the HTTP API received it, if the event says so.
    pub(crate) received: Option<SystemTime>,
}

/// Reads such a request. The error is for the caller.
pub(crate) fn read(event: &str) -> Result<HttpEvent, String> {
    let event = Members::of(event).ok_or_else(|| unread("the event is not an object"))?;
    let context = event.within("requestContext");
    let method =
        context.within("http").text("method").ok_or_else(|| unread("`requestContext.http.method` is missing"))?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| unread("there is no such method"))?;
    let path = Path::of(&event.text("rawPath").unwrap_or_else(|| "/".to_owned()));
    // The default stage is not part of a path.
    let stage = context.text("stage").filter(|stage| stage != "$default").unwrap_or_default();
    let request = Request { method, path: path.below(&stage), headers: headers(&event)?, body: body(&event)? };
    let millis = context.get("timeEpoch").and_then(|millis| millis.parse().ok());
    let received = millis.and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis)));
    Ok(HttpEvent { request, caller: caller(&context.within("authorizer"))?, received })
}

fn unread(why: &str) -> String {
    format!("This is not an HTTP request of payload 2.0: {why}.")
}

/// The headers. An unreadable header is ignored, unless it is the key's.
fn headers(event: &Members<'_>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in event.within("headers").each() {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        match header(value) {
            Some(values) => headers.extend(values.into_iter().map(|value| (name.clone(), value))),
            None if name == IDEMPOTENCY_KEY => return Err(unread(&format!("the header {name} cannot be read"))),
            None => {}
        }
    }
    Ok(headers)
}

/// A header's value is a string; some proxies send several values as a list.
fn header(value: &str) -> Option<Vec<HeaderValue>> {
    let values = match serde_json::from_str(value) {
        Ok(value) => vec![value],
        Err(_) => serde_json::from_str::<Vec<String>>(value).ok()?,
    };
    values.iter().map(|value| HeaderValue::from_str(value).ok()).collect()
}

fn body(event: &Members<'_>) -> Result<Vec<u8>, String> {
    let Some(body) = event.get("body") else { return Ok(Vec::new()) };
    let body: String = serde_json::from_str(body).map_err(|_| unread("the body is not a string"))?;
    // Some proxies send it as a string. If it is absent, the body is plain text.
    match event.get("isBase64Encoded") {
        None | Some("false" | r#""false""#) => Ok(body.into_bytes()),
        Some("true" | r#""true""#) => {
            BASE64_STANDARD.decode(body).map_err(|_| "The body is not valid base64.".to_owned())
        }
        Some(_) => Err(unread("`isBase64Encoded` is neither true nor false")),
    }
}

/// Writes a reply in the format of both.
pub(crate) fn write(reply: Reply) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response<'a> {
        status_code: u16,
        /// A reply has one ASCII value per header.
        headers: BTreeMap<&'a str, &'a str>,
        multi_value_headers: BTreeMap<&'a str, Vec<&'a str>>,
        body: &'a str,
        is_base64_encoded: bool,
        cookies: Vec<&'a str>,
    }
    serde_json::to_string(&Response {
        status_code: reply.status().as_u16(),
        headers: reply
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect(),
        multi_value_headers: BTreeMap::new(),
        body: reply.body(),
        is_base64_encoded: false,
        cookies: Vec::new(),
    })
}

/// The caller's identity: the subject of a JWT, the ARN of an IAM identity, or the `principalId` in
/// a Lambda authoriser's context. An API has one of these. If it is not a string, the request is
/// refused: treated as unauthenticated, it would share its keys with other callers.
fn caller(authorizer: &Members<'_>) -> Result<Option<String>, String> {
    let claims = authorizer.within("jwt").within("claims");
    let (iam, lambda) = (authorizer.within("iam"), authorizer.within("lambda"));
    for (members, name) in [(claims, "sub"), (iam, "userArn"), (lambda, "principalId")] {
        if members.has(name) {
            let text =
                members.text(name).ok_or_else(|| unread(&format!("the authoriser's `{name}` is not a string")))?;
            return Ok(Some(text).filter(|text| !text.is_empty()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::source::Source;

    fn event() -> Value {
        json!({
            "version": "2.0",
            "rawPath": "/operations/write",
            "rawQueryString": "",
            "headers": { "content-type": "application/json", "Idempotency-Key": "k-1" },
            "requestContext": {
                "stage": "$default",
                "http": { "method": "POST", "path": "/operations/write", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" },
            },
            "body": "{\"amount\":100.50}",
            "isBase64Encoded": false,
        })
    }

    fn read(event: &Value) -> HttpEvent {
        let text = event.to_string();
        assert_eq!(Source::of(&text), Source::Http);
        super::read(&text).unwrap()
    }

    #[test]
    fn a_request_is_read_with_its_body_untouched() {
        let HttpEvent { request, caller, .. } = read(&event());
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/operations/write"));
        assert_eq!(request.headers["idempotency-key"], "k-1");
        assert_eq!(request.body, b"{\"amount\":100.50}");
        assert_eq!(caller, None);
        let mut encoded = event();
        encoded["body"] = BASE64_STANDARD.encode([0xff, 0]).into();
        encoded["isBase64Encoded"] = true.into();
        assert_eq!(read(&encoded).request.body, [0xff, 0]);
        encoded["body"] = "?".into();
        assert!(super::read(&encoded.to_string()).unwrap_err().contains("base64"));
    }

    #[test]
    fn headers_of_several_values_and_cookies_leave_a_request_as_it_is() {
        let mut event = event();
        event["headers"]["accept"] = "application/json,text/plain".into();
        event["cookies"] = json!(["a=1", "b=2"]);
        event["rawQueryString"] = "a=1&a=2".into();
        event["queryStringParameters"] = json!({ "a": "1,2" });
        let HttpEvent { request, .. } = read(&event);
        assert_eq!(request.headers["accept"], "application/json,text/plain");
        assert_eq!(
            (request.path.as_str(), request.body.as_slice()),
            ("/operations/write", &b"{\"amount\":100.50}"[..])
        );
    }

    #[test]
    fn a_body_as_large_as_lambda_carries_arrives_byte_for_byte() {
        let body = format!(r#"{{"amount":100.50,"filler":"{}"}}"#, "x".repeat(4_000_000));
        let mut event = event();
        event["body"] = BASE64_STANDARD.encode(&body).into();
        event["isBase64Encoded"] = true.into();
        assert!(read(&event).request.body == body.as_bytes());
    }

    #[test]
    fn a_path_is_a_path_and_no_uri_below_whatever_stage() {
        let path = |stage: &str, path: &str| {
            let mut event = event();
            event["requestContext"]["stage"] = stage.into();
            event["rawPath"] = path.into();
            read(&event).request.path.as_str().to_owned()
        };
        for (stage, raw, read) in [
            ("$default", "/operations/write", "/operations/write"),
            ("prod", "/prod/operations/write", "/operations/write"),
            ("prod", "/production/x", "/production/x"),
            ("prod", "/operations/write", "/operations/write"),
            ("operations", "/operations/operations/write", "/operations/write"),
            ("operations", "/operations/write", "/operations/write"),
            ("$default", "/operations/write#x", "/operations/write#x"),
            ("$default", "/operations/write?x", "/operations/write?x"),
            ("$default", "/operations/write x", "/operations/write x"),
            ("$default", "/operations/wr%69te", "/operations/write"),
            ("prod", "/prod/operations/ask%2Dread", "/operations/ask-read"),
        ] {
            assert_eq!(path(stage, raw), read, "{stage} {raw}");
        }
    }

    #[test]
    fn headers_are_read_whatever_the_case_of_their_names() {
        let traceparent = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
        for (name, value) in [
            ("traceparent", traceparent.to_owned()),
            ("TRACEPARENT", traceparent.to_owned()),
            ("Traceparent", traceparent.to_uppercase()),
            ("X-AMZN-TRACE-ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=;Sampled=1".to_owned()),
        ] {
            let mut event = event();
            event["headers"][name] = value.as_str().into();
            let trace = tenet_http::trace(&read(&event).request.headers);
            assert_eq!(trace.unwrap().id(), "1-5759e988-bd862e3fe1be46a994272793", "{name}: {value}");
        }
    }

    #[test]
    fn members_that_are_not_needed_may_be_anything() {
        // Variants sent by SAM, LocalStack, serverless-offline, proxies and custom authorisers.
        for (pointer, value) in [
            ("/isBase64Encoded", Value::Null),
            ("/isBase64Encoded", "false".into()),
            ("/cookies", Value::Null),
            ("/queryStringParameters", json!([])),
            ("/pathParameters", Value::Null),
            ("/stageVariables", Value::Null),
            ("/rawQueryString", Value::Null),
            ("/version", Value::Null),
            ("/headers/x-forwarded-port", Value::Null),
            ("/headers/x-forwarded-port", json!(443)),
            ("/headers/accept", json!(["text/html", "application/json"])),
            ("/headers/bad name", "x".into()),
            ("/requestContext/timeEpoch", "1583348638390".into()),
            ("/requestContext/timeEpoch", json!(1583348638390.5)),
            ("/requestContext/accountId", json!(123456789012_u64)),
            ("/requestContext/stage", Value::Null),
            ("/requestContext/authentication", json!({ "clientCert": null })),
            ("/requestContext/authorizer", Value::Null),
            ("/requestContext/authorizer", json!({ "jwt": null, "iam": null, "lambda": null })),
            ("/requestContext/http/sourceIp", Value::Null),
            ("/requestContext/http/userAgent", Value::Null),
        ] {
            let mut event = event();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            event.pointer_mut(parent).unwrap()[name] = value.clone();
            let HttpEvent { request, caller, .. } = read(&event);
            assert_eq!((request.path.as_str(), caller), ("/operations/write", None), "{pointer}: {value}");
            assert_eq!(request.body, b"{\"amount\":100.50}", "{pointer}: {value}");
            assert_eq!(request.headers["idempotency-key"], "k-1", "{pointer}: {value}");
        }
        let mut bare = event();
        (bare["headers"], bare["body"]) = (Value::Null, Value::Null);
        let HttpEvent { request, .. } = read(&bare);
        assert!(request.headers.is_empty() && request.body.is_empty());
    }

    #[test]
    fn members_that_are_needed_are_what_they_are_said_to_be() {
        for (pointer, value, says) in [
            ("/isBase64Encoded", json!(1), "isBase64Encoded"),
            ("/body", json!({ "amount": 1 }), "not a string"),
            ("/headers/idempotency-key", json!(7), "idempotency-key"),
            ("/headers/idempotency-key", "a\nb".into(), "idempotency-key"),
            ("/requestContext/http/method", Value::Null, "method"),
            ("/requestContext/http/method", "GET IT".into(), "method"),
            ("/requestContext/authorizer", json!({ "jwt": { "claims": { "sub": 7 } } }), "`sub`"),
            ("/requestContext/authorizer", json!({ "lambda": { "principalId": ["ann"] } }), "`principalId`"),
        ] {
            let mut event = event();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            event.pointer_mut(parent).unwrap()[name] = value.clone();
            let error = super::read(&event.to_string()).unwrap_err();
            assert!(error.contains("payload 2.0") && error.contains(says), "{pointer}: {error}");
        }
    }

    #[test]
    fn who_asks_is_what_the_authoriser_says() {
        let caller = |authorizer: Value| {
            let mut event = event();
            event["headers"]["caller"] = "mallory".into();
            event["requestContext"]["authorizer"] = authorizer;
            read(&event).caller
        };
        assert_eq!(caller(json!({ "jwt": { "claims": { "sub": "ann" }, "scopes": null } })).as_deref(), Some("ann"));
        assert_eq!(
            caller(json!({ "iam": { "userArn": "arn:aws:iam::1:user/ann" } })).as_deref(),
            Some("arn:aws:iam::1:user/ann")
        );
        assert_eq!(caller(json!({ "lambda": { "principalId": "ann" } })).as_deref(), Some("ann"));
        // Claims may have any type, although the subject is a string.
        let claims = json!({ "sub": "ann", "iat": 1583348638, "email_verified": true, "groups": ["a"], "x": null });
        assert_eq!(caller(json!({ "jwt": { "claims": claims, "scopes": ["a"] } })).as_deref(), Some("ann"));
        assert_eq!(caller(json!({ "jwt": { "claims": {}, "scopes": null } })), None);
        assert_eq!(caller(json!({ "lambda": { "principalId": "" } })), None);
    }

    #[test]
    fn a_reply_has_all_that_a_function_url_asks_for() {
        let reply = http::Response::builder().status(422).header("content-type", "application/problem+json");
        let text = write(reply.body("{\"a\":1.50}".to_owned()).unwrap()).unwrap();
        let written: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(written["statusCode"], 422);
        assert_eq!(written["headers"]["content-type"], "application/problem+json");
        assert_eq!(written["body"], "{\"a\":1.50}");
        assert_eq!(written["isBase64Encoded"], false);
        assert!(written["multiValueHeaders"].is_object() && written["cookies"].is_array(), "{text}");
    }
}
