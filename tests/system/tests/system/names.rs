//! Tables and columns with the names that the statements of host and harness use.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tenet_test_support::serve::Served;

use crate::support;
use crate::support::shop::Shop;

/// Aliases, functions, types, key words, the host's own columns and tables, and words of test
/// files.
const WORDS: &str = "a c i it k n o r s t x \
    coalesce count jsonb_populate_record jsonb_populate_recordset setval to_jsonb \
    bigint jsonb name record text \
    all as case current_user default end excluded from group null on order row select table true union user using \
    values when with \
    answer at caller columns key keys now operation outbox parked tables tenet \
    added changed gone given rows sealed sequences";

/// Names that always have to be quoted.
const QUOTED: [&str; 6] = ["Upper", "two words", "quo\"te", "it's", "$1", "ü"];

/// Each name is a table, and a column of that table and of the table `t`.
fn names() -> Vec<&'static str> {
    WORDS.split_whitespace().chain(QUOTED).collect()
}

/// Writes one value into a row of each table, and returns the sum of the previous values.
const RULE: &str = r#"
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenet::params;

#[derive(Deserialize, JsonSchema)]
struct Input {
    id: String,
    value: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    id: String,
    before: i64,
}

const TABLES: &[(&str, &[&str])] = &[@TABLES@];

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[tenet::rule]
fn names(input: Input) -> tenet::Result<Output> {
    let mut sum = 0;
    for (name, columns) in TABLES {
        let (table, own) = (quoted(name), quoted(columns[0]));
        let sql = format!("SELECT coalesce({table}.{own}, 0) FROM {table} WHERE {table}.\"id\" = 1");
        let before: Option<i64> = tenet::query_opt(&sql, params![])?;
        sum += before.unwrap_or(0);
        let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
        let values = vec!["$1"; columns.len()].join(", ");
        let set: Vec<String> = columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let sql = format!(
            "INSERT INTO {table} AS \"of\" (\"id\", {}) VALUES (1, {values}) ON CONFLICT (\"id\") DO UPDATE SET {}",
            columns.join(", "),
            set.join(", ")
        );
        tenet::execute(&sql, params![input.value])?;
    }
    Ok(Output { id: input.id, before: sum })
}
"#;

/// The columns of a table except its key.
fn columns(table: &str) -> Vec<&'static str> {
    names().into_iter().filter(|name| table == "t" || *name == table).collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Rows with one value in each column; no value means NULL.
fn rows(kind: &str, value: Option<i64>) -> String {
    let mut text = String::new();
    for table in names() {
        let kind = kind.replace('@', &format!("{table:?}"));
        writeln!(text, "[[{kind}]]\nid = 1").unwrap();
        for column in value.iter().flat_map(|_| columns(table)) {
            writeln!(text, "{column:?} = {}", value.unwrap()).unwrap();
        }
    }
    text
}

/// A bundle with these tables, and with functions that would shadow PostgreSQL's own if the search
/// path allowed it.
fn shop() -> Shop {
    let shop = Shop::new("names");
    for test in fs::read_dir(shop.folder.join("rules/names/tests")).unwrap() {
        fs::remove_file(test.unwrap().path()).unwrap();
    }
    let mut steps: Vec<String> = names()
        .into_iter()
        .map(|table| {
            let columns: Vec<String> =
                columns(table).into_iter().map(|name| format!("{} bigint", quoted(name))).collect();
            format!("CREATE TABLE IF NOT EXISTS {} (id bigint PRIMARY KEY, {})", quoted(table), columns.join(", "))
        })
        .collect();
    // No rule may use this system column's name, and a table that has it can still be tested.
    steps.push("CREATE TABLE IF NOT EXISTS system (oid bigint PRIMARY KEY DEFAULT 5)".to_owned());
    steps.push("CREATE SEQUENCE IF NOT EXISTS \"it's a \"\"sequence\"\"\" CACHE 1".to_owned());
    steps.push("CREATE OR REPLACE FUNCTION to_jsonb(t) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'".to_owned());
    steps.push(
        "CREATE OR REPLACE FUNCTION setval(text, integer, boolean) RETURNS bigint LANGUAGE sql AS 'SELECT NULL::bigint'"
            .to_owned(),
    );
    for (number, step) in steps.iter().enumerate() {
        fs::write(shop.folder.join(format!("schema/{:04}_names.sql", number + 2)), format!("{step};\n")).unwrap();
    }
    let tables = names().into_iter().map(|table| format!("({table:?}, &{:?})", columns(table)));
    let tables: Vec<String> = tables.collect();
    fs::write(shop.folder.join("rules/names/src/lib.rs"), RULE.replace("@TABLES@", &tables.join(", "))).unwrap();
    let mut manifest = "version = 1\ndescription = \"Writes.\"\n[limits]\nstatements = 200\n".to_owned();
    for table in names() {
        let columns = columns(table);
        let with_key = [&["id"], columns.as_slice()].concat();
        writeln!(manifest, "[tables.{table:?}]\nselect = {with_key:?}\ninsert = {with_key:?}\nupdate = {columns:?}")
            .unwrap();
    }
    fs::write(shop.folder.join("rules/names/rule.toml"), manifest).unwrap();
    let granted = support::tenet::tenet(&shop.folder, &["grant"]);
    assert_eq!(granted.code, 0, "{}", granted.stderr);
    shop
}

