//! The protocol and the states of a session, as tokio-postgres sees them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it panics")]

mod common;

use std::time::Duration;

use common::{cluster, cluster_with, config, connect, failure, run, try_connect, with_schema};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::types::Type;

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, n int)";

#[tokio::test]
async fn a_session_answers() {
    let client = connect(&cluster()).await;
    assert_eq!(run(&client, "SELECT 1").await, "1");
    assert_eq!(run(&client, "SELECT 1; SELECT 2").await, "1 2");
    assert_eq!(run(&client, "").await, "");
    assert_eq!(run(&client, ";;").await, "");
    assert_eq!(run(&client, "SHOW server_version").await, "16.15");
    assert_eq!(run(&client, "SELEKT 1").await, "42601: syntax error at or near \"SELEKT\"");
    assert_eq!(run(&client, "SELECT 1; SELEKT 2").await, "42601: syntax error at or near \"SELEKT\"");
}

#[tokio::test]
async fn values_travel_as_bytes() {
    let client = connect(&with_schema(&[TABLE]).await).await;
    let statement = client.prepare("INSERT INTO t VALUES ($1, $2) RETURNING n").await.unwrap();
    assert_eq!(statement.params(), [Type::INT4, Type::INT4]);
    let row = client.query_one(&statement, &[&1_i32, &Some(5_i32)]).await.unwrap();
    assert_eq!(row.get::<_, Option<i32>>(0), Some(5));
    let row = client.query_one(&statement, &[&2_i32, &None::<i32>]).await.unwrap();
    assert_eq!(row.get::<_, Option<i32>>(0), None);
    let rows = client.query_typed("SELECT id FROM t WHERE n = $1", &[(&5_i32, Type::INT4)]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), [1]);
    assert_eq!(client.execute("DELETE FROM t WHERE id = $1", &[&1_i32]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_statement_without_rows_has_none_described() {
    let client = connect(&with_schema(&[TABLE]).await).await;
    assert!(client.prepare("INSERT INTO t VALUES (1, 1)").await.unwrap().columns().is_empty());
    assert_eq!(client.prepare("SELECT n FROM t").await.unwrap().columns()[0].name(), "n");
}

#[tokio::test]
async fn an_error_of_a_row_has_all_its_fields() {
    let client = connect(&with_schema(&[TABLE]).await).await;
    assert_eq!(run(&client, "INSERT INTO t VALUES (1, 1)").await, "");
    let error = client.batch_execute("INSERT INTO t VALUES (1, 2)").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "23505");
    assert_eq!(error.message(), "duplicate key value violates unique constraint \"t_pkey\"");
    assert_eq!(error.detail(), Some("Key (id)=(1) already exists."));
    assert_eq!((error.schema(), error.table(), error.constraint()), (Some("public"), Some("t"), Some("t_pkey")));
}

#[tokio::test]
async fn a_failed_transaction_runs_nothing_until_its_end() {
    let client = connect(&with_schema(&[TABLE]).await).await;
    let aborted = "25P02: current transaction is aborted, commands ignored until end of transaction block";
    assert_eq!(run(&client, "BEGIN").await, "");
    assert_eq!(run(&client, "INSERT INTO t VALUES (1, 1)").await, "");
    assert!(run(&client, "SELECT 1 / 0").await.starts_with("22012"));
    assert_eq!(run(&client, "SELECT 1").await, aborted);
    assert_eq!(run(&client, "TRUNCATE t").await, aborted);
    assert_eq!(run(&client, "BEGIN").await, aborted);
    assert!(client.prepare("SELECT 1").await.is_err());
    // COMMIT ends it, and says nothing to a client that does not look at its tag.
    assert_eq!(run(&client, "COMMIT").await, "");
    assert_eq!(run(&client, "SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn statements_of_one_text_are_one_transaction() {
    let client = connect(&with_schema(&[TABLE]).await).await;
    assert!(run(&client, "INSERT INTO t VALUES (1, 1); SELECT 1 / 0").await.starts_with("22012"));
    assert_eq!(run(&client, "SELECT count(*) FROM t").await, "0");
    // What an end of a transaction stands between is not.
    assert!(run(&client, "INSERT INTO t VALUES (1, 1); COMMIT; SELECT 1 / 0").await.starts_with("22012"));
    assert_eq!(run(&client, "SELECT count(*) FROM t").await, "1");
    // A transaction that is begun in the text goes on after it.
    assert_eq!(run(&client, "INSERT INTO t VALUES (2, 2); BEGIN; INSERT INTO t VALUES (3, 3)").await, "");
    assert_eq!(run(&client, "ROLLBACK").await, "");
    assert_eq!(run(&client, "SELECT count(*) FROM t").await, "1");
}

#[tokio::test]
async fn only_repeatable_read_begins() {
    let client = connect(&cluster()).await;
    for (sql, answer) in [
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", ""),
        ("COMMIT", ""),
        ("START TRANSACTION READ ONLY", ""),
        ("SHOW transaction_read_only", "on"),
        ("ROLLBACK", ""),
        ("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE", ""),
        ("END", ""),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "0A000: Unsupported isolation level: SERIALIZABLE"),
        ("START TRANSACTION ISOLATION LEVEL READ COMMITTED", "0A000: Unsupported isolation level: READ COMMITTED"),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "0A000: Unsupported isolation level: SERIALIZABLE"),
        (
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "0A000: setting configuration parameter \"TRANSACTION\" not supported",
        ),
        ("BEGIN DEFERRABLE", "0A000: DEFERRABLE transactions are not supported"),
        ("SAVEPOINT a", "0A000: unsupported transaction statement: SAVEPOINT"),
        ("ROLLBACK TO SAVEPOINT a", "0A000: unsupported transaction statement: ROLLBACK TO"),
        ("SELECT 1", "1"),
    ] {
        assert_eq!(run(&client, sql).await, answer, "{sql}");
    }
}

#[tokio::test]
async fn a_read_only_transaction_writes_nothing() {
    let client = connect(&with_schema(&[TABLE]).await).await;
    for (sql, command) in [
        ("INSERT INTO t VALUES (1, 1)", "INSERT"),
        ("UPDATE t SET n = 1", "UPDATE"),
        ("DELETE FROM t", "DELETE"),
        ("SELECT * FROM t FOR UPDATE", "SELECT FOR UPDATE"),
        ("CREATE TABLE u (id int)", "CREATE TABLE"),
    ] {
        assert_eq!(run(&client, "BEGIN READ ONLY").await, "");
        let refused = format!("25006: cannot execute {command} in a read-only transaction");
        assert_eq!(run(&client, sql).await, refused);
        assert_eq!(run(&client, "ROLLBACK").await, "");
    }
}

#[tokio::test]
async fn parameters_are_those_of_dsql_and_follow_the_transaction() {
    let client = connect(&cluster()).await;
    let refused = |name| format!("0A000: setting configuration parameter \"{name}\" not supported");
    for (sql, answer) in [
        ("SET statement_timeout = 0", refused("statement_timeout")),
        ("SET SESSION lock_timeout TO '1s'", refused("lock_timeout")),
        ("SET default_transaction_isolation = 'repeatable read'", refused("default_transaction_isolation")),
        ("SET enable_hashjoin TO off", String::new()),
        ("SHOW enable_hashjoin", "off".to_owned()),
        ("SET dsql.enable_batched_nestloop = on", String::new()),
        ("SHOW lc_collate", "42704: unrecognized configuration parameter \"lc_collate\"".to_owned()),
        ("SET search_path = pg_catalog", String::new()),
        ("SHOW search_path", "pg_catalog".to_owned()),
        ("RESET search_path", String::new()),
        ("SHOW search_path", "\"$user\", public".to_owned()),
        ("SET TIME ZONE 'UTC'", String::new()),
        ("SHOW timezone", "UTC".to_owned()),
        ("BEGIN", String::new()),
        ("SET application_name = 'a'", String::new()),
        ("SHOW application_name", "a".to_owned()),
        ("ROLLBACK", String::new()),
        ("SHOW application_name", String::new()),
        ("BEGIN", String::new()),
        ("SET LOCAL application_name = 'b'", String::new()),
        ("SHOW application_name", "b".to_owned()),
        ("COMMIT", String::new()),
        ("SHOW application_name", String::new()),
        ("DEALLOCATE ALL", String::new()),
        ("RESET ALL", String::new()),
    ] {
        assert_eq!(run(&client, sql).await, answer, "{sql}");
    }
}

#[tokio::test]
async fn what_dsql_does_not_run_is_refused_in_its_words() {
    let client = connect(&with_schema(&[TABLE]).await).await;
    for (sql, refusal) in [
        ("TRUNCATE t", "unsupported statement: Truncate"),
        ("CREATE EXTENSION IF NOT EXISTS pgcrypto", "unsupported statement: CreateExtension"),
        ("CREATE TRIGGER a AFTER INSERT ON t EXECUTE FUNCTION f()", "CREATE TRIGGER not supported"),
        ("CREATE DATABASE a", "unsupported statement: Createdb"),
        ("CREATE TEMPORARY TABLE a (id int)", "TEMPORARY or TEMP table not supported for CREATE TABLE"),
        ("CREATE UNLOGGED TABLE a (id int)", "UNLOGGED table not supported for CREATE TABLE"),
        ("CREATE MATERIALIZED VIEW a AS SELECT 1 AS x", "unsupported statement: CreateTableAs"),
        ("CREATE TABLE a AS SELECT 1 AS x", "unsupported statement: CreateTableAs"),
        ("CREATE TYPE a AS ENUM ('a')", "CREATE TYPE not supported"),
        ("CREATE TYPE a AS (a int, b int)", "unsupported statement: CompositeType"),
        ("ALTER TYPE a ADD VALUE 'b'", "ALTER TYPE not supported"),
        ("ALTER TYPE a RENAME TO b", "unsupported object in RENAME statement"),
        ("DROP TYPE IF EXISTS a", "unsupported object in DROP statement"),
        ("CREATE TABLESPACE a LOCATION '/tmp/a'", "unsupported statement: CreateTableSpace"),
        ("VACUUM t", "unsupported VACUUM statement"),
        ("LISTEN a", "unsupported statement: Listen"),
        ("NOTIFY a", "unsupported statement: Notify"),
        ("UNLISTEN a", "unsupported statement: Unlisten"),
        ("ALTER SYSTEM SET work_mem = '4MB'", "unsupported statement: AlterSystem"),
        (
            "CREATE FUNCTION a() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$",
            "CREATE FUNCTION with language plpgsql not supported",
        ),
    ] {
        assert_eq!(run(&client, sql).await, format!("0A000: {refusal}"), "{sql}");
    }
}

#[tokio::test]
async fn a_pipeline_of_a_whole_transaction_is_answered_in_order() {
    let client = connect(&with_schema(&[TABLE]).await).await;
    // As the host's database room sends it: one Sync each, and none waits for another's answer.
    let insert =
        client.query_typed("INSERT INTO t VALUES ($1, $2) RETURNING id", &[(&1_i32, Type::INT4), (&2_i32, Type::INT4)]);
    let (begin, look_up, insert, commit) = tokio::join!(
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ"),
        client.query_typed("SELECT n FROM t WHERE id = $1", &[(&1_i32, Type::INT4)]),
        insert,
        client.batch_execute("COMMIT"),
    );
    begin.unwrap();
    assert!(look_up.unwrap().is_empty());
    assert_eq!(insert.unwrap()[0].get::<_, i32>(0), 1);
    commit.unwrap();
    assert_eq!(run(&client, "SELECT * FROM t").await, "1,2");

    // A statement that fails takes those behind it along; COMMIT then answers without an error.
    let (begin, first, second, commit) = tokio::join!(
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ"),
        client.query_typed("INSERT INTO t VALUES (1, 3)", &[]),
        client.query_typed("INSERT INTO t VALUES (2, 3)", &[]),
        client.batch_execute("COMMIT"),
    );
    begin.unwrap();
    assert!(failure(&first.unwrap_err()).starts_with("23505"));
    assert!(failure(&second.unwrap_err()).starts_with("25P02"));
    commit.unwrap();
    assert_eq!(run(&client, "SELECT * FROM t").await, "1,2");
}

#[tokio::test]
async fn a_portal_gives_its_rows_in_parts() {
    let mut client = connect(&with_schema(&[TABLE]).await).await;
    assert_eq!(run(&client, "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)").await, "");
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT id FROM t ORDER BY id", &[]).await.unwrap();
    let mut counts = Vec::new();
    for _ in 0..3 {
        counts.push(transaction.query_portal(&portal, 2).await.unwrap().len());
    }
    assert_eq!(counts, [2, 1, 0]);
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_changed_result_type_ends_a_prepared_statement() {
    let cluster = with_schema(&[TABLE]).await;
    let client = connect(&cluster).await;
    let all = client.prepare("SELECT * FROM t").await.unwrap();
    let some = client.prepare("SELECT id FROM t").await.unwrap();
    client.batch_execute("ALTER TABLE t ADD COLUMN m text").await.unwrap();
    let error = client.query(&all, &[]).await.unwrap_err();
    assert_eq!(failure(&error), "0A000: cached plan must not change result type");
    assert!(client.query(&some, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn names_of_statements_and_portals_are_kept_apart() {
    let (mut near, far) = tokio::io::duplex(1 << 16);
    let cluster = cluster();
    tokio::spawn(async move { cluster.serve(far).await });
    // Encryption is declined; the password is asked for.
    near.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
    assert_eq!(near.read_u8().await.unwrap(), b'N');
    near.write_all(b"\0\0\0\x14\0\x03\0\0user\0admin\0\0").await.unwrap();
    assert_eq!(kinds(&mut near, b'R').await, "R");
    near.write_all(b"p\0\0\0\x09pass\0").await.unwrap();
    assert_eq!(kinds(&mut near, b'Z').await.replace('S', ""), "RKZ");

    let parse = b"P\0\0\0\x11s\0SELECT 1\0\0\0".as_slice();
    let sync = b"S\0\0\0\x04".as_slice();
    // The second Parse of the name fails, and all up to Sync is dropped.
    near.write_all(&[parse, parse, parse, sync].concat()).await.unwrap();
    assert_eq!(kinds(&mut near, b'Z').await, "1EZ");
    // Bind, Describe, Execute, twice: the second finds the end. Close is answered always.
    let bind = b"B\0\0\0\x0ec\0s\0\0\0\0\0\0\0".as_slice();
    let describe = b"D\0\0\0\x07Pc\0".as_slice();
    let execute = b"E\0\0\0\x0ac\0\0\0\0\0".as_slice();
    let close = b"C\0\0\0\x07Pc\0".as_slice();
    near.write_all(&[bind, describe, execute, execute, close, close, sync].concat()).await.unwrap();
    assert_eq!(kinds(&mut near, b'Z').await, "2TDCC33Z");
    // Flush brings the answers out without an end.
    near.write_all(&[bind, b"H\0\0\0\x04"].concat()).await.unwrap();
    assert_eq!(kinds(&mut near, b'2').await, "2");
    // A portal ends with its transaction.
    near.write_all(&[sync, execute, sync].concat()).await.unwrap();
    assert_eq!(kinds(&mut near, b'Z').await, "Z");
    assert_eq!(kinds(&mut near, b'Z').await, "EZ");
    // Messages of a simple query in between do not matter.
    near.write_all(b"Q\0\0\0\x05\0").await.unwrap();
    assert_eq!(kinds(&mut near, b'Z').await, "IZ");
    near.write_all(b"X\0\0\0\x04").await.unwrap();
    assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
}

/// Reads messages up to one of this type, and returns the types of all.
async fn kinds(stream: &mut tokio::io::DuplexStream, last: u8) -> String {
    let mut kinds = String::new();
    loop {
        let kind = stream.read_u8().await.unwrap();
        let length = usize::try_from(stream.read_u32().await.unwrap()).unwrap();
        stream.read_exact(&mut vec![0; length - 4]).await.unwrap();
        kinds.push(char::from(kind));
        if kind == last {
            return kinds;
        }
    }
}

#[tokio::test]
async fn a_message_is_at_most_as_long_as_dsql_takes_it() {
    let client = connect(&cluster()).await;
    let text = format!("SELECT length('{}')", "a".repeat(10 << 20));
    let error = client.batch_execute(&text).await.unwrap_err();
    assert_eq!(failure(&error), "08P01: invalid message length");
    assert!(client.is_closed());
}

#[tokio::test]
async fn connections_have_a_rate_and_a_number() {
    let (cluster, clock) = cluster_with(|options| {
        options.limits.connection_burst = 2;
        options.limits.connection_rate = 1;
        options.limits.connections = 2;
    });
    let too_fast = "53400: Unable to accept connection, rate exceeded.";
    let too_many = "53300: Unable to accept connection, too many open connections.";
    let first = connect(&cluster).await;
    let _second = connect(&cluster).await;
    let refused = |error: tokio_postgres::Error| failure(&error);
    assert_eq!(refused(try_connect(&cluster, &config()).await.unwrap_err()), too_fast);
    clock.advance(Duration::from_secs(1));
    assert_eq!(refused(try_connect(&cluster, &config()).await.unwrap_err()), too_many);
    drop(first);
    clock.advance(Duration::from_secs(1));
    tokio::task::yield_now().await;
    connect(&cluster).await;
    // The other region's endpoint counts its own.
    connect(&cluster.peer()).await;
}

#[tokio::test]
async fn a_session_ends_at_its_age_but_its_transaction_may_end_first() {
    let (cluster, clock) = cluster_with(|options| options.limits.session_age = Duration::from_secs(3_600));
    let idle = connect(&cluster).await;
    let busy = connect(&cluster).await;
    clock.advance(Duration::from_secs(3_599));
    assert_eq!(run(&idle, "SELECT 1").await, "1");
    assert_eq!(run(&busy, "BEGIN").await, "");
    clock.advance(Duration::from_secs(2));
    assert!(idle.batch_execute("SELECT 1").await.unwrap_err().is_closed());
    assert_eq!(run(&busy, "SELECT 1").await, "1");
    assert_eq!(run(&busy, "COMMIT").await, "");
    assert!(busy.batch_execute("SELECT 1").await.unwrap_err().is_closed());
}

#[tokio::test]
async fn a_role_signs_in_if_it_is_there_and_its_password_is_taken() {
    let (cluster, _) = cluster_with(|options| {
        options.sign_in = Some(std::sync::Arc::new(|_, password| password == "token"));
    });
    let denied = "28000: unable to accept connection, access denied";
    for (change, answer) in [
        (
            (|config| {
                config.user("unknown");
            }) as fn(&mut tokio_postgres::Config),
            denied,
        ),
        (
            |config| {
                config.password("other");
            },
            denied,
        ),
        (
            |config| {
                config.dbname("other");
            },
            "3D000: database \"other\" does not exist",
        ),
        (
            |config| {
                config.options("-c statement_timeout=1");
            },
            "0A000: setting configuration parameter \"options\" not supported",
        ),
    ] {
        let mut config = config();
        change(&mut config);
        assert_eq!(failure(&try_connect(&cluster, &config).await.unwrap_err()), answer);
    }
    connect(&cluster).await.batch_execute("CREATE ROLE app WITH LOGIN").await.unwrap();
    try_connect(&cluster, config().user("app")).await.unwrap();
}
