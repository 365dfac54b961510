//! What the names in statements refer to, for the policy and for PostgreSQL.

use std::collections::BTreeSet;

use tenet_core::{Catalog, Columns, Grants, TableGrant};
use tenet_database::{Endpoint, Inventory};
use tenet_policy::{Uses, canonical, check, privileges};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::database::empty_database;

/// Tables, columns and constraints that share their names.
const SCHEMA: &str = "
    CREATE TABLE a (a int PRIMARY KEY, b int, c text, secret text);
    CREATE TABLE b (a int, b bigint, x text, secret text);
    CREATE TABLE p (id int PRIMARY KEY, v text);
    CREATE TABLE q (id bigint, v text, w int);
    CREATE TABLE r (w int, id int);
    CREATE UNIQUE INDEX w ON q (w) WHERE id > 40;
    INSERT INTO a VALUES (1, 4, 'x', 's'), (2, 3, 'y', 's'), (3, 3, 'x', 's');
    INSERT INTO b VALUES (1, 10, 'x', 's'), (2, 20, 'y', 's'), (4, 40, 'z', 's');
    INSERT INTO p VALUES (1, 'a'), (2, 'b'), (3, 'c');
    INSERT INTO q VALUES (1, 'a', 5), (2, 'x', 6), (4, 'c', 7);
    INSERT INTO r VALUES (5, 1), (6, 3), (8, 4);
";

/// A column name that is never granted.
const SECRET: &str = "secret";