#[tokio::test]
async fn no_name_of_a_table_or_a_column_is_captured() {
    let shop = shop();
    let test = |name: &str, text: &str| {
        let path = shop.folder.join(format!("tests/{name}.toml"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    let all = names().len() as u64;
    let step = |value: &str| format!("[[step]]\noperation = \"names\"\npayload = {{ id = \"1\"{value} }}\n");
    let accepted = |before| format!("{}accept = {{ before = {before} }}\n", step(", value = 7"));
    let given = |value| format!("version = 1\n\n[[given.system]]\n{}\n{value}\n", rows("given.@", Some(5)));
    let begin = given(accepted(5 * all));
    let wrong = format!("{begin}{}", rows("rows.@.changed", Some(8)));

    // Rows are inserted, changed and compared, each with its own value.
    test("changed", &format!("{begin}{}", rows("rows.@.changed", Some(7))));
    test("added", &format!("version = 1\n\n{}\n{}", accepted(0), rows("rows.@.added", Some(7))));
    let ended = shop.tenet(&["test"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let path = test("wrong", &wrong);
    let ended = shop.tenet(&["test", "--filter", "wrong"]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let told = |table| format!("T0603 rows.{table}.changed: expected {{");
    for told in names().into_iter().map(told) {
        assert!(ended.stdout.contains(&told), "{told}: {}", ended.stdout);
    }

    // Wrong expectations are updated, and all written values are expected.
    let update = |name: &str, path: &Path| {
        let ended = shop.tenet(&["test", "--filter", name, "--update"]);
        assert!(ended.stdout.contains("[[rows."), "{}{}", ended.stdout, ended.stderr);
        assert_eq!(shop.tenet(&["test", "--filter", name]).code, 0, "{}", ended.stdout);
        let text = fs::read_to_string(path).unwrap();
        let (before, rows) = text.split_once("[[rows.").unwrap();
        (before.to_owned(), format!("[[rows.{rows}"))
    };
    let columns = names().len() * 2 - 1;
    let (before, rows) = update("wrong", &path);
    assert_eq!((rows.matches(" = 7\n").count(), rows.matches(" = 8\n").count()), (columns, 0), "{rows}");
    test("wrong", &format!("{before}{}", rows.replace(" = 7\n", " = 6\n")));
    let ended = shop.tenet(&["test", "--filter", "wrong"]);
    for told in names().into_iter().map(told) {
        assert!(ended.stdout.contains(&told), "{told}: {}", ended.stdout);
    }
    fs::remove_file(path).unwrap();

    // NULL is a value like others.
    let path = test("null", &given(step("")));
    let (_, rows) = update("null", &path);
    assert_eq!(rows.matches(" = { null = true }\n").count(), columns, "{rows}");

    // A recording is replayed.
    let payload = r#"{"id": "1", "value": 7}"#;
    let ended = shop.tenet(&["run", "names", "--payload", payload, "--record", "names.capsule.json"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "{\"id\":\"1\",\"before\":0}\n"), "{}", ended.stderr);
    let ended = shop.tenet(&["replay", "names.capsule.json"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "same     names.capsule.json\n"), "{}", ended.stderr);

    // Kept data is restored, including NULL.
    for (id, value, before) in [("1", "7", 0), ("2", "null", 7 * all), ("3", "9", 0), ("4", "1", 9 * all)] {
        let mut dev = tokio::process::Command::new(support::path("TENET_TEST_TENET"));
        dev.args(["dev", "--keep", "--out", shop.built.path().to_str().unwrap()]).current_dir(&shop.folder);
        let served = Served::of(dev).await;
        let answer = served.operate("names", &[], &format!("{{\"id\": \"{id}\", \"value\": {value}}}")).await;
        assert_eq!((answer.status, answer.json()["before"].as_u64()), (200, Some(before)), "{answer:?}");
        served.stop().await;
    }
}
