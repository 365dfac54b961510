//! What one statement may take: time, memory and the depth of its text.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it panics")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{TestClock, cluster, cluster_with, config, connect, run};
use tenet_dsql::{Clock, Cluster, Options};
use tokio::sync::Notify;
use tokio_postgres::NoTls;

/// A statement that no machine ends.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 900000) a, generate_series(1, 900000) b WHERE a + b = 0";

/// With a text that is copied for each row this would copy terabytes.
#[tokio::test]
async fn aggregates_keep_what_they_have_once() {
    let client = connect(&cluster()).await;
    let of = |aggregate: &str| format!("SELECT length({aggregate}::text) > 1000000 FROM generate_series(1, 100000) i");
    for aggregate in [
        "string_agg(repeat('x', 500), '')",
        "string_agg(repeat('x', 500), ',' ORDER BY i)",
        "encode(string_agg(decode(repeat('aa', 100), 'hex'), NULL), 'hex')",
        "array_agg(repeat('x', 50))",
        "json_agg(repeat('x', 50))",
        "jsonb_agg(repeat('x', 50))",
        "json_object_agg(i, repeat('x', 50))",
        "jsonb_object_agg(i, repeat('x', 50))",
    ] {
        assert_eq!(run(&client, &of(aggregate)).await, "t", "{aggregate}");
    }
    assert_eq!(
        run(&client, "SELECT sum(i), max(i), count(DISTINCT i % 7) FROM generate_series(1, 100000) i").await,
        "5000050000,100000,7"
    );
    // A frame of all rows is added up once.
    let over = "SELECT count(*), max(s) FROM (SELECT sum(i) OVER () AS s FROM generate_series(1, 30000) i) t";
    assert_eq!(run(&client, over).await, "30000,450015000");
}

/// Each `memory` is named in the limits.
#[tokio::test]
async fn a_statement_that_holds_too_much_is_refused_and_the_session_goes_on() {
    let out_of_memory = "53200: Query requires too much temp space, out of memory.";
    let client = connect(&cluster_with(|options| options.limits.memory = 1 << 20).0).await;
    for sql in [
        "SELECT string_agg(repeat('x', 1000), '') FROM generate_series(1, 12000)",
        "SELECT array_agg(i) FROM generate_series(1, 900000) i",
        "SELECT a, b FROM generate_series(1, 900000) a, generate_series(1, 900000) b",
        "SELECT repeat('x', 1000) FROM generate_series(1, 12000) ORDER BY 1",
        "WITH RECURSIVE r AS (SELECT 1 AS n, 'x' AS t UNION ALL SELECT n + 1, t || t FROM r WHERE n < 100) SELECT 1 FROM r",
        "SELECT 1 FROM generate_series(1, 100000) UNION ALL SELECT 2",
        "SELECT row_number() OVER () FROM generate_series(1, 100000)",
        "SELECT i FROM generate_series(1, 100000) i GROUP BY i",
    ] {
        assert_eq!(run(&client, sql).await, out_of_memory, "{sql}");
        assert_eq!(run(&client, "SELECT 1").await, "1");
    }
    // What is given up is not counted.
    for sql in [
        "SELECT count(*) FROM generate_series(1, 3000) a, generate_series(1, 300) b WHERE a = b",
        "SELECT sum((SELECT length(string_agg(repeat('x', 10), '')) FROM generate_series(1, 10 + a * 0))) \
         FROM generate_series(1, 2000) a",
        "SELECT count(*) FROM generate_series(1, 3000) a JOIN generate_series(1, 300) b ON a = b * 10",
    ] {
        assert!(!run(&client, sql).await.contains(':'), "{sql}");
    }
}

/// A clock that tells of it when it is read, and then goes on.
struct ReadClock {
    inner: TestClock,
    is_running: AtomicBool,
    read: Notify,
}

impl Clock for ReadClock {
    fn now(&self) -> i64 {
        self.inner.now()
    }

    fn elapsed(&self) -> Duration {
        if self.is_running.load(Ordering::Relaxed) {
            self.read.notify_one();
        }
        self.inner.elapsed()
    }
}

fn with_read_clock() -> (Cluster, Arc<ReadClock>) {
    let clock = ReadClock { inner: TestClock::default(), is_running: AtomicBool::new(false), read: Notify::new() };
    let clock = Arc::new(clock);
    (Cluster::new(Options::new(clock.clone(), 7)), clock)
}

/// With one thread for all tasks, a statement that kept it would keep the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn others_go_on_while_a_statement_runs_and_the_end_of_its_client_ends_it() {
    let (cluster, clock) = with_read_clock();
    let (other, away) = (connect(&cluster).await, cluster.clone());
    let (near, far) = tokio::io::duplex(1 << 16);
    let served = tokio::spawn(async move { away.serve(far).await });
    let (client, connection) = config().connect_raw(near, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let endless = tokio::spawn(async move { client.simple_query(ENDLESS).await.map(drop) });
    clock.is_running.store(true, Ordering::Relaxed);
    clock.read.notified().await;
    assert_eq!(run(&other, "SELECT 1").await, "1");
    assert_eq!(run(&connect(&cluster).await, "SELECT 2").await, "2");
    assert!(!endless.is_finished());
    connection.abort();
    served.await.unwrap().unwrap();
    assert!(endless.await.unwrap().is_err());
    // The runtime waits for the threads that compute, when the test ends: this one does not go on.
}

