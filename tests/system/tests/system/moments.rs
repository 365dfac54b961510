//! Strings that PostgreSQL reads as the current time, in every place where it could do so.

use tenet_core::{Catalog, Columns, Grants, TableGrant};
use tenet_database::{Endpoint, Inventory};
use tenet_policy::canonical;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::database::{Database, empty_database};

const SCHEMA: &str = r#"
    CREATE TABLE t (at timestamptz, day date, hour time, times timestamp[], open tstzrange, note text,
        word varchar(40), data jsonb, tags text[],
        amount numeric(12, 2), many bigint, ok boolean, id uuid, span interval, doc json);
    INSERT INTO t VALUES ('2000-01-01', '2000-01-01', '00:00', '{2000-01-01}', '[2000-01-01,2000-01-01]', 'x', 'y',
        '{"label": "x", "inner": {"label": "y"}}', '{x}', 1.5, 7, true, '00000000-0000-0000-0000-000000000001', '1 day', '{}');
"#;

/// Strings that PostgreSQL converts to the current time, and texts that contain one.
const STRINGS: &[&str] = &[
    "'now'",
    "' NOW '",
    "'today'",
    "'tomorrow'",
    "'yesterday'",
    "'\"now\"'",
    "'(today)'",
    "'{now}'",
    "'[today,)'",
    "'[0:0]={now}'",
    "'today 10:00 Europe/Paris'",
    "'10:00today'",
    "'at now'",
    "E'n\\157w'",
    "E'\\x74oday'",
    "$$now$$",
    "$a$today$a$",
];

