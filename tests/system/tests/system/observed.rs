//! What an operator sees of the real `bootstrap`: its log, its metrics, its traces.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use lambda_simulator::{InvocationBuilder, Simulator};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::lambda::{Lambda, bootstrap};
use crate::support;
use crate::support::embedded_metrics::metrics;
use crate::support::eventbridge::{Bus, endpoint};
use crate::support::eventbridge_relay::Relay;

const TRACEPARENT: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";

/// A longer wait would never end.
const HANGS: Duration = Duration::from_secs(60);

/// The standard output of a function.
pub(crate) struct Log {
    folder: TempDir,
}

impl Log {
    pub(crate) fn of(function: &mut Command) -> Self {
        let log = Self { folder: tempfile::tempdir().unwrap() };
        function.stdout(File::create(log.path()).unwrap());
        log
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("stdout")
    }

    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    /// The lines with this message, so far.
    pub(crate) fn lines(&self, message: &str) -> Vec<Value> {
        let text = self.text();
        let whole = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        whole.filter(|line| line["message"] == message).collect()
    }

    /// Waits for the summary lines of this many requests, which may come shortly after their
    /// responses and even after the next one's. Sorted by status, with repeats last.
    pub(crate) async fn requests(&self, count: usize) -> Vec<Value> {
        let read = || self.lines("request over");
        let all = async {
            while read().len() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(HANGS, all).await.unwrap_or_else(|_| panic!("there are fewer: {}", self.text()));
        let mut requests = read();
        requests.sort_by_key(|line| (line["status"].as_u64(), line["repeated"].as_bool()));
        requests
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn every_line_is_one_that_lambda_reads_and_a_request_is_one_line_with_its_metrics() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let mut function = bootstrap(database.url(), bus.name());
    let log = Log::of(function.env("AWS_LAMBDA_LOG_FORMAT", "JSON"));
    let lambda = Lambda::of(function).await;
    let write = r#"{"transaction_id":"t-1","amount":100.50}"#;
    let traced = [JSON, ("traceparent", TRACEPARENT)];
    assert_eq!(lambda.send("POST", "/operations/write", &traced, write).await.status, 200);
    assert_eq!(lambda.send("POST", "/operations/write", &[JSON], write).await.status, 200);
    assert_eq!(lambda.send("POST", "/operations/write", &[JSON], r#"{"amount":100.505}"#).await.status, 422);
    let requests = log.requests(3).await;

    for line in log.text().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for member in ["timestamp", "level", "message"] {
            assert!(line[member].is_string(), "{member} is missing from {line}");
        }
        assert_eq!(line["requestId"].is_string(), line["message"] != "host is ready", "{line}");
    }
    let [first, again, rejected] = &requests[..] else { panic!("three requests, and {requests:?}") };
    for (line, status, repeated) in [(first, 200, false), (again, 200, true), (rejected, 422, false)] {
        assert_eq!((&line["status"], &line["repeated"]), (&json!(status), &json!(repeated)), "{line}");
        assert_eq!((&line["operation"], &line["region"]), (&json!("write"), &json!("us-east-1")));
        assert_eq!(line["key"].as_str().unwrap().len(), 16);
        assert!(line["Duration"].as_u64().unwrap() >= line["DatabaseTime"].as_u64().unwrap(), "{line}");
        assert!(line["DatabaseTime"].as_u64().unwrap() >= line["commit_us"].as_u64().unwrap(), "{line}");
        assert!(
            line["computing_us"].is_u64() && line["spans"][0]["spans"][0]["rule"] == "record-transaction",
            "{line}"
        );
    }
    assert_eq!((&first["trace"], &rejected["code"]), (&json!(TRACE), &json!("invalid-amount")));
    assert_eq!(
        (&first["round_trips"], &first["statements"], &first["rows_affected"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert!(first["publish_us"].is_u64() && again.get("publish_us").is_none(), "{first} {again}");

    let counted: Vec<_> = requests.iter().map(metrics).collect();
    for (counted, name, value) in [
        (&counted[0], "ColdStarts", 1.0),
        (&counted[0], "EventsPublished", 1.0),
        (&counted[1], "ColdStarts", 0.0),
        (&counted[1], "EventsPublished", 0.0),
        (&counted[2], "Rejections", 1.0),
        (&counted[2], "Requests", 1.0),
        (&counted[2], "Failures", 0.0),
    ] {
        for dimensions in [&["operation=write", "region=us-east-1"][..], &["region=us-east-1"]] {
            let series = (dimensions.iter().map(|text| (*text).to_owned()).collect(), name.to_owned());
            assert_eq!(counted.get(&series), Some(&value), "{series:?}");
        }
    }
    let directive = &first["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&directive["Namespace"], counted[0].len()), (&json!("Tenet"), 30));
}

#[tokio::test]
async fn no_line_of_any_level_has_a_payload_a_value_or_a_secret_in_it() {
    let database = support::database().await;
    let mut function = bootstrap(database.url(), "bus");
    // The bus is unreachable, so that every detail of a failure is logged.
    function.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").env("AWS_SECRET_ACCESS_KEY", "very-secret-access-key");
    let log = Log::of(function.env("AWS_LAMBDA_LOG_LEVEL", "TRACE"));
    let lambda = Lambda::of(function).await;
    let headers = [JSON, ("authorization", "Bearer very-secret-token"), ("idempotency-key", "very-secret-key")];
    let write = r#"{"transaction_id":"very-secret-id","amount":9182736.45}"#;
    for (path, body, status) in [
        ("/operations/write", write, 200),
        ("/operations/write", r#"{"transaction_id":"very-secret-id","amount":"very-secret-amount"}"#, 409),
        ("/operations/transfer", r#"{"transfer_id":"very-secret-id","from":"very-secret-account"}"#, 422),
        ("/operations/very-secret-operation", write, 404),
        ("/operations/write", r#"{"very-secret-member":"#, 400),
    ] {
        let answer = lambda.send("POST", path, &headers, body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    let mut lambda = lambda;
    lambda.invoke(r#"{"operation":"very-secret-operation","amount":9182736.45}"#).await;
    let message = |body: &str| json!({"messageId": "m", "eventSource": "aws:sqs", "attributes": {}, "body": body});
    let messages = ["\"very-secret-body\"", r#"{"operation":"very-secret-operation"}"#, "very-secret"].map(message);
    lambda.invoke(&json!({ "Records": messages }).to_string()).await;
    let event = json!({"source": "very-secret-source", "detail-type": "very-secret-type", "detail": {}});
    lambda.invoke(&event.to_string()).await;
    let requests = log.requests(5).await;
    let unknown = requests.iter().filter(|request| request["operation"] == "unknown").count();
    assert_eq!((requests.len(), unknown), (5, 2), "{requests:?}");
    let text = log.text();
    for line in ["event stays in the outbox", "the queue keeps the message", "invocation failed"] {
        assert!(text.contains(line), "{text}");
    }
    for secret in ["very-secret", "9182736", "postgres://"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[tokio::test]
async fn lines_for_people_come_with_metrics_all_the_same() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let mut function = bootstrap(database.url(), bus.name());
    let log = Log::of(function.env("AWS_LAMBDA_LOG_FORMAT", "Text"));
    let mut lambda = Lambda::of(function).await;
    lambda.invoke(r#"{"operation":"read"}"#).await;
    let request = log.requests(1).await.remove(0);
    assert!(metrics(&request).contains_key(&(vec!["region=us-east-1".to_owned()], "Duration".to_owned())));
    let text = log.text();
    let line = text.lines().find(|line| line.contains(": request over ")).unwrap();
    for part in
        [" INFO ", " operation=read ", " status=200 ", " requestId=", " attempt{", " rule{rule=count-transactions "]
    {
        assert!(line.contains(part), "{part} is missing from {line}");
    }
}

#[tokio::test]
async fn a_level_that_hides_requests_does_not_hide_their_metrics_from_lambda() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let mut function = bootstrap(database.url(), bus.name());
    let log = Log::of(function.env("AWS_LAMBDA_LOG_LEVEL", "ERROR"));
    let mut lambda = Lambda::of(function).await;
    lambda.invoke(r#"{"operation":"read"}"#).await;
    let request = log.requests(1).await.remove(0);
    assert_eq!((log.text().lines().count(), &request["level"]), (1, &json!("ERROR")));
    assert_eq!(metrics(&request).len(), 30);
}

#[tokio::test]
async fn a_trace_goes_with_the_event_whichever_way_it_came() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let relay = Relay::start(endpoint(), |_| vec![]).await;
    let mut function = bootstrap(database.url(), bus.name());
    let log = Log::of(function.env("AWS_ENDPOINT_URL", relay.url()));
    let simulator = Simulator::builder().build().await.unwrap();
    function.env("AWS_LAMBDA_RUNTIME_API", simulator.runtime_api_url().replace("http://", "")).kill_on_drop(true);
    let _function = function.spawn().unwrap();

    let headers = |header: &str, value: &str| {
        json!({
            "version": "2.0", "rawPath": "/operations/write", "rawQueryString": "", "isBase64Encoded": false,
            "headers": {"content-type": "application/json", header: value},
            "requestContext": {
                "stage": "$default",
                "http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": ""},
            },
        })
    };
    let body = |id: u32| format!("{{\"transaction_id\":\"t-{id}\",\"amount\":1}}");
    let x_ray = format!("Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=1");
    let mut events = Vec::new();
    for (id, (header, value)) in (1..).zip([("traceparent", TRACEPARENT), ("x-amzn-trace-id", &x_ray), ("x", "y")]) {
        let mut event = headers(header, value);
        event["body"] = body(id).into();
        events.push(event);
    }
    events.push(json!({"operation": "write", "transaction_id": "t-4", "amount": 1}));
    let mut of_invocations = Vec::new();
    for event in events {
        let mut invocation = InvocationBuilder::new().payload(event).build().unwrap();
        let trace = format!("Root=1-65a1b2c3-{:024x};Sampled=0", of_invocations.len());
        invocation.trace_id = format!("{trace};Lineage=1:a:0");
        let id = simulator.enqueue(invocation).await;
        simulator.wait_for_invocation_complete(&id, HANGS).await.unwrap();
        of_invocations.push((id, trace));
    }
    let requests = log.requests(4).await;
    let mut expected = Vec::new();
    for (number, (id, of_invocation)) in of_invocations.iter().enumerate() {
        let trace = if number < 2 { &x_ray } else { of_invocation };
        let line = requests.iter().find(|line| line["requestId"] == **id).unwrap();
        assert!(trace.contains(line["trace"].as_str().unwrap()), "{trace}: {line}");
        expected.push(Some(trace.clone()));
    }
    let mut handed_on = relay.traces();
    handed_on.sort();
    expected.sort();
    assert_eq!(handed_on, expected);
}