/// Statements in which a name could refer to more than one thing.
const STATEMENTS: &[&str] = &[
    "SELECT a FROM a ORDER BY 1",
    "SELECT a.a, b FROM a ORDER BY a.a",
    "SELECT b.a, a.b FROM a, b ORDER BY 1, 2",
    "SELECT a AS b, b AS a FROM a ORDER BY a, b",
    "SELECT a AS b, b AS a FROM a ORDER BY a + 1, b",
    "SELECT -a AS a FROM a ORDER BY a",
    "SELECT -a AS a FROM a ORDER BY -a",
    "SELECT -a AS a FROM a ORDER BY a.a",
    "SELECT count(*) AS b, a FROM a GROUP BY a ORDER BY b, a",
    "SELECT count(*) AS n, b % 2 AS m FROM a GROUP BY m ORDER BY n, m",
    "SELECT sum(a) AS b, b AS n FROM a GROUP BY b ORDER BY 2",
    "SELECT lower(c) AS k, count(*) FROM a GROUP BY k HAVING count(*) > 0 ORDER BY k",
    "SELECT DISTINCT ON (a) b AS a, a AS z FROM a ORDER BY a, z",
    "SELECT DISTINCT ON (a.a) b AS a FROM a ORDER BY a.a, b",
    "SELECT a % 2 AS b FROM a GROUP BY b, a ORDER BY 1",
    "SELECT count(*) AS n, a % 2 AS k FROM a GROUP BY (k, b) ORDER BY n, k",
    "SELECT (SELECT sum(a.a) % 7 AS b FROM a GROUP BY (a.c) ORDER BY b LIMIT 1) FROM b ORDER BY 1",
    "SELECT (SELECT max(k) FROM (SELECT a.a AS x FROM a GROUP BY x) s(k)) FROM b ORDER BY 1",
    "SELECT (SELECT max(x) FROM b WHERE a = a.a) FROM a ORDER BY 1",
    "SELECT (SELECT max(b.b) FROM b WHERE b.a = a.a AND c = 'x') FROM a ORDER BY 1",
    "SELECT (SELECT max(b) FROM b) FROM a ORDER BY 1",
    "SELECT a.a FROM a WHERE EXISTS (SELECT 1 FROM b WHERE a = a.a) ORDER BY 1",
    "SELECT a FROM b a ORDER BY a",
    "SELECT a.b FROM b a ORDER BY b",
    "SELECT b.b FROM a b, b a ORDER BY b.b, a.b",
    "SELECT t.a FROM (SELECT a, b AS c FROM a) t ORDER BY c, a",
    "SELECT * FROM (SELECT a, b AS c FROM a) t(x) ORDER BY c, 1",
    "SELECT c FROM (SELECT a, b AS c FROM a) t(x) ORDER BY x",
    "SELECT * FROM p JOIN q USING (id) ORDER BY id, w",
    "SELECT * FROM p JOIN q USING (v) ORDER BY v, w",
    "SELECT * FROM p LEFT JOIN q USING (id, v) JOIN r USING (id) ORDER BY id, q.w, r.w",
    "SELECT id, p.id, q.id FROM p FULL JOIN q USING (id) ORDER BY 1, w",
    "SELECT * FROM p RIGHT JOIN (q JOIN r USING (w)) USING (v) ORDER BY w",
    "SELECT p.*, q.*, * FROM p RIGHT JOIN q USING (id) ORDER BY q.w",
    "SELECT id FROM p JOIN q USING (id) GROUP BY id ORDER BY id DESC",
    "SELECT id + 1 AS id FROM p JOIN q USING (id) GROUP BY id ORDER BY id DESC",
    "SELECT x.w FROM p, LATERAL (SELECT w FROM q WHERE q.id = p.id) x ORDER BY w",
    "SELECT * FROM p, LATERAL (SELECT v AS w, p.id + 1 AS next) s ORDER BY 1, 2",
    "SELECT * FROM p, q x, LATERAL (SELECT w + p.id AS v) s ORDER BY w, s.v",
    "SELECT g FROM p, generate_series(1, id) g ORDER BY g",
    "SELECT g, ordinality FROM generate_series(5, 7) WITH ORDINALITY g",
    "SELECT v.v, o FROM generate_series(5, 7) WITH ORDINALITY AS v(v, o)",
    "SELECT generate_series FROM generate_series(1, 2)",
    "SELECT * FROM generate_series(1, 2) AS x, p ORDER BY 1, 2",
    "SELECT s.*, p.v FROM p JOIN LATERAL (SELECT p.id AS id, w FROM q WHERE q.id = p.id) s ON true ORDER BY 1, 2",
    "WITH p AS (SELECT w AS id FROM q) SELECT id FROM p ORDER BY id",
    "WITH p(z) AS (SELECT id FROM p) SELECT z FROM p ORDER BY z",
    "WITH p AS (SELECT 1 AS w), z AS (SELECT * FROM p) SELECT * FROM z, public.p ORDER BY id",
    "WITH RECURSIVE n AS (SELECT 1 AS i, v FROM p UNION ALL SELECT i + 1, v FROM n WHERE i < 3) SELECT * FROM n ORDER BY i, v",
    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n",
    "WITH RECURSIVE n AS (SELECT * FROM p UNION SELECT id, v FROM n) SELECT v FROM n ORDER BY id",
    "WITH RECURSIVE n AS ((SELECT 1 AS i UNION SELECT i + 1 FROM n WHERE i < 3)) SELECT i FROM n",
    "WITH x AS (SELECT * FROM p), y AS (SELECT id AS v, v AS id FROM x) SELECT v, id FROM y ORDER BY v",
    "SELECT id FROM p UNION SELECT w FROM q ORDER BY id",
    "(SELECT id AS w FROM p) UNION ALL (SELECT w FROM r) ORDER BY w DESC",
    "(SELECT id AS n, v FROM p) ORDER BY n DESC LIMIT 1",
    "VALUES (2, 'b'), (1, 'a') ORDER BY column1",
    "VALUES (2, 'b'), (1, 'a') ORDER BY column1 + 1 DESC, column2",
    "SELECT * FROM (VALUES (1, 2)) v(a)",
    "SELECT column1, v.column2 FROM (VALUES (1, 2), (3, 4)) v ORDER BY 1",
    "SELECT id::text, 1::int, (id + 1)::numeric, true, true::boolean, CAST(v AS varchar(3)), 'x', NULL::text, date '2020-01-01', interval '1' day, -1::int, 1::float(3), 1::double precision, 'x'::character varying, timestamp with time zone '2020-01-01', '10:00'::time with time zone, '{1}'::int[] FROM p ORDER BY id",
    "SELECT coalesce(v, 'x'), nullif(id, 1), greatest(id, 2), least(id), CASE WHEN true THEN 1 ELSE id END, CASE WHEN true THEN 1 END, CASE WHEN true THEN 1 ELSE 2::int END, ARRAY[id], ARRAY(SELECT id FROM p ORDER BY id), EXISTS (SELECT 1), (SELECT max(w) FROM q), (SELECT 1), (SELECT 1)::text, (VALUES (1)), (SELECT 2::int)::text FROM p ORDER BY id",
    "SELECT trim(v), trim(LEADING FROM v), trim(TRAILING 'x' FROM v), extract(year FROM date '2020-01-01'), position('a' IN v), substring(v FROM 1), overlay(v PLACING 'x' FROM 1), upper(v), count(*) OVER (), row_number() OVER (ORDER BY id), timestamptz '2020-01-01' AT TIME ZONE 'UTC' IS NULL, timestamp '2020-01-01' AT TIME ZONE 'UTC', timestamp '2020-01-01' AT TIME ZONE 'UTC' AT TIME ZONE 'UTC'::text, date '2020-01-02' IS NULL, id IN (1), v LIKE 'a%', NOT true, - id, (date '2020-01-01', date '2020-01-02') OVERLAPS (date '2020-01-01', date '2020-01-02') FROM p ORDER BY id",
    "SELECT (array_agg(id ORDER BY id))[1], (array_agg(v ORDER BY id))[1]::text, (ARRAY[1, 2])[1], ARRAY[1, 2] FROM p",
    "SELECT s.\"?column?\", s.\"case\" FROM (SELECT 1, CASE WHEN true THEN 2 END) s",
    "SELECT s.btrim FROM (SELECT trim(v) FROM p) s ORDER BY 1",
    "SELECT s.lower, s.int4 FROM (SELECT lower(v), 5::int FROM p) s ORDER BY 1",
    "SELECT s.timezone IS NULL FROM (SELECT timestamptz '2020-01-01' AT TIME ZONE 'UTC') s",
    "SELECT max FROM (SELECT (SELECT max(id) FROM p)) s",
    "SELECT rank() OVER w FROM p WINDOW w AS (ORDER BY id) ORDER BY 1",
    "SELECT id AS v, rank() OVER (ORDER BY v) FROM p ORDER BY 1",
    "SELECT -id AS v, rank() OVER w FROM p WINDOW w AS (ORDER BY v) ORDER BY 1",
    "SELECT string_agg(v, ',' ORDER BY v) AS v FROM p",
    "SELECT id FROM p WHERE id IN (SELECT id FROM q) ORDER BY id",
    "SELECT id FROM p WHERE v = (SELECT max(v) FROM q WHERE q.id = p.id) ORDER BY id",
    "SELECT id FROM p WHERE EXISTS (SELECT 1 FROM r WHERE v = 'a' AND w > 0) ORDER BY id",
    "SELECT id FROM p x WHERE id = (SELECT min(id) FROM p)",
    "SELECT x.id FROM p x, q p WHERE p.id = x.id ORDER BY 1",
    "SELECT p.w FROM p x, q p WHERE x.v = 'a' ORDER BY w",
    "SELECT x FROM (SELECT id AS x FROM p) x ORDER BY x",
    "SELECT v FROM p v ORDER BY v",
    "SELECT id FROM p v WHERE v = 'a'",
    "SELECT (SELECT id) FROM p ORDER BY 1",
    "SELECT (SELECT max(p.id) FROM q p) FROM p ORDER BY id",
    "SELECT (SELECT max(w) FROM q WHERE v = p.v) FROM p ORDER BY 1, p.v",
    "SELECT id FROM p ORDER BY (SELECT max(w) FROM q WHERE q.id = p.id) NULLS FIRST, id",
    "SELECT id AS w FROM p ORDER BY (SELECT max(w) FROM q WHERE q.id = p.id) NULLS LAST, 1",
    "SELECT p.id FROM p JOIN q ON p.id = q.id AND q.w > 0 JOIN r ON r.w = q.w ORDER BY 1",
    "SELECT p.id FROM p LEFT JOIN (q JOIN r ON q.w = r.w) ON p.id = q.id ORDER BY 1",
    "SELECT p.id, id + 1 FROM p JOIN q USING (id) JOIN (SELECT w AS z FROM r) r ON id > 0 AND z > w ORDER BY 1, z",
    "SELECT id FROM p ORDER BY id LIMIT (SELECT max(w) - 5 FROM q)",
    "SELECT id FROM p ORDER BY id FOR UPDATE",
    "SELECT p.id FROM p JOIN q ON true ORDER BY p.id, w FOR UPDATE OF p",
    "SELECT key, value FROM jsonb_each('{\"a\": 1}')",
    "SELECT jsonb_each.key FROM jsonb_each('{\"a\": 1}')",
    "SELECT e.value, k.k FROM jsonb_array_elements('[1]') AS e, jsonb_object_keys('{\"z\": 1}') AS k",
    "SELECT coalesce FROM coalesce(1, 2)",
    "SELECT unnest FROM unnest(ARRAY[2, 1]) ORDER BY unnest",
    "SELECT u FROM unnest(ARRAY[1, 2]) u(u) ORDER BY 1",
    "SELECT a.id, b.id FROM (SELECT id FROM p) a FULL JOIN (SELECT id FROM q) b ON a.id = b.id ORDER BY 1, 2",
    "SELECT sum(id) AS id FROM p HAVING sum(id) > 0 ORDER BY id",
    "SELECT id % 2 AS id, count(*) FROM p GROUP BY id ORDER BY 1, 2",
    "SELECT id, 'today' AS v FROM p WHERE v <> 'now' ORDER BY id",
    "SELECT id FROM p WHERE v IN ('now', 'today', 'a') OR v LIKE ' Tomorrow%'",
    "SELECT 'yesterday', coalesce(NULL, 'now'), 'today' || v, E'n\\157w', $$now$$ FROM p ORDER BY id",
    "SELECT CASE WHEN v = 'now' THEN 'today' ELSE 'tomorrow' END FROM p ORDER BY 1",
    "SELECT 'now' AS x UNION SELECT v FROM p ORDER BY 1",
    "SELECT '{now,today}'::text[], ARRAY['now', v], '{\"at\": \"now\"}'::jsonb->>'at', 'now'::varchar(2) FROM p ORDER BY id",
    "SELECT to_char(timestamp '2026-01-31 10:00', 'today'), 'epoch'::timestamptz = '1970-01-01 00:00+00' FROM p",
    "INSERT INTO p VALUES (9, 'now') RETURNING *",
    "INSERT INTO p VALUES (9, 'z') RETURNING *",
    "INSERT INTO p VALUES (9) RETURNING id, v",
    "INSERT INTO p SELECT w FROM q RETURNING p.id",
    "INSERT INTO p AS t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING t.v",
    "INSERT INTO p AS t VALUES (1, 'n') ON CONFLICT (id) DO UPDATE SET v = excluded.v WHERE t.v <> excluded.v RETURNING *",
    "INSERT INTO p VALUES (1, 'n') ON CONFLICT ON CONSTRAINT p_pkey DO UPDATE SET v = excluded.v RETURNING v",
    "INSERT INTO p (v, id) SELECT v, id + 100 FROM p RETURNING id, (SELECT max(w) FROM q WHERE q.v = p.v)",
    "INSERT INTO q VALUES (50, 'p', 1) ON CONFLICT (w) WHERE id > 40 DO NOTHING RETURNING id",
    "INSERT INTO q AS x VALUES (50, 'p', 1) ON CONFLICT (w) WHERE x.id > 40 DO UPDATE SET w = x.id RETURNING x.w",
    "UPDATE p SET v = v || 'x' RETURNING *",
    "UPDATE p SET v = q.v FROM q WHERE q.id = p.id RETURNING *",
    "UPDATE p x SET v = w::text FROM q WHERE q.id = x.id RETURNING x.*, w",
    "UPDATE p SET (id, v) = (SELECT p.id + 100, max(v) FROM q) RETURNING id, v",
    "DELETE FROM p USING q WHERE q.id = p.id RETURNING p.*, w",
    "DELETE FROM p WHERE id = 1 RETURNING id AS v, v AS id",
    "WITH gone AS (DELETE FROM p RETURNING *) SELECT v, id FROM gone ORDER BY id",
    "WITH n AS (INSERT INTO p VALUES (77, 'q') RETURNING id AS w) SELECT w FROM n",
    "WITH p AS (SELECT 1 AS v) UPDATE p SET v = 'x' RETURNING v",
];