/// Places where an untyped string could get the type of a time; `?` is replaced by the string.
const PLACES: &[&str] = &[
    "SELECT ?::date",
    "SELECT (?)::timestamptz",
    "SELECT CAST(? AS timestamp)",
    "SELECT CAST(? AS time)",
    "SELECT date ?",
    "SELECT timestamp with time zone ?",
    "SELECT ?::timestamptz[]",
    "SELECT ?::date[]",
    "SELECT ARRAY[?]::timestamptz[]",
    "SELECT ARRAY[?, at] FROM t",
    "SELECT coalesce(?)::timestamptz",
    "SELECT coalesce(at, ?) FROM t WHERE at IS NULL",
    "SELECT coalesce(?, at) FROM t",
    "SELECT greatest(at, ?) FROM t",
    "SELECT least(?, date '9999-01-01')",
    "SELECT nullif(?, at) FROM t",
    "SELECT CASE WHEN true THEN ? ELSE at END FROM t",
    "SELECT CASE WHEN true THEN ? END::date",
    "SELECT at FROM t WHERE at < ?",
    "SELECT at FROM t WHERE ? > at",
    "SELECT at FROM t WHERE at + interval '1 day' < ?",
    "SELECT day FROM t WHERE day BETWEEN '1999-01-01' AND ?",
    "SELECT day FROM t WHERE day NOT IN ('2001-01-01', ?)",
    "SELECT at FROM t WHERE (at, note) < (?, 'x')",
    "SELECT at FROM t WHERE at < ANY (?)",
    "SELECT at FROM t WHERE at <> ALL (ARRAY[?])",
    "SELECT at FROM t WHERE hour < ?",
    "SELECT at FROM t WHERE NOT (times @> ?)",
    "SELECT at FROM t WHERE NOT (open @> ?)",
    "SELECT at FROM t WHERE open << ?",
    "SELECT date_bin('1 us', ?, 'epoch')",
    "SELECT ? AT TIME ZONE 'utc'",
    "SELECT generate_series(?, ?, interval '1 day')",
    "SELECT age(?, at) FROM t",
    "SELECT date_trunc('day', ?)",
    "SELECT extract(year FROM ?)",
    "SELECT isfinite(?)",
    "SELECT (?, interval '1 day') OVERLAPS (at, interval '100 years') FROM t",
    "SELECT date_part('year', ?)",
    "SELECT to_char(?, 'YYYY')",
    "SELECT ? - at FROM t",
    "SELECT at - ? FROM t",
    "SELECT day + ? FROM t",
    "SELECT at FROM t UNION SELECT ?",
    "SELECT ? UNION SELECT at FROM t",
    "VALUES (?), (date '2000-01-01')",
    "SELECT x FROM t, LATERAL (VALUES (at), (?)) v(x)",
    "SELECT x::date FROM t, LATERAL (VALUES (?), (at)) v(x)",
    "WITH w AS (SELECT ?) SELECT at FROM t WHERE at < (SELECT * FROM w)",
    "SELECT max(x) FROM (SELECT at AS x FROM t UNION ALL SELECT ?) s",
    "INSERT INTO t (at) VALUES (?) RETURNING at",
    "INSERT INTO t VALUES (?) RETURNING at",
    "INSERT INTO t (at) SELECT ? RETURNING at",
    "INSERT INTO t (day) VALUES ('2000-01-01'), (?) RETURNING day",
    "INSERT INTO t (times) VALUES (?) RETURNING times",
    "INSERT INTO t (at) (SELECT at FROM t UNION SELECT ?) RETURNING at",
    "INSERT INTO t (open) VALUES (?) RETURNING open",
    "UPDATE t SET at = ? RETURNING at",
    "UPDATE t SET (at, note) = (?, 'x') RETURNING at",
    "UPDATE t SET at = coalesce(?, at) RETURNING at",
    "UPDATE t SET (at, note) = ROW(?, 'x') RETURNING at",
    "UPDATE t SET times = ARRAY[?] RETURNING times",
    "DELETE FROM t WHERE at < ? RETURNING at",
    "UPDATE t SET (at, note) = (SELECT ?, 'x') RETURNING at",
    "SELECT count(*) FILTER (WHERE at < ?) FROM t",
    "SELECT at FROM t WHERE (at, 1) > (?, 1)",
    "SELECT at FROM t WHERE (note, day) IN (('x', ?), ('x', '2000-01-01'))",
    "SELECT at FROM t WHERE ROW(at, note) IS DISTINCT FROM ROW(?, 'x')",
    "SELECT at FROM t WHERE at <> ANY (?)",
    "SELECT times || ? FROM t",
    "SELECT at FROM t WHERE ? <> ALL (times)",
    "SELECT day - ? || note FROM t",
    "SELECT at + ? || note FROM t",
    "SELECT x FROM (SELECT at AS x FROM t UNION SELECT ?) s",
    "SELECT x FROM (SELECT ? AS x UNION ALL SELECT day FROM t UNION SELECT ?) s",
    "INSERT INTO t (note, at) SELECT note, ? FROM t RETURNING at",
    "INSERT INTO t (day) SELECT DISTINCT ? FROM t RETURNING day",
    "INSERT INTO t (open, note) SELECT ?, note FROM t RETURNING open",
    "UPDATE t SET (day, note) = (?, 'x') RETURNING day",
    "UPDATE t SET (open, note) = ROW(?, 'x') RETURNING open",
    "SELECT array_cat(times, ?) FROM t",
    "SELECT array_append(times, ?) FROM t",
    "SELECT lag(at, 1, ?) OVER (ORDER BY at) FROM t",
    "SELECT (? || tags)::date[] FROM t",
    "SELECT (tags || ?)[2]::date FROM t",
    "SELECT coalesce(tags, ?)::timestamptz[] FROM t",
    "SELECT (data || ?)::text::date FROM t",
    "SELECT (SELECT ?)::date",
    "SELECT x::date FROM (SELECT ? AS x) s",
    "SELECT x::date FROM (SELECT note AS x FROM t UNION SELECT ?) s",
    "SELECT (day || ?)::date FROM t",
    "SELECT to_timestamp(?)",
    "SELECT unnest(?)::date",
];

