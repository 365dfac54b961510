//! Statements that take longer than the host waits: the fault of their rule, and no outage for the others.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{Either, join_all, select};
use serde_json::json;
use tenet_core::bundle::{Operation, Rule};
use tenet_database::{Database, Endpoint};
use tenet_events::Buses;
use tenet_pipeline::{Handled, Status};
use tenet_test_support::Latency;

use crate::support;
use crate::support::bundle::bundle;
use crate::support::host::{EAST, Host};

/// The timeout of a statement.
const PATIENCE: Duration = Duration::from_secs(2);

/// A statement that ends for no caller.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 100000000000)";

fn host(url: &str) -> Host {
    let database = Database::new(Endpoint::parse(url).unwrap(), 16).with_statement_timeout(PATIENCE);
    Host::over(database, "guests", EAST, &Buses::new([EAST]).unwrap())
}

/// A statement that takes a fraction of a second.
const SLOW: &str = "SELECT count(*) FROM generate_series(1, 1000000)";

/// A host whose rules may wait this long for the database's answers.
fn host_with(database: Database, database_ms: u64) -> Host {
    let (folder, mut index) = bundle("guests");
    for rule in &mut index.rules {
        rule.limits.database_ms = database_ms;
    }
    Host::of_database(database, EAST, &Buses::new([EAST]).unwrap(), &folder, &index)
}

fn repeated(key: &str, sql: &str, times: u32) -> String {
    json!({ "operation": "probe", "idempotency_key": key, "do": "sql", "sql": sql, "times": times }).to_string()
}

fn endless(key: &str) -> String {
    json!({ "operation": "probe", "idempotency_key": key, "do": "sql", "sql": ENDLESS }).to_string()
}

fn increment(key: &str) -> String {
    json!({ "operation": "probe", "idempotency_key": key, "do": "increment", "id": 1 }).to_string()
}

fn is_slow(handled: &Handled) {
    let reason = handled.reason.as_deref().unwrap();
    assert_eq!(handled.answer.status, Status::Failed, "{}", handled.answer.body);
    assert!(reason.starts_with("T0503: rule probe: the limit statement_ms was passed: 2000 allowed, "), "{reason}");
    // The second attempt shows that the first one's connection was not merely lost.
    assert_eq!(handled.receipt.attempts, 2);
}

fn exceeds_database_ms(handled: &Handled, allowed: u64) {
    let reason = handled.reason.as_deref().unwrap();
    let says = format!("T0503: rule probe: the limit database_ms was passed: {allowed} allowed, ");
    assert!(reason.starts_with(&says), "{reason}");
    assert_eq!((handled.answer.status, handled.receipt.attempts), (Status::Failed, 1));
}

#[tokio::test]
async fn slow_statements_of_one_rule_are_its_own_fault_and_others_are_served() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let host = host(database.url());
    // More than open a breaker.
    let requests: Vec<_> = (0..6).map(|number| endless(&number.to_string())).collect();
    let slow = join_all(requests.iter().map(|request| host.invoke_for("slow", request)));
    let is_over = AtomicBool::new(false);
    let slow = async {
        let handled = slow.await;
        is_over.store(true, Ordering::Relaxed);
        handled
    };
    let others = async {
        let mut asked = 0;
        while !is_over.load(Ordering::Relaxed) {
            let handled = host.invoke_for("other", &increment(&asked.to_string())).await;
            assert_eq!(handled.answer.status, Status::Accepted, "{} {:?}", handled.answer.body, handled.reason);
            asked += 1;
        }
        asked
    };
    let (slow, asked) = tokio::join!(slow, others);
    slow.iter().for_each(is_slow);
    assert_eq!(database.count("select value from counters where id = 1").await, asked);
}

#[tokio::test]
async fn a_slow_statement_that_is_alone_is_its_rules_fault_and_the_next_request_is_served() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let host = host(database.url());
    for number in 0..6 {
        is_slow(&host.invoke(&endless(&number.to_string())).await);
        let next = host.invoke(&increment(&number.to_string())).await;
        assert_eq!(next.answer.status, Status::Accepted, "{}", next.answer.body);
    }
}