#[test]
fn the_end_of_a_server_ends_its_statements() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (cluster, clock) = with_read_clock();
        let client = connect(&cluster).await;
        tokio::spawn(async move { client.simple_query(ENDLESS).await.map(drop) });
        clock.is_running.store(true, Ordering::Relaxed);
        clock.read.notified().await;
    });
    // It waits for the threads that compute.
    drop(runtime);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_statement_ends_at_the_age_of_its_transaction() {
    let (cluster, clock) = with_read_clock();
    let client = connect(&cluster).await;
    let endless = tokio::spawn(async move { run(&client, ENDLESS).await });
    clock.is_running.store(true, Ordering::Relaxed);
    // The first times it is read are the begin of the transaction.
    for _ in 0..20 {
        clock.read.notified().await;
    }
    clock.inner.advance(Duration::from_secs(300));
    assert_eq!(endless.await.unwrap(), "54000: transaction age limit of 300s exceeded");
}

/// Texts that are repeated: what is before them, the part, what is between, and what is repeated after it.
const DEEP: [(&str, &str, &str, &str); 24] = [
    ("SELECT 1", "+1", "", ""),
    ("SELECT 'a'", "||'a'", "", ""),
    ("SELECT 1", " UNION ALL SELECT 1", "", ""),
    ("SELECT 1", " INTERSECT SELECT 1", "", ""),
    ("SELECT 1 FROM t", " CROSS JOIN t", "", ""),
    ("SELECT 1 FROM t", " NATURAL JOIN t", "", ""),
    ("SELECT 1 FROM t", ", t", "", ""),
    ("SELECT true", " AND true", "", ""),
    ("SELECT true", " OR true", "", ""),
    ("SELECT true", " OR false AND false", "", ""),
    ("SELECT '1'", "::int::text", "", ""),
    ("SELECT ARRAY[1]", "[1]", "", ""),
    ("SELECT 'a'", " COLLATE \"C\"", "", ""),
    ("SELECT now()", " AT TIME ZONE 'utc'", "", ""),
    ("SELECT 1", " IS NULL", "", ""),
    ("SELECT true", " IS TRUE", "", ""),
    ("SELECT ", "NOT ", "true", ""),
    ("SELECT ", "- ", "1", ""),
    ("SELECT ", "(", "1", ")"),
    ("SELECT ", "abs(", "1", ")"),
    ("SELECT ", "coalesce(NULL, ", "1", ")"),
    ("SELECT ", "CASE WHEN true THEN ", "1", " END"),
    ("SELECT ", "CASE WHEN false THEN 1 ELSE ", "1", " END"),
    ("SELECT ", "(SELECT ", "1", ")"),
];

#[test]
fn no_depth_of_a_statement_ends_the_process() {
    let on_a_small_stack = std::thread::Builder::new().stack_size(2 << 20).spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = connect(&cluster()).await;
            client.batch_execute("CREATE TABLE t (id int PRIMARY KEY, n int)").await.unwrap();
            for (begin, each, middle, back) in DEEP {
                for times in [10, 30, 57, 80, 110, 117, 1_000, 3_990, 10_000] {
                    let sql = format!("{begin}{}{middle}{}", each.repeat(times), back.repeat(times));
                    let shown = run(&client, &sql).await;
                    let is_deep = shown == "54001: stack depth limit exceeded";
                    assert!(is_deep || times < 10_000, "{times} of {each}: {shown}");
                    assert!(!is_deep || times > 30, "{times} of {each}: {shown}");
                    assert!(client.prepare(&sql).await.is_ok() || shown.contains(':'), "{times} of {each}: {shown}");
                }
            }
        });
    });
    on_a_small_stack.unwrap().join().unwrap();
}

/// The rows of a product that its condition does not take are never there together.
#[tokio::test]
async fn a_join_looks_at_its_condition_while_it_joins() {
    let client = connect(&cluster_with(|options| options.limits.memory = 1 << 20).0).await;
    let sql = "SELECT count(*) FROM generate_series(1, 1000) a, generate_series(1, 1000) b WHERE a < b AND b < 3";
    assert_eq!(run(&client, sql).await, "1");
    let sql =
        "SELECT count(*), count(b) FROM generate_series(1, 1000) a LEFT JOIN generate_series(1, 1000) b ON a > b + 990";
    assert_eq!(run(&client, sql).await, "1036,45");
    let sql = "SELECT a, b FROM generate_series(1, 2) a FULL JOIN generate_series(2, 3) b ON a = b ORDER BY a, b";
    assert_eq!(run(&client, sql).await, "1,NULL 2,2 NULL,3");
}