/// Statements that PostgreSQL refuses, because a name refers to nothing or is ambiguous.
const REFUSED: &[&str] = &[
    "SELECT id FROM p, q",
    "SELECT v FROM p JOIN q ON true",
    "SELECT s.a FROM (SELECT 1 AS a, 2 AS a) s",
    "SELECT a FROM (SELECT 1 AS a, 2 AS a) s",
    "SELECT nope FROM p",
    "SELECT p.nope FROM p",
    "SELECT id FROM p GROUP BY nope",
    "SELECT id FROM p ORDER BY nope",
    "SELECT id AS k FROM p ORDER BY k + 1",
    "SELECT id AS k FROM p WHERE k = 1",
    "SELECT id, -id AS k, id + 1 AS k FROM p GROUP BY k",
    "SELECT id FROM p UNION SELECT w FROM q ORDER BY id + 1",
    "SELECT id FROM p UNION SELECT w FROM q ORDER BY w",
    "SELECT x.id FROM p",
    "SELECT p.id FROM p x",
    "SELECT p.id FROM q",
    "SELECT 1 FROM p, (SELECT p.id) s",
    "SELECT 1 FROM p, q JOIN r ON p.id = r.id",
    "SELECT 1 FROM p JOIN q ON r.id = 1 JOIN r ON true",
    "SELECT 1 FROM p, q JOIN LATERAL (SELECT v) s ON true",
    "SELECT * FROM p JOIN q USING (w)",
    "SELECT * FROM p JOIN q ON true JOIN r USING (id)",
    "SELECT * FROM p x, q x",
    "SELECT x.b FROM (SELECT 1) x(a)",
    "SELECT 1 FROM (SELECT 1) x(a, b)",
    "SELECT (SELECT xmin) FROM (SELECT 1) s",
    "VALUES (1) ORDER BY column2",
    "SELECT id AS xmin FROM p GROUP BY xmin",
    "INSERT INTO p VALUES (1, 'a', 2)",
    "INSERT INTO p (nope) VALUES (1)",
    "INSERT INTO p VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET v = v",
    "INSERT INTO p VALUES (1, 'a') ON CONFLICT (nope) DO NOTHING",
    "INSERT INTO p VALUES (1, 'a') ON CONFLICT ON CONSTRAINT nope DO NOTHING",
    "INSERT INTO p VALUES (1, 'a') RETURNING excluded.v",
    "INSERT INTO p AS t VALUES (1, 'a') RETURNING p.v",
    "UPDATE p SET nope = 1",
    "UPDATE p SET v = id FROM q",
    "UPDATE p SET v = 'x' FROM generate_series(1, p.id)",
    "DELETE FROM p USING q WHERE id = 1",
    "WITH x AS (SELECT 1 AS a), x AS (SELECT 2) SELECT 1",
    "WITH x AS (SELECT y.a FROM y), y AS (SELECT 1 AS a) SELECT 1",
    "WITH RECURSIVE n(i) AS (SELECT n.i FROM n UNION SELECT 1) SELECT 1",
];

