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
                for times in [10, 30, 57, 80, 110, 150, 1_000, 3_990, 10_000] {
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

/// What the model cannot do it names, and does not take for an error of the statement.
#[tokio::test]
async fn what_is_not_known_is_named_as_such() {
    let client = connect(&cluster()).await;
    client.batch_execute("CREATE TABLE t (id int PRIMARY KEY, n int)").await.unwrap();
    let unknown = |what: &str| format!("0A000: {what} is not supported by this model of Aurora DSQL");
    for (sql, shown) in [
        ("SELECT 1 FROM information_schema.tables", unknown("the relation information_schema.tables")),
        ("SELECT 1 FROM pg_stat_activity", unknown("the relation pg_stat_activity")),
        ("SELECT 2 BETWEEN SYMMETRIC 3 AND 1", unknown("BETWEEN SYMMETRIC")),
        // Here the parser takes the AND for a part of the operand, and PostgreSQL does not.
        ("SELECT true IS DISTINCT FROM true AND false", unknown("the operand true AND false without parentheses")),
        ("SELECT true IS NOT DISTINCT FROM NOT true", unknown("the operand NOT true without parentheses")),
        ("SELECT id FROM t FOR NO KEY UPDATE", unknown("FOR NO KEY UPDATE")),
        ("CREATE TABLE u (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)", unknown("a DEFERRABLE constraint")),
        ("CREATE TABLE u (a int, UNIQUE (a) DEFERRABLE)", unknown("a DEFERRABLE constraint")),
        ("CREATE TABLE u (a int, b int GENERATED ALWAYS AS (a + 1) STORED)", unknown("a generated column")),
        ("CREATE TABLE u (a int CHECK (a > (SELECT 1)))", "0A000: cannot use subquery in check constraint".to_owned()),
        ("CREATE TABLE u (a int DEFAULT (SELECT 1))", "0A000: cannot use subquery in DEFAULT expression".to_owned()),
        ("CREATE TABLE u (a int CHECK (b > 1))", "42703: column \"b\" does not exist".to_owned()),
    ] {
        assert_eq!(run(&client, sql).await, shown, "{sql}");
    }
    for (sql, shown) in [
        ("SELECT ARRAY[]::int[], current_schema", "{},public"),
        ("SELECT true IS DISTINCT FROM (true AND false), 1 IS DISTINCT FROM 1 + 1", "t,t"),
        ("SELECT trim(both 'x' FROM 'xax'), trim(leading 'x' FROM 'xax'), trim(trailing 'x' FROM 'xax')", "a,ax,xa"),
        // The first row with a number of tiles is the first one in a tile.
        ("SELECT i, ntile(nullif(i, 1)) OVER (ORDER BY i) FROM generate_series(1, 4) i", "1,NULL 2,1 3,1 4,2"),
        (
            "SELECT i, ntile(2) OVER (ORDER BY i), nth_value(i, 2) OVER (ORDER BY i), cume_dist() OVER (ORDER BY i), \
             percent_rank() OVER (ORDER BY i) FROM generate_series(1, 3) i",
            "1,1,NULL,0.3333333333333333,0 2,1,2,0.6666666666666666,0.5 3,2,2,1,1",
        ),
    ] {
        assert_eq!(run(&client, sql).await, shown, "{sql}");
    }
}

/// What the README says is missing.
const MISSING: [&str; 38] = [
    "CREATE TABLE u (n numeric UNIQUE, m int REFERENCES u (n))",
    "CREATE TABLE u (a int, b int, UNIQUE (a, b), FOREIGN KEY (a, a) REFERENCES u (a, b))",
    "CREATE TABLE u (a int UNIQUE DEFERRABLE)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE INDEX ASYNC ON t (n) WHERE n > 1",
    "CREATE INDEX ASYNC ON t ((n + 1))",
    "CREATE TABLE u (LIKE t)",
    "EXPLAIN SELECT 1",
    "ANALYZE t",
    "SELECT 1::real",
    "CREATE TABLE u (a float4)",
    "CREATE TABLE u (a timetz)",
    "SELECT now() AT TIME ZONE 'Europe/Berlin'",
    "SET TimeZone = 'Europe/Berlin'",
    "SELECT 'a' SIMILAR TO 'a'",
    "SELECT n FROM t GROUP BY ROLLUP (n)",
    "SELECT n FROM t GROUP BY CUBE (n)",
    "SELECT n FROM t GROUP BY GROUPING SETS ((n))",
    "SELECT sum(n) OVER (ORDER BY n GROUPS 1 PRECEDING) FROM t",
    "UPDATE t SET (id, n) = (SELECT 1, 2)",
    "SELECT to_date('1', 'YYYY')",
    "SELECT to_number('1', '9')",
    "SELECT to_timestamp('1', 'YYYY')",
    "SELECT to_char(interval '1 day', 'DD')",
    "SELECT to_char(1, '9EEEE')",
    "SELECT 'a' ~ 'a'",
    "SELECT regexp_replace('a', 'a', 'b')",
    "SELECT cbrt(27)",
    "SELECT exp(1.0)",
    "SELECT ln(1.0)",
    "SELECT power(2.0, 3)",
    "SELECT corr(n, n) FROM t",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n) FROM t",
    "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY n) FROM t",
    "SELECT (SELECT sum(t.n)) FROM t",
    "SELECT 1 FROM pg_proc",
    "SELECT 1 FROM information_schema.columns",
];

#[tokio::test]
async fn what_is_missing_is_named_as_such() {
    let client = connect(&cluster()).await;
    client.batch_execute("CREATE TABLE t (id int PRIMARY KEY, n int)").await.unwrap();
    for sql in MISSING {
        let shown = run(&client, sql).await;
        let is_named = shown.starts_with("0A000") && shown.ends_with("is not supported by this model of Aurora DSQL");
        assert!(is_named, "{sql}: {shown}");
    }
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
