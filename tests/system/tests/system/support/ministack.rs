//! AWS regions on ministack: functions from zips, with HTTP APIs.
//!
//! One ministack serves every region and every test, which use unique names. A request's region is
//! the one in its signature; signatures are not verified.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use super::http::{self, Answer};
use super::variable;

const ACCOUNT: &str = "000000000000";

/// The URL of ministack.
pub(crate) fn endpoint() -> String {
    variable("TENET_TEST_MINISTACK")
}

/// The packed function, deployed in one region.
pub(crate) struct Function {
    region: &'static str,
    name: String,
}

/// An HTTP API for a function.
pub(crate) struct HttpApi {
    region: &'static str,
    id: String,
}

impl Function {
    /// Deploys the zip that `cargo xtask test` packed, with these variables.
    pub(crate) async fn deploy(region: &'static str, variables: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tenet-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let zip = std::fs::read(super::path("TENET_TEST_PACKAGE")).unwrap();
        let variables: Value = variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let function = json!({
            "FunctionName": name,
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Role": format!("arn:aws:iam::{ACCOUNT}:role/tenet"),
            "Timeout": 60,
            "Code": {"ZipFile": BASE64_STANDARD.encode(zip)},
            "Environment": {"Variables": variables},
        });
        ask(region, "lambda", "/2015-03-31/functions", &function).await;
        Self { region, name }
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{ACCOUNT}:function:{}", self.region, self.name)
    }

    /// Invokes it like a client of Lambda.
    pub(crate) async fn invoke(&self, event: &str) -> Value {
        let path = format!("/2015-03-31/functions/{}/invocations", self.name);
        let answer = send(self.region, "lambda", "POST", &path, &[], event).await;
        assert!(answer.status == 200 && answer.header("x-amz-function-error").is_none(), "{answer:?}");
        answer.json()
    }

    /// Creates an HTTP API that passes every request to the function, as payload 2.0.
    pub(crate) async fn http_api(&self) -> HttpApi {
        let ask = |path: String, body: Value| async move { ask(self.region, "apigateway", &path, &body).await };
        let api = ask("/v2/apis".into(), json!({"name": self.name, "protocolType": "HTTP"})).await;
        let id = api["apiId"].as_str().unwrap().to_owned();
        let integration = json!({
            "integrationType": "AWS_PROXY",
            "integrationUri": self.arn(),
            "payloadFormatVersion": "2.0",
        });
        let integration = ask(format!("/v2/apis/{id}/integrations"), integration).await;
        let target = format!("integrations/{}", integration["integrationId"].as_str().unwrap());
        ask(format!("/v2/apis/{id}/routes"), json!({"routeKey": "$default", "target": target})).await;
        ask(format!("/v2/apis/{id}/stages"), json!({"stageName": "$default", "autoDeploy": true})).await;
        HttpApi { region: self.region, id }
    }
}

impl HttpApi {
    /// The API with this id.
    pub(crate) fn at(region: &'static str, id: &str) -> Self {
        Self { region, id: id.to_owned() }
    }

    /// Sends one request.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let path = format!("/_aws/execute-api/{}/$default{path}", self.id);
        send(self.region, "execute-api", method, &path, headers, body).await
    }
}

/// Sends a request that creates something.
async fn ask(region: &str, service: &str, path: &str, body: &Value) -> Value {
    let answer = send(region, service, "POST", path, &[], &body.to_string()).await;
    assert!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
    answer.json()
}

async fn send(region: &str, service: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let scope = format!("test/20260101/{region}/{service}/aws4_request");
    let signed = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none");
    let headers = [&[("content-type", "application/json"), ("authorization", signed.as_str())], headers].concat();
    let endpoint = endpoint();
    http::send(endpoint.strip_prefix("http://").unwrap(), method, path, &headers, body).await.unwrap()
}
