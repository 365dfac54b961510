//! How deep a statement may be that the policy passes, on the real server.

use tenet_core::{Catalog, Grants};
use tenet_policy::canonical;

use crate::support::database::empty_database;

/// Texts in which a part stands often, `BEFORE PART+ INNER AFTER+`: each is one step of PostgreSQL's tree.
const SHAPES: &[(&str, &str, &str, &str)] = &[
    ("SELECT ", "- ", "1", ""),
    ("SELECT ", "NOT ", "true", ""),
    ("SELECT 1", "::bigint::int", "", ""),
    ("SELECT 'a'", "::varchar(9)::text", "", ""),
    ("SELECT ('{}'::jsonb)", "['a']", "", ""),
    ("SELECT 1", " + x", " FROM generate_series(1, 2) x", ""),
    ("SELECT 1", " || x::text", " FROM generate_series(1, 2) x", ""),
    ("SELECT '{}'::jsonb", " -> 'a'", "", ""),
    ("SELECT $1::timestamp", " AT TIME ZONE 'UTC'", "", ""),
    ("SELECT ", "(1 = 1) = (", "true", ")"),
    ("SELECT ", "abs(", "1", ")"),
    ("SELECT ", "CASE WHEN true THEN ", "1", " END"),
    ("SELECT ", "(SELECT ", "1", ")"),
    ("SELECT ", "(SELECT 1 FROM (SELECT ", "1", ") x)"),
    ("SELECT 1", " UNION SELECT 1", "", ""),
    ("SELECT 1", " EXCEPT SELECT x FROM generate_series(1, 2) x", "", ""),
    ("", "(SELECT 1 EXCEPT ", "SELECT 1", ")"),
    ("SELECT ", "1 + (SELECT 0 EXCEPT SELECT ", "1", ")"),
    ("SELECT x IN (1", ", x", ") FROM generate_series(1, 2) x", ""),
    ("SELECT x IN (VALUES (1)", ", (x)", ") FROM generate_series(1, 2) x", ""),
    ("SELECT (x, x) IN ((1, 1)", ", (1, 1)", ") FROM generate_series(1, 2) x", ""),
    ("SELECT true", " OR x = 1 AND x = 2", " FROM generate_series(1, 2) x", ""),
    ("SELECT CASE", " WHEN x = 1 THEN 2", " END FROM generate_series(1, 2) x", ""),
    ("SELECT coalesce(1", ", x", ") FROM generate_series(1, 2) x", ""),
];

/// The longest of each kind that the policy passes PostgreSQL takes with a tenth of its default stack, but
/// for lists of values, which may take a half of it.
#[tokio::test]
async fn what_the_policy_passes_is_never_too_deep_for_the_stack() {
    let database = empty_database().await;
    let client = database.connect().await;
    client.batch_execute("SET max_stack_depth = '1MB'").await.unwrap();
    let (grants, catalog) = (Grants::default(), Catalog::default());
    for &(before, part, inner, after) in SHAPES {
        let text = |times: usize| [before, &part.repeat(times), inner, &after.repeat(times)].concat();
        let passes = |times: usize| canonical(&text(times), &grants, &catalog).is_ok();
        let (mut most, mut too_many) = (1, 30_000);
        while too_many - most > 1 {
            let middle = (most + too_many) / 2;
            if passes(middle) { most = middle } else { too_many = middle }
        }
        assert!(passes(most) && most >= 5, "{part}: {most}");
        let sent = canonical(&text(most), &grants, &catalog).unwrap();
        let stack = if most > 1_000 { "1MB" } else { "200kB" };
        client.batch_execute(&format!("SET max_stack_depth = '{stack}'")).await.unwrap();
        let answer = client.simple_query(&sent.replace("$1", "'2026-01-31'")).await;
        let answer = answer.map_err(|error| error.as_db_error().map(|error| error.message().to_owned()));
        assert!(answer.is_ok(), "{part} {most} times with {stack}: {answer:?}");
    }
}
