//! Accepted and refused statements, each with what it uses or the place of the refusal.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it panics")]

use tenet_core::{Catalog, CatalogColumn, CatalogTable, Grants};
use tenet_policy::{Group, Refusal, Uses, only_reads};

/// The grants of the tests' rule.
fn grants() -> Grants {
    serde_json::from_str(
        r#"{
            "tables": {
                "accounts": { "select": ["id", "balance"], "insert": ["id", "balance"], "update": ["balance"] },
                "totals": { "select": ["account", "day", "paid"], "insert": ["account", "day", "paid"], "update": ["paid"], "delete": true },
                "open": { "select": "*", "insert": "*", "update": ["id"] },
                "bank.rates": { "select": ["rate"] },
                "diary": { "insert": ["line"] },
                "unmade": { "select": ["id"] }
            },
            "sequences": ["receipts"]
        }"#,
    )
    .unwrap()
}

/// The existing tables, each with its columns and then, after a bar, its constraints.
const TABLES: &[(&str, &str)] = &[
    ("accounts", "id balance secret opened_at | accounts_pkey id | accounts_secret_key secret"),
    ("totals", "account day paid | totals_pkey account day"),
    ("open", "id note items data x whatever | open_key note"),
    ("bank.rates", "rate paid"),
    ("diary", "line"),
    ("payments", "id"),
];

fn catalog() -> Catalog {
    let table = |(name, columns): &(&str, &str)| {
        let mut parts = columns.split(" | ").map(|part| part.split(' ').map(str::to_owned));
        let column = |name| CatalogColumn { name, kind: "text".to_owned() };
        let columns = parts.next().unwrap().map(column).collect();
        let constraints = parts.map(|mut words| (words.next().unwrap(), words.collect())).collect();
        ((*name).to_owned(), CatalogTable { columns, constraints })
    };
    Catalog { tables: TABLES.iter().map(table).collect() }
}

fn check(sql: &str) -> Result<Uses, Refusal> {
    tenet_policy::check(sql, &grants(), &catalog())
}

fn canonical(sql: &str) -> Result<String, Refusal> {
    tenet_policy::canonical(sql, &grants(), &catalog())
}

