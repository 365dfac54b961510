//! What excludes what at COMMIT, and what a transaction sees.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it panics")]

mod common;

use std::time::Duration;

use common::{cluster_with, connect, run, with_schema};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, n int)";
const ROWS: &str = "INSERT INTO t VALUES (1, 10, 0), (2, 20, 0)";
const CONFLICT: &str = "40001: change conflicts with another transaction (OC000)";
const NEW_SCHEMA: &str = "40001: schema has been updated by another transaction (OC001)";

/// The classes of the matrix in
/// <https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-concurrency-control.html>.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Whole,
    Update,
    KeyShare,
}

/// What can be done to the row with the key 1.
const ACTIONS: [(&str, Class); 8] = [
    ("DELETE FROM t WHERE id = 1", Class::Whole),
    ("UPDATE t SET u = 11 WHERE id = 1", Class::Whole),
    ("UPDATE t SET id = 101 WHERE id = 1", Class::Whole),
    ("SELECT n FROM t WHERE id = 1 FOR UPDATE", Class::Whole),
    ("UPDATE t SET n = n + 1 WHERE id = 1", Class::Update),
    // A key column that is named but not changed is no other than one that is not named.
    ("UPDATE t SET u = 10, n = n + 1 WHERE id = 1", Class::Update),
    ("INSERT INTO t VALUES (1, 10, 1) ON CONFLICT (id) DO UPDATE SET n = excluded.n", Class::Update),
    ("SELECT n FROM t WHERE id = 1 FOR KEY SHARE", Class::KeyShare),
];

fn excludes(first: Class, second: Class) -> bool {
    use Class::{Update, Whole};
    matches!((first, second), (Whole, _) | (_, Whole) | (Update, Update))
}

#[tokio::test]
async fn the_first_of_two_that_exclude_each_other_wins() {
    for (loser, of_loser) in ACTIONS {
        for (winner, of_winner) in ACTIONS {
            let cluster = with_schema(&[TABLE, ROWS]).await;
            let (first, second) = (connect(&cluster).await, connect(&cluster).await);
            let what = format!("{winner} before {loser}");
            for (client, action) in [(&first, winner), (&second, loser)] {
                assert_eq!(run(client, "BEGIN").await, "");
                assert!(!run(client, action).await.contains(':'), "{what}");
            }
            assert_eq!(run(&first, "COMMIT").await, "", "{what}");
            let expected = if excludes(of_winner, of_loser) { CONFLICT } else { "" };
            assert_eq!(run(&second, "COMMIT").await, expected, "{what}");
        }
    }
}

/// Two statements in transactions that overlap, with the answer of the second COMMIT.
async fn overlapped(winner: &str, loser: &str) -> String {
    let cluster = with_schema(&[TABLE, ROWS]).await;
    let (first, second) = (connect(&cluster).await, connect(&cluster.peer()).await);
    assert_eq!(run(&second, "BEGIN").await, "");
    assert_eq!(run(&second, "SELECT count(*) FROM t").await, "2");
    assert_eq!(run(&first, winner).await, "");
    let done = run(&second, loser).await;
    if done.is_empty() { run(&second, "COMMIT").await } else { done }
}

#[tokio::test]
async fn keys_of_unique_indexes_are_keys() {
    for (winner, loser, answer) in [
        // The same primary key, and the same unique value under other primary keys.
        ("INSERT INTO t VALUES (3, 30, 0)", "INSERT INTO t VALUES (3, 31, 0)", CONFLICT),
        ("INSERT INTO t VALUES (3, 30, 0)", "INSERT INTO t VALUES (4, 30, 0)", CONFLICT),
        ("INSERT INTO t VALUES (3, 30, 0)", "INSERT INTO t VALUES (4, 31, 0)", ""),
        ("INSERT INTO t VALUES (3, 30, 0)", "UPDATE t SET u = 30 WHERE id = 1", CONFLICT),
        ("UPDATE t SET u = 30 WHERE id = 2", "UPDATE t SET u = 30 WHERE id = 1", CONFLICT),
        // NULLs are not equal to each other.
        ("INSERT INTO t VALUES (3, NULL, 0)", "INSERT INTO t VALUES (4, NULL, 0)", ""),
        // A snapshot still has what was deleted since.
        (
            "DELETE FROM t WHERE id = 1",
            "INSERT INTO t VALUES (1, 11, 0)",
            "23505: duplicate key value violates unique constraint \"t_pkey\"",
        ),
        (
            "DELETE FROM t WHERE id = 1",
            "INSERT INTO t VALUES (5, 10, 0)",
            "23505: duplicate key value violates unique constraint \"t_u_key\"",
        ),
        // It goes by what is not there yet, too: the commit finds out.
        ("INSERT INTO t VALUES (3, 30, 0)", "INSERT INTO t VALUES (3, 30, 0) ON CONFLICT DO NOTHING", CONFLICT),
        ("DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (1, 10, 0) ON CONFLICT DO NOTHING", ""),
        // A row that moves leaves its key, and takes another.
        ("UPDATE t SET id = 3 WHERE id = 1", "INSERT INTO t VALUES (3, 30, 0)", CONFLICT),
        ("UPDATE t SET n = 1 WHERE id = 1", "DELETE FROM t WHERE id = 1", CONFLICT),
        ("UPDATE t SET n = 1 WHERE id = 1", "UPDATE t SET n = 1 WHERE id = 2", ""),
    ] {
        assert_eq!(overlapped(winner, loser).await, answer, "{winner} before {loser}");
    }
}

