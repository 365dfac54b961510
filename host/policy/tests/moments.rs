//! Strings that PostgreSQL reads as its current time.
#![expect(clippy::panic, reason = "a test ends where it panics")]

use tenet_core::{Catalog, CatalogColumn, CatalogTable, Grants, SqlState};

/// The columns of the only table, and their types.
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

/// The table of the page, with what is sent and refused.
#[test]
fn each_example_of_the_page_is_sent_or_refused_as_the_page_says() {
    let page = include_str!("../README.md");
    let table =
        page.split("| sent as | such as |").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap_or_default();
    let mut examples = 0;
    for row in table.lines().skip(2) {
        let mut cells = row.trim_matches('|').split(" | ");
        let (Some(kind), Some(cell)) = (cells.next(), cells.next()) else { panic!("{row}") };
        let kind = kind.trim().trim_matches('`');
        for example in cell.split('`').skip(1).step_by(2) {
            let sql = format!("SELECT {example} FROM t");
            match (canonical(&sql), kind) {
                (Ok(sent), "text" | "text[]" | "jsonb") => {
                    let is_sent = |kind: &str| sent.contains(&format!("'::{}", kind.to_uppercase()));
                    assert!(is_sent(kind) && (kind != "text" || !is_sent("text[]")), "{sent} instead of {kind}");
                }
                (Err(refusal), "refused: write its type behind it") => {
                    assert!(refusal.to_string().contains("write the type behind the string"), "{sql}: {refusal}");
                }
                (Err(refusal), "refused: send a parameter") => {
                    assert!(refusal.to_string().contains("as a parameter"), "{sql}: {refusal}");
                }
                (result, kind) => panic!("{sql}: {result:?} instead of {kind}"),
            }
            examples += 1;
        }
    }
    assert!(examples > 40, "{examples}");
}

