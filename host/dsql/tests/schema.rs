//! Changes of the schema, and the system's tables that show it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it panics")]

mod common;

use std::time::Duration;

use common::{cluster, cluster_with, connect, run};

/// Runs statements in one session, and compares their answers.
async fn check(client: &tokio_postgres::Client, statements: &[(&str, &str)]) {
    for (sql, answer) in statements {
        assert_eq!(run(client, sql).await, *answer, "{sql}");
    }
}

#[tokio::test]
async fn tables_are_created_with_their_constraints() {
    let client = connect(&cluster()).await;
    check(
        &client,
        &[
            ("CREATE SCHEMA bank", ""),
            ("CREATE SCHEMA IF NOT EXISTS bank", ""),
            ("CREATE SCHEMA bank", "42P06: schema \"bank\" already exists"),
            ("CREATE TABLE nowhere.t (id int)", "3F000: schema \"nowhere\" does not exist"),
            (
                "CREATE TABLE bank.t (id int PRIMARY KEY, code varchar(4) UNIQUE, n int DEFAULT 5 CHECK (n > 0), \
                 amount numeric, CONSTRAINT both_set UNIQUE (code, n))",
                "",
            ),
            ("CREATE TABLE IF NOT EXISTS bank.t (id int)", ""),
            ("CREATE TABLE bank.t (id int)", "42P07: relation \"t\" already exists"),
            ("SELECT conname FROM pg_constraint ORDER BY conname", "both_set t_code_key t_n_check t_pkey"),
            ("SELECT relname FROM pg_class WHERE relkind = 'i' ORDER BY 1", "both_set t_code_key t_pkey"),
            ("INSERT INTO bank.t (id, code) VALUES (1, 'a') RETURNING n", "5"),
            (
                "INSERT INTO bank.t (id, n) VALUES (2, 0)",
                "23514: new row for relation \"t\" violates check constraint \"t_n_check\"",
            ),
            ("CREATE TABLE a (id int, id int)", "42701: column \"id\" specified more than once"),
            (
                "CREATE TABLE a (id int PRIMARY KEY, b int PRIMARY KEY)",
                "42P16: multiple primary keys for table \"a\" are not allowed",
            ),
            ("CREATE TABLE a (id int, UNIQUE (b))", "42703: column \"b\" named in key does not exist"),
            ("CREATE TABLE a (id serial PRIMARY KEY)", "42704: type \"serial\" does not exist"),
            ("CREATE TABLE a (v money)", "0A000: datatype money not supported"),
            ("CREATE TABLE a (v int[])", "0A000: datatype integer[] not supported"),
            ("DROP SCHEMA bank", "2BP01: cannot drop schema bank because other objects depend on it"),
            ("DROP TABLE bank.t", ""),
            ("DROP TABLE bank.t", "42P01: table \"t\" does not exist"),
            ("DROP TABLE IF EXISTS bank.t", ""),
            ("DROP SCHEMA bank", ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_table_is_altered_as_dsql_does() {
    let client = connect(&cluster()).await;
    let add_constraint = "0A000: unsupported ALTER TABLE ADD CONSTRAINT statement";
    let add_column = "0A000: ALTER TABLE ADD COLUMN with constraint not supported";
    check(
        &client,
        &[
            ("CREATE TABLE t (id int PRIMARY KEY, a int, b int NOT NULL)", ""),
            ("INSERT INTO t VALUES (1, 2, 3)", ""),
            ("ALTER TABLE t ADD COLUMN c text", ""),
            ("SELECT * FROM t", "1,2,3,NULL"),
            ("ALTER TABLE t DROP COLUMN a", ""),
            ("SELECT * FROM t", "1,3,NULL"),
            ("ALTER TABLE t ALTER COLUMN c SET DEFAULT 'x'", ""),
            ("ALTER TABLE t ALTER COLUMN b DROP NOT NULL", ""),
            ("INSERT INTO t (id) VALUES (2) RETURNING *", "2,NULL,x"),
            ("ALTER TABLE t RENAME COLUMN c TO d", ""),
            ("SELECT d FROM t WHERE id = 2", "x"),
            ("ALTER TABLE t RENAME TO u", ""),
            ("SELECT id FROM u WHERE id = 2", "2"),
            ("ALTER TABLE u ADD COLUMN e int DEFAULT 7", add_column),
            ("ALTER TABLE u ADD COLUMN e int NOT NULL DEFAULT 0", add_column),
            ("ALTER TABLE u ADD COLUMN e int UNIQUE", add_column),
            ("ALTER TABLE u ADD COLUMN e money", "0A000: datatype money not supported"),
            ("ALTER TABLE u ADD CONSTRAINT k PRIMARY KEY (b)", add_constraint),
            ("ALTER TABLE u ADD CONSTRAINT k UNIQUE (b)", add_constraint),
            ("ALTER TABLE u ADD CONSTRAINT k CHECK (b IS NOT NULL)", add_constraint),
            ("ALTER TABLE u DROP COLUMN id", "0A000: cannot drop primary key column id"),
            (
                "ALTER TABLE u ALTER COLUMN b TYPE text",
                "0A000: unsupported ALTER TABLE ALTER COLUMN ... SET DATA TYPE statement",
            ),
            ("ALTER TABLE nothing ADD COLUMN c int", "42P01: relation \"nothing\" does not exist"),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_index_is_built_by_a_job() {
    let (cluster, clock) = cluster_with(|options| options.index_build = Duration::from_secs(10));
    let client = connect(&cluster).await;
    let valid =
        "SELECT bool_and(indisvalid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname = 'i'";
    check(
        &client,
        &[
            ("CREATE TABLE t (id int PRIMARY KEY, a int)", ""),
            ("INSERT INTO t VALUES (1, 1), (2, 2)", ""),
            ("CREATE INDEX i ON t (a)", "0A000: unsupported mode. please use CREATE INDEX ASYNC."),
            ("CREATE INDEX ASYNC i ON t (b)", "42703: column \"b\" does not exist"),
            ("CREATE INDEX ASYNC public.i ON t (a)", "42601: syntax error at or near \".\""),
        ],
    )
    .await;
    let job = run(&client, "CREATE UNIQUE INDEX ASYNC i ON t (a)").await;
    assert_eq!(job.len(), 26);
    check(
        &client,
        &[
            ("CREATE UNIQUE INDEX ASYNC IF NOT EXISTS i ON t (a)", ""),
            (valid, "f"),
            ("SELECT status, job_type, object_name FROM sys.jobs", "submitted,INDEX_BUILD,public.i"),
            ("ALTER TABLE t ADD CONSTRAINT i UNIQUE USING INDEX i", "55000: index \"i\" is not valid"),
            ("INSERT INTO t VALUES (3, 3)", ""),
        ],
    )
    .await;
    clock.advance(Duration::from_secs(10));
    // Its end is a change of the catalogue.
    assert!(run(&client, "SELECT 1 FROM t WHERE id = 1").await.contains("(OC001)"));
    check(
        &client,
        &[
            (valid, "t"),
            ("SELECT status FROM sys.jobs", "completed"),
            ("INSERT INTO t VALUES (4, 3)", "23505: duplicate key value violates unique constraint \"i\""),
            ("ALTER TABLE t ADD CONSTRAINT i UNIQUE USING INDEX i", ""),
            ("DROP INDEX i", "2BP01: cannot drop index i because constraint i on table t requires it"),
            ("ALTER TABLE t DROP CONSTRAINT i", ""),
            ("INSERT INTO t VALUES (4, 3)", ""),
        ],
    )
    .await;
    // Now two rows are equal: the next build fails, and leaves an index that is not valid.
    assert_eq!(run(&client, "CREATE UNIQUE INDEX ASYNC i ON t (a)").await.len(), 26);
    clock.advance(Duration::from_secs(10));
    check(
        &client,
        &[
            (valid, "f"),
            (
                "SELECT details FROM sys.jobs WHERE status = 'failed'",
                "could not create unique index \"i\": Key (a)=(3) is duplicated.",
            ),
            ("DROP INDEX i", ""),
            (valid, "NULL"),
        ],
    )
    .await;
}

#[tokio::test]
async fn sequences_need_a_cache_and_have_gaps() {
    let cluster = cluster();
    let client = connect(&cluster).await;
    let cache = "is not supported without an explicit cache size. please define CACHE greater than or equal to 65536 or equal to 1";
    let no_cache = format!("0A000: CREATE SEQUENCE {cache}");
    let no_identity_cache = format!("0A000: identity column {cache}");
    check(
        &client,
        &[
            ("CREATE SEQUENCE s", no_cache.as_str()),
            ("CREATE SEQUENCE s CACHE 10", no_cache.as_str()),
            ("CREATE SEQUENCE s CACHE 65536", ""),
            ("CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)", no_identity_cache.as_str()),
            (
                "CREATE TABLE t (id integer GENERATED BY DEFAULT AS IDENTITY (CACHE 1) PRIMARY KEY)",
                "0A000: datatype integer not supported, identity column type must be bigint",
            ),
            ("CREATE TABLE t (id bigint GENERATED BY DEFAULT AS IDENTITY (CACHE 1) PRIMARY KEY, n int)", ""),
            ("SELECT relname FROM pg_class WHERE relkind = 'S' ORDER BY 1", "s t_id_seq"),
            ("DROP SEQUENCE t_id_seq", "2BP01: cannot drop sequence t_id_seq because column id of table t requires it"),
            ("DROP TABLE t", ""),
            ("SELECT sequencename, cache_size FROM pg_sequences", "s,65536"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_next_number_of_a_sequence_can_be_set() {
    let cluster = cluster();
    let client = connect(&cluster).await;
    check(
        &client,
        &[
            ("CREATE SEQUENCE s CACHE 1", ""),
            ("SELECT setval('s', 41)", "41"),
            ("SELECT nextval('s')", "42"),
            ("SELECT pg_catalog.setval('public.s', 7, false)", "7"),
            ("SELECT last_value FROM pg_sequences", "NULL"),
            ("SELECT nextval('s')", "7"),
            (
                "SELECT setval('s', 0)",
                "22003: setval: value 0 is out of bounds for sequence \"s\" (1..9223372036854775807)",
            ),
            ("SELECT setval('nothing', 1)", "42P01: relation \"nothing\" does not exist"),
        ],
    )
    .await;
}

#[tokio::test]
async fn roles_and_rights_are_kept_as_dsql_keeps_them() {
    let client = connect(&cluster()).await;
    let of_system = "0A000: feature not supported on system entity";
    check(
        &client,
        &[
            ("CREATE TABLE t (id int)", ""),
            ("CREATE ROLE app WITH LOGIN", ""),
            ("CREATE ROLE app WITH LOGIN", "42710: role \"app\" already exists"),
            ("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'app'", "t"),
            ("GRANT SELECT, INSERT ON t TO app", ""),
            ("GRANT SELECT ON t TO unknown", "42704: role \"unknown\" does not exist"),
            ("GRANT SELECT ON nothing TO app", "42P01: relation \"nothing\" does not exist"),
            ("GRANT USAGE ON SCHEMA public TO app", of_system),
            ("REVOKE CREATE ON SCHEMA public FROM PUBLIC", of_system),
            ("GRANT SELECT ON sys.jobs TO app", of_system),
            ("GRANT CONNECT ON DATABASE postgres TO app", "0A000: unsupported object type in GRANT"),
            ("AWS IAM GRANT app TO 'arn:aws:iam::1:role/a'", ""),
            ("SELECT arn FROM sys.iam_pg_role_mappings WHERE pg_role_name = 'app'", "arn:aws:iam::1:role/a"),
            ("AWS IAM REVOKE app FROM 'arn:aws:iam::1:role/a'", ""),
            ("SELECT count(*) FROM sys.iam_pg_role_mappings", "0"),
            ("DROP ROLE app", ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_systems_tables_show_columns_and_defaults() {
    let client = connect(&cluster()).await;
    check(
        &client,
        &[
            ("CREATE SCHEMA bank", ""),
            ("CREATE TABLE bank.t (id int PRIMARY KEY, code varchar(4) DEFAULT 'x', amount numeric)", ""),
            (
                "SELECT n.nspname, r.relname, a.attname, a.atttypmod, a.attnotnull FROM pg_catalog.pg_class r \
                 JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace \
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped \
                 WHERE r.relkind IN ('r', 'p', 'v') ORDER BY r.oid, a.attnum",
                "bank,t,id,-1,t bank,t,code,8,f bank,t,amount,1179658,f",
            ),
            (
                "SELECT attname, pg_catalog.format_type(atttypid, atttypmod) FROM pg_attribute ORDER BY attnum",
                "id,integer code,character varying(4) amount,numeric(18,6)",
            ),
            ("SELECT format_type(1043, NULL), format_type(NULL, -1)", "character varying,NULL"),
            ("SELECT adbin FROM pg_attrdef", "'x'"),
            ("SELECT pg_catalog.pg_get_expr(adbin, adrelid) FROM pg_attrdef", "'x'"),
            ("SELECT indkey FROM pg_index", "{1}"),
            ("SELECT conkey FROM pg_constraint WHERE contype = 'p'", "{1}"),
        ],
    )
    .await;
}

/// The queries of a client that reads all tables, constraints and defaults, for PostgreSQL and for DSQL.
#[tokio::test]
async fn tables_and_constraints_are_found_by_queries_for_postgresql() {
    let client = connect(&cluster()).await;
    check(
        &client,
        &[
            ("CREATE TABLE t (id int PRIMARY KEY, code varchar(4) DEFAULT 'x' UNIQUE, n numeric(5,2) CHECK (n > 0))", ""),
            ("CREATE TABLE nothing ()", ""),
            ("CREATE SEQUENCE s CACHE 1", ""),
            ("SET search_path = pg_catalog; SET TIME ZONE 'UTC'", ""),
            (
                "SELECT n.nspname::text, r.relname::text, a.attname::text, \
                 pg_catalog.format_type(a.atttypid, a.atttypmod) \
                 FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace \
                 LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped \
                 WHERE r.relkind IN ('r', 'p', 'v') ORDER BY r.oid, a.attnum",
                "public,t,id,integer public,t,code,character varying(4) public,t,n,numeric(5,2) public,nothing,NULL,NULL",
            ),
            (
                "SELECT r.relname::text, c.conname::text, a.attname::text \
                 FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class r ON r.oid = c.conrelid \
                 JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace \
                 LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped \
                 AND (a.attnum = ANY (c.conkey) OR 0 = ANY (c.conkey)) \
                 WHERE c.contype <> 'n' \
                 UNION SELECT r.relname::text, i.relname::text, a.attname::text \
                 FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
                 JOIN pg_catalog.pg_class r ON r.oid = x.indrelid \
                 JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace \
                 LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped \
                 AND (a.attnum = ANY (x.indkey) OR EXISTS (SELECT 1 FROM pg_catalog.pg_depend d \
                 WHERE d.classid = 1259 AND d.objid = i.oid AND d.refclassid = 1259 AND d.refobjid = r.oid \
                 AND d.refobjsubid IN (0, a.attnum))) \
                 WHERE x.indisunique ORDER BY 2",
                "t,t_code_key,code t,t_n_check,n t,t_pkey,id",
            ),
            (
                "SELECT r.relname::text, a.attname::text, pg_catalog.pg_get_expr(d.adbin, d.adrelid) \
                 FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_class r ON r.oid = d.adrelid \
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = d.adnum",
                "t,code,'x'",
            ),
            (
                "SELECT a.attname::text, a.attgenerated <> '' FROM pg_class r \
                 JOIN pg_namespace n ON n.oid = r.relnamespace \
                 JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped \
                 WHERE r.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
                 ORDER BY a.attnum",
                "id,f code,f n,f",
            ),
            (
                "SELECT r.relname::text, a.attname::text FROM pg_index i JOIN pg_class r ON r.oid = i.indrelid \
                 JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = ANY (i.indkey) WHERE i.indisprimary",
                "t,id",
            ),
            (
                "SELECT 's', NULL, coalesce(last_value, start_value), last_value IS NOT NULL FROM pg_sequences \
                 WHERE schemaname = 'public' AND sequencename = 's'",
                "s,NULL,1,f",
            ),
            ("SELECT pg_catalog.setval('\"public\".\"s\"', 1, false)", "1"),
        ],
    )
    .await;
}

#[tokio::test]
async fn rows_come_and_go_as_json() {
    let client = connect(&cluster()).await;
    let insert = "INSERT INTO \"public\".\"t\" (\"id\", \"code\", \"n\", \"at\", \"it\", \"bytes\") \
         SELECT (it.value ->> 'id')::integer, (it.value ->> 'code')::character varying(4), \
         (it.value ->> 'n')::numeric(5,2), (it.value ->> 'at')::timestamp with time zone, \
         nullif(it.value -> 'it', 'null'::jsonb)::jsonb, (it.value ->> 'bytes')::bytea \
         FROM jsonb_array_elements($1::text::jsonb) AS it(value)";
    let select = "SELECT 't', (pg_catalog.jsonb_build_object('id', it.\"id\", 'code', it.\"code\", 'n', it.\"n\") || \
         pg_catalog.jsonb_build_object('at', it.\"at\", 'it', it.\"it\", 'bytes', it.\"bytes\"))::text, \
         NULL::bigint, NULL::bool FROM \"public\".\"t\" AS it \
         UNION ALL SELECT 's', NULL, coalesce(last_value, start_value), last_value IS NOT NULL FROM pg_sequences";
    check(
        &client,
        &[
            ("CREATE TABLE t (id int PRIMARY KEY, code varchar(4), n numeric(5,2), at timestamptz, it jsonb, bytes bytea)", ""),
            ("CREATE SEQUENCE s CACHE 1", ""),
        ],
    )
    .await;
    let rows = r#"[{"id":1,"code":"a","n":1.50,"at":"2026-01-01T00:00:00+00:00","it":{"a":[1,null]},"bytes":"\\x00ff"},
        {"id":2,"code":null,"n":null,"at":null,"it":null,"bytes":null}]"#;
    client.batch_execute("SET search_path = pg_catalog").await.unwrap();
    let text = tokio_postgres::types::Type::TEXT;
    client.query_typed(insert, &[(&rows, text)]).await.unwrap();
    let shown = client.query_typed(select, &[]).await.unwrap();
    let shown: Vec<_> = shown
        .iter()
        .map(|row| (row.get::<_, String>(0), row.get::<_, Option<String>>(1), row.get::<_, Option<i64>>(2)))
        .collect();
    let json = |json: &str| ("t".to_owned(), Some(json.to_owned()), None);
    let expected = [
        json(
            r#"{"n": 1.50, "at": "2026-01-01T00:00:00+00:00", "id": 1, "it": {"a": [1, null]}, "code": "a", "bytes": "\\x00ff"}"#,
        ),
        json(r#"{"n": null, "at": null, "id": 2, "it": null, "code": null, "bytes": null}"#),
        ("s".to_owned(), None, Some(1)),
    ];
    assert_eq!(shown, expected);
}
