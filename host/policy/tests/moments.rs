//! Strings that PostgreSQL takes for the time at which it reads them.
#![expect(clippy::panic, reason = "a test ends where it panics")]

use tenet_core::{Catalog, CatalogColumn, CatalogTable, Grants, SqlState};

/// The columns of the one table, and their types.
const COLUMNS: &[(&str, &str)] = &[
    ("id", "text"),
    ("status", "character varying(20)"),
    ("day", "date"),
    ("at", "timestamp with time zone"),
    ("times", "timestamp without time zone[]"),
    ("open", "tstzrange"),
    ("data", "jsonb"),
    ("tags", "text[]"),
];

fn canonical(sql: &str) -> Result<String, tenet_policy::Refusal> {
    let grants: Grants =
        serde_json::from_str(r#"{ "tables": { "t": { "select": "*", "insert": "*", "update": "*" } } }"#)
            .unwrap_or_else(|error| panic!("{error}"));
    let column = |(name, kind): &(&str, &str)| CatalogColumn { name: (*name).into(), kind: (*kind).into() };
    let table = CatalogTable { columns: COLUMNS.iter().map(column).collect(), ..CatalogTable::default() };
    tenet_policy::canonical(sql, &grants, &Catalog { tables: [("t".to_owned(), table)].into() })
}

#[test]
fn a_string_that_is_made_the_time_of_the_database_is_refused() {
    for sql in [
        "SELECT 'today'::date",
        "SELECT 'now'::timestamptz",
        "SELECT ' NOW '::time",
        "SELECT ('now')::timestamptz",
        "SELECT 'now'::timestamp(3) with time zone",
        "SELECT '{now}'::timestamptz[]",
        "SELECT ARRAY['2026-01-31', 'now']::date[]",
        "SELECT 'now'::text::timestamptz",
        "SELECT coalesce($1, 'now')::timestamptz",
        "SELECT CASE WHEN $1 THEN 'now' END::timestamptz",
        "SELECT date 'tomorrow'",
        "SELECT time with time zone 'now'",
        "SELECT timestamp with time zone E'n\\157w'",
        "SELECT timestamp $$now$$",
        "SELECT E'\\x6eow'::date",
        "SELECT CAST('yesterday' AS timestamp)",
        "SELECT CAST('today 10:00 Europe/Paris' AS timestamptz)",
        "SELECT CAST(coalesce('today', $1) AS date)",
        "SELECT id FROM t WHERE at > 'now'",
        "SELECT id FROM t WHERE 'now' < t.at AND status = 'a'",
        "SELECT id FROM t WHERE status = 'a' AND day IN ('2026-01-31', 'today')",
        "SELECT id FROM t WHERE day BETWEEN 'yesterday' AND 'today'",
        "SELECT id FROM t WHERE day BETWEEN $1 AND 'today'",
        "SELECT id FROM t WHERE times @> '{now}'",
        "SELECT id FROM t WHERE open @> '[now,)'",
        "SELECT id FROM t AS o WHERE EXISTS (SELECT 1 FROM t AS i WHERE o.day = 'today')",
        "INSERT INTO t (id, at) VALUES ('a', $1), ('b', 'now')",
        "INSERT INTO t VALUES ('a', 'today', 'today')",
        "INSERT INTO t (id, day) VALUES ('a', $1) ON CONFLICT (id) DO UPDATE SET day = 'today'",
        "UPDATE t SET at = 'now'",
    ] {
        let refusal = canonical(sql).err().unwrap_or_else(|| panic!("{sql}"));
        assert!(
            refusal.to_string().contains("send the time of the request's context as a parameter"),
            "{sql}: {refusal}"
        );
        let error = refusal.error(sql);
        assert_eq!(error.sqlstate, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
}

#[test]
fn elsewhere_it_is_text_and_sent_as_such() {
    for (sql, sent) in [
        ("SELECT 'today'", "SELECT 'today'::TEXT AS \"?column?\""),
        ("SELECT 'now' AS a", "SELECT 'now'::TEXT AS \"a\""),
        ("SELECT E'n\\157w' AS a", "SELECT E'n\\157w'::TEXT AS \"a\""),
        ("SELECT 'today'::varchar", "SELECT 'today'::VARCHAR AS \"varchar\""),
        (
            "SELECT id FROM t WHERE status = 'today'",
            "SELECT \"t\".\"id\" FROM \"public\".\"t\" WHERE \"t\".\"status\" = ('today'::TEXT)",
        ),
        // One that no column beside it shows: PostgreSQL refuses to compare a time with text.
        (
            "SELECT id FROM t WHERE coalesce(at, $1) > 'now'",
            "SELECT \"t\".\"id\" FROM \"public\".\"t\" WHERE \"pg_catalog\".\"coalesce\"",
        ),
    ] {
        let got = canonical(sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
        assert_eq!(canonical(&got).as_ref(), Ok(&got), "it stays as it is");
        if sent.contains("pg_catalog") {
            assert!(got.contains("> ('now'::TEXT)"), "{got}");
        } else {
            assert_eq!(got, sent, "{sql}");
        }
    }
    for sql in [
        "SELECT id FROM t WHERE status = 'today' AND at > $1",
        "SELECT id FROM t WHERE at > $1 AND status IN ('today', 'tomorrow')",
        "SELECT id FROM t WHERE data->>'now' = 'today'",
        "SELECT id FROM t WHERE data = '\"today\"'::jsonb AND tags @> '{today}'::text[]",
        "SELECT 'epoch'::timestamptz, 'infinity'::date, 'allballs'::time, date '2026-01-31', 'nowadays'::date",
        "SELECT to_char(at, 'today'), interval '1 day' FROM t",
        "INSERT INTO t (id, status, day) VALUES ('now', 'today', $1)",
        "UPDATE t SET status = 'today', at = $1",
        "SELECT status FROM t ORDER BY 'today'",
    ] {
        let _ = canonical(sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    }
}

#[test]
fn what_may_be_several_values_has_its_type_beside_it() {
    for sql in
        ["SELECT '{now}'", "SELECT id FROM t WHERE tags @> '{today}'", "SELECT coalesce(data, '\"today\"') FROM t"]
    {
        let refusal = canonical(sql).err().unwrap_or_else(|| panic!("{sql}"));
        assert!(refusal.to_string().contains("write the type behind the string"), "{sql}: {refusal}");
    }
}
