//! Strings that PostgreSQL reads as its own time, in every place where they could become one.

use tenet_core::{Columns, Grants, TableGrant};
use tenet_database::{Endpoint, Inventory};
use tenet_policy::canonical;
use tokio_postgres::SimpleQueryMessage;

use crate::support::database::empty_database;

const SCHEMA: &str = "
    CREATE TABLE t (at timestamptz, day date, hour time, times timestamp[], open tstzrange, note text);
    INSERT INTO t VALUES ('2000-01-01', '2000-01-01', '00:00', '{2000-01-01}', '[2000-01-01,2000-01-01]', 'x');
";

/// Strings that PostgreSQL makes its own time of, and forms that hold one.
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

/// Places where a string without a type could be given that of a time; `?` stands for the string.
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
    "SELECT x FROM (VALUES (at), (?)) v(x), t",
    "SELECT x::date FROM (VALUES (?, at)) v(x), t",
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
];

/// What is sent of them reads no time of the database: it is refused here or there, or gives the row as it was.
#[tokio::test]
async fn no_string_becomes_the_time_of_the_database() {
    let database = empty_database().await;
    database.execute(SCHEMA).await;
    let client = database.connect().await;
    let catalog = Inventory::read(&Endpoint::parse(database.url()).unwrap()).await.unwrap().tables().clone();
    let all = TableGrant { select: Columns::All, insert: Columns::All, update: Columns::All, delete: true };
    let grants = Grants { tables: [("t".to_owned(), all)].into(), ..Grants::default() };
    let answer = async |sql: &str| {
        client.batch_execute("BEGIN").await.unwrap();
        let messages = client.simple_query(sql).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        let value = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        messages.map(|messages| messages.iter().filter_map(value).collect::<Vec<_>>())
    };
    let (mut read, mut wrong) = (0, Vec::new());
    for place in PLACES {
        for string in STRINGS {
            let sql = place.replace('?', string);
            // As it is written, most are read as a time.
            read += usize::from(answer(&sql).await.is_ok());
            let Ok(sent) = canonical(&sql, &grants, &catalog) else { continue };
            let Ok(rows) = answer(&sent).await else { continue };
            if rows.iter().any(|row| !row.starts_with("2000-01-01")) {
                wrong.push(format!("{sql} is sent as {sent} and gives {rows:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read > 500, "{read} of them are read as a time where they are sent as they are");
}