#[tokio::test]
async fn a_slow_statement_is_no_outage_for_a_caller_without_time() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let host = host(database.url());
    for number in 0..6 {
        let handled = host.invoke_within(PATIENCE * 3 / 4, &endless(&number.to_string())).await;
        assert!(handled.answer.body.contains(r#""code":"out-of-time""#), "{}", handled.answer.body);
        let next = host.invoke(&increment(&number.to_string())).await;
        assert_eq!(next.answer.status, Status::Accepted, "{}", next.answer.body);
    }
}

#[tokio::test]
async fn a_wait_for_a_locked_row_is_a_conflict_and_no_rules_fault() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let host = host(database.url());
    let holder = database.connect().await;
    holder.batch_execute("begin; select * from counters where id = 1 for update").await.unwrap();
    let waits = host.invoke_within(PATIENCE * 4, &increment("a")).await;
    assert_eq!(waits.answer.status, Status::Unavailable, "{}", waits.answer.body);
    assert!(waits.receipt.attempts > 1 && waits.receipt.conflicts > 0, "{:?}", waits.receipt);
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(host.invoke(&increment("a")).await.answer.status, Status::Accepted);
}

#[tokio::test]
async fn slow_statements_of_one_rule_leave_a_place_to_the_other_rules() {
    let database = support::database().await;
    let host = host(database.url());
    // More than the bundle's connections.
    let requests: Vec<_> = (0..12).map(|number| endless(&number.to_string())).collect();
    let slow = join_all(requests.iter().map(|request| host.invoke_within(PATIENCE * 6, request)));
    let is_over = AtomicBool::new(false);
    let slow = async {
        slow.await;
        is_over.store(true, Ordering::Relaxed);
    };
    let others = async {
        let mut asked = 0;
        while !is_over.load(Ordering::Relaxed) {
            let read = json!({ "operation": "rows-read", "rows": 1 }).to_string();
            let handled = host.invoke_within(PATIENCE * 3, &read).await;
            assert_eq!(handled.answer.status, Status::Accepted, "{} {:?}", handled.answer.body, handled.reason);
            asked += 1;
        }
        asked
    };
    let ((), asked) = tokio::join!(slow, others);
    assert!(asked > 1);
}

#[tokio::test]
async fn the_database_time_of_one_call_is_bounded_and_passing_it_is_its_rules_fault() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let host = host_with(Database::new(Endpoint::parse(database.url()).unwrap(), 16), 500);
    let mut failed = 0;
    loop {
        let handled = host.invoke_for("slow", &repeated(&failed.to_string(), SLOW, 100)).await;
        if handled.answer.body.contains(r#""code":"rule-out""#) {
            break;
        }
        exceeds_database_ms(&handled, 500);
        assert!(handled.receipt.statements < 100, "{:?}", handled.receipt);
        // The connection is as good as before.
        let next = host.invoke_for("other", &increment(&failed.to_string())).await;
        assert_eq!(next.answer.status, Status::Accepted, "{}", next.answer.body);
        failed += 1;
    }
    // As many as `rule_failures`, or five if each took a second.
    assert!((5..=20).contains(&failed), "suspended after {failed}");
}

