//! Rules on the model of Aurora DSQL in memory, as an author runs, serves and tests them.

use std::process::Stdio;

use tenet_database::{Endpoint, Inventory};
use tenet_harness::Model;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::bundle::bundle;
use crate::support::database::{connect, database};
use crate::support::shop::{Shop, root};
use crate::support::tenet::tenet;
use crate::support::{self, http};

/// The longest time that the program may take.
const HANGS: std::time::Duration = std::time::Duration::from_secs(300);

/// Both take the same steps, and show the same tables, constraints and sequences of them.
#[tokio::test]
async fn the_model_takes_every_schema_and_shows_what_postgresql_shows() {
    let bundles = ["rules", "guests"].map(bundle);
    let model = Model::start(&bundles, 1).await.unwrap();
    let postgres = database().await;
    let of_model = Inventory::read(&model.endpoint().unwrap()).await.unwrap();
    let of_postgres = Inventory::read(&Endpoint::parse(postgres.url()).unwrap()).await.unwrap();
    assert_eq!(of_model.tables(), of_postgres.tables());
    assert_eq!(of_model.sequences(), of_postgres.sequences());
    // Again, each step is there already.
    model.apply(&bundles).await.unwrap();
}

#[test]
fn a_request_runs_on_the_model_and_a_statement_that_it_does_not_know_is_named() {
    let shop = Shop::new("modelled");
    // Each changes the row, whichever is first.
    let at_once = "rules/modelled/tests/at-once.toml";
    shop.edit(at_once, "points = -3", "points = 3");
    shop.edit(at_once, "balance = 3 }", "balance = 9 }");
    let payload = r#"{"id": "1", "customer": "ada", "points": 5}"#;
    let ended = shop.tenet(&["run", "modelled", "--dsql", "--payload", payload]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "{\"customer\":\"ada\",\"balance\":5}\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("accepted (200)") && ended.stderr.contains("1 attempt, "), "{}", ended.stderr);

    let test = |filter: &str| shop.tenet(&["test", "--json", "--filter", filter]);
    let explored = |stdout: &str| {
        let result: serde_json::Value = serde_json::from_str(stdout.trim()).unwrap();
        (result["explored"][0].clone(), result["notes"][0].as_str().unwrap_or_default().to_owned())
    };
    let ended = test("at-once");
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let (on_model, note) = explored(&ended.stdout);
    assert_eq!((&on_model["on"], &on_model["ended_at_a_lock"]), (&"model".into(), &0.into()), "{on_model}");
    assert!(on_model["unknown"].is_null(), "{on_model}");
    assert!(on_model["again"][0]["orders"].as_u64() > Some(0), "{on_model}");
    assert!(on_model["again"][1]["orders"].as_u64() > Some(0), "{on_model}");
    assert!(
        note.contains(", on the model of Aurora DSQL; of its own a conflict had request 1 run again in "),
        "{note}"
    );

    // On PostgreSQL orders end at locks.
    let ended = shop.tenet(&["test", "--json", "--filter", "at-once", "--postgres"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let (on_postgres, _) = explored(&ended.stdout);
    assert!(on_postgres["on"] == "postgres" && on_postgres["unknown"].is_null(), "{on_postgres}");
    assert!(on_postgres["ended_at_a_lock"].as_u64() > Some(0), "{on_postgres}");

    let (known, unknown) = ("WHERE customer = $1", "WHERE customer = $1 AND customer !~ '^$'");
    shop.edit("rules/modelled/src/lib.rs", known, unknown);
    let ended = shop.tenet(&["run", "modelled", "--dsql", "--payload", payload]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let told = "the model does not know `SELECT balance FROM modelled_balances ";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(ended.stderr.contains("; without --dsql it runs on PostgreSQL\n"), "{}", ended.stderr);
    let ended = shop.tenet(&["run", "modelled", "--payload", payload]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);

    let ended = test("at-once");
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let (instead, note) = explored(&ended.stdout);
    assert_eq!(instead["on"], "postgres");
    let statement = instead["unknown"]["statement"].as_str().unwrap();
    assert!(statement.starts_with("SELECT balance FROM modelled_balances"), "{statement}");
    assert!(note.contains("; on PostgreSQL, since the model of Aurora DSQL does not know `SELECT balance"), "{note}");
}

#[test]
fn a_write_skew_is_found_on_the_model_and_no_order_ends_at_a_lock() {
    let (out, _) = bundle("guests");
    for (rule, code) in [("guarded", 0), ("skewed", 1)] {
        let bundle = ["test", "--bundle", "tests/guests", "--out", out.to_str().unwrap(), "--json", "--filter", rule];
        let ended = tenet(&root(), &bundle);
        assert_eq!(ended.code, code, "{}{}", ended.stdout, ended.stderr);
        let result: serde_json::Value = serde_json::from_str(ended.stdout.trim()).unwrap();
        let explored = &result["explored"][0];
        assert_eq!((&explored["on"], &explored["ended_at_a_lock"]), (&"model".into(), &0.into()), "{explored}");
        let found = result["failures"].as_array().unwrap().iter().any(|text| text.as_str().unwrap().contains("T0606"));
        assert_eq!(found, code == 1, "{result}");
    }
}

#[tokio::test]
async fn both_regions_serve_from_the_model_which_clients_can_look_into() {
    let (out, _) = bundle("rules");
    let mut serve = tokio::process::Command::new(support::path("TENET_TEST_TENET"));
    let mut serve = serve
        .args(["serve", "--dsql", "--port", "0", out.to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(serve.stdout.take().unwrap()).lines();
    let mut told = async |part: &str| loop {
        let line = tokio::time::timeout(HANGS, lines.next_line()).await.expect(part).unwrap().expect(part);
        if line.contains(part) {
            return line;
        }
    };
    let address = async |line: String| line.split_once("http://").unwrap().1.to_owned();
    let east = address(told("us-east-1  http://").await).await;
    let west = address(told("us-west-2  http://").await).await;
    let line = told("is the database, a model of Aurora DSQL, which ends with this").await;
    let client = connect(line.split_whitespace().next().unwrap()).await;
    let json = [("content-type", "application/json")];
    let write = |id: &str| format!(r#"{{"transaction_id":"{id}","amount":1.50}}"#);
    for (address, id) in [(&east, "t-1"), (&west, "t-2")] {
        let answer = http::send(address, "POST", "/operations/write", &json, &write(id)).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    // What one region has answered the other one answers.
    let answer = http::send(&west, "POST", "/operations/write", &json, &write("t-1")).await.unwrap();
    assert_eq!((answer.status, answer.header("idempotent-replayed")), (200, Some("true")));
    let rows = client.query("SELECT id, region FROM transactions ORDER BY id", &[]).await.unwrap();
    let rows: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let pair = |id: &str, region: &str| (id.to_owned(), region.to_owned());
    assert_eq!(rows, [pair("t-1", "us-east-1"), pair("t-2", "us-west-2")]);
}