#[tokio::test]
async fn a_key_that_is_given_up_can_be_taken_again_at_once() {
    let client = connect(&with_schema(&[TABLE, ROWS]).await).await;
    for (sql, answer) in [
        ("BEGIN", ""),
        ("DELETE FROM t WHERE id = 1", ""),
        ("INSERT INTO t VALUES (1, 10, 5)", ""),
        ("INSERT INTO t VALUES (3, 10, 5) ON CONFLICT DO NOTHING RETURNING id", ""),
        ("UPDATE t SET u = 12 WHERE id = 1", ""),
        ("INSERT INTO t VALUES (3, 10, 6) RETURNING id", "3"),
        ("SELECT * FROM t ORDER BY id", "1,12,5 2,20,0 3,10,6"),
        ("COMMIT", ""),
        ("SELECT * FROM t ORDER BY id", "1,12,5 2,20,0 3,10,6"),
        ("INSERT INTO t VALUES (4, 12, 0)", "23505: duplicate key value violates unique constraint \"t_u_key\""),
        ("INSERT INTO t VALUES (4, 11, 0) RETURNING id", "4"),
    ] {
        assert_eq!(run(&client, sql).await, answer, "{sql}");
    }
}

#[tokio::test]
async fn a_transaction_sees_its_snapshot_and_its_own_writes() {
    let cluster = with_schema(&[TABLE, ROWS]).await;
    let (reader, writer) = (connect(&cluster).await, connect(&cluster).await);
    assert_eq!(run(&reader, "BEGIN").await, "");
    // The snapshot is that of the first statement, not of BEGIN.
    assert_eq!(run(&writer, "UPDATE t SET n = 1 WHERE id = 1").await, "");
    assert_eq!(run(&reader, "SELECT n FROM t WHERE id = 1").await, "1");
    assert_eq!(run(&writer, "UPDATE t SET n = 2; INSERT INTO t VALUES (3, 30, 2)").await, "");
    assert_eq!(run(&reader, "SELECT sum(n), count(*) FROM t").await, "1,2");
    // A statement does not see what it writes itself.
    assert_eq!(run(&reader, "INSERT INTO t SELECT id + 10, u + 100, n FROM t RETURNING id").await, "11 12");
    assert_eq!(run(&reader, "SELECT id FROM t ORDER BY id").await, "1 2 11 12");
    assert_eq!(run(&reader, "COMMIT").await, "");
    assert_eq!(run(&reader, "SELECT id FROM t ORDER BY id").await, "1 2 3 11 12");
}

#[tokio::test]
async fn write_skew_happens_unless_the_rows_are_locked() {
    for (lock, answer) in [("", ""), (" FOR UPDATE", CONFLICT)] {
        let cluster = with_schema(&[TABLE, ROWS]).await;
        let (first, second) = (connect(&cluster).await, connect(&cluster).await);
        for (client, own) in [(&first, 1), (&second, 2)] {
            assert_eq!(run(client, "BEGIN").await, "");
            assert_eq!(run(client, &format!("SELECT n FROM t ORDER BY id{lock}")).await, "0 0");
            assert_eq!(run(client, &format!("UPDATE t SET n = 1 WHERE id = {own}")).await, "");
        }
        assert_eq!(run(&first, "COMMIT").await, "");
        assert_eq!(run(&second, "COMMIT").await, answer, "{lock}");
    }
}

