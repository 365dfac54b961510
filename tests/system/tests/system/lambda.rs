//! The real `bootstrap`, driven by a third-party runtime API, with a real PostgreSQL and a
//! third-party EventBridge API.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::support::eventbridge::Bus;
use crate::support::{self, http};

const FUNCTION: &str = "tenet";

/// Twice the runtime API's timeout of an invocation: a longer wait would never end.
const HANGS: Duration = Duration::from_secs(120);

/// A runtime API and its function; both end when the value is dropped.
pub(crate) struct Lambda {
    address: String,
    _api: Child,
    bootstrap: Child,
}

impl Lambda {
    async fn start(url: &str, bus: &str) -> Self {
        Self::of(bootstrap(url, bus)).await
    }

    /// The function started by this command.
    pub(crate) async fn of(mut bootstrap: Command) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let mut api = Command::new(support::path("TENET_TEST_CARGO_LAMBDA"))
            .args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1", "--timeout", "60"])
            .args(["--invoke-port", &port.to_string()])
            // It requires a cargo project, although it builds nothing.
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            assert!(api.try_wait().unwrap().is_none(), "the runtime API has ended");
        }
        let bootstrap = bootstrap
            .env("AWS_LAMBDA_RUNTIME_API", format!("http://{address}/.rt/{FUNCTION}"))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { address, _api: api, bootstrap }
    }

    /// The id of the function's process.
    pub(crate) fn process(&self) -> u32 {
        self.bootstrap.id().unwrap()
    }

    /// Invokes the function like a client of Lambda. Fails if it ends or hangs instead.
    pub(crate) async fn invoke(&mut self, event: &str) -> (u16, String) {
        let path = format!("/2015-03-31/functions/{FUNCTION}/invocations");
        tokio::select! {
            answer = http::post(&self.address, &path, event) => answer.unwrap(),
            ended = self.bootstrap.wait() => panic!("bootstrap has ended: {ended:?}"),
            () = tokio::time::sleep(HANGS) => panic!("no answer to {event}"),
        }
    }
}

impl Lambda {
    /// Sends a request to the function's URL.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> http::Answer {
        let path = format!("/lambda-url/{FUNCTION}{path}");
        http::send(&self.address, method, &path, headers, body).await.unwrap()
    }
}

