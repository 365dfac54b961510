//! Answers of the database that are larger than a rule may read: what they cost the host, and what its
//! other requests notice of them.

use serde_json::json;
use tenet_events::Buses;
use tenet_pipeline::Status;
use tenet_test_support::{Dsql, Terms, awaited, peak_memory};
use tokio::net::{TcpStream, UnixListener};

use crate::dsql::endpoint;
use crate::lambda::{Lambda, bootstrap};
use crate::support;
use crate::support::database::Database;
use crate::support::host::{EAST, Host};

/// The bytes of one value, where it is about memory and where it is not. A rule of the guests may read 4 MiB.
const GIANT: u64 = 64_000_000;
const LARGE: u64 = 20_000_000;

/// What the host may need for its other work.
const SLACK: u64 = 48 << 20;

/// Statements whose answers take so much: one value, an error that quotes it, many rows that are small, and as many
/// rows as a rule may read, of values that are nothing on the wire.
fn statements(bytes: u64) -> [String; 4] {
    [
        format!("SELECT repeat('x', {bytes})"),
        format!("SELECT CAST(repeat('x', {bytes}) AS int)"),
        format!("SELECT repeat('x', 20000) FROM generate_series(1, {})", bytes / 20_000),
        format!("SELECT {} FROM generate_series(1, 10000)", vec!["CAST(NULL AS text)"; 1_000].join(", ")),
    ]
}

/// A request of a rule that runs it.
fn request(key: &str, sql: &str) -> String {
    json!({ "operation": "probe", "idempotency_key": key, "do": "sql", "sql": sql }).to_string()
}

/// Asks more often than a breaker waits for, and between two of the large answers for a small one.
async fn checked(host: &Host, database: &Database) {
    database.execute("insert into counters values (1, 0)").await;
    for (number, sql) in statements(LARGE).iter().enumerate() {
        for round in 0..6 {
            // Each for a caller of its own: a rule that fails for one may be suspended.
            let (caller, request) = (format!("caller-{number}"), request(&round.to_string(), sql));
            let handled = host.invoke_for(&caller, &request).await;
            assert_eq!(handled.answer.status, Status::Failed, "{sql}: {}", handled.answer.body);
            assert!(handled.answer.body.contains("nothing was changed"), "{sql}: {}", handled.answer.body);
            let reason = handled.reason.unwrap();
            let says = "T0503: rule probe: the limit bytes_read was passed: 4194304 allowed, ";
            let used = reason.strip_prefix(says).and_then(|rest| rest.strip_suffix(" used"));
            let used: u64 = used.unwrap_or_else(|| panic!("{sql}: {reason}")).parse().unwrap();
            assert!(used > 4 << 20, "{sql}: {reason}");
            assert_eq!(handled.receipt.attempts, 1, "{sql}");
        }
        let next = json!({ "operation": "probe", "idempotency_key": number.to_string(), "do": "increment", "id": 1 });
        let handled = host.invoke(&next.to_string()).await;
        assert_eq!(handled.answer.status, Status::Accepted, "after {sql}: {}", handled.answer.body);
    }
    assert_eq!(database.count("select value from counters where id = 1").await, 4);
    // The server finds that its client has gone.
    let sending = "select count(*) from pg_stat_activity \
                   where datname = current_database() and query like '%repeat(''x''%' and pid <> pg_backend_pid()";
    let gone = async { while database.count(sending).await > 0 {} };
    awaited(gone, || "sessions are left without a client".to_owned()).await;
}

#[tokio::test]
async fn an_answer_larger_than_a_rule_may_read_is_the_limit_passed_and_no_outage() {
    let database = support::database().await;
    let host = Host::start("guests", database.url(), EAST, &Buses::new([EAST]).unwrap());
    checked(&host, &database).await;
}

#[tokio::test]
async fn an_answer_larger_than_a_rule_may_read_is_the_limit_passed_inside_of_tls_too() {
    let database = support::database().await;
    let stand_in = Dsql::start(database.url(), Terms::of(EAST)).await;
    let host = Host::on(endpoint(&stand_in).await, "guests", EAST, &Buses::new([EAST]).unwrap());
    checked(&host, &database).await;
}

#[tokio::test]
async fn an_answer_larger_than_a_rule_may_read_is_the_limit_passed_over_a_sockets_folder_too() {
    let database = support::database().await;
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
    let (rest, name) = database.url().rsplit_once('/').unwrap();
    let (user, server) = rest.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let url = format!("postgres://{user}@/{name}?host={}", folder.path().display());
    let server = server.to_owned();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let host = Host::start("guests", &url, EAST, &Buses::new([EAST]).unwrap());
    checked(&host, &database).await;
}