#[test]
fn such_a_string_is_no_time_zone_and_the_refusal_says_so() {
    for sql in ["SELECT at AT TIME ZONE 'now' FROM t", "SELECT id FROM t WHERE t.at AT TIME ZONE 'today' > $1"] {
        let refusal = canonical(sql).err().unwrap_or_else(|| panic!("{sql}"));
        assert!(refusal.to_string().contains("is no time zone: write one, as in 'UTC'"), "{refusal}");
        assert_eq!(refusal.error(sql).sqlstate, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
}

#[test]
fn a_text_that_is_computed_is_made_no_date() {
    for text in [
        "('to' || 'day')",
        "lower('TODAY'::text)",
        "concat('to', 'day')",
        "coalesce($1, 'x')",
        "nullif($1, '')",
        "greatest($1, '2026-01-31')",
        "CASE WHEN true THEN $1 ELSE '2026-01-31' END",
        "CASE $1 WHEN 'a' THEN id END",
        "(SELECT $1)",
        "(SELECT id FROM t)",
        "(SELECT max(status) FROM t)",
        "(VALUES ($1))",
        "(SELECT x FROM (SELECT id AS x FROM t) y)",
        "(SELECT y.x FROM (SELECT '2026-01-31' AS x UNION SELECT id FROM t) y)",
        "(WITH w(x) AS (SELECT lower(id) FROM t) SELECT x FROM w)",
        "(WITH RECURSIVE w(x) AS (SELECT '' UNION ALL SELECT x || 'today' FROM w) SELECT x FROM w)",
        "(WITH RECURSIVE w(x) AS (SELECT '' UNION ALL SELECT x::date::text FROM w) SELECT 1 FROM w)",
        "(WITH w AS (INSERT INTO t (id) VALUES ($1) RETURNING id) SELECT id FROM w)",
        "(SELECT x FROM unnest(tags) x)",
        "(SELECT id FROM t AS u JOIN t AS v USING (id))",
        "(SELECT value FROM jsonb_each_text($1::jsonb))",
        "(data ->> 'day')",
        "(data #>> '{day}')",
        "(data::text)",
        "tags[1]",
        "(tags)[1]",
        "(ARRAY['to' || 'day'])[1]",
        "max(id)",
        "(max(id) OVER (ORDER BY day))",
        "mode() WITHIN GROUP (ORDER BY id)",
        "'nowx'::varchar(3)",
        "$1::varchar(3)",
        "$1::character varying",
        "CAST($1 AS text)",
        "'nowx'::char(3)",
        "text 'today'",
        "E'to\\x64ay'::char(5)",
        "to_char(at, '\"today\"')",
        "at::text",
        "(id)",
        "t.id",
        "(t.id || '')",
    ] {
        for cast in ["::date", "::timestamptz", "::time(3) with time zone", "::timestamp[]"] {
            let sql = format!("SELECT {text}{cast} FROM t");
            let refusal = canonical(&sql).err().unwrap_or_else(|| panic!("{sql}"));
            assert_eq!(refusal.error(&sql).sqlstate, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}: {refusal}");
        }
        let sql = format!("SELECT CAST({text} AS date) FROM t");
        assert!(canonical(&sql).is_err(), "{sql}");
    }
    let sql = "SELECT (id || '')::date FROM t";
    let refusal = canonical(sql).unwrap_err();
    assert_eq!(
        (refusal.at(), refusal.to_string().as_str()),
        (
            19,
            "a text that is computed is not made a DATE: PostgreSQL reads 'today' and the like in it as its own time. Send \
             the value with its type, cast the parameter itself, or read the text and convert it in the rule"
        )
    );
}

#[test]
fn what_is_no_text_is_made_a_date_as_ever() {
    for value in [
        "$1",
        "($1)",
        "'2026-01-31'",
        "'2026-01-31'::text",
        "NULL",
        "at",
        "t.at",
        "(at AT TIME ZONE 'Europe/Paris')",
        "($1::timestamptz AT TIME ZONE $2)",
        "date_trunc('month', at)",
        "(date_trunc('month', $1::timestamptz) + interval '1 month')",
        "(day + 1)",
        "(day - $1)",
        "(at + interval '1' day)",
        "coalesce(at, $1)",
        "coalesce($1::date, day)",
        "nullif(at, $1)",
        "greatest(day, '2026-01-31')",
        "least(at, $1)",
        "CASE WHEN status = 'x' THEN at ELSE '2026-01-31' END",
        "CASE WHEN $1 THEN NULL ELSE day END",
        "CASE WHEN $1 THEN '2026-01-31' ELSE '2026-02-28' END",
        "(SELECT max(at) FROM t)",
        "(SELECT x FROM (SELECT at AS x FROM t) y)",
        "(SELECT at FROM t UNION SELECT '2026-01-31' LIMIT 1)",
        "(WITH w(x) AS (SELECT at FROM t) SELECT x FROM w)",
        "(WITH RECURSIVE w(x) AS (SELECT day FROM t UNION ALL SELECT (x + 1)::date FROM w) SELECT max(x) FROM w)",
        "(WITH w AS (UPDATE t SET day = $1 RETURNING at) SELECT at FROM w)",
        "(SELECT x FROM generate_series(at, $1, interval '1 day') x)",
        "(SELECT y.* FROM (SELECT * FROM (SELECT at FROM t) x) y)",
        "(SELECT x.column1 FROM (VALUES ($1::timestamptz), ('2026-01-31')) x)",
        "(SELECT at FROM t AS u JOIN t AS v USING (at))",
        "max(at)",
        "(max(at) FILTER (WHERE status = 'x'))",
        "(first_value(at) OVER (PARTITION BY id ORDER BY status))",
        "(lag(at, 1, '2026-01-31') OVER (ORDER BY id))",
        "percentile_disc(0.5) WITHIN GROUP (ORDER BY at)",
        "times[1]",
        "(ARRAY[at, $1])[1]",
        "(array_agg(at ORDER BY id))[1]",
        "lower(open)",
        "to_timestamp($1::float8)",
        "to_date($1, 'YYYY-MM-DD')",
        "make_date(2026, 1, 31)",
        "interval '1 hour'",
    ] {
        for sql in [format!("SELECT {value}::date FROM t"), format!("SELECT CAST({value} AS date) FROM t")] {
            let _ = canonical(&sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
        }
    }
    // The text of the parameter is checked when it is sent.
    let _ = canonical("SELECT $1::text::date, $1::varchar::timestamptz").unwrap_or_else(|refusal| panic!("{refusal}"));
}

#[test]
fn elsewhere_it_is_text_and_sent_as_such() {
    for (sql, sent) in [
        ("SELECT 'today'", "SELECT 'today'::TEXT AS \"?column?\""),
        ("SELECT 'now' AS a", "SELECT 'now'::TEXT AS \"a\""),
        ("SELECT E'n\\157w' AS a", "SELECT E'n\\157w'::TEXT AS \"a\""),
        ("SELECT 'today'::varchar", "SELECT 'today'::VARCHAR AS \"varchar\""),
        ("SELECT CAST('today' AS varchar)", "SELECT CAST ('today' AS VARCHAR) AS \"varchar\""),
        ("SELECT CAST('{now}' AS int[])", "SELECT CAST ('{now}' AS INT[]) AS \"int4\""),
        (
            "SELECT id FROM t WHERE status = 'today'",
            "SELECT \"t\".\"id\" FROM \"public\".\"t\" WHERE \"t\".\"status\" = ('today'::TEXT)",
        ),
        // The comparison has no column next to the string: PostgreSQL refuses to compare a time
        // with text.
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

/// Each place proves that the string next to it is a text; `?` is replaced by the string.
const TEXTS: &[&str] = &[
    "SELECT id FROM t WHERE status = ?",
    "SELECT id FROM t WHERE ? = t.status",
    "SELECT id FROM t WHERE status <> ? AND at > $1 AND tags @> $2",
    "SELECT id FROM t WHERE at > $1 OR NOT id = ? AND day < $2",
    "SELECT id FROM t WHERE status IN ('a', ?, $1)",
    "SELECT id FROM t WHERE id NOT IN (?)",
    "SELECT id FROM t WHERE status BETWEEN ? AND $1 AND day < $2",
    "SELECT id FROM t WHERE status LIKE ? OR id ILIKE ?",
    "SELECT id FROM t WHERE status IS DISTINCT FROM ?",
    "SELECT id FROM t WHERE data ->> 'label' = ?",
    "SELECT id FROM t WHERE data -> 'a' ->> 'b' = ?",
    "SELECT id FROM t WHERE (data #>> '{a,b}') = ?",
    "SELECT id FROM t WHERE day::text = ?",
    "SELECT id FROM t WHERE $1::text = ?",
    "SELECT id FROM t WHERE lower(status) = ?",
    "SELECT id FROM t WHERE coalesce(status, '') = ?",
    "SELECT id FROM t WHERE (SELECT max(x.status) FROM t x) = ?",
    "SELECT o.id FROM (SELECT id || '' AS id FROM t) o WHERE o.id = ?",
    "WITH w AS (SELECT status AS s FROM t) SELECT s FROM w WHERE s = ?",
    "SELECT id || ? FROM t",
    "SELECT ? || id || ' and ' || status FROM t",
    "SELECT (id || ' ') || ? FROM t",
    "SELECT day::text || ? FROM t",
    "SELECT $1::text || ? AS a",
    "SELECT to_char(day, 'DD')::text || ? FROM t",
    "SELECT coalesce(status, ?) FROM t",
    "SELECT coalesce($1, status, ?) FROM t",
    "SELECT nullif(status, ?) FROM t",
    "SELECT CASE WHEN day < $1 THEN ? ELSE status END FROM t",
    "SELECT CASE WHEN day < $1 THEN ? ELSE 'later' END FROM t",
    "SELECT CASE status WHEN ? THEN 1 ELSE 2 END FROM t",
    "SELECT id FROM t WHERE status = ANY (ARRAY[?, 'a'])",
    "SELECT replace(status, ?, '') FROM t",
    "SELECT concat(id, ?, day) FROM t",
    "SELECT format('%s %s', ?, status) FROM t",
    "SELECT split_part(status, ?, 1), starts_with(status, ?) FROM t",
    "SELECT jsonb_build_object('label', ?, 'day', day) FROM t",
    "VALUES (?), ('a')",
    "SELECT x FROM (SELECT 'a' AS x UNION SELECT status FROM t) y WHERE y.x = ?",
    "INSERT INTO t (id, status) VALUES ('a', ?), ($1, $2)",
    "INSERT INTO t VALUES (?, ?)",
    "INSERT INTO t (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET status = ?",
    "UPDATE t SET status = ? WHERE id = $1 RETURNING id",
    "UPDATE t SET status = status || ?",
    "SELECT ?",
    "SELECT ? AS a, id FROM t",
    "SELECT id FROM t WHERE status IN (SELECT ?)",
    "SELECT id FROM t UNION SELECT ?",
    "SELECT ? UNION ALL SELECT id FROM t",
    "(SELECT ? LIMIT 1) EXCEPT SELECT 'a'",
    "SELECT day, id FROM t UNION SELECT $1::date, ?",
    "INSERT INTO t (id, status) SELECT ?, status FROM t",
    "INSERT INTO t (day, status) SELECT day, ? FROM t",
    "UPDATE t SET (status, day) = (?, $1)",
    "UPDATE t SET (status, day) = ROW(?, $1)",
    "SELECT day || ? FROM t",
    "SELECT ? || at || ? FROM t",
    "SELECT day + 1 || ? || status FROM t",
    "SELECT (day + 1) || ? FROM t",
    "SELECT (day || ' ') || ? FROM t",
    "SELECT at AT TIME ZONE 'utc' || ? FROM t",
    "SELECT 1 + 1 || ?, $1::int || ?, true || ?, date '2026-01-31' || ?, interval '1 day' || ?",
    "SELECT count(*) || ?, extract(year FROM max(at)) || ? FROM t",
    "SELECT open || ? FROM t",
    "SELECT id FROM t WHERE day || 'x' = ? AND status = 'x' || ?",
    "SELECT id FROM t WHERE (?, 1) = (id, 1)",
    "SELECT id FROM t WHERE (id, day) <> (?, $1)",
    "SELECT id FROM t WHERE (id, status) IN ((?, 'a'), ('a', ?))",
    "SELECT id FROM t WHERE ROW(id, day) IS DISTINCT FROM ROW(?, $1::date)",
    "SELECT id FROM t WHERE status ~ ?",
    "SELECT id FROM t WHERE status !~* ? || 'x'",
    "SELECT id FROM t WHERE ? = ANY (tags)",
    "SELECT id FROM t WHERE ? <> ALL (SELECT status FROM t)",
    "SELECT id FROM t WHERE ? = ANY ((SELECT 'a' UNION SELECT status FROM t))",
    "SELECT id FROM t WHERE ? IN (id, 'a') OR ? BETWEEN 'a' AND status",
    "SELECT data -> ?, data ->> ? FROM t",
    "SELECT data -> 'a' -> ? FROM t",
    "SELECT (data -> 'a') ->> ? FROM t",
    "SELECT to_char(day, ?) FROM t",
    "SELECT to_char(at + interval '1 day', ?) FROM t",
    "SELECT to_date(status, ?), to_number(?, '9'), to_timestamp(status, ?) FROM t",
    "SELECT array_to_string(times, ?, ?) FROM t",
    "SELECT jsonb_extract_path_text(data, ?, ?) FROM t",
    "SELECT btrim(status, ?), ltrim(?, id), trim(BOTH ? FROM id), position(? IN id) FROM t",
    "SELECT substring(status FROM ?) FROM t",
    "SELECT string_agg(id, ? ORDER BY day) FILTER (WHERE status <> ?) FROM t",
];

#[test]
fn beside_texts_it_may_have_any_form() {
    for place in TEXTS {
        for string in ["'(now)'", "'[today] sale'", "'{tomorrow}'", "'\"now\"'", "E' (n\\157w)'", "' today'"] {
            let sql = place.replace('?', string);
            let sent = canonical(&sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
            assert!(sent.contains(&format!("{string}::TEXT")), "{sent}");
        }
    }
    // A text of a date is no date, and PostgreSQL joins both to one.
    for sql in [
        "SELECT day || ' today' FROM t",
        "SELECT 'now' < day || '' FROM t",
        "SELECT id FROM t WHERE '' || at = 'today'",
        "SELECT 'today ' || day FROM t",
        "SELECT at::text || ' now' FROM t",
        "SELECT id FROM t WHERE at::text LIKE '%today%'",
        "SELECT id FROM t WHERE 'today' = day::varchar",
        "SELECT id FROM t WHERE lower(id) = 'today' AND day > $1",
        "SELECT CASE id WHEN 'today' THEN day END FROM t",
    ] {
        let _ = canonical(sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    }
}

/// Strings that PostgreSQL certainly reads as another type than a text, and how they are sent.
#[test]
fn beside_json_and_arrays_it_has_their_type() {
    for (place, kind) in [
        ("SELECT id FROM t WHERE data @> ?", "JSONB"),
        ("SELECT id FROM t WHERE ? <@ t.data AND day < $1", "JSONB"),
        ("SELECT id FROM t WHERE data = ? OR data <> $1", "JSONB"),
        ("SELECT id FROM t WHERE data -> 'a' = ?", "JSONB"),
        ("SELECT id FROM t WHERE (data -> 'a') @> ?", "JSONB"),
        ("SELECT id FROM t WHERE data IN (?, '1')", "JSONB"),
        ("SELECT data || ? FROM t", "JSONB"),
        ("SELECT ? || data || '{}' FROM t", "JSONB"),
        ("SELECT data -> 'a'::text || ? FROM t", "JSONB"),
        ("SELECT ? || data ->> 'a' || id FROM t", "JSONB"),
        ("SELECT coalesce(data, ?) FROM t", "JSONB"),
        ("SELECT CASE WHEN day < $1 THEN data ELSE ? END FROM t", "JSONB"),
        ("SELECT data FROM t UNION SELECT ?", "JSONB"),
        ("SELECT jsonb_set(data, '{a}', ?) FROM t", "JSONB"),
        ("SELECT jsonb_typeof(?)", "JSONB"),
        ("SELECT value FROM jsonb_each_text(?)", "JSONB"),
        ("SELECT id FROM t WHERE (data, id) = (?, 'a')", "JSONB"),
        ("INSERT INTO t (id, data) VALUES ('a', ?)", "JSONB"),
        ("INSERT INTO t (id, data) SELECT id, ? FROM t", "JSONB"),
        ("UPDATE t SET data = ?", "JSONB"),
        ("UPDATE t SET (data, id) = (?, 'a')", "JSONB"),
        ("SELECT id FROM t WHERE status = ANY (?)", "TEXT[]"),
        ("SELECT id FROM t WHERE status <> ALL (?) AND at > $1", "TEXT[]"),
        ("SELECT id FROM t WHERE lower(id) LIKE ANY (?)", "TEXT[]"),
        ("SELECT id FROM t WHERE tags @> ?", "TEXT[]"),
        ("SELECT id FROM t WHERE ? && tags", "TEXT[]"),
        ("SELECT id FROM t WHERE tags = ?", "TEXT[]"),
        ("SELECT id FROM t WHERE $1::text[] = ?", "TEXT[]"),
        ("SELECT tags || ? FROM t", "TEXT[]"),
        ("SELECT ARRAY['a', 'b'] || ? FROM t", "TEXT[]"),
        ("SELECT nullif(ARRAY['a'], ?) FROM t", "TEXT[]"),
        ("SELECT CASE WHEN true THEN ARRAY['a'] ELSE ? END FROM t", "TEXT[]"),
        ("SELECT CASE ARRAY['a'] WHEN ? THEN 'x' END FROM t", "TEXT[]"),
        ("VALUES (ARRAY['a']), (?)", "TEXT[]"),
        ("SELECT id FROM t WHERE ARRAY(SELECT 'a') = ?", "TEXT[]"),
        ("SELECT ? || tags FROM t", "TEXT[]"),
        ("SELECT coalesce(tags, ?) FROM t", "TEXT[]"),
        ("SELECT data #> ?, data #- ? FROM t", "TEXT[]"),
        ("SELECT data #>> ? FROM t", "TEXT[]"),
        ("SELECT jsonb_set(data, ?, '1') FROM t", "TEXT[]"),
        ("INSERT INTO t (id, tags) VALUES ('a', ?)", "TEXT[]"),
        ("UPDATE t SET tags = tags || ?", "TEXT[]"),
        ("UPDATE t SET (tags, id) = (?, 'a')", "TEXT[]"),
    ] {
        for string in ["'{now}'", "E'{\"a\": \"to\\144ay\"}'", " '[0:0]={now}'"] {
            let sql = place.replace('?', string);
            let sent = canonical(&sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
            assert!(sent.contains(&format!("{}::{kind}", string.trim())), "{sent}");
            // Its value is made no date.
            if let Some(value) = sql.strip_prefix("SELECT ").and_then(|rest| rest.strip_suffix(" FROM t")) {
                let sql = format!("SELECT ({value})::text::date FROM t");
                assert!(canonical(&sql).is_err(), "{sql}");
            }
        }
    }
}

#[test]
fn beside_what_may_be_another_type_it_has_its_type_beside_it() {
    for sql in [
        "SELECT $1 || '{now}'",
        "SELECT id || tags || '{today}' FROM t",
        "SELECT id || $1 || '{now}' FROM t",
        "SELECT data - '{now}' FROM t",
        "SELECT '{\"a\": \"now\"}' -> 'a'",
        "SELECT id FROM t WHERE $1 = '(now)' OR id = 'a'",
        "SELECT id FROM t WHERE $1 = ANY ('{now}')",
        "SELECT id FROM t WHERE '(now)' = ANY ('{now}')",
        "SELECT id FROM t WHERE tags[1] = '(now)'",
        // Next to the other string it is a text.
        "SELECT id FROM t WHERE '{now}' IN (tags, '{x}')",
        "SELECT id FROM t WHERE '{now}' BETWEEN tags AND '{x}'",
        "SELECT id FROM t WHERE '{x}' BETWEEN tags AND '{now}'",
        "SELECT id FROM t WHERE ('{now}', 1) IN ((tags, 1), ('{x}', 1))",
        "SELECT id FROM t WHERE '[\"now\"]' = ANY (SELECT tags FROM t WHERE false) OR '{now}' = ANY (SELECT times FROM t)",
        "SELECT id FROM t WHERE '(now)' AT TIME ZONE id = $1",
        "SELECT - '(now)' || id FROM t",
        "SELECT day - '(now)' || id FROM t",
        "SELECT id FROM t WHERE ('{now}', 1) = (SELECT tags, 1 FROM t)",
        "SELECT id FROM t WHERE ('(now)', 1) = (day, 1)",
        "SELECT id FROM t WHERE (id, 1) = ($1, '(now)')",
        "SELECT ROW('(now)', 1)",
        "SELECT id FROM t WINDOW w AS (ORDER BY '{now}', tags)",
        "SELECT id FROM t WINDOW w AS (PARTITION BY data, '{\"a\": \"now\"}' ORDER BY id)",
        "SELECT max(id) OVER (ORDER BY '(now)', id) FROM t",
        "SELECT id FROM t WHERE string_to_array(id, ',') = '{now}'",
        "SELECT id FROM t WHERE array_agg(id) = '{now}'",
        "SELECT id FROM t WHERE array_append(NULL, id) = '{now}'",
        "SELECT id FROM t WHERE ARRAY[id] = '{now}'",
        "SELECT id FROM t WHERE ARRAY(SELECT id FROM t) = '{now}'",
        "SELECT id FROM t WHERE times = '{now}'::text[] OR coalesce(times, '{now}') = times",
        "SELECT coalesce($1, '{now}')",
        "SELECT coalesce(at, '(now)') FROM t",
        "SELECT CASE WHEN '(now)' THEN 1 END",
        "SELECT array_cat(tags, '{now}') FROM t",
        "SELECT date_bin('1 us', '(now)', at) FROM t",
        "SELECT to_char('(now)', 'YYYY')",
        "SELECT btrim($1, '(now)')",
        "SELECT jsonb_set(data, '{a}', data, '(now)') FROM t",
        "VALUES ($1), ('(now)')",
        "SELECT day FROM t UNION SELECT '(now)'",
        "SELECT $1 UNION SELECT '(now)'",
        "SELECT id, at FROM t UNION ALL SELECT '(now)', '(now)'",
        "WITH RECURSIVE w(x) AS (SELECT '(now)' UNION ALL SELECT x || 'a' FROM w) SELECT x FROM w",
        "INSERT INTO t (open) VALUES ('(2000-01-01,]') ON CONFLICT DO NOTHING RETURNING coalesce(open, '[,now)')",
    ] {
        let refusal = canonical(sql).err().unwrap_or_else(|| panic!("{sql}"));
        assert!(refusal.to_string().contains("write the type behind the string"), "{sql}: {refusal}");
    }
    for sql in [
        "SELECT times || 'now' FROM t",
        "SELECT at::date = 'today' FROM t",
        "SELECT id FROM t WHERE day = ANY ('{now}')",
        "SELECT 'now' < day FROM t",
        "INSERT INTO t (id, at) SELECT id, '(now)' FROM t",
        "INSERT INTO t (id, day) SELECT id, '(now)' FROM t UNION SELECT id, day FROM t",
        "UPDATE t SET (at, id) = ('now', 'a')",
        "UPDATE t SET (open, id) = ROW('[now,)', 'a')",
    ] {
        assert!(canonical(sql).is_err(), "{sql}");
    }
}

/// A choice of such strings is a text that is computed.
#[test]
fn a_text_beside_texts_is_made_no_date_behind_them() {
    for text in [
        "coalesce('(now)', status)",
        "(SELECT CASE WHEN true THEN '(now)' END)",
        "(SELECT x FROM (VALUES ('(now)'), ('a')) v(x))",
        "(SELECT x FROM (SELECT coalesce('{now}', '') AS x) y)",
        "(ARRAY['(now)'])[1]",
        "concat('(now)')",
        "(SELECT replace(id, '(now)', '') FROM t)",
        "(SELECT '(now)')",
        "(SELECT x FROM (SELECT '(now)' AS x UNION SELECT id FROM t) y)",
        "(WITH w(x) AS (SELECT '{now}') SELECT x FROM w)",
        "(day || '(now)')",
        "('(now)' || day)",
        "(SELECT x FROM (SELECT 1 || '(now)' AS x) y)",
        "tags[1]",
        "(tags || '{now}')[1]",
        "(coalesce(tags, '{now}'))[1]",
        "(data || '{\"a\": \"now\"}' ->> 'a')",
        "(data || '\"now\"')::text",
        "array_to_string(tags || '{now}', '')",
    ] {
        for sql in [format!("SELECT {text}::date FROM t"), format!("SELECT CAST({text} AS timestamptz) FROM t")] {
            let refusal = canonical(&sql).err().unwrap_or_else(|| panic!("{sql}"));
            assert_eq!(refusal.error(&sql).sqlstate, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}: {refusal}");
        }
    }
}