/// The result of a statement, which is rolled back: the names and types of its columns and its
/// rows, or its error.
async fn given(client: &Client, before: &str, sql: &str) -> Result<String, String> {
    client.batch_execute("BEGIN").await.unwrap();
    client.batch_execute(before).await.unwrap();
    let ran = async {
        let columns = client.prepare(sql).await?;
        let columns: Vec<_> =
            columns.columns().iter().map(|column| (column.name().to_owned(), column.type_().to_string())).collect();
        let mut rows = Vec::new();
        for message in client.simple_query(sql).await? {
            if let SimpleQueryMessage::Row(row) = message {
                rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect::<Vec<_>>());
            }
        }
        Ok(format!("{columns:?} {rows:?}"))
    }
    .await;
    client.batch_execute("ROLLBACK").await.unwrap();
    ran.map_err(|error: tokio_postgres::Error| match error.as_db_error() {
        Some(error) => format!("{} {}", error.code().code(), error.message()),
        None => error.to_string(),
    })
}

/// Everything except the secrets.
fn everything(catalog: &Catalog) -> Grants {
    let tables = catalog.tables.iter().map(|(name, table)| {
        let all = Columns::Named(table.names().filter(|column| *column != SECRET).map(str::to_owned).collect());
        (name.clone(), TableGrant { select: all.clone(), insert: all.clone(), update: all, delete: true })
    });
    Grants { tables: tables.collect(), ..Grants::default() }
}