/// An error of less than 8 MiB is read, and counts.
#[tokio::test]
async fn an_error_larger_than_a_rule_may_read_is_the_limit_passed() {
    let database = support::database().await;
    let host = Host::start("guests", database.url(), EAST, &Buses::new([EAST]).unwrap());
    let bytes = 5_000_000;
    let handled = host.invoke(&request("a", &format!("SELECT CAST(repeat('x', {bytes}) AS int)"))).await;
    let reason = handled.reason.unwrap();
    assert!(reason.contains("the limit bytes_read was passed: 4194304 allowed, 50000"), "{reason}");
    assert!(handled.receipt.bytes_read > bytes);
    let handled = host.invoke(&request("b", "SELECT CAST(repeat('x', 100000) AS int)")).await;
    assert_eq!(handled.answer.status, Status::Rejected, "{:?}", handled.reason);
    assert!((100_000..101_000).contains(&handled.receipt.bytes_read), "{}", handled.receipt.bytes_read);
}

#[tokio::test]
async fn a_stored_answer_wins_over_what_the_first_statement_would_give() {
    let database = support::database().await;
    let host = Host::start("guests", database.url(), EAST, &Buses::new([EAST]).unwrap());
    // The rule asks for as many bytes as there are rows.
    let sql = "SELECT repeat('x', 100000000 * CAST(count(*) AS int)) FROM counters";
    let first = host.reply(&request("a", sql)).await;
    database.execute("insert into counters values (1, 0), (2, 0)").await;
    assert_eq!(host.reply(&request("a", sql)).await, first);
    let handled = host.invoke(&request("b", sql)).await;
    assert!(handled.reason.is_some_and(|reason| reason.contains("the limit bytes_read was passed")));
}

#[tokio::test]
async fn the_harness_takes_no_memory_for_what_a_rule_may_not_read() {
    let database = support::database().await;
    let served = support::serve("guests", database.url()).await;
    let ask = async |key: &str, sql: &str| {
        let body = json!({ "do": "sql", "sql": sql }).to_string();
        served.operate("probe", &[("idempotency-key", key)], &body).await.status
    };
    assert_eq!(ask("first", "SELECT repeat('x', 1000000)").await, 200);
    let before = peak_memory(served.process());
    for (number, sql) in statements(GIANT).iter().enumerate() {
        assert_eq!(ask(&number.to_string(), sql).await, 500, "{sql}");
        let more = peak_memory(served.process()).saturating_sub(before);
        assert!(more < SLACK, "{more} bytes for {sql}");
    }
    assert_eq!(ask("last", "SELECT 1").await, 200);
    assert!(served.log().contains("the limit bytes_read was passed"), "{}", served.log());
}

#[tokio::test]
async fn the_function_takes_no_memory_for_what_a_rule_may_not_read() {
    let database = support::database().await;
    let stand_in = Dsql::start(database.url(), Terms::of(EAST)).await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, stand_in.authority()).unwrap();
    let mut function = bootstrap("", "bus");
    function
        .env_remove("TENET_DATABASE_URL")
        .env("TENET_DSQL_ENDPOINT", stand_in.endpoint())
        .env("TENET_DSQL_ADDRESS", "127.0.0.1")
        .env("TENET_DSQL_ROLE", "app")
        .env("TENET_DSQL_CA", &ca)
        .env("AWS_SESSION_TOKEN", "session/token")
        .env("TENET_BUNDLE", support::bundle::bundle("guests").0);
    let mut lambda = Lambda::of(function).await;
    let mut ask = async |key: &str, sql: &str| {
        let (_, answer) = lambda.invoke(&request(key, sql)).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        (answer["statusCode"].as_u64().unwrap(), peak_memory(lambda.process()))
    };
    let (status, before) = ask("first", "SELECT repeat('x', 1000000)").await;
    assert_eq!(status, 200);
    for (number, sql) in statements(GIANT).iter().enumerate() {
        let (status, after) = ask(&number.to_string(), sql).await;
        assert_eq!(status, 500, "{sql}");
        let more = after.saturating_sub(before);
        assert!(more < SLACK, "{more} bytes for {sql}");
    }
    assert_eq!(ask("last", "SELECT 1").await.0, 200);
}