/// Computed texts that are such a string or contain one. Each statement casts one of them.
const COMPUTED: &[&str] = &[
    "('to' || 'day')",
    "lower('TODAY')",
    "upper('yesterday')",
    "initcap('now')",
    "concat('to', 'day')",
    "concat_ws('', 'n', 'ow')",
    "format('n%s', 'ow')",
    "reverse('yadot')",
    "left('nowx', 3)",
    "right('xnow', 3)",
    "substr('xnow', 2)",
    "substring('xnow' FROM 2)",
    "overlay('xow' PLACING 'n' FROM 1)",
    "replace('toxday', 'x', '')",
    "translate('nxw', 'x', 'o')",
    "regexp_replace('toxday', 'x', '')",
    "(regexp_match('xnow', 'now'))[1]",
    "(regexp_split_to_array('now,x', ','))[1]",
    "(string_to_array('now,x', ','))[1]",
    "split_part('now,x', ',', 1)",
    "array_to_string(ARRAY['to', 'day'], '')",
    "btrim(' now ')",
    "trim(BOTH 'x' FROM 'xnowx')",
    "lpad('ow', 3, 'n')",
    "repeat('now', 1)",
    "chr(110) || 'ow'",
    "(chr(110) || 'ow')",
    "coalesce(NULL, 'to' || 'day')",
    "nullif('to' || 'day', 'x')",
    "greatest('a', 'to' || 'day')",
    "least('zz', 'to' || 'day')",
    "CASE WHEN true THEN 'to' || 'day' END",
    "(SELECT 'to' || 'day')",
    "(SELECT max(x) FROM (VALUES ('a'), ('to' || 'day')) v(x))",
    "(SELECT string_agg(x, '') FROM (VALUES ('to'), ('day')) v(x))",
    "(WITH RECURSIVE w(x, n) AS (SELECT 'to', 1 UNION ALL SELECT x || 'day', 2 FROM w WHERE n = 1) SELECT max(x) FROM w WHERE n = 2)",
    "(SELECT x FROM unnest(ARRAY['to' || 'day']) x)",
    "(SELECT value FROM jsonb_each_text('{\"a\": \"now\"}'::jsonb))",
    "(SELECT value FROM json_array_elements_text('[\"now\"]'::json))",
    "(SELECT jsonb_object_keys('{\"now\": 1}'::jsonb))",
    "('{\"a\": \"now\"}'::jsonb ->> 'a')",
    "('{\"a\": \"now\"}'::json #>> '{a}')",
    "jsonb_extract_path_text('{\"a\": \"now\"}'::jsonb, 'a')",
    "'\"now\"'::jsonb::text",
    "('\"now\"'::jsonb)::text",
    "(ARRAY['to' || 'day'])[1]",
    "('{to\\day}'::text[])[1]",
    "'nowx'::varchar(3)",
    "'nowx'::char(3)",
    "CAST('nowx' AS character varying(3))",
    "(note || '')",
    "note",
    "t.note",
    "(SELECT s.note FROM t s)",
    "max(note)",
    "to_char(at, '\"today\"')",
    "convert_from('now', 'utf8')",
    "text 'now'",
    "encode('\\x6e6f77', 'escape')",
    "E'to\\144ay'",
    "'to' 'day'",
];

