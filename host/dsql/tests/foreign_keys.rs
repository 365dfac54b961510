//! Foreign keys: what they refuse and change, what excludes what at COMMIT, and how they come and go.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it panics")]

mod common;

use std::time::Duration;

use common::{cluster_with, connect, run, with_schema};
use tokio_postgres::Client;

const PARENT: &str = "CREATE TABLE p (id int PRIMARY KEY, u int UNIQUE, n int)";
const CHILD: &str = "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p, q int REFERENCES p (u))";
const PARENTS: &str = "INSERT INTO p VALUES (1, 10, 0), (2, 20, 0)";
const CHILDREN: &str = "INSERT INTO c VALUES (1, 2, 20)";
const CONFLICT: &str = "40001: change conflicts with another transaction (OC000)";
const MISSING: &str = "23503: insert or update on table \"c\" violates foreign key constraint \"c_p_fkey\"";
const REFERENCED: &str =
    "23503: update or delete on table \"p\" violates foreign key constraint \"c_p_fkey\" on table \"c\"";

/// Runs statements in one session, and compares their answers.
async fn check(client: &Client, statements: &[(&str, &str)]) {
    for (sql, answer) in statements {
        assert_eq!(run(client, sql).await, *answer, "{sql}");
    }
}

/// The answer of the second COMMIT of two transactions that overlap.
async fn overlapped(schema: &[&str], winner: &str, loser: &str) -> String {
    let cluster = with_schema(schema).await;
    let (first, second) = (connect(&cluster).await, connect(&cluster.peer()).await);
    for client in [&first, &second] {
        assert_eq!(run(client, "BEGIN").await, "");
        assert_eq!(run(client, "SELECT count(*) FROM p").await, "2");
    }
    for (client, sql) in [(&first, winner), (&second, loser)] {
        let answer = run(client, sql).await;
        assert!(!answer.contains(':'), "{sql}: {answer}");
    }
    assert_eq!(run(&first, "COMMIT").await, "", "{winner}");
    run(&second, "COMMIT").await
}

#[tokio::test]
async fn a_reference_and_a_change_of_its_key_exclude_each_other_whichever_commits_first() {
    let references = [
        "INSERT INTO c VALUES (2, 1, NULL)",
        "INSERT INTO c VALUES (2, NULL, 10)",
        "UPDATE c SET p = 1 WHERE id = 1",
        "INSERT INTO c VALUES (1, 2, 20) ON CONFLICT (id) DO UPDATE SET q = 10",
    ];
    let changes = [
        ("DELETE FROM p WHERE id = 1", CONFLICT),
        ("UPDATE p SET id = 101 WHERE id = 1", CONFLICT),
        ("UPDATE p SET u = 11 WHERE id = 1", CONFLICT),
        ("SELECT n FROM p WHERE id = 1 FOR UPDATE", CONFLICT),
        ("UPDATE p SET n = 1 WHERE id = 1", ""),
        ("SELECT n FROM p WHERE id = 1 FOR KEY SHARE", ""),
        ("INSERT INTO c VALUES (3, 1, 10)", ""),
        ("DELETE FROM p WHERE id = 1; INSERT INTO p VALUES (1, 10, 1)", CONFLICT),
    ];
    for reference in references {
        for (change, answer) in changes {
            let schema = [PARENT, CHILD, PARENTS, CHILDREN];
            assert_eq!(overlapped(&schema, reference, change).await, answer, "{reference} before {change}");
            assert_eq!(overlapped(&schema, change, reference).await, answer, "{change} before {reference}");
        }
    }
}

#[tokio::test]
async fn a_reference_that_is_put_off_is_locked_at_the_commit() {
    let child = "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p DEFERRABLE INITIALLY DEFERRED)";
    let (reference, delete) = ("INSERT INTO c VALUES (1, 1)", "DELETE FROM p WHERE id = 1");
    assert_eq!(overlapped(&[PARENT, child, PARENTS], reference, delete).await, CONFLICT);
    assert_eq!(overlapped(&[PARENT, child, PARENTS], delete, reference).await, CONFLICT);
}