/// What a statement uses, as `VERB TABLE.COLUMN` in order.
fn uses(sql: &str) -> String {
    let uses = check(sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    let mut told = Vec::new();
    for (table, uses) in &uses.tables {
        for (verb, columns) in [("select", &uses.select), ("insert", &uses.insert), ("update", &uses.update)] {
            told.extend(columns.iter().map(|column| format!("{verb} {table}.{column}")));
        }
        if uses.delete {
            told.push(format!("delete {table}"));
        }
    }
    told.extend(uses.sequences.iter().map(|sequence| format!("nextval {sequence}")));
    told.join(", ")
}

#[test]
fn what_is_granted_passes_and_is_told() {
    for (sql, used) in [
        ("SELECT 1", ""),
        ("SELECT balance FROM accounts WHERE id = $1;", "select accounts.balance, select accounts.id"),
        ("select a.\"balance\" from public.accounts as a", "select accounts.balance"),
        ("SELECT rate FROM bank.rates", "select bank.rates.rate"),
        (
            "SELECT * FROM open",
            "select open.data, select open.id, select open.items, select open.note, select open.whatever, select open.x",
        ),
        ("SELECT o.whatever, o.note FROM open o", "select open.note, select open.whatever"),
        ("SELECT count(*) FROM accounts", ""),
        ("SELECT balance, note FROM accounts, (SELECT note FROM open) o", "select accounts.balance, select open.note"),
        (
            "SELECT o.id FROM open o WHERE EXISTS (SELECT paid FROM totals WHERE paid > 0)",
            "select open.id, select totals.paid",
        ),
        (
            "SELECT sum(paid) AS total, day FROM totals GROUP BY day HAVING sum(paid) > 10 ORDER BY total DESC NULLS LAST LIMIT $1 OFFSET 2",
            "select totals.day, select totals.paid",
        ),
        ("SELECT id FROM accounts FOR UPDATE", "select accounts.id"),
        ("SELECT id FROM accounts a FOR NO KEY UPDATE OF a SKIP LOCKED", "select accounts.id"),
        (
            "SELECT t.paid FROM accounts a JOIN totals t ON t.account = a.id LEFT JOIN totals u ON u.day = t.day",
            "select accounts.id, select totals.account, select totals.day, select totals.paid",
        ),
        (
            "SELECT paid FROM totals t JOIN totals u USING (account, day, paid)",
            "select totals.account, select totals.day, select totals.paid",
        ),
        (
            "SELECT (SELECT a.balance FROM accounts a WHERE a.id = t.account) FROM totals t",
            "select accounts.balance, select accounts.id, select totals.account",
        ),
        ("SELECT x.n FROM (SELECT count(*) AS n FROM accounts) x WHERE n > 1", ""),
        ("WITH a AS (SELECT id FROM accounts), b(i) AS (SELECT id FROM a) SELECT i, b.i FROM b", "select accounts.id"),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i FROM n", ""),
        ("WITH accounts AS (SELECT paid AS secret FROM totals) SELECT secret FROM accounts", "select totals.paid"),
        (
            "WITH gone AS (DELETE FROM totals WHERE day < $1 RETURNING paid) SELECT sum(paid) FROM gone",
            "select totals.day, select totals.paid, delete totals",
        ),
        (
            "INSERT INTO accounts (id, balance) VALUES ($1, DEFAULT), ($2, 3)",
            "insert accounts.balance, insert accounts.id",
        ),
        ("INSERT INTO open VALUES (1, 2)", "insert open.id, insert open.note"),
        ("INSERT INTO diary (line) VALUES ($1)", "insert diary.line"),
        ("INSERT INTO diary DEFAULT VALUES", ""),
        (
            "INSERT INTO totals AS t (account, day, paid) SELECT id, $2, $3 FROM accounts WHERE id = $1 ON CONFLICT (account, day) DO UPDATE SET paid = t.paid + excluded.paid WHERE t.paid < 5 RETURNING paid, (SELECT balance FROM accounts WHERE id = $1) AS balance",
            "select accounts.balance, select accounts.id, select totals.account, select totals.day, select totals.paid, insert totals.account, insert totals.day, insert totals.paid, update totals.paid",
        ),
        ("INSERT INTO accounts (id) VALUES ($1) ON CONFLICT DO NOTHING", "insert accounts.id"),
        (
            "UPDATE accounts SET balance = balance + $2 WHERE id = $1 AND balance + $2 >= 0 RETURNING balance",
            "select accounts.balance, select accounts.id, update accounts.balance",
        ),
        (
            "UPDATE accounts a SET (balance) = ROW(0) FROM totals t WHERE t.account = a.id",
            "select accounts.id, update accounts.balance, select totals.account",
        ),
        (
            "DELETE FROM totals USING accounts WHERE account = id",
            "select accounts.id, select totals.account, delete totals",
        ),
        ("SELECT nextval('receipts')", "nextval receipts"),
        (
            "SELECT coalesce(max(balance), 0.00)::numeric(10, 2), CAST($1 AS timestamp with time zone), extract(year FROM $4::timestamptz), substring('abc' FROM 1 FOR 2), position('a' IN 'b'), trim(BOTH ' ' FROM $1), CASE WHEN true THEN 1 ELSE 2 END, date '2026-01-01', interval '1' day, timestamp with time zone '2026-01-01', ARRAY[1, 2], ARRAY(SELECT 1), row_number() OVER (PARTITION BY id ORDER BY balance ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM accounts GROUP BY id, balance",
            "select accounts.balance, select accounts.id",
        ),
        (
            "SELECT id FROM accounts WHERE id IN ($1, $2) AND NOT balance BETWEEN 1 AND 2 OR id = ANY ($3) OR id LIKE 'a%' ESCAPE '!' OR balance IS NOT DISTINCT FROM 1 OR EXISTS (SELECT 1) OR (id, balance) = ($1, $2) OR id NOT IN (SELECT account FROM totals)",
            "select accounts.balance, select accounts.id, select totals.account",
        ),
        ("SELECT i FROM generate_series(1, 6) AS s(i)", ""),
        ("SELECT s.i, s.ordinality FROM generate_series(1, 6) WITH ORDINALITY AS s(i)", ""),
        ("SELECT x.key, x.value FROM jsonb_each($1) x", ""),
        ("SELECT v.a, v.column2 FROM (VALUES (1, 2)) AS v(a)", ""),
        ("SELECT column1 FROM (VALUES (1), (2)) v ORDER BY v.column1", ""),
        ("VALUES (1), (2) ORDER BY column1", ""),
        (
            "SELECT x.id FROM (SELECT y.*, 1 AS n FROM (SELECT id FROM accounts) y) x WHERE x.n = 1",
            "select accounts.id",
        ),
        ("WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT x.n + 1 FROM x) SELECT x.n FROM x", ""),
        (
            "INSERT INTO open (id) VALUES (1) ON CONFLICT ON CONSTRAINT open_key DO NOTHING",
            "select open.note, insert open.id",
        ),
        ("SELECT paid AS p FROM totals ORDER BY (p)", "select totals.paid"),
        ("SELECT n FROM generate_series(1, $1) AS n", ""),
        ("SELECT e.value FROM open o, jsonb_array_elements(o.items) AS e", "select open.items"),
        (
            "SELECT l.paid FROM accounts a, LATERAL (SELECT paid FROM totals WHERE account = a.id LIMIT 1) l",
            "select accounts.id, select totals.account, select totals.paid",
        ),
        (
            "(SELECT id FROM accounts) UNION ALL (SELECT account FROM totals) ORDER BY id",
            "select accounts.id, select totals.account",
        ),
        ("SELECT ((SELECT 1) UNION SELECT 2), ((1 + (2)))", ""),
        ("VALUES (1, 2), ($1, $2)", ""),
        (
            "SELECT count(*) FILTER (WHERE balance > 0), percentile_cont(0.5) WITHIN GROUP (ORDER BY balance), string_agg(DISTINCT id, ',' ORDER BY id) FROM accounts",
            "select accounts.balance, select accounts.id",
        ),
        ("SELECT data ->> 'a', data #> '{a}', data @> '{}'::jsonb FROM open", "select open.data"),
        ("SELECT /* a /* nested */ comment */ 1 -- and more", ""),
        ("SELECT $1 AT TIME ZONE 'UTC', pg_catalog.lower('A'), age($1, $2)", ""),
        (
            "SELECT DISTINCT ON (account) account, paid FROM totals ORDER BY account, paid",
            "select totals.account, select totals.paid",
        ),
        ("SELECT rank() OVER w FROM accounts WINDOW w AS (ORDER BY balance)", "select accounts.balance"),
        ("SELECT id FROM accounts FETCH FIRST 3 ROWS ONLY", "select accounts.id"),
    ] {
        assert_eq!(uses(sql), used, "{sql}");
        // The sent text uses the same and is printed as the same text.
        let sent = canonical(sql).unwrap();
        assert_eq!(uses(&sent), used, "{sql}: {sent}");
        assert_eq!(canonical(&sent).unwrap(), sent, "{sql}");
        assert_eq!(only_reads(&sent), only_reads(sql), "{sql}");
    }
}

/// All spellings of one statement are sent as the same text.
#[test]
fn what_is_sent_is_printed_from_what_was_understood() {
    for (sql, sent) in [
        (
            "select A.id,/* x */ balance+-1 total -- y\n from accounts as a;",
            r#"SELECT "a"."id", "a"."balance" + - 1 AS "total" FROM "public"."accounts" AS "a""#,
        ),
        (
            "SELECT count(*)FILTER(WHERE balance>0.50),lower(id)::varchar(3)FROM public.accounts GROUP BY(id)ORDER BY 1 DESC NULLS LAST LIMIT $1",
            r#"SELECT "pg_catalog"."count"(*) FILTER (WHERE ("accounts"."balance" > 0.50)) AS "count", "pg_catalog"."lower"("accounts"."id")::VARCHAR (3) AS "lower" FROM "public"."accounts" GROUP BY "accounts"."id" ORDER BY 1 DESC NULLS LAST LIMIT $1"#,
        ),
        (
            "SELECT (1+2)*3, coalesce($1,'it''s'), E'\\n', $$ ' $$, (1,2), row(1), ARRAY[[1],[2]], CASE WHEN true THEN 1 END",
            r#"SELECT (1 + 2) * 3 AS "?column?", COALESCE($1, 'it''s') AS "coalesce", E'\n' AS "?column?", $$ ' $$ AS "?column?", (1, 2) AS "row", ROW (1) AS "row", ARRAY[[1], [2]] AS "array", CASE WHEN TRUE THEN 1 END AS "case""#,
        ),
        (
            "WITH accounts AS MATERIALIZED (SELECT rate FROM bank.rates) SELECT rate FROM accounts, totals",
            r#"WITH "accounts" AS MATERIALIZED (SELECT "rates"."rate" FROM "bank"."rates") SELECT "accounts"."rate" FROM "accounts", "public"."totals""#,
        ),
        (
            "SELECT t.paid FROM accounts a LEFT OUTER JOIN (totals t CROSS JOIN open o) ON a.id=t.account JOIN totals v USING(account,day)",
            r#"SELECT "t"."paid" FROM "public"."accounts" AS "a" LEFT JOIN ("public"."totals" AS "t" CROSS JOIN "public"."open" AS "o") ON "a"."id" = "t"."account" JOIN "public"."totals" AS "v" USING ("account", "day")"#,
        ),
        (
            "INSERT INTO accounts(id) VALUES($1),(default) ON CONFLICT(id) DO UPDATE SET balance=excluded.balance RETURNING id",
            r#"INSERT INTO "public"."accounts" ("id") VALUES ($1), (DEFAULT) ON CONFLICT ("id") DO UPDATE SET "balance" = "excluded"."balance" RETURNING "accounts"."id""#,
        ),
        ("SELECT nextval('receipts')", r#"SELECT "pg_catalog"."nextval"('"public"."receipts"') AS "nextval""#),
        (
            "SELECT 1. FROM open o WHERE o.x=1. AND-.5<2",
            r#"SELECT 1. AS "?column?" FROM "public"."open" AS "o" WHERE "o"."x" = 1. AND - .5 < 2"#,
        ),
        (
            "VALUES(1)union all(select 2)except values(3)",
            r#"VALUES (1) UNION ALL (SELECT 2 AS "?column?") EXCEPT VALUES (3)"#,
        ),
        // In PostgreSQL a subscript of a call needs parentheses.
        (
            "SELECT (array_agg(id))[1] FROM accounts",
            r#"SELECT ("pg_catalog"."array_agg"("accounts"."id"))[1] AS "array_agg" FROM "public"."accounts""#,
        ),
        // `*` is expanded in the order of the table, and columns merged by USING come first.
        ("SELECT * FROM totals t", r#"SELECT "t"."account", "t"."day", "t"."paid" FROM "public"."totals" AS "t""#),
        (
            "SELECT *, u.* FROM (SELECT id AS day, note FROM open) n JOIN totals u USING (day) ORDER BY day, note",
            r#"SELECT "day", "n"."note", "u"."account", "u"."paid", "u"."account", "u"."day", "u"."paid" FROM (SELECT "open"."id" AS "day", "open"."note" FROM "public"."open") AS "n" JOIN "public"."totals" AS "u" USING ("day") ORDER BY "day", "note""#,
        ),
        (
            "DELETE FROM totals RETURNING *",
            r#"DELETE FROM "public"."totals" RETURNING "totals"."account", "totals"."day", "totals"."paid""#,
        ),
        (
            "INSERT INTO open SELECT account, day FROM totals",
            r#"INSERT INTO "public"."open" ("id", "note") SELECT "totals"."account", "totals"."day" FROM "public"."totals""#,
        ),
        // A name that is both a label and a column: ORDER BY uses the label, GROUP BY the column.
        (
            "SELECT paid AS day, day AS d FROM totals ORDER BY day, d, account",
            r#"SELECT "totals"."paid" AS "day", "totals"."day" AS "d" FROM "public"."totals" ORDER BY "day", "d", "totals"."account""#,
        ),
        (
            "SELECT count(*) AS day, lower(account) AS a FROM totals GROUP BY day, a",
            r#"SELECT "pg_catalog"."count"(*) AS "day", "pg_catalog"."lower"("totals"."account") AS "a" FROM "public"."totals" GROUP BY "totals"."day", 2"#,
        ),
        // The condition selects an index, and cannot refer to the row to be inserted.
        (
            "INSERT INTO open (id) VALUES (1) ON CONFLICT (note) WHERE x > 1 DO UPDATE SET id = 1 WHERE excluded.x = 1 RETURNING x",
            r#"INSERT INTO "public"."open" ("id") VALUES (1) ON CONFLICT ("note") WHERE "open"."x" > 1 DO UPDATE SET "id" = 1 WHERE "excluded"."x" = 1 RETURNING "open"."x""#,
        ),
        ("VALUES (1, 2) ORDER BY column2 + 1, column1", r#"VALUES (1, 2) ORDER BY "column2" + 1, "column1""#),
    ] {
        assert_eq!(canonical(sql).unwrap(), sent);
        assert_eq!(canonical(sent).unwrap(), sent);
    }
}

/// Each with the word at which it is refused.
#[test]
fn what_is_not_granted_is_refused_at_its_place() {
    for (sql, at) in [
        ("SELECT secret FROM accounts", "secret"),
        ("SELECT a.secret FROM accounts a", "secret"),
        ("SELECT * FROM accounts", "*"),
        ("SELECT accounts.* FROM accounts", "accounts.*"),
        ("SELECT count(accounts) FROM accounts", "accounts)"),
        ("SELECT to_json(a) FROM accounts a", "a) FROM"),
        ("SELECT a FROM accounts a", "a FROM"),
        ("SELECT id FROM accounts ORDER BY secret", "secret"),
        ("SELECT id FROM accounts WHERE secret = 1", "secret"),
        ("SELECT count(*) AS secret FROM accounts GROUP BY secret", "secret"),
        ("SELECT 1 FROM accounts a JOIN totals t ON a.secret = t.paid", "secret"),
        ("SELECT 1 FROM accounts JOIN totals USING (id)", "id)"),
        ("SELECT id FROM accounts, totals WHERE secret = 1", "secret"),
        // `open` may have no column of that name, but the other table has.
        ("SELECT a.id FROM accounts a, open o WHERE secret IS NULL", "secret"),
        ("SELECT a.id FROM accounts a WHERE EXISTS (SELECT secret FROM open)", "secret"),
        ("SELECT a.id FROM accounts a JOIN open o ON secret IS NULL", "secret"),
        ("INSERT INTO accounts (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET balance = excluded.secret", "secret"),
        // Within a larger expression, a name in ORDER BY is not a result column.
        ("SELECT 1 AS secret FROM accounts ORDER BY -secret", "secret"),
        ("SELECT 1 AS secret FROM accounts ORDER BY secret::text", "secret::"),
        ("SELECT 1 AS secret FROM accounts ORDER BY secret IS NULL", "secret IS"),
        ("SELECT DISTINCT ON (NOT secret) 1 AS secret FROM accounts", "secret)"),
        ("SELECT 1 FROM (SELECT -paid FROM totals) s, accounts a WHERE paid = 1", "paid = 1"),
        ("SELECT 1 FROM (SELECT row(paid) FROM totals) s, accounts a WHERE paid = 1", "paid = 1"),
        // PostgreSQL names the first column btrim, so the name refers to the table's.
        ("SELECT trim(id) FROM accounts ORDER BY \"trim\"", "\"trim\""),
        ("SELECT 1 FROM (SELECT trim(id) FROM accounts) s, accounts a WHERE \"trim\" = 1", "\"trim\" = 1"),
        // It could be a column of the inner table that is not granted.
        ("SELECT (SELECT balance FROM accounts a, totals) FROM accounts b, open WHERE paid = 1", "paid"),
        ("SELECT x FROM (SELECT secret AS x FROM accounts) s", "secret"),
        ("SELECT balance FROM accounts AS a(balance, id)", "balance, id"),
        ("SELECT ctid FROM open", "ctid"),
        ("SELECT o.xmin FROM open o", "xmin"),
        ("SELECT id FROM payments", "payments"),
        ("SELECT 1 FROM rates", "rates"),
        ("SELECT 1 FROM \"Accounts\"", "\"Accounts\""),
        ("SELECT relname FROM pg_class", "pg_class"),
        ("SELECT relname FROM pg_catalog.pg_class", "pg_catalog"),
        ("SELECT 1 FROM information_schema.tables", "information_schema"),
        ("SELECT body FROM tenet.keys", "tenet"),
        ("INSERT INTO tenet.outbox (id) VALUES (1)", "tenet"),
        ("DELETE FROM tenet.keys", "tenet"),
        ("WITH a AS (SELECT 1) SELECT * FROM a, pg_roles", "pg_roles"),
        // A name of WITH hides a table only from later queries.
        ("WITH payments AS (SELECT id FROM payments) SELECT id FROM payments", "payments) SELECT"),
        ("WITH payments AS (SELECT 1) DELETE FROM payments", "payments"),
        ("WITH x AS (INSERT INTO payments (id) VALUES (1) RETURNING id) SELECT id FROM x", "payments"),
        ("INSERT INTO accounts (id, secret) VALUES (1, 2)", "secret"),
        ("INSERT INTO accounts VALUES (1, 2, 3)", "accounts"),
        ("INSERT INTO bank.rates (rate) VALUES (1)", "rates ("),
        ("INSERT INTO accounts (id) VALUES (1) RETURNING secret", "secret"),
        ("INSERT INTO accounts (id) VALUES (1) RETURNING *", "*"),
        ("INSERT INTO diary (line) VALUES (1) RETURNING line", "line"),
        ("INSERT INTO diary (line) VALUES (1) ON CONFLICT (line) DO NOTHING", "line) DO"),
        ("INSERT INTO accounts (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2", "id = 2"),
        ("INSERT INTO accounts (id) SELECT account FROM payments", "payments"),
        ("UPDATE accounts SET id = 1", "id"),
        ("UPDATE accounts SET balance = secret", "secret"),
        ("UPDATE accounts SET (balance, id) = (1, 2)", "id)"),
        ("UPDATE accounts SET balance = 1 FROM payments", "payments"),
        ("UPDATE accounts SET balance = (SELECT 1 FROM payments)", "payments"),
        ("DELETE FROM accounts", "accounts"),
        ("DELETE FROM totals WHERE account IN (SELECT id FROM payments)", "payments"),
        ("SELECT count(*) FROM diary", "diary"),
        ("SELECT rate FROM bank.rates FOR UPDATE", "FOR"),
        ("SELECT pg_sleep(1)", "pg_sleep"),
        ("SELECT \"pg_sleep\"(1)", "\"pg_sleep\""),
        ("SELECT pg_catalog.pg_sleep(1)", "pg_sleep"),
        ("SELECT set_config('a', 'b', false)", "set_config"),
        ("SELECT nextval('other')", "nextval"),
        ("SELECT nextval('re' || 'ceipts')", "nextval"),
        ("SELECT nextval($1)", "nextval"),
        ("SELECT setval('receipts', 1)", "setval"),
        ("SELECT currval('receipts')", "currval"),
        ("SELECT lo_import('/etc/passwd')", "lo_import"),
        ("SELECT pg_read_file('/etc/passwd')", "pg_read_file"),
        ("SELECT * FROM dblink('x', 'y') AS t", "dblink"),
        ("SELECT query_to_xml('SELECT 1', true, true, '')", "query_to_xml"),
        ("SELECT public.lower('x')", "public"),
        ("SELECT app.f(1)", "app"),
        ("SELECT random()", "random"),
        ("SELECT id FROM accounts ORDER BY pg_sleep(1)", "pg_sleep"),
        ("SELECT id FROM accounts LIMIT pg_sleep(1)", "pg_sleep"),
        ("SELECT 1 FROM pg_ls_dir('.') AS d", "pg_ls_dir"),
        ("SELECT row_number() OVER (ORDER BY pg_sleep(1))", "pg_sleep"),
        ("SELECT count(*) FILTER (WHERE pg_sleep(1) IS NULL)", "pg_sleep"),
        ("VALUES (pg_sleep(1))", "pg_sleep"),
        ("SELECT 'pg_class'::regclass", "regclass"),
        ("SELECT CAST('x' AS regrole)", "regrole"),
        // PostgreSQL applies the ORDER BY to the query in the parentheses itself.
        ("(SELECT id FROM accounts) ORDER BY secret", "secret"),
        ("((SELECT id FROM accounts)) ORDER BY secret LIMIT 1", "secret"),
        ("(SELECT id FROM accounts) ORDER BY lower(secret)", "ORDER"),
        ("SELECT ((SELECT rate FROM bank.rates) ORDER BY paid LIMIT 1) FROM totals", "paid LIMIT"),
        ("SELECT e.pg_sleep FROM (SELECT 1 AS a) e", "pg_sleep"),
        // Within an expression a name is not a label, and CAST is an expression like `::`.
        ("SELECT 1 AS secret FROM accounts WHERE id = 'a' ORDER BY CAST(secret AS date)", "secret AS date"),
        ("SELECT DISTINCT ON (CAST(secret AS date)) 1 AS secret FROM accounts", "secret AS date"),
        ("SELECT 1 AS secret FROM accounts ORDER BY (CAST((secret) AS date))", "secret) AS date"),
        ("SELECT 1 AS secret FROM accounts ORDER BY ARRAY[secret]", "secret]"),
        ("SELECT 1 AS secret FROM accounts ORDER BY ROW(secret)", "secret)"),
        ("SELECT 1 AS secret FROM accounts ORDER BY CASE secret WHEN 1 THEN 1 END", "secret WHEN"),
        // In the ORDER BY of a VALUES, a name that is not its own column refers to the outer query.
        ("SELECT (VALUES (1) ORDER BY secret LIMIT 1) FROM accounts", "secret"),
        // In quotes it is one name, but the grant has two.
        ("SELECT rate FROM \"bank.rates\"", "\"bank.rates\""),
        ("SELECT rate FROM public.\"bank.rates\"", "public"),
        ("INSERT INTO \"bank.rates\" (rate) VALUES (1)", "\"bank.rates\""),
        // The columns of the constraint are not known.
        ("INSERT INTO accounts (id) VALUES (1) ON CONFLICT ON CONSTRAINT accounts_secret_key DO NOTHING", "accounts_s"),
        // A lock after parentheses applies to the query within.
        ("(SELECT day FROM totals) ORDER BY day FOR UPDATE", "FOR"),
        ("(SELECT rate FROM bank.rates) ORDER BY rate FOR UPDATE", "FOR"),
        ("((SELECT rate FROM bank.rates) ORDER BY 1) FOR NO KEY UPDATE", "FOR"),
        ("WITH x AS (SELECT 1) (SELECT rate FROM bank.rates) ORDER BY 1 FOR UPDATE", "FOR"),
        ("SELECT ((SELECT rate FROM bank.rates) ORDER BY 1 FOR UPDATE)", "FOR"),
        // A call of a function on the row, written like a column.
        ("SELECT x.touch_any FROM (SELECT id FROM accounts) x", "touch_any"),
        ("SELECT x.touch_any FROM (SELECT * FROM open) x", "touch_any"),
        ("SELECT x.touch_any FROM (SELECT id, 1 FROM accounts) x", "touch_any"),
        ("SELECT x.touch_any FROM generate_series(1, 2) x", "touch_any"),
        ("SELECT x.touch_any FROM jsonb_each('{}') AS x(a, b)", "touch_any"),
        ("SELECT x.touch_any FROM (VALUES (1)) x(a)", "touch_any"),
        ("WITH x AS (SELECT id FROM accounts) SELECT x.touch_any FROM x", "touch_any"),
        ("WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT x.touch_any FROM x) SELECT x.n FROM x", "touch_any"),
        ("WITH x AS (DELETE FROM totals RETURNING paid) SELECT x.touch_any FROM x", "touch_any"),
        ("SELECT a.touch FROM accounts a", "touch"),
        ("UPDATE accounts SET balance = x.touch_any FROM (SELECT id FROM accounts) x", "touch_any"),
        ("SELECT id FROM accounts a JOIN totals a ON true", "a ON"),
    ] {
        let refusal = check(sql).expect_err(sql);
        let place = sql.get(refusal.at()..).unwrap();
        assert!(place.starts_with(at), "{sql}: {refusal} at {place:?}");
        let error = refusal.error(sql);
        assert!(error.sqlstate.is_for_rules(), "{sql}");
    }
}

/// All words of the groups in the documentation.
fn listed(groups: &'static [Group]) -> impl Iterator<Item = &'static str> {
    groups.iter().flat_map(|group| group.words).copied()
}

#[test]
fn each_listed_function_operator_and_type_passes() {
    for name in listed(tenet_policy::functions()) {
        let sql = match name {
            "extract" => "SELECT extract(year FROM $1)".to_owned(),
            _ => format!("SELECT {name}($1, $2)"),
        };
        check(&sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
        let sql = format!("SELECT {name}_($1, $2)");
        assert!(check(&sql).is_err(), "{sql}");
    }
    for operator in listed(tenet_policy::operators()) {
        let sql = format!("SELECT $1 {operator} $2");
        check(&sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    }
    for name in listed(tenet_policy::types()) {
        let name = if name == "double" { "double precision" } else { name };
        let sql = format!("SELECT CAST($1 AS {name})");
        check(&sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    }
    for word in tenet_policy::of_the_moment() {
        let refusals = [format!("SELECT {word}()"), format!("SELECT {word}")].map(|sql| check(&sql).unwrap_err());
        assert!(refusals.iter().any(|refusal| refusal.to_string().contains("as a parameter")), "{word}");
    }
}

#[test]
fn a_refusal_says_what_to_write() {
    for (sql, why, sqlstate) in [
        ("SELECT blance FROM accounts", "there is no column blance in accounts; did you mean `balance`?", "42703"),
        ("SELECT t.dya FROM totals t", "there is no column dya in t; did you mean `day`?", "42703"),
        ("SELECT day FROM accounts a, totals t WHERE zzz = 1", "there is no column zzz here", "42703"),
        ("UPDATE totals SET pad = 1", "there is no column pad in totals; did you mean `paid`?", "42703"),
        ("INSERT INTO accounts (no) VALUES (1)", "there is no column no in accounts", "42703"),
        (
            "SELECT * FROM accounts",
            "`*` stands for accounts.secret, accounts.opened_at too, whose select is not granted: name the columns that \
             you mean",
            "42501",
        ),
        ("SELECT day FROM totals t, totals u", "day stands for more than one column here: write TABLE.day", "42601"),
        ("SELECT accounts FROM accounts", "accounts alone would be a whole row: write accounts.COLUMN", "42601"),
        ("SELECT f FROM jsonb_array_elements($1::jsonb) f", "f alone would be a whole row: write f.value", "42601"),
        ("SELECT f FROM jsonb_each($1::jsonb) f", "f alone would be a whole row: write f.key or f.value", "42601"),
        ("SELECT f FROM generate_series(1, 2) AS f(x)", "f alone would be a whole row: write f.x", "42601"),
        (
            "SELECT (SELECT id FROM totals accounts) FROM accounts",
            "id is a column of accounts further out, and another accounts is nearer: give one another name with AS",
            "42601",
        ),
        (
            "SELECT (SELECT max(day) FROM open) FROM totals t JOIN totals u USING (day)",
            "day is made by USING or VALUES further out: write TABLE.day",
            "42601",
        ),
        (
            "SELECT * FROM (SELECT 1 AS a, 2 AS a) x",
            "`*` stands for two columns that a means: name those that you mean",
            "42601",
        ),
        ("SELECT 1 FROM (SELECT 1)", "a query in FROM has a name: write AS NAME behind it", "42601"),
        (
            "INSERT INTO accounts (id) VALUES (1) ON CONFLICT ON CONSTRAINT nope DO NOTHING",
            "there is no constraint nope of accounts",
            "42601",
        ),
        (
            "INSERT INTO accounts (id) VALUES (1) ON CONFLICT ON CONSTRAINT accounts_secret_key DO NOTHING",
            "select of accounts.secret is not granted: add \"secret\" to `select` under [tables.accounts] in rule.toml, \
             then `tenet grant`",
            "42501",
        ),
        // The name refers to the nearer table's column, as in PostgreSQL, and hides the other one.
        (
            "SELECT (SELECT max(rate) FROM bank.rates WHERE paid = 1) FROM totals t",
            "select of bank.rates.paid is not granted: add \"paid\" to `select` under [tables.\"bank.rates\"] in \
             rule.toml, then `tenet grant`; rates is nearer than t, so that paid alone is its column: write t.paid if \
             you mean the other",
            "42501",
        ),
        ("SELECT id FROM acounts", "the table acounts is not granted; did you mean `accounts`?", "42501"),
        ("SELECT id FROM nowhere", "the table nowhere is not granted: no rule.toml of the bundle names it", "42501"),
        (
            "SELECT id FROM payments",
            "the table payments is not granted: add [tables.payments] to rule.toml with the columns to `select`, \
             `insert` or `update`, or `delete = true`, then `tenet grant`",
            "42501",
        ),
        (
            "DELETE FROM accounts",
            "delete from accounts is not granted: add `delete = true` under [tables.accounts] in rule.toml, then \
             `tenet grant`",
            "42501",
        ),
        ("INSERT INTO diary VALUES (1, 2)", "2 values are given, and diary has 1 columns", "42601"),
        ("SELECT id FROM unmade", "no schema step of the bundle makes the table unmade", "42501"),
        (
            "WITH RECURSIVE x AS (SELECT a FROM y), y AS (SELECT 1 AS a) SELECT a FROM x",
            "the columns of y are not known yet: a query of a WITH is named behind it, or behind UNION in it",
            "42601",
        ),
    ] {
        let refusal = check(sql).expect_err(sql);
        assert_eq!((refusal.to_string().as_str(), refusal.error(sql).sqlstate.as_str()), (why, sqlstate), "{sql}");
    }
    // A constraint whose columns may all be read.
    check("INSERT INTO accounts (id) VALUES (1) ON CONFLICT ON CONSTRAINT accounts_pkey DO NOTHING").unwrap();
}

#[test]
fn what_is_not_understood_is_refused() {
    for sql in [
        "",
        ";",
        "SELECT",
        "SELECT 1;;",
        "SELECT 1; SELECT 2",
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "END",
        "ABORT",
        "START TRANSACTION",
        "SAVEPOINT a",
        "RELEASE a",
        "PREPARE TRANSACTION 'a'",
        "COMMIT PREPARED 'a'",
        "SET search_path = 'x'",
        "SET LOCAL role = 'x'",
        "RESET ALL",
        "SHOW server_version",
        "DISCARD ALL",
        "CREATE TABLE t ()",
        "DROP TABLE accounts",
        "ALTER TABLE accounts ADD x int",
        "TRUNCATE accounts",
        "COPY accounts TO STDOUT",
        "COPY accounts FROM PROGRAM 'x'",
        "LOCK accounts",
        "CALL p()",
        "DO $$ BEGIN END $$",
        "EXPLAIN ANALYZE DELETE FROM totals",
        "PREPARE a AS SELECT 1",
        "EXECUTE a",
        "DEALLOCATE a",
        "LISTEN a",
        "NOTIFY a",
        "VACUUM",
        "ANALYZE",
        "GRANT SELECT ON accounts TO x",
        "DECLARE c CURSOR FOR SELECT 1",
        "FETCH c",
        "MERGE INTO totals USING accounts ON true WHEN MATCHED THEN DELETE",
        "TABLE accounts",
        "SECURITY LABEL x",
        "SELECT id INTO x FROM accounts",
        "SELECT id FROM ONLY accounts",
        "SELECT id FROM accounts *",
        "SELECT id FROM accounts TABLESAMPLE SYSTEM (1)",
        "SELECT * FROM accounts NATURAL JOIN totals",
        "SELECT id FROM accounts FOR SHARE",
        "SELECT id FROM accounts FOR KEY SHARE",
        "SELECT (a).secret FROM accounts a",
        "SELECT (accounts).secret FROM accounts",
        "SELECT public.accounts.id FROM accounts",
        "SELECT id COLLATE \"C\" FROM accounts",
        "SELECT 1 OPERATOR(pg_catalog.+) 2",
        "SELECT 1 @@ 2",
        "SELECT f(a => 1)",
        "SELECT concat(VARIADIC ARRAY['a'])",
        "SELECT ROWS FROM (f())",
        "SELECT current_user",
        "SELECT session_user",
        "SELECT user",
        "SELECT current_schema",
        "SELECT xmlparse(content 'x')",
        "SELECT U&'\\0061'",
        "SELECT '\\'",
        "UPDATE accounts SET balance[1] = 2",
        "UPDATE ONLY accounts SET balance = 1",
        "DELETE FROM totals WHERE CURRENT OF c",
        "INSERT INTO accounts (id) OVERRIDING SYSTEM VALUE VALUES (1)",
        "SELECT 1 FROM (SELECT id FROM accounts) a FOR UPDATE",
        "SELECT count(*) FROM accounts GROUP BY GROUPING SETS (())",
        "WITH x AS (SELECT 1) SEARCH DEPTH FIRST BY a SET b SELECT 1",
        "SELECT 1 AS a, b:c",
        "SELECT 'a' 'b'",
        "SELECT 'a'\n'b'",
        "SELECT E'a'\n'\\'; COMMIT; --'",
        "SELECT /* /* */ 1",
        "SELECT 1 /* ; */ ; COMMIT",
        "SELECT 1;\u{a0}COMMIT",
        "SELECT $a$ $b$ $a$ ; COMMIT --$b$",
        "SELECT a$b$ ; COMMIT --$b$",
        "SELECT '' ; COMMIT --'",
        "SELECT \"'\" ; COMMIT --'\"",
        "SELECT 1--\r;COMMIT",
        "C\\OMMIT",
        "/**/COMMIT",
        "--\nCOMMIT",
        "cOmMiT;",
        "WITH x AS (COMMIT) SELECT 1",
        "U&\"COMMIT\"",
        "\"COMMIT\"",
        "SELECT 1 UNION COMMIT",
        "SELECT 1 FROM accounts WHERE (id) = (COMMIT)",
    ] {
        assert!(check(sql).is_err(), "{sql}");
    }
    let deep = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(check(&deep).unwrap_err().to_string().contains("deep"));
    let wide = format!("SELECT {}1", "1, ".repeat(1_600));
    check(&wide).unwrap();
}

/// Texts with a part that is repeated, `BEFORE PART+ AFTER`, and how often it may be repeated. The
/// system tests send the longest of them to PostgreSQL.
const CHAINS: &[(&str, &str, &str, usize)] = &[
    ("SELECT ", "- ", "1", 250),
    ("SELECT ", "NOT ", "true", 250),
    ("SELECT 1", "::int", "", 250),
    ("SELECT ARRAY[1]", "[1]", "", 248),
    ("SELECT 1", " + 1", "", 250),
    ("SELECT 'a'", " || 'a'", "", 250),
    ("SELECT $1::jsonb", " -> 'a'", "", 249),
    ("SELECT $1::timestamp", " AT TIME ZONE 'UTC'", "", 249),
    ("SELECT 1", " UNION SELECT 1", "", 199),
];

#[test]
fn what_needs_no_parentheses_has_a_depth_too() {
    for &(before, part, after, most) in CHAINS {
        let chain = |times: usize| [before, &part.repeat(times), after].concat();
        for times in [1, most] {
            check(&chain(times)).unwrap_or_else(|refusal| panic!("{times} times {part}: {refusal}"));
        }
        for times in [most + 1, 2_000] {
            let (sql, refusal) = (chain(times), check(&chain(times)).unwrap_err());
            assert_eq!(refusal.error(&sql).sqlstate.as_str(), "42601", "{part}");
            assert!(refusal.at() > before.len() && refusal.at() < sql.len(), "{part}: {}", refusal.at());
        }
    }
    // Nested chains add up: 20 levels of 100 are 2,000.
    let nested = format!("SELECT {}1{}", "1 + (".repeat(10), format!("{})", " + 1".repeat(40)).repeat(10));
    assert!(check(&nested).unwrap_err().to_string().contains("nested in each other more than 250 times"));
    let unions =
        format!("SELECT 1{} EXCEPT (SELECT 1{})", " UNION SELECT 1".repeat(150), " EXCEPT SELECT 1".repeat(150));
    assert!(check(&unions).unwrap_err().to_string().contains("nested in each other more than 250 times"));
}

#[test]
fn what_stands_side_by_side_is_as_long_as_the_text_may_be() {
    for (before, part, after) in [
        ("SELECT id FROM open WHERE id IN (1", ", 1", ")"),
        ("SELECT id FROM open WHERE id IN ($1", ", $1", ")"),
        ("SELECT id FROM open WHERE id = 1", " OR id = 1", ""),
        ("SELECT id FROM open WHERE id = 1", " AND id + 1 > 2", ""),
        ("SELECT id FROM open WHERE id = 1", " OR id BETWEEN 1 AND 2 AND NOT id = 3", ""),
        ("SELECT ARRAY[1", ", 1 + 1", "]"),
        ("SELECT CASE", " WHEN id = 1 THEN 2", " END FROM open"),
        ("INSERT INTO open (id, note) VALUES (1, 2)", ", (1, 2 + 3)", ""),
    ] {
        check(&[before, &part.repeat(1_500), after].concat()).unwrap_or_else(|refusal| panic!("{part}: {refusal}"));
    }
    // Rows are compared one by one.
    let rows =
        |times: usize| format!("SELECT id FROM open WHERE (id, note) IN (($1, $2){})", ", ($1, $2)".repeat(times));
    check(&rows(1_900)).unwrap();
    // The limit is named, and the way out is one.
    let computed = |times: usize| format!("SELECT id FROM open WHERE id IN (1 + 1{})", ", $1 + 1".repeat(times));
    for sql in [rows(2_100), rows(5_000), computed(1_999), computed(2_000), computed(5_000)] {
        let refusal = check(&sql).unwrap_err();
        let what = refusal.to_string();
        assert!(what.starts_with("this IN has ") && what.contains("= ANY ($1)"), "{what}");
        assert_eq!(sql.get(refusal.at()..=refusal.at()), Some("("));
    }
    check("SELECT id FROM open WHERE id = ANY ($1)").unwrap();
    check(&format!("SELECT id FROM open WHERE id IN (VALUES ($1 + 1){})", ", ($1 + 1)".repeat(5_000))).unwrap();
}

#[test]
fn a_refusal_tells_the_position_in_characters() {
    let sql = "SELECT 'äöü', secret FROM accounts";
    let error = check(sql).unwrap_err().error(sql);
    assert_eq!(error.sqlstate.as_str(), "42501");
    assert_eq!(error.details, [("position".to_owned(), "15".to_owned())]);
    assert!(
        error.message.starts_with("the host does not send this statement: select of accounts.secret is not granted")
    );
}

#[test]
fn plain_reads_are_known_for_what_they_are_whatever_is_granted() {
    for sql in [
        "SELECT 1",
        "select count(*) from transactions",
        "  -- how many\n SELECT sum(amount) FROM t WHERE a IN (1, 2) AND NOT (b OR c);",
        "SELECT 1; -- nothing more\n /* at all */",
        "WITH x AS (SELECT 1 AS a) SELECT a FROM x WHERE EXISTS (SELECT 1)",
        "WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "VALUES (1), (2)",
        "SELECT balance FROM accounts WHERE id = $1 FOR UPDATE",
        "SELECT balance FROM accounts WHERE id = $1 FOR NO KEY UPDATE",
        "SELECT 'DELETE FROM t; nextval(1)'",
        "SELECT 'it''s (' || E'\\'; DELETE' || $$ INSERT $$ || $a$ $$ UPDATE $$ $a$",
        "SELECT \"delete\", \"a\"\"(b\" FROM \"insert\"",
        "SELECT /* DELETE /* nested */ INTO */ 1",
        "SELECT CAST($1 AS numeric(10, 2)), x::varchar(3), row_number() OVER (PARTITION BY a ORDER BY b)",
        "SELECT v.a FROM (VALUES (1, 2)) AS v(a, b)",
        "SELECT coalesce (max(amount), 0) FROM t",
        "SELECT count(*) FILTER (WHERE a) OVER (ORDER BY (b)) FROM t GROUP BY (a)",
        "SELECT a FROM t JOIN u USING (id) WHERE (a, b) = ($1, $2) LIMIT 1",
        "SELECT updated, deleted_at, into_account FROM t",
        "SELECT secret FROM anything FOR UPDATE",
    ] {
        assert!(only_reads(sql), "{sql}");
    }
}

#[test]
fn whatever_may_write_is_not_taken_for_a_read() {
    for sql in [
        "",
        ";",
        "INSERT INTO t VALUES (1)",
        "update t set a = 1",
        "DELETE FROM t",
        "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
        "WITH x AS (INSERT INTO t VALUES (1) RETURNING id) SELECT id FROM x",
        "WITH x AS (SELECT 1 FOR UPDATE) UPDATE t SET a = 1",
        "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
        "SELECT * INTO u FROM t",
        "SELECT 1; DELETE FROM t",
        "SELECT 1;;",
        "SELECT nextval('s')",
        "SELECT setval ('s', 1)",
        "SELECT nextval/* x */('s')",
        "SELECT nextval -- x\n ('s')",
        "SELECT \"nextval\"('s')",
        "SELECT app.lower('x')",
        "SELECT app . \"f\" (1)",
        "SELECT pg_catalog.set_config('a', 'b', false)",
        "SELECT pg_advisory_lock(1)",
        "SELECT transfer(1)",
        "SELECT größe(1)",
        "SELECT f$1(1)",
        // Key words that may also name a user's function.
        "SELECT first(1)",
        "SELECT by(1)",
        "SELECT over(1)",
        "SELECT filter(1)",
        "SELECT materialized(1)",
        "CALL p()",
        "EXPLAIN ANALYZE DELETE FROM t",
        "SET a = 1",
        "BEGIN",
        "COPY t TO STDOUT",
        "TRUNCATE t",
        // Whether this is an escape depends on a setting of the server.
        "SELECT '\\'; DELETE FROM t; --'",
        // The second line continues the string with the same escape rules.
        "SELECT E'a'\n'\\'; DELETE FROM t; --'",
        "SELECT U&'\\0027'",
        "SELECT 'no end",
        "SELECT \"no end",
        "SELECT $$ no end",
        "SELECT $a$ no end $b$",
        "SELECT /* no end /* */ 1",
        "SELECT E'no end\\'",
        "SELECT $",
        "SELECT $ä-$ DELETE $ä-$",
        "SELECT 'a' /* ' */ ; DELETE FROM t /* ' */",
        "SELECT '--' ; DELETE FROM t",
        "SELECT '/*' ; DELETE FROM t -- */",
        "SELECT \"'\" ; DELETE FROM t --'\"",
        "SELECT $a$ $b$ $a$ ; DELETE FROM t --$b$",
        "SELECT a$b$ ; DELETE FROM t --$b$",
        "SELECT E'\\\\' ; DELETE FROM t --'",
        "SELECT '''' ; DELETE FROM t --'",
        "SELECT /* /* */ */ nextval('s')",
        "SELECT 1--\n; DELETE FROM t",
        // The server also ends a comment at a carriage return.
        "SELECT 1 --\r, nextval('s')",
        // White space in some versions of the server but not in others.
        "SELECT nextval\u{b}('s')",
        "SELECT nextval\0('s')",
    ] {
        assert!(!only_reads(sql), "{sql}");
    }
}