#[tokio::test]
async fn no_update_is_lost() {
    let cluster = with_schema(&[TABLE, ROWS]).await;
    let clients = [connect(&cluster).await, connect(&cluster.peer()).await, connect(&cluster).await];
    let mut committed = 0;
    for _ in 0..20 {
        for client in &clients {
            assert_eq!(run(client, "BEGIN; UPDATE t SET n = n + 1 WHERE id = 1").await, "");
        }
        for client in &clients {
            committed += i32::from(run(client, "COMMIT").await.is_empty());
        }
    }
    assert_eq!(committed, 20);
    assert_eq!(run(&clients[0], "SELECT n FROM t WHERE id = 1").await, "20");
}

#[tokio::test]
async fn who_only_reads_conflicts_with_nothing() {
    let cluster = with_schema(&[TABLE, ROWS]).await;
    let (reader, writer) = (connect(&cluster).await, connect(&cluster).await);
    for begin in ["BEGIN", "BEGIN READ ONLY"] {
        assert_eq!(run(&reader, begin).await, "");
        assert_eq!(run(&reader, "SELECT count(*) FROM t WHERE n >= 0").await, "2");
        assert_eq!(run(&writer, "UPDATE t SET n = n + 1").await, "");
        assert_eq!(run(&reader, "COMMIT").await, "");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_commits_nothing() {
    let cluster = with_schema(&[TABLE, ROWS]).await;
    let client = connect(&cluster).await;
    assert_eq!(run(&client, "BEGIN; UPDATE t SET n = 7").await, "");
    drop(client);
    assert_eq!(run(&connect(&cluster).await, "SELECT sum(n) FROM t").await, "0");
}

#[tokio::test]
async fn a_change_of_the_catalogue_fails_each_other_session_once() {
    for change in
        ["CREATE TABLE a (id int)", "ALTER TABLE t ADD COLUMN m int", "CREATE ROLE a", "GRANT SELECT ON t TO admin"]
    {
        let cluster = with_schema(&[TABLE, ROWS]).await;
        let (idle, busy) = (connect(&cluster).await, connect(&cluster).await);
        let (writer, changer) = (connect(&cluster.peer()).await, connect(&cluster).await);
        assert_eq!(run(&busy, "BEGIN; SELECT count(*) FROM t").await, "2");
        assert_eq!(run(&writer, "BEGIN; UPDATE t SET n = 1 WHERE id = 1").await, "");
        assert_eq!(run(&changer, change).await, "");
        assert_eq!(run(&changer, "SELECT count(*) FROM t").await, "2", "{change}");
        assert_eq!(run(&idle, "SELECT count(*) FROM t").await, NEW_SCHEMA, "{change}");
        assert_eq!(run(&idle, "SELECT count(*) FROM t").await, "2");
        assert_eq!(run(&busy, "SELECT count(*) FROM t").await, NEW_SCHEMA);
        assert!(run(&busy, "SELECT 1").await.starts_with("25P02"));
        assert_eq!(run(&busy, "ROLLBACK").await, "");
        assert_eq!(run(&busy, "SELECT count(*) FROM t").await, "2");
        assert_eq!(run(&writer, "COMMIT").await, NEW_SCHEMA);
        assert_eq!(run(&writer, "SELECT n FROM t WHERE id = 1").await, "0");
        assert_eq!(run(&connect(&cluster).await, "SELECT count(*) FROM t").await, "2");
    }
}

#[tokio::test]
async fn a_transaction_changes_the_schema_once_or_rows() {
    let client = connect(&with_schema(&[TABLE, ROWS]).await).await;
    let multiple = "0A000: multiple ddl statements not supported in a transaction";
    let mixed = "0A000: ddl and dml are not supported in the same transaction";
    for (sql, answer) in [
        ("BEGIN; CREATE TABLE a (id int)", ""),
        ("CREATE TABLE b (id int)", multiple),
        ("ROLLBACK", ""),
        ("BEGIN; CREATE TABLE a (id int)", ""),
        ("INSERT INTO a VALUES (1)", mixed),
        ("ROLLBACK", ""),
        ("BEGIN; UPDATE t SET n = 1", ""),
        ("DROP TABLE t", mixed),
        ("COMMIT", ""),
        ("CREATE TABLE a (id int); CREATE TABLE b (id int)", multiple),
        ("CREATE TABLE a (id int); INSERT INTO a VALUES (1)", mixed),
        ("BEGIN; CREATE TABLE a (id int); COMMIT; INSERT INTO a VALUES (1) RETURNING id", "1"),
        ("SELECT sum(n) FROM t", "0"),
    ] {
        assert_eq!(run(&client, sql).await, answer, "{sql}");
    }
}

#[tokio::test]
async fn a_transaction_has_its_limits() {
    let (cluster, clock) = cluster_with(|options| {
        options.limits.rows = 3;
        options.limits.bytes = 1_000;
    });
    let client = connect(&cluster).await;
    let rows = "54000: transaction row limit exceeded";
    let bytes = "54000: transaction size limit 10mb exceeded";
    let age = "54000: transaction age limit of 300s exceeded";
    let long = format!("INSERT INTO t VALUES (7, repeat('a', {}))", 1_001);
    for (sql, answer) in [
        ("CREATE TABLE t (id int PRIMARY KEY, x text)", ""),
        ("INSERT INTO t VALUES (1, ''), (2, ''), (3, ''), (4, '')", rows),
        ("SELECT count(*) FROM t", "0"),
        ("INSERT INTO t VALUES (1, ''), (2, ''), (3, '')", ""),
        ("INSERT INTO t VALUES (4, '')", ""),
        ("DELETE FROM t", rows),
        ("SELECT id FROM t FOR UPDATE", rows),
        ("SELECT count(*) FROM t", "4"),
        (long.as_str(), bytes),
        ("BEGIN; SELECT count(*) FROM t", "4"),
    ] {
        assert_eq!(run(&client, sql).await, answer, "{sql}");
    }
    let other = connect(&cluster).await;
    assert_eq!(run(&other, "BEGIN; UPDATE t SET x = 'b' WHERE id = 1").await, "");
    clock.advance(Duration::from_secs(299));
    assert_eq!(run(&client, "SELECT count(*) FROM t").await, "4");
    clock.advance(Duration::from_secs(1));
    assert_eq!(run(&client, "SELECT count(*) FROM t").await, age);
    assert_eq!(run(&client, "ROLLBACK").await, "");
    assert_eq!(run(&other, "COMMIT").await, age);
    assert_eq!(run(&other, "SELECT x FROM t WHERE id = 1").await, "");
}

#[tokio::test]
async fn values_rows_and_keys_have_their_sizes() {
    let client = connect(&with_schema(&["CREATE TABLE t (id text PRIMARY KEY, a text, b text, c text)"]).await).await;
    let (key, large, column) = ("a".repeat(1_025), "b".repeat(800_000), "c".repeat((1 << 20) + 1));
    for (values, answer) in [
        (format!("'{key}', '', '', ''"), "54000: key size too large"),
        (format!("'1', '{column}', '', ''"), "54000: maximum column size exceeded"),
        (format!("'1', '{large}', '{large}', '{large}'"), "54000: maximum row size exceeded"),
        (format!("'1', '{large}', '{large}', ''"), ""),
    ] {
        assert_eq!(run(&client, &format!("INSERT INTO t VALUES ({values})")).await, answer);
    }
}

#[tokio::test]
async fn a_fork_has_what_is_committed_and_neither_sees_the_others_changes() {
    let cluster =
        with_schema(&["CREATE TABLE t (id int PRIMARY KEY, n int UNIQUE)", "CREATE SEQUENCE s CACHE 1"]).await;
    let client = connect(&cluster).await;
    run(&client, "INSERT INTO t VALUES (1, 10)").await;
    run(&client, "SELECT nextval('s')").await;
    run(&client, "BEGIN; INSERT INTO t VALUES (2, 20)").await;
    let fork = connect(&cluster.fork()).await;
    assert_eq!(run(&fork, "SELECT * FROM t").await, "1,10");
    assert_eq!(run(&fork, "SELECT nextval('s')").await, "2");
    assert_eq!(
        run(&fork, "INSERT INTO t VALUES (3, 10)").await,
        "23505: duplicate key value violates unique constraint \"t_n_key\""
    );
    assert_eq!(run(&fork, "UPDATE t SET n = 11").await, "");
    assert_eq!(run(&client, "COMMIT").await, "");
    assert_eq!(run(&client, "SELECT * FROM t").await, "1,10 2,20");
    assert_eq!(run(&client, "SELECT nextval('s')").await, "2");
    assert_eq!(run(&fork, "SELECT * FROM t").await, "1,11");
}
