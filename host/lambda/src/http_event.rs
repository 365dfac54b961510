//! HTTP requests as API Gateway's HTTP API (payload 2.0) and function URLs hand them over.

use aws_lambda_events::apigw::{
    ApiGatewayRequestAuthorizer, ApiGatewayV2httpRequest, ApiGatewayV2httpRequestContext, ApiGatewayV2httpResponse,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{Request, Uri};
use tenet_http::Reply;

/// One request, and who asks as the authoriser vouches for it.
#[derive(Debug)]
pub(crate) struct HttpEvent {
    pub(crate) request: Request<Vec<u8>>,
    pub(crate) caller: Option<String>,
}

/// Reads such a request. The error is for the caller.
pub(crate) fn read(event: &str) -> Result<HttpEvent, String> {
    let event: ApiGatewayV2httpRequest =
        serde_json::from_str(event).map_err(|error| format!("This is no HTTP request of payload 2.0: {error}."))?;
    let body = match event.body {
        None => Vec::new(),
        Some(text) if event.is_base64_encoded => {
            BASE64_STANDARD.decode(text).map_err(|_| "The body is not the base64 that it is said to be.".to_owned())?
        }
        Some(text) => text.into_bytes(),
    };
    let context = event.request_context;
    let path = below_stage(event.raw_path.as_deref().unwrap_or("/"), &context);
    let uri = Uri::builder().path_and_query(path).build().map_err(|_| "The path cannot be read.".to_owned())?;
    let mut request = Request::new(body);
    *request.method_mut() = context.http.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = event.headers;
    Ok(HttpEvent { request, caller: context.authorizer.and_then(caller) })
}

/// Writes a reply as the two take it.
pub(crate) fn write(reply: Reply) -> Result<String, serde_json::Error> {
    let (head, body) = reply.into_parts();
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = head.status.as_u16().into();
    response.headers = head.headers;
    response.body = Some(body.into());
    serde_json::to_string(&response)
}

/// The path as the bundle knows it: API Gateway puts the stage's name before it, unless the
/// stage is the default one.
fn below_stage<'a>(path: &'a str, context: &ApiGatewayV2httpRequestContext) -> &'a str {
    let stage = context.stage.as_deref().filter(|stage| *stage != "$default");
    let below = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    below.filter(|below| below.starts_with('/')).unwrap_or(path)
}

/// Who asks: the subject of a JWT, the ARN of an IAM identity, or the `principalId` that a
/// Lambda authoriser puts into its context. An API has one of these.
fn caller(authorizer: ApiGatewayRequestAuthorizer) -> Option<String> {
    let subject = authorizer.jwt.and_then(|mut jwt| jwt.claims.remove("sub"));
    let identity = || authorizer.iam.and_then(|iam| iam.user_arn);
    let principal = || Some(authorizer.fields.get("principalId")?.as_str()?.to_owned());
    subject.or_else(identity).or_else(principal).filter(|caller| !caller.is_empty())
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
        let HttpEvent { request, caller } = read(&event());
        assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/operations/write"));
        assert_eq!(request.headers()["idempotency-key"], "k-1");
        assert_eq!(request.body(), b"{\"amount\":100.50}");
        assert_eq!(caller, None);
        let mut encoded = event();
        encoded["body"] = BASE64_STANDARD.encode([0xff, 0]).into();
        encoded["isBase64Encoded"] = true.into();
        assert_eq!(read(&encoded).request.body(), &[0xff, 0]);
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
        assert_eq!(request.headers()["accept"], "application/json,text/plain");
        assert_eq!(
            (request.uri().path(), request.body().as_slice()),
            ("/operations/write", &b"{\"amount\":100.50}"[..])
        );
        event["headers"]["bad name"] = "x".into();
        assert!(super::read(&event.to_string()).unwrap_err().contains("payload 2.0"));
    }

    #[test]
    fn a_body_as_large_as_lambda_carries_arrives_byte_for_byte() {
        let body = format!(r#"{{"amount":100.50,"filler":"{}"}}"#, "x".repeat(4_000_000));
        let mut event = event();
        event["body"] = BASE64_STANDARD.encode(&body).into();
        event["isBase64Encoded"] = true.into();
        assert!(read(&event).request.body() == body.as_bytes());
    }

    #[test]
    fn the_name_of_a_stage_is_not_part_of_the_path() {
        let path = |stage: &str, path: &str| {
            let mut event = event();
            event["requestContext"]["stage"] = stage.into();
            event["rawPath"] = path.into();
            read(&event).request.uri().path().to_owned()
        };
        assert_eq!(path("$default", "/operations/write"), "/operations/write");
        assert_eq!(path("prod", "/prod/operations/write"), "/operations/write");
        assert_eq!(path("prod", "/production/x"), "/production/x");
        assert_eq!(path("prod", "/operations/write"), "/operations/write");
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
