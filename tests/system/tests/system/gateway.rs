//! The function behind an HTTP API that gives up before the function's own deadline, and that lets anyone ask for
//! `/health`.

use std::time::{Duration, Instant};

use serde_json::json;
use tenet_test_support::Relay;

use crate::lambda::{Lambda, bootstrap};
use crate::support;
use crate::support::eventbridge::Bus;
use crate::support::sandbox::Sandbox;

/// For how long the function remembers whether it is ready, in seconds.
const REMEMBERED: u64 = 2;

/// The timeout of an invocation, which no test waits for.
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn any_number_of_health_checks_is_one_query_in_two_seconds() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let relay = Relay::start(database.url()).await;
    let lambda = Lambda::of(bootstrap(relay.url(), bus.name())).await;
    let begun = Instant::now();
    assert_eq!(lambda.send("GET", "/health", &[], "").await.json()["status"], "ready");
    relay.reset();
    for _ in 0..100 {
        assert_eq!(lambda.send("GET", "/health", &[], "").await.status, 200);
    }
    let (asked, most) = (relay.round_trips(), begun.elapsed().as_secs() / REMEMBERED);
    assert!(asked as u64 <= most, "{asked} round trips in {:?}", begun.elapsed());
}

#[tokio::test]
async fn an_http_request_is_answered_before_the_api_gives_up_whatever_time_the_function_has() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let mut function = bootstrap(database.url(), bus.name());
    let sandbox = Sandbox::start(function.env("TENET_HTTP_TIMEOUT_MS", "1000")).await;
    let other = database.connect().await;
    other.batch_execute("BEGIN; LOCK TABLE transactions").await.unwrap();
    let event = json!({
        "version": "2.0",
        "rawPath": "/operations/write",
        "headers": {"content-type": "application/json", "idempotency-key": "k-1"},
        "requestContext": {"stage": "$default", "http": {"method": "POST", "path": "/operations/write"}},
        "body": r#"{"transaction_id":"t-1","amount":1}"#,
        "isBase64Encoded": false,
    });
    // A host with an hour would try for an hour.
    let id = sandbox.begin(event.clone(), HOUR).await;
    let answer = sandbox.answer(&id).await;
    assert_eq!(answer["statusCode"], 503, "{answer}");
    other.batch_execute("ROLLBACK").await.unwrap();
    let answer = sandbox.invoke(event).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
}