/// No computed text becomes the current time either, with a cast to any date or time type.
#[tokio::test]
async fn no_computed_text_becomes_the_time_of_the_database() {
    let database = empty_database().await;
    database.execute(SCHEMA).await;
    database.execute("UPDATE t SET note = 'today'").await;
    let (client, grants, catalog) = asked(&database).await;
    let (mut read, mut wrong) = (0, Vec::new());
    for text in COMPUTED {
        for kind in ["date", "time", "timetz", "timestamp", "timestamptz", "timestamp(3) with time zone"] {
            for sql in [
                format!("SELECT {text}::{kind} FROM t"),
                format!("SELECT CAST({text} AS {kind}) FROM t"),
                format!("SELECT (ARRAY[{text}]::{kind}[])[1] FROM t"),
                format!("SELECT x::{kind} FROM (SELECT {text} AS x FROM t) s"),
                format!("WITH w(x) AS (SELECT {text} FROM t) SELECT min(CAST(x AS {kind})) FROM w"),
            ] {
                read += usize::from(answer(&client, &sql).await.is_ok());
                let Ok(sent) = canonical(&sql, &grants, &catalog) else { continue };
                if let Ok(rows) = answer(&client, &sent).await {
                    wrong.push(format!("{sql} is sent as {sent} and gives {rows:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read > 1_000, "{read} of them are read as a time where they are sent as they are");
}

/// Strings with a word of the time that may contain several values, and one with such a word alone.
const FORMS: &[&str] =
    &["'(now)'", "'[today] sale'", "'{tomorrow}'", "'\"now\"'", "E' (n\\157w)'", "' today'", "'now'"];

/// Places where PostgreSQL reads an untyped string as a text, next to times too; `?` is replaced by the string.
const TEXTS: &[&str] = &[
    "SELECT note FROM t WHERE note <> ?",
    "SELECT note FROM t WHERE ? <> t.word AND at < '2001-01-01' AND tags @> '{x}'",
    "SELECT note FROM t WHERE note NOT IN ('a', ?)",
    "SELECT note FROM t WHERE NOT word BETWEEN ? AND 'b'",
    "SELECT note FROM t WHERE note NOT LIKE ?",
    "SELECT note FROM t WHERE note IS DISTINCT FROM ?",
    "SELECT note FROM t WHERE data ->> 'label' <> ?",
    "SELECT note FROM t WHERE data -> 'inner' ->> 'label' <> ?",
    "SELECT note FROM t WHERE data #>> '{inner,label}' || ? <> 'a'",
    "SELECT note FROM t WHERE day::text <> ?",
    "SELECT note FROM t WHERE lower(note) <> ?",
    "SELECT note FROM t WHERE (SELECT max(x.word) FROM t x) <> ?",
    "SELECT note FROM t WHERE note <> ALL (ARRAY[?, 'a'])",
    "SELECT note || ? FROM t",
    "SELECT ? || note || ' and ' || word FROM t",
    "SELECT (note || ' ') || ? FROM t",
    "SELECT day::text || ? FROM t",
    "SELECT at::varchar || ? FROM t",
    "SELECT day || ? FROM t",
    "SELECT ? || day FROM t",
    "SELECT open || ? FROM t",
    "SELECT ? || at || ? FROM t",
    "SELECT hour || ? || note || amount || ? FROM t",
    "SELECT ? || many || ? || ok || ? || id || ? || span || ? || doc || ? FROM t",
    "SELECT day + 1 || ? || note FROM t",
    "SELECT (day + 1) || ? FROM t",
    "SELECT (day || ' ') || ? || word FROM t",
    "SELECT at AT TIME ZONE 'utc' || ? FROM t",
    "SELECT (at - interval '1 day') || ? || (amount > 1) || ? FROM t",
    "SELECT 1 + 1 || ? || true",
    "SELECT date '2000-01-01' || ? || interval '1 day'",
    "SELECT count(*) || ? || extract(year FROM max(at)) FROM t",
    "SELECT date_trunc('day', at) || ? || length(note) || ? || round(amount) FROM t",
    "SELECT note FROM t WHERE day || 'x' <> ? AND note <> 'x' || ?",
    "SELECT note FROM t WHERE ? || day <> ?",
    "SELECT ? < day || 'x' FROM t",
    "SELECT ?",
    "SELECT ? AS a, day FROM t",
    "SELECT note FROM t WHERE note NOT IN (SELECT ?)",
    "SELECT word FROM t UNION SELECT ? ORDER BY 1",
    "SELECT ? UNION ALL SELECT note FROM t",
    "(SELECT ? LIMIT 1) EXCEPT SELECT 'a'",
    "(SELECT ? UNION SELECT 'a') UNION SELECT note FROM t ORDER BY 1",
    "SELECT note FROM t UNION (SELECT ? ORDER BY 1) ORDER BY 1",
    "INSERT INTO t (note, day) SELECT ?, day FROM t RETURNING note",
    "INSERT INTO t (word) SELECT ? UNION SELECT note FROM t RETURNING word",
    "UPDATE t SET (note, day) = (?, '2000-01-01') RETURNING note",
    "UPDATE t SET (word, day) = ROW(?, '2000-01-01') RETURNING word",
    "SELECT note FROM t WHERE ? <> ALL (SELECT note FROM t)",
    "SELECT note FROM t WHERE ? <> ALL ((SELECT 'a' UNION SELECT word FROM t))",
    "SELECT note FROM t WHERE ? NOT IN (note, 'a') OR ? BETWEEN 'a' AND note",
    "SELECT note FROM t WHERE (?, 1) <> (note, 1)",
    "SELECT note FROM t WHERE (word, day) NOT IN ((?, '2000-01-01'), ('a', '2000-01-01'))",
    "SELECT note FROM t WHERE ROW(note, day) IS DISTINCT FROM ROW(?, '2000-01-01'::date)",
    "SELECT note FROM t WHERE (note, word) < ('z', ?)",
    "SELECT note FROM t WHERE note !~* ' (now)' AND ? <> ALL (tags)",
    "SELECT coalesce(data -> ?, data) ->> 'label' FROM t",
    "SELECT coalesce(data ->> ?, note) FROM t",
    "SELECT array_to_string(times, ?, ?) || 'x' FROM t",
    "SELECT coalesce(jsonb_extract_path_text(data, ?, ?), 'x') FROM t",
    "SELECT btrim(note, ?) || ltrim(word, ?) || trim(BOTH ? FROM 'x') || position(? IN note) FROM t",
    "SELECT string_agg(note, ? ORDER BY day) FILTER (WHERE note <> ?) FROM t",
    "SELECT note FROM t WHERE day::text <> ? AND at::text NOT LIKE ?",
    "SELECT coalesce(word, ?) FROM t",
    "SELECT coalesce(NULL, ?, note) FROM t",
    "SELECT nullif(note, ?) FROM t",
    "SELECT greatest(note, ?) FROM t",
    "SELECT CASE WHEN day < '2001-01-01' THEN ? ELSE note END FROM t",
    "SELECT CASE WHEN day < '2001-01-01' THEN ? ELSE 'later' END FROM t",
    "SELECT CASE note WHEN ? THEN at ELSE '2000-01-01' END FROM t",
    "SELECT replace(note, 'x', ?) FROM t",
    "SELECT concat(day, ?, times) FROM t",
    "SELECT format('%s %s', ?, at) FROM t",
    "SELECT split_part(note, ?, 1) FROM t",
    "SELECT jsonb_build_object('label', ?, 'day', day, 'tags', tags) FROM t",
    "VALUES (?), ('a')",
    "SELECT x FROM t, LATERAL (VALUES (note), (?)) v(x)",
    "SELECT x FROM (SELECT 'a' AS x UNION SELECT note FROM t) y WHERE y.x <> ?",
    "INSERT INTO t (note, at) VALUES (?, '2000-01-01'), ('a', NULL) RETURNING note",
    "INSERT INTO t (word) VALUES (?) RETURNING word",
    "UPDATE t SET note = ? WHERE day < '2001-01-01' RETURNING note",
    "UPDATE t SET word = word || ? RETURNING word",
    "UPDATE t SET note = CASE WHEN day < '2001-01-01' THEN ? ELSE note END RETURNING note",
];

/// Where a string is certainly a text, the policy passes it, and PostgreSQL returns the same for what is sent as for
/// the original.
#[tokio::test]
async fn a_string_beside_texts_is_sent_and_stays_a_text() {
    let database = empty_database().await;
    database.execute(SCHEMA).await;
    let (client, grants, catalog) = asked(&database).await;
    let (mut passed, mut wrong) = (0, Vec::new());
    let today = answer(&client, "SELECT current_date").await.unwrap().concat();
    for place in TEXTS {
        for string in FORMS {
            let sql = place.replace('?', string);
            let own = answer(&client, &sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            match canonical(&sql, &grants, &catalog) {
                Ok(sent) => {
                    passed += 1;
                    let rows = answer(&client, &sent).await.unwrap_or_else(|error| panic!("{sent}: {error:?}"));
                    if rows != own || rows.is_empty() || rows.iter().any(|row| row.contains(&today)) {
                        wrong.push(format!("{sql} gives {own:?}, and {sent} gives {rows:?}"));
                    }
                }
                Err(refusal) => wrong.push(format!("{sql}: {refusal}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(passed > 550, "{passed}");
}

/// Arrays and JSON that contain such a word.
const VALUES: &[&str] =
    &["'{\"a\": \"now\"}'", "'[\"today\"]'", "'\"now\"'", "'{now,today}'", "E'{\"to\\144ay\"}'", "'[0:0]={now}'"];

/// Places where PostgreSQL reads an untyped string as JSON or as an array of texts; `?` is replaced by the string.
const TYPED: &[&str] = &[
    "SELECT note FROM t WHERE NOT data @> ?",
    "SELECT note FROM t WHERE NOT ? <@ data AND at < '2001-01-01'",
    "SELECT note FROM t WHERE data <> ?",
    "SELECT note FROM t WHERE data -> 'inner' <> ?",
    "SELECT note FROM t WHERE NOT (data -> 'inner') @> ?",
    "SELECT note FROM t WHERE data NOT IN (?, '1')",
    "SELECT data || ? FROM t",
    "SELECT ? || data FROM t",
    "SELECT data -> 'inner'::text || ? FROM t",
    "SELECT ? || data ->> 'a' || note FROM t",
    "SELECT coalesce(NULL, ?, data) FROM t",
    "SELECT CASE WHEN day > '2001-01-01' THEN data ELSE ? END FROM t",
    "SELECT data FROM t UNION ALL SELECT ?",
    "SELECT jsonb_set(data, '{label}', ?) FROM t",
    "SELECT jsonb_insert(data, '{new}', ?) FROM t",
    "SELECT jsonb_typeof(?)",
    "SELECT value FROM jsonb_each_text(?)",
    "SELECT note FROM t WHERE (data, note) <> (?, 'x')",
    "INSERT INTO t (note, data) VALUES ('a', ?) RETURNING data",
    "INSERT INTO t (note, data) SELECT note, ? FROM t RETURNING data",
    "UPDATE t SET data = ? RETURNING data",
    "UPDATE t SET (data, note) = (?, 'x') RETURNING data",
    "SELECT note FROM t WHERE NOT note = ANY (?)",
    "SELECT note FROM t WHERE word <> ALL (?)",
    "SELECT note FROM t WHERE lower(note) NOT LIKE ALL (?)",
    "SELECT note FROM t WHERE NOT tags @> ?",
    "SELECT note FROM t WHERE NOT ? && tags",
    "SELECT note FROM t WHERE tags <> ?",
    "SELECT note FROM t WHERE ? <> ALL (SELECT tags FROM t)",
    "SELECT note FROM t WHERE tags NOT BETWEEN ? AND '{a}'",
    "SELECT note FROM t WHERE note::text <> ALL (?)",
    "SELECT tags || ? FROM t",
    "SELECT ? || tags FROM t",
    "SELECT ARRAY['a', 'b'] || ?",
    "SELECT coalesce(nullif(ARRAY['a'], ?), tags) FROM t",
    "SELECT CASE WHEN day > '2001-01-01' THEN ARRAY['a'] ELSE ? END FROM t",
    "SELECT CASE ARRAY['a'] WHEN ? THEN 'x' ELSE 'y' END",
    "VALUES (ARRAY['a']), (?)",
    "SELECT note FROM t WHERE ARRAY(SELECT note FROM t)::text[] <> ?",
    "SELECT note FROM t WHERE ARRAY(SELECT 'a') <> ?",
    "SELECT coalesce(NULL, ?, tags) FROM t",
    "SELECT coalesce(data #> ?, data) FROM t",
    "SELECT data #- ? FROM t",
    "SELECT coalesce(data #>> ?, note) FROM t",
    "SELECT jsonb_set(data, ?, '1') FROM t",
    "INSERT INTO t (note, tags) VALUES ('a', ?) RETURNING tags",
    "UPDATE t SET tags = tags || ? RETURNING tags",
    "UPDATE t SET (tags, note) = (?, 'x') RETURNING tags",
];

/// Where a string is certainly JSON or an array of texts, the policy passes it, and PostgreSQL returns the same for
/// what is sent as for the original, an error too.
#[tokio::test]
async fn a_string_beside_json_and_arrays_is_sent_with_their_type() {
    let database = empty_database().await;
    database.execute(SCHEMA).await;
    let (client, grants, catalog) = asked(&database).await;
    let (mut returned, mut wrong) = (0, Vec::new());
    let today = answer(&client, "SELECT current_date").await.unwrap().concat();
    for place in TYPED {
        for string in VALUES {
            let sql = place.replace('?', string);
            let own = answer(&client, &sql).await.ok();
            let Ok(sent) = canonical(&sql, &grants, &catalog) else {
                wrong.push(format!("{sql} is refused"));
                continue;
            };
            let rows = answer(&client, &sent).await.ok();
            returned += usize::from(rows.is_some());
            if rows != own || rows.iter().flatten().any(|row| row.contains(&today)) {
                wrong.push(format!("{sql} gives {own:?}, and {sent} gives {rows:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(returned > 110, "{returned}");
}

/// Where the type of a string is not certain, it is refused, and with the type behind the string the statement is
/// sent, as the refusal says; `?` is replaced by the string.
const UNCERTAIN: &[(&str, &str)] = &[
    ("SELECT fixed || ? FROM t", "'(now)'"),
    ("SELECT fixed FROM t WHERE fixed <> ?", "'(now)'"),
    ("SELECT upper(?)", "'(now)'"),
    ("SELECT array_append(tags, ?) FROM t", "'(now)'"),
    ("SELECT tags[1] || ? FROM t", "'(now)'"),
    ("SELECT lag(note, 1, ?) OVER (ORDER BY day) FROM t", "'(now)'"),
    ("SELECT ROW(?, 1)", "'(now)'"),
    ("SELECT unnest(?)", "'{now}'"),
    ("SELECT words || ? FROM t", "'{now}'"),
    ("SELECT array_cat(tags, ?) FROM t", "'{now}'"),
    ("SELECT note FROM t WHERE string_to_array(note, ',') <> ?", "'{now}'"),
    ("INSERT INTO t (doc) VALUES (?) RETURNING doc", "'{\"a\": \"now\"}'"),
    ("UPDATE t SET doc = ? RETURNING doc", "'[\"today\"]'"),
    ("SELECT ? -> 0", "'[\"today\"]'"),
];

#[tokio::test]
async fn what_is_refused_is_sent_with_its_type_as_the_refusal_says() {
    let database = empty_database().await;
    database.execute(SCHEMA).await;
    database.execute("ALTER TABLE t ADD fixed char(4), ADD words varchar(10)[]").await;
    database.execute("UPDATE t SET fixed = 'x', words = '{x}'").await;
    let (client, grants, catalog) = asked(&database).await;
    for (place, string) in UNCERTAIN {
        let refusal = canonical(&place.replace('?', string), &grants, &catalog).unwrap_err().to_string();
        assert!(refusal.contains("as in ::text, ::text[] or ::jsonb"), "{place}: {refusal}");
        let mut sent = Vec::new();
        for kind in ["::text", "::text[]", "::jsonb"] {
            let sql = place.replace('?', &format!("{string}{kind}"));
            let text = canonical(&sql, &grants, &catalog).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
            sent.extend(answer(&client, &text).await.ok().filter(|rows| !rows.is_empty()));
        }
        assert!(!sent.is_empty(), "{place} has rows with one of the types");
    }
}

/// The policy's list of functions that take strings as texts agrees with PostgreSQL: no function with one of the names
/// takes something else that a string could be.
#[tokio::test]
async fn a_function_that_takes_texts_takes_no_time() {
    let database = empty_database().await;
    let client = database.connect().await;
    let sql = "SELECT p.proname::text, a.kind::regtype::text FROM pg_proc p, unnest(p.proargtypes) a(kind)
               WHERE p.pronamespace = 'pg_catalog'::regnamespace";
    let rows = client.query(sql, &[]).await.unwrap();
    let listed = tenet_policy::functions().iter().flat_map(|group| group.words);
    let taking: Vec<&str> = listed.copied().filter(|name| tenet_policy::takes_text(name)).collect();
    let known = ["text", "character", "integer", "bigint", "boolean", "\"any\""];
    let wrong: Vec<(String, String)> = rows
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .filter(|(name, kind): &(String, String)| taking.contains(&name.as_str()) && !known.contains(&kind.as_str()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(taking.len() > 20);
}

/// The policy's list of the types as which functions take strings agrees with PostgreSQL: each function of one of the
/// names that has an argument in such a place takes this type there.
#[tokio::test]
async fn a_function_takes_a_string_as_the_known_type() {
    let database = empty_database().await;
    let client = database.connect().await;
    let sql = "SELECT p.proname::text, p.provariadic <> 0, array(SELECT a::regtype::text FROM unnest(p.proargtypes) a)
               FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace";
    let rows = client.query(sql, &[]).await.unwrap();
    for (function, places) in tenet_policy::takes_types() {
        let named = rows.iter().filter(|row| row.get::<_, &str>(0) == function);
        let mut taken = vec![0; places.len()];
        for row in named {
            let (is_variadic, mut kinds): (bool, Vec<String>) = (row.get(1), row.get(2));
            if is_variadic {
                let last = kinds.pop().unwrap();
                kinds.resize(places.len(), last.trim_end_matches("[]").to_owned());
            }
            for ((place, kind), taken) in places.iter().zip(&kinds).zip(&mut taken) {
                assert!(*place == "?" || place.eq_ignore_ascii_case(kind), "{function} takes {kinds:?}");
                *taken += 1;
            }
        }
        assert!(taken.iter().all(|taken| *taken > 0), "{function}: {taken:?}");
    }
}

/// The policy's list of functions that return a single value which is no text agrees with PostgreSQL.
#[tokio::test]
async fn a_function_that_gives_a_number_or_the_like_gives_nothing_else() {
    let database = empty_database().await;
    let client = database.connect().await;
    let sql = "SELECT p.proname::text, p.prorettype::regtype::text, p.proretset FROM pg_proc p
               WHERE p.pronamespace = 'pg_catalog'::regnamespace";
    let rows = client.query(sql, &[]).await.unwrap();
    let known = [
        "bigint",
        "boolean",
        "date",
        "double precision",
        "integer",
        "interval",
        "macaddr",
        "macaddr8",
        "money",
        "numeric",
        "real",
        "smallint",
        "time without time zone",
        "timestamp with time zone",
        "timestamp without time zone",
    ];
    let rows: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let giving: Vec<_> = rows.iter().filter(|(name, _)| tenet_policy::gives_scalar(name)).collect();
    let wrong: Vec<_> = giving.iter().filter(|(_, kind)| !known.contains(&kind.as_str())).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(giving.len() > 150, "{}", giving.len());
}

/// The policy's list of functions that return text agrees with PostgreSQL.
#[tokio::test]
async fn a_function_that_gives_a_text_is_known_as_one() {
    let database = empty_database().await;
    let client = database.connect().await;
    // A result with the type of an argument may be a text too.
    let sql = "SELECT DISTINCT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND (
                   p.prorettype::regtype::text IN ('text', 'text[]', 'character varying', 'character', 'name', '\"char\"', 'cstring', 'unknown')
                   OR p.prorettype::regtype::text LIKE 'any%'
                   OR EXISTS (SELECT 1 FROM unnest(p.proallargtypes, p.proargmodes) a(kind, mode) WHERE a.mode IN ('o', 't') AND a.kind::regtype::text IN ('text', 'text[]', 'anyelement')))";
    let rows = client.query(sql, &[]).await.unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let listed: Vec<&str> = tenet_policy::functions().iter().flat_map(|group| group.words).copied().collect();
    let missing: Vec<&String> =
        names.iter().filter(|name| listed.contains(&name.as_str()) && !tenet_policy::may_give_text(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(names.iter().filter(|name| listed.contains(&name.as_str())).count() > 50);
    // The same for operators.
    let sql = "SELECT DISTINCT oprname::text FROM pg_operator WHERE oprresult::regtype::text IN ('text', 'text[]', 'anyelement', 'anyarray', 'anycompatible', 'anycompatiblearray') ORDER BY 1";
    let rows = client.query(sql, &[]).await.unwrap();
    let operators: Vec<&str> = tenet_policy::operators().iter().flat_map(|group| group.words).copied().collect();
    let giving: Vec<String> =
        rows.iter().map(|row| row.get(0)).filter(|name: &String| operators.contains(&name.as_str())).collect();
    assert_eq!(giving, ["#>>", "->>", "||"]);
}

/// The first value of each row that a statement returns, in a transaction that is rolled back.
async fn answer(client: &Client, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    client.batch_execute("BEGIN").await.unwrap();
    let messages = client.simple_query(sql).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    let value = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    messages.map(|messages| messages.iter().filter_map(value).collect())
}

/// A connection, and a rule's grants on the table.
async fn asked(database: &Database) -> (Client, Grants, Catalog) {
    let catalog = Inventory::read(&Endpoint::parse(database.url()).unwrap()).await.unwrap().tables().clone();
    let all = TableGrant { select: Columns::All, insert: Columns::All, update: Columns::All, delete: true };
    let grants = Grants { tables: [("t".to_owned(), all)].into(), ..Grants::default() };
    (database.connect().await, grants, catalog)
}

/// A statement that is sent never reads the database's time: it is refused by the policy or the database, or returns
/// the same row.
#[tokio::test]
async fn no_string_becomes_the_time_of_the_database() {
    let database = empty_database().await;
    database.execute(SCHEMA).await;
    let (client, grants, catalog) = asked(&database).await;
    let (mut read, mut wrong) = (0, Vec::new());
    for place in PLACES {
        for string in STRINGS {
            let sql = place.replace('?', string);
            // Unchanged, most of them are read as a time.
            read += usize::from(answer(&client, &sql).await.is_ok());
            let Ok(sent) = canonical(&sql, &grants, &catalog) else { continue };
            let Ok(rows) = answer(&client, &sent).await else { continue };
            if rows.iter().any(|row| !row.starts_with("2000-01-01")) {
                wrong.push(format!("{sql} is sent as {sent} and gives {rows:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read > 500, "{read} of them are read as a time where they are sent as they are");
}
