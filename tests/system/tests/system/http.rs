//! The HTTP interface: `tenet serve` and the real `bootstrap`, and a third-party client generated
//! from the OpenAPI document.

use std::process::Stdio;

use serde_json::{Value, json};
use tenet_events::Buses;
use tokio::process::Command;

use crate::support::host::{EAST, Host};
use crate::support::{self, http};

#[tokio::test]
async fn a_transaction_recorded_in_one_region_is_there_in_the_other() {
    let database = support::database().await;
    let mut served = support::serve("rules", database.url()).await;
    let write = r#"{"transaction_id":"test-001","amount":100.50}"#;
    let first = served.operate("write", &[], write).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.body, r#"{"message":"Transaction created successfully","transaction_id":"test-001"}"#);
    assert_eq!(
        (first.header("idempotency-key"), first.header("idempotent-replayed")),
        (Some("test-001"), Some("false"))
    );
    let read = http::post(served.west(), "/operations/read", "").await.unwrap();
    assert_eq!(read, (200, r#"{"transaction_count":1,"region":"us-west-2"}"#.to_owned()));

    let headers = [("content-type", "application/json"), ("idempotency-key", "test-001")];
    let again = http::send(served.west(), "POST", "/operations/write", &headers, write).await.unwrap();
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let other = served.operate("write", &[], &write.replace("100.50", "1")).await;
    assert_eq!((other.status, other.header("content-type")), (409, Some("application/problem+json")));
    assert_eq!(other.json()["code"], "key-reused");

    let line = served.told("us-east-1  POST /operations/write").await;
    assert!(line.contains("accepted (200)") && line.contains("1 attempt"), "{line}");
    let event = served.told("us-west-2  event Transaction Created").await;
    assert!(event.contains("100.50"), "{event}");
    served.stop().await;
}

#[tokio::test]
async fn an_event_that_a_fault_has_left_in_the_outbox_is_delivered_by_the_relay() {
    let database = support::database().await;
    // A host decides and dies before it publishes.
    let host = Host::start("rules", database.url(), EAST, &Buses::new([EAST]).unwrap());
    let write = r#"{"operation":"write","transaction_id":"left","amount":1.00}"#;
    assert_eq!(host.decide(write).await.answer.status.code(), 200);
    database.execute("update tenet.outbox set at = at - interval '5 minutes'").await;
    let mut served = support::serve("rules", database.url()).await;
    served.told("event Transaction Created").await;
    served.told("relay  delivered 1, parked 0").await;
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
    served.stop().await;
}

#[tokio::test]
async fn a_rejection_is_a_problem_with_the_rules_own_code() {
    let database = support::database().await;
    let served = support::serve("rules", database.url()).await;
    let answer = served.operate("write", &[("idempotency-key", "k")], r#"{"amount":100.505}"#).await;
    assert_eq!((answer.status, answer.header("content-type")), (422, Some("application/problem+json")));
    let problem = answer.json();
    assert_eq!((&problem["title"], &problem["status"]), (&json!("Unprocessable Entity"), &json!(422)));
    assert_eq!(problem["code"], "invalid-amount");
    let misfit = served.operate("write", &[("idempotency-key", "l")], r#"{"amount":"1"}"#).await.json();
    assert_eq!(misfit["code"], "invalid-payload");
    assert_eq!(database.count("select count(*) from transactions").await, 0);
}

#[tokio::test]
async fn a_payload_that_does_not_fit_the_schema_is_rejected_with_its_place_and_reason() {
    let database = support::database().await;
    let served = support::serve("guests", database.url()).await;
    for (payload, path, reason) in [
        (r#"{"int4":2147483648}"#, "/int4", "/int4 is out of range for an int32"),
        (r#"{"list":[1,1.5]}"#, "/list/1", "/list/1 is not an integer"),
        (r#"{"strict":{"one":1,"three":3}}"#, "/strict/three", "/strict/three is not allowed"),
        ("[]", "", ""),
    ] {
        let answer = served.operate("typed", &[], payload).await;
        if path.is_empty() {
            assert_eq!(answer.status, 400, "{payload}: {answer:?}");
            continue;
        }
        let problem = answer.json();
        assert_eq!((answer.status, &problem["code"]), (422, &json!("invalid-payload")), "{payload}");
        assert_eq!(problem["details"]["path"], path, "{payload}");
        assert_eq!(problem["detail"], format!("the payload does not fit: {reason}"));
    }
    // An integer may be written in any notation.
    let answer = served.operate("typed", &[], r#"{"int4":-0,"int8":1e2,"list":[1.0],"decimal":1.0}"#).await;
    let given = answer.json();
    assert_eq!((&given["int4"], &given["int8"], &given["list"]), (&json!(0), &json!(100), &json!([1])), "{answer:?}");
    assert!(answer.body.contains(r#""decimal":1.0"#), "{answer:?}");
    served.stop().await;
}

#[tokio::test]
async fn a_request_without_its_key_is_refused_and_the_document_says_which_member_that_is() {
    let database = support::database().await;
    let served = support::serve("rules", database.url()).await;
    for account in ["ann", "bob"] {
        let open = json!({ "account": account, "opening_balance": 100, "daily_ceiling": 60 });
        assert_eq!(served.operate("open-account", &[], &open.to_string()).await.status, 200);
    }
    let transfer = r#"{"transfer_id":"t-1","from":"ann","to":"bob","amount":5}"#;
    let misspelt = transfer.replace("transfer_id", "transfr_id");
    for _ in 0..2 {
        let refused = served.operate("transfer", &[], &misspelt).await;
        assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("invalid-request")), "{refused:?}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("The member \"transfer_id\" is missing"), "{detail}");
        let done = served.operate("transfer", &[], transfer).await;
        assert_eq!((done.status, done.header("idempotency-key")), (200, Some("t-1")), "{done:?}");
    }
    assert_eq!(database.count("select count(*) from ledger").await, 1);
    // If the key is optional, a request without one gets a generated key and is executed each time.
    for _ in 0..2 {
        let answer = served.operate("write", &[], r#"{"amount":1}"#).await;
        assert_eq!((answer.status, answer.header("idempotency-key").map(str::len)), (200, Some(32)), "{answer:?}");
    }
    assert_eq!(database.count("select count(*) from transactions").await, 2);

    let document = served.get("/openapi.json").await.json();
    let told = |operation: &str| document["paths"][format!("/operations/{operation}")]["post"].clone();
    assert_eq!(told("transfer")["x-idempotency-key"], json!({ "member": "transfer_id", "required": true }));
    assert_eq!(told("write")["x-idempotency-key"], json!({ "member": "transaction_id", "required": false }));
    assert!(told("open-account")["x-idempotency-key"].is_null());
}

#[tokio::test]
async fn who_may_ask_is_what_the_authoriser_says_and_nothing_else() {
    let database = support::database().await;
    let served = support::serve("guests", database.url()).await;
    for (headers, body, status) in [
        (&[][..], "{}", 403),
        (&[("authorization", "Bearer bob")], "{}", 403),
        (&[("caller", "ann")], r#"{"caller":"ann"}"#, 403),
        (&[("authorization", "Bearer ann")], "{}", 200),
        (&[("authorization", "Bearer team/bob")], "{}", 200),
    ] {
        let answer = served.operate("closed", headers, body).await;
        assert_eq!(answer.status, status, "{headers:?} {answer:?}");
    }
}

#[tokio::test]
async fn it_tells_what_there_is_and_how_it_is() {
    let database = support::database().await;
    let served = support::serve("guests", database.url()).await;
    let list = served.get("/operations").await.json();
    let names: Vec<_> = list["operations"].as_array().unwrap().iter().map(|o| o["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"probe") && names.contains(&"closed"), "{list}");
    let document = served.get("/openapi.json").await.json();
    let input = &document["components"]["schemas"]["veto.input"];
    assert_eq!(input["properties"]["veto"]["type"], "boolean", "{input}");
    assert_eq!(served.get("/live").await.json()["status"], "live");
    assert_eq!(served.get("/health").await.json()["status"], "ready");

    database.execute("drop table tenet.keys").await;
    let health = served.get("/health").await;
    assert_eq!((health.status, &health.json()["code"]), (503, &json!("not-ready")));
    assert_eq!(served.get("/live").await.status, 200);
}

#[tokio::test]
async fn what_is_too_large_or_broken_off_is_answered_and_the_next_request_is_served() {
    let database = support::database().await;
    let served = support::serve("rules", database.url()).await;
    let large = format!(r#"{{"amount":1,"padding":"{}"}}"#, "x".repeat(7 << 20));
    // The server responds before it has read everything and closes the connection, which the client
    // may see as a broken connection.
    if let Ok(answer) = http::post(served.east(), "/operations/write", &large).await {
        assert_eq!(answer.0, 413);
    }
    assert_eq!(served.operate("read", &[], "").await.status, 200);
    assert_eq!(database.count("select count(*) from transactions").await, 0);
}

/// A request that declares more than is taken is answered before that could arrive.
#[tokio::test]
async fn a_body_of_an_impossible_length_is_answered_at_once() {
    let database = support::database().await;
    let served = support::serve("rules", database.url()).await;
    let port = served.east().split_once(':').unwrap().1;
    let chunk = |length: &str| format!("transfer-encoding: chunked\r\n\r\n{length}\r\n{{");
    for (body, status) in [
        (chunk("ffffffffffffffff"), 413),
        (chunk("600001"), 413),
        (chunk("600001;name=value"), 413),
        (chunk("fffffffffffffffff"), 400),
        (chunk("-1"), 400),
        (chunk("x"), 400),
        (chunk(""), 400),
        ("content-length: 6291457\r\n\r\n{".to_owned(), 413),
        ("content-length: 18446744073709551613\r\n\r\n{".to_owned(), 413),
        // The HTTP library's own answer for the two lengths that it uses as marks.
        ("content-length: 18446744073709551615\r\n\r\n{".to_owned(), 431),
        ("content-length: 18446744073709551616\r\n\r\n{".to_owned(), 400),
        ("content-length: -1\r\n\r\n{".to_owned(), 400),
        ("content-length: 2\r\ncontent-length: 3\r\n\r\n{}}".to_owned(), 400),
        ("transfer-encoding: chunked, gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n".to_owned(), 400),
        ("a : b\r\n\r\n".to_owned(), 400),
        ("a: b\rc: d\r\n\r\n".to_owned(), 400),
        ("a: b\r\n".repeat(1000), 431),
    ] {
        let mut connection = http::Connection::open(served.east()).await.unwrap();
        let head = "POST /operations/read HTTP/1.1\r\ncontent-type: application/json\r\nhost: localhost:";
        connection.write(format!("{head}{port}\r\n{body}").as_bytes()).await.unwrap();
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status, status, "{body}: {answer:?}");
    }
    let chunks = "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n";
    let mut connection = http::Connection::open(served.east()).await.unwrap();
    for _ in 0..2 {
        let head = "POST /operations/read HTTP/1.1\r\ncontent-type: application/json\r\nhost: localhost:";
        connection.write(format!("{head}{port}\r\n{chunks}").as_bytes()).await.unwrap();
        assert_eq!(connection.answer().await.unwrap().status, 200);
    }
}

/// Requests that a page of another site can make a browser send: to its own host name, pointed at
/// this machine, or to this machine's, with an `Origin` header. Both are refused.
#[tokio::test]
async fn no_page_of_another_site_can_ask() {
    let database = support::database().await;
    let served = support::serve("rules", database.url()).await;
    let (address, port) = (served.east(), served.east().split_once(':').unwrap().1);
    let body = r#"{"transaction_id":"page","amount":1}"#;
    let ask = async |method: &str, path: &str, headers: &[&str], body: &str| {
        let mut connection = http::Connection::open(address).await.unwrap();
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!("{method} {path} HTTP/1.1\r\n{lines}content-length: {}\r\n\r\n{body}", body.len());
        connection.write(request.as_bytes()).await.unwrap();
        connection.answer().await.unwrap()
    };
    let (own, json) = (format!("host: localhost:{port}"), "content-type: application/json");
    let rebound = format!("host: evil.example:{port}");
    for (headers, status) in [
        (&[&rebound, json][..], 403),
        (&["host: localhost", json], 403),
        (&[json], 403),
        (&[&own, "origin: http://evil.example", json], 403),
        (&[&own, "origin: null", json], 403),
        (&[&own, "origin: http://localhost:3", json], 403),
        (&[&own, "sec-fetch-site: cross-site", json], 403),
        (&[&own, "sec-fetch-site: same-site", json], 403),
        // A Blob without a type, from a browser that sends no Origin.
        (&[&own], 415),
        (&[&own, "content-type: text/plain"], 415),
    ] {
        let answer = ask("POST", "/operations/write", headers, body).await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
    }
    for path in ["/operations", "/openapi.json", "/live", "/health", "/operations/read"] {
        assert_eq!(ask("GET", path, &[&rebound], "").await.status, 403, "{path}");
    }
    assert_eq!(database.count("select count(*) from transactions").await, 0);

    let origin = format!("origin: http://{address}");
    for headers in [&[&own, json][..], &[&own, json, &origin, "sec-fetch-site: same-origin"]] {
        assert_eq!(ask("POST", "/operations/write", headers, body).await.status, 200, "{headers:?}");
    }
    for host in ["127.0.0.1", "[::1]", "LOCALHOST"] {
        assert_eq!(ask("POST", "/operations/read", &[&format!("host: {host}:{port}")], "").await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn what_a_client_began_is_stopped_before_its_commit_when_it_leaves() {
    let database = support::database().await;
    let mut served = support::serve("rules", database.url()).await;
    let other = database.connect().await;
    other.batch_execute("begin; lock table transactions").await.unwrap();
    let body = r#"{"transaction_id":"left","amount":1}"#;
    let mut connection = http::Connection::open(served.east()).await.unwrap();
    connection.ask("POST", "/operations/write", &[http::JSON], body).await.unwrap();
    // It has begun when it waits for the lock.
    let waiting = "select count(*) from pg_locks where not granted";
    while database.count(waiting).await == 0 {}
    drop(connection);
    let line = served.told("POST /operations/write").await;
    assert!(line.contains("unavailable (503)") && line.ends_with("; its client has left"), "{line}");
    // Its statement ends too.
    while database.count(waiting).await > 0 {}
    other.batch_execute("commit").await.unwrap();
    assert_eq!(database.count("select count(*) from transactions").await, 0);
    // Nothing was decided under its key.
    let again = http::send(served.east(), "POST", "/operations/write", &[http::JSON], body).await.unwrap();
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("false")));
    assert_eq!(database.count("select count(*) from transactions").await, 1);
}

/// Schemathesis sends valid and invalid requests, and checks every response against the document.
#[tokio::test]
async fn a_client_made_from_the_document_finds_nothing_that_it_does_not_say() {
    let database = support::database().await;
    let served = support::serve("rules", database.url()).await;
    let folder = tempfile::tempdir().unwrap();
    let run = Command::new(support::path("TENET_TEST_SCHEMATHESIS"))
        .args(["run", &format!("http://{}/openapi.json", served.east())])
        .args(["--checks", "all", "--seed", "1", "--max-examples", "30", "--continue-on-failure"])
        // A valid payload may still be rejected: that is what rules are for.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args(["--phases", "examples,coverage,fuzzing", "--generation-database", "none", "--no-color"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    let document = served.get("/openapi.json").await.json();
    let of_path = |path: &Value| path.as_object().unwrap().len();
    let operations: usize = document["paths"].as_object().unwrap().values().map(of_path).sum();
    assert!(operations >= 8 && said.contains(&format!("Tested: {operations}\n")), "{operations}: {said}");
}
