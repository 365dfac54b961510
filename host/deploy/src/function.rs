use aws_sdk_lambda::primitives::Blob;
use serde_json::{Value, json};

use crate::error::{DeployError, refused};
use crate::names::Names;
use crate::regional::Regional;
use crate::wait::{Looked, PollPolicy, until};

/// The function's response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) status: u64,
    pub(crate) body: String,
}

/// Invokes a version of the function, or its alias, and reads the response.
pub(crate) async fn call(
    region: &Regional,
    names: &Names,
    qualifier: &str,
    event: &Value,
) -> Result<Said, DeployError> {
    let request = region.functions.invoke().function_name(names.stack()).qualifier(qualifier);
    let answer = request.payload(Blob::new(event.to_string())).send().await;
    let answer = answer.map_err(|error| refused(&region.name, "Invoke", &error))?;
    let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
    let text = String::from_utf8_lossy(&payload);
    if let Some(kind) = answer.function_error {
        return Err(DeployError::new(format!("{}: version {qualifier} has failed: {kind}: {text}", region.name))
            .help("`tenet logs` shows what it says; what was served before is still served"));
    }
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let body = value.get("body").map(|body| body.as_str().map_or_else(|| body.to_string(), str::to_owned));
    match (value.get("statusCode").and_then(Value::as_u64), body) {
        (Some(status), Some(body)) => Ok(Said { status, body }),
        _ => Err(DeployError::new(format!("{}: version {qualifier} gives no answer of a host: {text}", region.name))),
    }
}

/// Waits until a version reports that it can decide requests. The rights of a new role and the name
/// of a new cluster are not known everywhere at once.
pub(crate) async fn ready(
    region: &Regional,
    names: &Names,
    qualifier: &str,
    polling: &PollPolicy,
) -> Result<(), DeployError> {
    let late = |why: &str| {
        DeployError::new(format!("{}: version {qualifier} is not ready to decide: {why}", region.name))
            .help("`tenet logs` shows what it says; what was served before is still served")
    };
    until(polling.event, polling.pause, late, async || {
        let said = is_ready(region, names, qualifier).await?;
        Ok(if said.status == 200 { Looked::Seen(()) } else { Looked::NotYet(said.body) })
    })
    .await
}

/// Whether a version reports that it can decide requests now.
pub(crate) async fn is_ready(region: &Regional, names: &Names, qualifier: &str) -> Result<Said, DeployError> {
    let event = json!({
        "version": "2.0",
        "routeKey": "GET /health",
        "rawPath": "/health",
        "rawQueryString": "",
        "headers": {},
        "requestContext": {
            "http": {"method": "GET", "path": "/health", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "tenet"},
            "requestId": "health",
            "routeKey": "GET /health",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1_767_225_600_000_u64,
            "accountId": names.account,
            "apiId": "health",
            "domainName": "health",
            "domainPrefix": "health",
        },
        "isBase64Encoded": false,
    });
    call(region, names, qualifier, &event).await
}