#[tokio::test]
async fn what_a_foreign_key_changes_conflicts_as_other_changes_do() {
    for (action, update, answer) in [
        ("CASCADE", "UPDATE c SET n = 1 WHERE id = 1", CONFLICT),
        ("SET NULL", "UPDATE c SET n = 1 WHERE id = 1", CONFLICT),
        ("SET NULL", "UPDATE c SET n = 1 WHERE id = 2", ""),
        ("CASCADE", "UPDATE c SET p = 2 WHERE id = 1", CONFLICT),
        ("CASCADE", "INSERT INTO c VALUES (3, 1, 0)", CONFLICT),
        ("CASCADE", "INSERT INTO c VALUES (3, 2, 0)", ""),
    ] {
        let child = format!("CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE {action}, n int)");
        let schema = [PARENT, &child, PARENTS, "INSERT INTO c VALUES (1, 1, 0), (2, 2, 0)"];
        let delete = "DELETE FROM p WHERE id = 1";
        assert_eq!(overlapped(&schema, delete, update).await, answer, "{action} before {update}");
        assert_eq!(overlapped(&schema, update, delete).await, answer, "{update} before {action}");
    }
}

#[tokio::test]
async fn a_reference_is_looked_up_in_the_snapshot() {
    let cluster = with_schema(&[PARENT, CHILD, PARENTS]).await;
    let (first, second) = (connect(&cluster).await, connect(&cluster).await);
    check(&first, &[("BEGIN", ""), ("SELECT count(*) FROM p", "2")]).await;
    check(&second, &[("INSERT INTO p VALUES (3, 30, 0)", ""), ("DELETE FROM p WHERE id = 1", "")]).await;
    // What came since is not there yet. What has gone since is still there, until the commit.
    check(&first, &[("INSERT INTO c VALUES (1, 3, NULL)", MISSING), ("ROLLBACK", "")]).await;
    check(&first, &[("BEGIN", ""), ("SELECT count(*) FROM p", "2"), ("INSERT INTO c VALUES (1, 3, NULL)", "")]).await;
    check(&second, &[("DELETE FROM p WHERE id = 3", "")]).await;
    check(&first, &[("COMMIT", CONFLICT), ("SELECT count(*) FROM c", "0")]).await;
}