#[tokio::test]
async fn a_rule_each_of_whose_calls_passes_its_database_time_is_suspended_after_five_at_once() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let host = host_with(Database::new(Endpoint::parse(database.url()).unwrap(), 16), 1500);
    let requests: Vec<_> = (0..5).map(|number| repeated(&number.to_string(), SLOW, 100)).collect();
    for handled in join_all(requests.iter().map(|request| host.invoke_for("slow", request))).await {
        exceeds_database_ms(&handled, 1500);
    }
    let suspended = host.invoke_for("slow", &repeated("next", SLOW, 100)).await;
    assert!(suspended.answer.body.contains(r#""code":"rule-out""#), "{}", suspended.answer.body);
    assert_eq!(host.invoke_for("other", &increment("a")).await.answer.status, Status::Accepted);
}

#[tokio::test]
async fn a_slow_statement_is_blamed_though_the_request_has_no_time_for_a_second_one() {
    let database = support::database().await;
    let timeout = PATIENCE * 60;
    let slow = Database::new(Endpoint::parse(database.url()).unwrap(), 16).with_statement_timeout(timeout);
    let host = host_with(slow, 500);
    exceeds_database_ms(&host.invoke_within(timeout, &endless("a")).await, 500);
}

#[tokio::test]
async fn a_database_that_is_slow_for_all_is_no_rules_fault() {
    let database = support::database().await;
    let far = Latency::start(database.url(), Duration::from_millis(50)).await;
    let host = host_with(Database::new(Endpoint::parse(far.url()).unwrap(), 16), 200);
    let handled = host.invoke(&repeated("a", "SELECT 1", 20)).await;
    assert_eq!(handled.answer.status, Status::Accepted, "{} {:?}", handled.answer.body, handled.reason);
    // k statements cost k + 1 round trips, examined or not.
    assert_eq!(handled.receipt.round_trips, 21);
}

#[tokio::test]
async fn any_number_of_slow_rules_leave_places_to_a_quick_one() {
    let database = support::database().await;
    let (folder, mut index) = bundle("guests");
    let slow = ["slow-1", "slow-2", "slow-3"];
    for name in slow {
        let rule = index.rule("probe").unwrap().clone();
        let operation = index.operations.iter().find(|operation| operation.name == "probe").unwrap().clone();
        index.rules.push(Rule { name: name.to_owned(), ..rule });
        index.operations.push(Operation { name: name.to_owned(), rules: vec![name.to_owned()], ..operation });
    }
    let patient = Database::new(Endpoint::parse(database.url()).unwrap(), 16).with_statement_timeout(PATIENCE);
    let host = Host::of_database(patient, EAST, &Buses::new([EAST]).unwrap(), &folder, &index);
    // Each alone has more than the bundle's connections.
    let requests: Vec<_> = (0..36)
        .map(|number| {
            let operation = slow[number % slow.len()];
            json!({ "operation": operation, "idempotency_key": number.to_string(), "do": "sql", "sql": ENDLESS })
        })
        .map(|request| request.to_string())
        .collect();
    let all = join_all(requests.iter().map(|request| host.invoke_within(PATIENCE * 12, request)));
    let is_over = AtomicBool::new(false);
    let all = async {
        all.await;
        is_over.store(true, Ordering::Relaxed);
    };
    let quick = async {
        let mut waited = 0;
        while !is_over.load(Ordering::Relaxed) {
            let read = json!({ "operation": "rows-read", "rows": 1 }).to_string();
            let handled = host.invoke_within(PATIENCE * 6, &read).await;
            assert_eq!(handled.answer.status, Status::Accepted, "{} {:?}", handled.answer.body, handled.reason);
            waited += u32::from(handled.receipt.queued > PATIENCE / 2);
        }
        waited
    };
    // Until the first slow requests end, nothing is known of their operations.
    let ((), waited) = tokio::join!(all, quick);
    assert!(waited <= 1, "{waited} quick requests waited for slow ones");
}

#[tokio::test]
async fn a_host_whose_places_are_all_held_by_slow_statements_is_ready_while_the_database_answers() {
    let database = support::database().await;
    let host = host(database.url());
    let operations = ["probe", "probe-read"];
    let requests: Vec<_> = (0..16)
        .map(|number| json!({ "operation": operations[number % 2], "do": "sql", "sql": ENDLESS }).to_string())
        .collect();
    let mut all = pin!(join_all(requests.iter().map(|request| host.invoke_within(PATIENCE * 6, request))));
    let ready = async {
        // Twice: an answer is remembered for a while.
        for _ in 0..2 {
            host.pipeline.ready(Instant::now() + PATIENCE).await.unwrap();
        }
    };
    // Polled after the requests, which hold all places then.
    assert!(matches!(select(all.as_mut(), pin!(ready)).await, Either::Right(_)));
}