/// The function as Lambda starts it: with its own environment and none of the test's variables.
pub(crate) fn bootstrap(url: &str, bus: &str) -> Command {
    let mut command = Command::new(support::path("TENET_TEST_BOOTSTRAP"));
    command
        .env_clear()
        .envs([
            ("AWS_LAMBDA_FUNCTION_NAME", FUNCTION),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_ENDPOINT_URL", &support::variable("TENET_TEST_EVENTBRIDGE")),
            ("TENET_DATABASE_URL", url),
            ("TENET_EVENT_BUS", bus),
            // Without this variable no function with the guests starts, because one guest is
            // granted the vault.
            ("TENET_VAULT_KEY", "arn:aws:kms:us-east-1:000000000000:key/not-there"),
        ])
        .env("TENET_BUNDLE", bundle())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn bundle() -> PathBuf {
    support::bundle::bundle("rules").0
}

#[tokio::test]
async fn it_answers_the_original_recipe_and_its_event_arrives() {
    let database = support::database().await;
    let bus = Bus::create().await;
    let mut lambda = Lambda::start(database.url(), bus.name()).await;

    let write = r#"{"operation":"write","transaction_id":"test-001","amount":100.50}"#;
    let written = r#"{"statusCode":200,"body":"{\"message\":\"Transaction created successfully\",\"transaction_id\":\"test-001\"}"}"#;
    assert_eq!(lambda.invoke(write).await, (200, written.to_owned()));
    let counted = r#"{"statusCode":200,"body":"{\"transaction_count\":1,\"region\":\"us-east-1\"}"}"#;
    assert_eq!(lambda.invoke(r#"{"operation":"read"}"#).await.1, counted);
    assert_eq!(lambda.invoke(write).await.1, written);
    assert_eq!(lambda.invoke(r#"{"operation":"read"}"#).await.1, counted);

    let events = bus.receive(1).await;
    assert!(events[0].contains("Transaction Created") && events[0].contains("test-001"), "{events:?}");
    let left = database.count("select count(*) from tenet.outbox").await;
    assert_eq!(left, 0, "an event that the bus has taken leaves the outbox");
}

#[tokio::test]
async fn it_tells_a_caller_without_a_key_which_one_it_was_given() {
    let database = support::database().await;
    let bus = Bus::create().await;
    let mut lambda = Lambda::start(database.url(), bus.name()).await;
    let (_, answer) = lambda.invoke(r#"{"operation":"write","amount":1}"#).await;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let key = answer["headers"]["idempotency-key"].as_str().unwrap();
    let again = format!(r#"{{"operation":"write","amount":1.0,"idempotency_key":"{key}"}}"#);
    let (_, repeated) = lambda.invoke(&again).await;
    let repeated: serde_json::Value = serde_json::from_str(&repeated).unwrap();
    assert_eq!(repeated["body"], answer["body"]);
    assert_eq!(database.count("select count(*) from transactions").await, 1);
}

#[tokio::test]
async fn it_answers_http_requests_as_a_function_url_hands_them_over() {
    let database = support::database().await;
    let bus = Bus::create().await;
    let lambda = Lambda::start(database.url(), bus.name()).await;
    let headers = [("content-type", "application/json"), ("idempotency-key", "k-1")];
    let write = r#"{"transaction_id":"test-001","amount":100.50}"#;
    let first = lambda.send("POST", "/operations/write", &headers, write).await;
    let output = r#"{"message":"Transaction created successfully","transaction_id":"test-001"}"#;
    assert_eq!((first.status, first.body.as_str()), (200, output));
    assert_eq!((first.header("idempotency-key"), first.header("idempotent-replayed")), (Some("k-1"), Some("false")));
    let again = lambda.send("POST", "/operations/write", &headers, write).await;
    assert_eq!((again.body.as_str(), again.header("idempotent-replayed")), (output, Some("true")));

    let rejected = lambda.send("POST", "/operations/write", &headers[..1], r#"{"amount":100.505}"#).await;
    assert_eq!((rejected.status, rejected.header("content-type")), (422, Some("application/problem+json")));
    assert_eq!(rejected.json()["code"], "invalid-amount");
    assert_eq!(lambda.send("GET", "/operations/nothing", &[], "").await.status, 404);
    assert_eq!(lambda.send("GET", "/health", &[], "").await.json()["status"], "ready");
    let document = lambda.send("GET", "/openapi.json", &[], "").await.json();
    assert!(document["paths"]["/operations/write"]["post"].is_object(), "{document}");

    assert_eq!(database.count("select count(*) from transactions").await, 1);
    assert_eq!(bus.receive(1).await.len(), 1);
}

#[tokio::test]
async fn what_it_cannot_serve_gets_an_answer_that_says_what_was_expected() {
    let database = support::database().await;
    let bus = Bus::create().await;
    let mut lambda = Lambda::start(database.url(), bus.name()).await;
    for (event, status, says) in [
        (r#"{"operation":"wriet"}"#, 400, "read, show-account, transfer, write"),
        (r#"{"amount":1}"#, 400, "operation"),
        (r#"{"operation":"write","amount":100.505,"transaction_id":"a"}"#, 422, "3 digits after the point"),
        (r#"{"operation":"write","amount":1e400,"transaction_id":"b"}"#, 422, "invalid-amount"),
    ] {
        let (_, answer) = lambda.invoke(event).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["statusCode"], status, "{event}: {answer}");
        assert!(answer["body"].as_str().unwrap().contains(says), "{event}: {answer}");
    }
    // An asynchronous source treats any response as success.
    for event in ["[1,2]", "[]", "7", "null", r#""write""#, r#"[{"operation":"read"}]"#] {
        let (status, answer) = lambda.invoke(event).await;
        assert_eq!(status, 500, "{event}: {answer}");
        assert!(answer.contains("JSON objects with the member"), "{event}: {answer}");
    }
    // Lambda itself accepts only JSON; the function survives other input.
    let (status, _) = lambda.invoke("no JSON at all").await;
    assert_eq!(status, 500);
    assert_eq!(lambda.invoke(r#"{"operation":"read"}"#).await.0, 200);
    assert_eq!(database.count("select count(*) from transactions").await, 0);
}

#[tokio::test]
async fn it_does_not_start_on_a_misspelt_setting_or_a_damaged_bundle() {
    let misspelt = bootstrap("postgres://missing@127.0.0.1:1/none", "bus")
        .env("TENET_EVENT_BUSS", "x")
        .stderr(Stdio::piped())
        .output()
        .await
        .unwrap();
    assert!(!misspelt.status.success());
    assert!(String::from_utf8_lossy(&misspelt.stderr).contains("TENET_EVENT_BUSS"));

    let (folder, index) = support::bundle::copy("rules");
    let damaged = &index.rules[0].compiled.as_ref().unwrap().path;
    std::fs::write(folder.path().join(damaged), b"not the code that was built").unwrap();
    let refused = bootstrap("postgres://missing@127.0.0.1:1/none", "bus")
        .env("TENET_BUNDLE", folder.path())
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
        .stderr(Stdio::piped())
        .output()
        .await
        .unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains(damaged.as_str()));
}