/// The grants that a statement needs, and for each single grant all the others. If no column of a
/// table is read, the first one is granted, because PostgreSQL requires one.
fn needed(uses: &Uses, catalog: &Catalog) -> (Grants, Vec<(String, Grants)>) {
    let mut all = Grants::default();
    for (name, uses) in &uses.tables {
        let columns = |names: &BTreeSet<String>| Columns::Named(names.clone());
        let mut grant = TableGrant {
            select: columns(&uses.select),
            insert: columns(&uses.insert),
            update: columns(&uses.update),
            delete: uses.delete,
        };
        if uses.select.is_empty() && uses.insert.is_empty() {
            grant.select = Columns::Named(catalog.tables[name].names().take(1).map(str::to_owned).collect());
        }
        all.tables.insert(name.clone(), grant);
    }
    let mut parts = Vec::new();
    for (name, uses) in &uses.tables {
        type Of = fn(&mut TableGrant) -> &mut Columns;
        let verbs: [(&str, &BTreeSet<String>, Of); 3] = [
            ("select", &uses.select, |grant| &mut grant.select),
            ("insert", &uses.insert, |grant| &mut grant.insert),
            ("update", &uses.update, |grant| &mut grant.update),
        ];
        for (verb, used, of) in verbs {
            for column in used {
                let mut rest = all.clone();
                let left: BTreeSet<String> = used.iter().filter(|other| *other != column).cloned().collect();
                *of(rest.tables.get_mut(name).unwrap()) = Columns::Named(left);
                parts.push((format!("{verb} {name}.{column}"), rest));
            }
        }
        if uses.delete {
            let mut rest = all.clone();
            rest.tables.get_mut(name).unwrap().delete = false;
            parts.push((format!("delete {name}"), rest));
        }
    }
    (all, parts)
}