#[tokio::test]
async fn rows_that_foreign_keys_change_count_and_so_do_those_that_are_referenced() {
    let (cluster, _) = cluster_with(|options| options.limits.rows = 3);
    let client = connect(&cluster).await;
    let rows = "54000: transaction row limit exceeded";
    check(
        &client,
        &[
            ("CREATE TABLE p (id int PRIMARY KEY)", ""),
            ("CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE)", ""),
            ("INSERT INTO p VALUES (1), (2), (3)", ""),
            // Two rows, and the one that both reference.
            ("INSERT INTO c VALUES (1, 1), (2, 1)", ""),
            ("INSERT INTO c VALUES (3, 2), (4, 3)", rows),
            ("INSERT INTO c VALUES (3, 1), (4, NULL)", ""),
            ("DELETE FROM p WHERE id = 1", rows),
            ("UPDATE p SET id = 4 WHERE id = 1", rows),
            ("DELETE FROM c WHERE id = 3", ""),
            ("DELETE FROM p WHERE id = 1", ""),
            ("SELECT id FROM c", "4"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_violation_has_all_its_fields() {
    let client = connect(&with_schema(&[PARENT, CHILD, PARENTS, CHILDREN]).await).await;
    for (sql, message, detail, constraint) in [
        (
            "INSERT INTO c VALUES (2, 3, NULL)",
            "insert or update on table \"c\" violates foreign key constraint \"c_p_fkey\"",
            "Key (p)=(3) is not present in table \"p\".",
            "c_p_fkey",
        ),
        (
            "UPDATE c SET q = 21",
            "insert or update on table \"c\" violates foreign key constraint \"c_q_fkey\"",
            "Key (q)=(21) is not present in table \"p\".",
            "c_q_fkey",
        ),
        (
            "UPDATE p SET u = 21 WHERE id = 2",
            "update or delete on table \"p\" violates foreign key constraint \"c_q_fkey\" on table \"c\"",
            "Key (u)=(20) is still referenced from table \"c\".",
            "c_q_fkey",
        ),
    ] {
        let error = client.batch_execute(sql).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), "23503");
        assert_eq!((error.message(), error.detail()), (message, Some(detail)), "{sql}");
        let object = (error.schema(), error.table(), error.constraint());
        assert_eq!(object, (Some("public"), Some("c"), Some(constraint)), "{sql}");
    }
}

#[tokio::test]
async fn each_action_does_what_it_says() {
    for (action, after_delete, after_update) in [
        ("NO ACTION", REFERENCED, REFERENCED),
        ("RESTRICT", REFERENCED, REFERENCED),
        ("CASCADE", "", "1,7"),
        ("SET NULL", "1,NULL", "1,NULL"),
        ("SET DEFAULT", "1,2", "1,2"),
    ] {
        let child = format!(
            "CREATE TABLE c (id int PRIMARY KEY, p int DEFAULT 2 REFERENCES p ON DELETE {action} ON UPDATE {action})"
        );
        let client = connect(&with_schema(&[PARENT, &child, PARENTS, "INSERT INTO c VALUES (1, 1)"]).await).await;
        for (sql, after) in [("DELETE FROM p", after_delete), ("UPDATE p SET id = 7", after_update)] {
            let sql = format!("BEGIN; {sql} WHERE id = 1");
            let answer = run(&client, &sql).await;
            let answer = if answer.is_empty() { run(&client, "SELECT * FROM c").await } else { answer };
            assert_eq!(answer, after, "{action}: {sql}");
            run(&client, "ROLLBACK").await;
        }
    }
}

#[tokio::test]
async fn one_change_leads_to_the_next_also_in_the_own_table() {
    let tree = "CREATE TABLE t (id int PRIMARY KEY, up int REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE)";
    let leaf = "CREATE TABLE l (id int PRIMARY KEY, t int NOT NULL REFERENCES t ON DELETE SET NULL)";
    let client = connect(&with_schema(&[tree, leaf]).await).await;
    check(
        &client,
        &[
            ("INSERT INTO t VALUES (3, 2), (2, 1), (1, 1), (9, NULL)", ""),
            ("UPDATE t SET id = 5 WHERE id = 1", ""),
            ("SELECT * FROM t ORDER BY id", "2,5 3,2 5,5 9,NULL"),
            ("INSERT INTO l VALUES (1, 3)", ""),
            // It fails where its changes do, and undoes them all.
            (
                "DELETE FROM t WHERE id = 5",
                "23502: null value in column \"t\" of relation \"l\" violates not-null constraint",
            ),
            ("SELECT count(*) FROM t", "4"),
            ("DELETE FROM l", ""),
            ("DELETE FROM t WHERE id = 5", ""),
            ("SELECT id FROM t", "9"),
        ],
    )
    .await;
}

#[tokio::test]
async fn nulls_are_matched_as_is_said() {
    let parent = "CREATE TABLE p (a int, b int, PRIMARY KEY (a, b))";
    let simple = "CREATE TABLE s (a int, b int, FOREIGN KEY (a, b) REFERENCES p)";
    let full = "CREATE TABLE f (a int, b int, FOREIGN KEY (b, a) REFERENCES p (b, a) MATCH FULL)";
    let client = connect(&with_schema(&[parent, simple, full, "INSERT INTO p VALUES (1, 2)"]).await).await;
    let of_full = "23503: insert or update on table \"f\" violates foreign key constraint \"f_b_a_fkey\"";
    check(
        &client,
        &[
            ("INSERT INTO s VALUES (7, NULL), (NULL, 7), (NULL, NULL), (1, 2)", ""),
            ("INSERT INTO f VALUES (NULL, NULL), (1, 2)", ""),
            ("INSERT INTO f VALUES (1, NULL)", of_full),
            ("INSERT INTO f VALUES (2, 1)", of_full),
        ],
    )
    .await;
}

#[tokio::test]
async fn checks_can_be_put_off_to_the_commit() {
    let child = "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p DEFERRABLE INITIALLY DEFERRED)";
    let other = "CREATE TABLE d (id int PRIMARY KEY, p int REFERENCES p DEFERRABLE, q int REFERENCES p)";
    let client = connect(&with_schema(&[PARENT, child, other]).await).await;
    check(
        &client,
        &[
            ("INSERT INTO c VALUES (1, 1)", MISSING),
            ("BEGIN; INSERT INTO c VALUES (1, 1)", ""),
            ("COMMIT", MISSING),
            ("SELECT count(*) FROM c", "0"),
            ("BEGIN; INSERT INTO c VALUES (1, 1); INSERT INTO p VALUES (1, 10, 0)", ""),
            ("COMMIT", ""),
            ("BEGIN; DELETE FROM p; INSERT INTO p VALUES (1, 10, 0); COMMIT", ""),
            ("BEGIN; DELETE FROM p", ""),
            ("SET CONSTRAINTS c_p_fkey IMMEDIATE", REFERENCED),
            ("ROLLBACK", ""),
            (
                "BEGIN; INSERT INTO d VALUES (1, 7, NULL)",
                "23503: insert or update on table \"d\" violates foreign key constraint \"d_p_fkey\"",
            ),
            ("ROLLBACK", ""),
            ("BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO d VALUES (1, 7, NULL)", ""),
            ("INSERT INTO p VALUES (7, 70, 0); SET CONSTRAINTS public.d_p_fkey IMMEDIATE; COMMIT", ""),
            ("BEGIN; SET CONSTRAINTS d_q_fkey DEFERRED", "42809: constraint \"d_q_fkey\" is not deferrable"),
            ("ROLLBACK", ""),
            ("SET CONSTRAINTS nothing DEFERRED", "42704: constraint \"nothing\" does not exist"),
            ("SET CONSTRAINTS ALL NEVER", "42601: syntax error at or near \"NEVER\""),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_foreign_key_is_added_without_a_look_at_the_rows_and_validated_by_a_job() {
    let (cluster, clock) = cluster_with(|options| options.index_build = Duration::from_secs(10));
    let client = connect(&cluster).await;
    let valid = "SELECT convalidated FROM pg_constraint WHERE conname = 'c_p_fkey'";
    let add_constraint = "0A000: unsupported ALTER TABLE ADD CONSTRAINT statement";
    check(
        &client,
        &[
            (PARENT, ""),
            (PARENTS, ""),
            ("CREATE TABLE c (id int PRIMARY KEY, p int)", ""),
            ("INSERT INTO c VALUES (1, 1), (2, 7)", ""),
            ("ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p", add_constraint),
            (
                "ALTER TABLE c ADD COLUMN q int REFERENCES p",
                "0A000: ALTER TABLE ADD COLUMN with constraint not supported",
            ),
            ("ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p NOT VALID", ""),
            (valid, "f"),
            ("INSERT INTO c VALUES (3, 7)", MISSING),
            ("UPDATE c SET p = 7 WHERE id = 2", ""),
            ("DELETE FROM p WHERE id = 1", REFERENCED),
            (
                "ALTER TABLE c VALIDATE CONSTRAINT c_p_fkey",
                "0A000: unsupported ALTER TABLE VALIDATE CONSTRAINT statement",
            ),
            (
                "ALTER TABLE ASYNC c VALIDATE CONSTRAINT nothing",
                "42704: constraint \"nothing\" of relation \"c\" does not exist",
            ),
            (
                "ALTER TABLE ASYNC c VALIDATE CONSTRAINT c_pkey",
                "42809: constraint \"c_pkey\" of relation \"c\" is not a foreign key or check constraint",
            ),
        ],
    )
    .await;
    let validate = "ALTER TABLE ASYNC c VALIDATE CONSTRAINT c_p_fkey";
    assert_eq!(run(&client, validate).await.len(), 26);
    clock.advance(Duration::from_secs(10));
    check(
        &client,
        &[
            (valid, "f"),
            (
                "SELECT status, object_name, details FROM sys.jobs",
                "failed,public.c,insert or update on table \"c\" violates foreign key constraint \"c_p_fkey\": \
                 Key (p)=(7) is not present in table \"p\".",
            ),
            ("DELETE FROM c WHERE id = 2", ""),
        ],
    )
    .await;
    assert_eq!(run(&client, validate).await.len(), 26);
    check(&client, &[(valid, "f")]).await;
    clock.advance(Duration::from_secs(10));
    assert!(run(&client, "SELECT 1 FROM c WHERE id = 1").await.contains("(OC001)"));
    check(&client, &[(valid, "t")]).await;
}

#[tokio::test]
async fn the_catalogue_shows_foreign_keys() {
    let parent = "CREATE TABLE p (id int PRIMARY KEY, a int, b int, UNIQUE (a, b))";
    let child = "CREATE TABLE c (id int REFERENCES p, x int, y int, CONSTRAINT both_set FOREIGN KEY (y, x) \
                 REFERENCES p (b, a) MATCH FULL ON DELETE SET DEFAULT (y) ON UPDATE CASCADE DEFERRABLE)";
    let client = connect(&with_schema(&[parent, child]).await).await;
    let columns = "SELECT c.conname, r.relname, f.relname, i.relname, confupdtype, confdeltype, confmatchtype, conkey, \
                   confkey, confdelsetcols, condeferrable, condeferred, convalidated FROM pg_constraint c \
                   JOIN pg_class r ON r.oid = conrelid JOIN pg_class f ON f.oid = confrelid \
                   JOIN pg_class i ON i.oid = conindid WHERE contype = 'f' ORDER BY 1";
    let shown = "both_set,c,p,p_a_b_key,c,d,f,{3,2},{3,2},{3},t,f,t c_id_fkey,c,p,p_pkey,a,a,s,{1},{1},NULL,f,f,t";
    check(&client, &[(columns, shown)]).await;
}

#[tokio::test]
async fn what_is_referenced_is_dropped_with_cascade_only() {
    let client = connect(&with_schema(&[PARENT, CHILD, PARENTS]).await).await;
    let error = client.batch_execute("DROP TABLE p").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(
        (error.code().code(), error.message()),
        ("2BP01", "cannot drop table p because other objects depend on it")
    );
    let detail = "constraint c_p_fkey on table c depends on table p\nconstraint c_q_fkey on table c depends on table p";
    assert_eq!(error.detail(), Some(detail));
    assert_eq!(error.hint(), Some("Use DROP ... CASCADE to drop the dependent objects too."));
    let names = "SELECT conname FROM pg_constraint WHERE contype = 'f'";
    check(
        &client,
        &[
            (
                "ALTER TABLE p DROP CONSTRAINT p_u_key",
                "2BP01: cannot drop constraint p_u_key on table p because other objects depend on it",
            ),
            (
                "ALTER TABLE p DROP COLUMN u",
                "2BP01: cannot drop column u of table p because other objects depend on it",
            ),
            ("ALTER TABLE p DROP COLUMN u CASCADE", ""),
            (names, "c_p_fkey"),
            ("ALTER TABLE c DROP COLUMN q", ""),
            ("INSERT INTO c VALUES (1, 9)", MISSING),
            ("ALTER TABLE p RENAME TO parents", ""),
            ("INSERT INTO c VALUES (1, 9)", MISSING),
            ("DROP TABLE parents CASCADE", ""),
            (names, ""),
            ("INSERT INTO c VALUES (1, 9)", ""),
            ("CREATE TABLE p (a int UNIQUE)", ""),
            ("ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p (a) NOT VALID", ""),
            ("ALTER TABLE c ALTER CONSTRAINT c_p_fkey INITIALLY DEFERRED", ""),
            ("SELECT condeferrable, condeferred FROM pg_constraint WHERE conname = 'c_p_fkey'", "t,t"),
            ("DROP TABLE p, c", ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_foreign_key_that_cannot_be_is_refused() {
    let client =
        connect(&with_schema(&[PARENT, "CREATE TABLE k (a int, n numeric UNIQUE, t text UNIQUE)"]).await).await;
    let none = "42830: there is no unique constraint matching given keys for referenced table \"p\"";
    let twice = "42830: foreign key referenced-columns list must not contain duplicates";
    let unknown = |what: &str| format!("0A000: {what} is not supported by this model of Aurora DSQL");
    for (constraint, answer) in [
        ("a int REFERENCES nothing", "42P01: relation \"nothing\" does not exist".to_owned()),
        ("a int REFERENCES k", "42704: there is no primary key for referenced table \"k\"".to_owned()),
        ("a int REFERENCES p (n)", none.to_owned()),
        ("a int, FOREIGN KEY (a) REFERENCES p (id, u)", none.to_owned()),
        ("a int, b int, FOREIGN KEY (a, b) REFERENCES p (id, id)", twice.to_owned()),
        (
            "a int, b int, FOREIGN KEY (a, b) REFERENCES p",
            "42830: number of referencing and referenced columns for foreign key disagree".to_owned(),
        ),
        (
            "a int, FOREIGN KEY (z) REFERENCES p",
            "42703: column \"z\" referenced in foreign key constraint does not exist".to_owned(),
        ),
        (
            "a int, b int, FOREIGN KEY (a) REFERENCES p ON DELETE SET NULL (b)",
            "42P10: column \"b\" referenced in ON DELETE SET action must be part of foreign key".to_owned(),
        ),
        ("a text REFERENCES p", "42804: foreign key constraint \"x_a_fkey\" cannot be implemented".to_owned()),
        (
            "a int CONSTRAINT one REFERENCES p, b int CONSTRAINT one REFERENCES p",
            "42710: constraint \"one\" for relation \"x\" already exists".to_owned(),
        ),
        ("a int REFERENCES p MATCH PARTIAL", "0A000: MATCH PARTIAL not yet implemented".to_owned()),
        (
            "a int REFERENCES p NOT DEFERRABLE INITIALLY DEFERRED",
            "42601: constraint declared INITIALLY DEFERRED must be DEFERRABLE".to_owned(),
        ),
        ("a int REFERENCES p NOT ENFORCED", unknown("a constraint that is NOT ENFORCED")),
        ("a int REFERENCES k (n)", unknown("a foreign key of integer that references numeric")),
        (
            "a int, b int, FOREIGN KEY (a, a) REFERENCES x (a, b), UNIQUE (a, b)",
            unknown("a foreign key that has a column twice"),
        ),
        ("a smallint REFERENCES p, b bigint REFERENCES p (u), c varchar(3) REFERENCES k (t)", String::new()),
    ] {
        assert_eq!(run(&client, &format!("CREATE TABLE x ({constraint})")).await, answer, "{constraint}");
    }
}