/// The canonical statement has the same result as the original, and needs exactly the grants that
/// the policy determined: with them PostgreSQL runs it, and without any one of them both refuse it.
#[tokio::test]
async fn a_name_stands_for_what_it_stands_for_to_postgresql() {
    let database = empty_database().await;
    database.execute(SCHEMA).await;
    let client = database.connect().await;
    let catalog = Inventory::read(&Endpoint::parse(database.url()).unwrap()).await.unwrap().tables().clone();
    let all = everything(&catalog);
    let role = format!("reads_{}", database.name());
    database.execute(&format!("CREATE ROLE {role}")).await;
    let (mut wrong, mut parts_tried) = (Vec::new(), 0);
    for sql in STATEMENTS {
        let sent = match canonical(sql, &all, &catalog) {
            Ok(sent) => sent,
            Err(refusal) => {
                wrong.push(format!("{sql}: {refusal}"));
                continue;
            }
        };
        let written = given(&client, "", sql).await;
        let printed = given(&client, "SET LOCAL search_path = pg_catalog", &sent).await;
        if written.is_err() || written != printed {
            wrong.push(format!("{sql}: {written:?}\nsent as {sent}: {printed:?}"));
        }
        // A lock requires an update grant that no column shows.
        if sql.contains("FOR UPDATE") {
            continue;
        }
        let (needed, parts) = needed(&check(sql, &all, &catalog).unwrap(), &catalog);
        let as_role = |grants: &Grants| {
            let granted: String = privileges(grants, &role).iter().map(|one| format!("{one};")).collect();
            format!("{granted} SET LOCAL ROLE {role}")
        };
        if let Err(error) = given(&client, &as_role(&needed), sql).await {
            wrong.push(format!("{sql}: with all that it uses: {error}"));
        }
        for (part, rest) in parts {
            parts_tried += 1;
            let theirs = given(&client, &as_role(&rest), sql).await;
            if !theirs.as_ref().is_err_and(|error| error.starts_with("42501")) {
                wrong.push(format!("{sql}: without {part} PostgreSQL says {theirs:?}"));
            }
            if check(sql, &rest, &catalog).is_ok() {
                wrong.push(format!("{sql}: without {part} it passes"));
            }
        }
    }
    for sql in REFUSED {
        if let Ok(sent) = canonical(sql, &all, &catalog) {
            wrong.push(format!("{sql} passes as {sent}"));
        }
        let theirs = given(&client, "", sql).await;
        if !theirs.as_ref().is_err_and(|error| error.starts_with("42") || error.starts_with("0A")) {
            wrong.push(format!("{sql} is no error to PostgreSQL: {theirs:?}"));
        }
    }
    database.execute(&format!("DROP ROLE {role}")).await;
    println!("{} statements, {parts_tried} parts of what they use", STATEMENTS.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(parts_tried > 200, "{parts_tried}");
}
