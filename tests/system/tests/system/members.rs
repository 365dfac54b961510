//! Members of a payload with the names of the members that identify a request.

use std::fs;

use serde_json::{Value, json};
use tenet_test_support::serve::Served;

use crate::lambda::{Lambda, bootstrap};
use crate::support::eventbridge::Bus;
use crate::support::shop::Shop;
use crate::support::{self, tenet::tenet};

/// A rule for change records: each has a number, and describes the change.
const RULE: &str = r#"
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
struct Input {
    seq: i64,
    operation: String,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    seq: i64,
    operation: String,
}

#[tenet::rule]
fn changes(input: Input) -> tenet::Result<Output> {
    let Input { seq, operation } = input;
    Ok(Output { seq, operation })
}
"#;

fn shop() -> Shop {
    let shop = Shop::new("changes");
    fs::write(shop.folder.join("rules/changes/src/lib.rs"), RULE).unwrap();
    shop.edit("tenet.toml", "key = \"id\"", "key = \"seq\"\nevents = [{ source = [\"table\"] }]");
    shop
}

#[tokio::test]
async fn a_number_is_a_key_and_a_rules_own_operation_is_its_own_where_the_address_names_the_operation() {
    let shop = shop();
    let built = shop.tenet(&["build"]);
    assert_eq!(built.code, 0, "{}", built.stderr);
    let warned = "warning[T0109]: the operation changes: a rule of it requires the member operation, \
                  which HTTP requests and events can bring";
    assert!(built.stderr.contains(warned), "{}", built.stderr);
    let (record, accepted) = (r#"{"seq": 7, "operation": "insert"}"#, json!({ "seq": 7, "operation": "insert" }));
    let ran = shop.tenet(&["run", "changes", "--payload", record]);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), accepted, "{}", ran.stderr);

    // Served as a user does.
    let mut dev = tokio::process::Command::new(support::path("TENET_TEST_TENET"));
    dev.args(["dev", "--out", shop.built.path().to_str().unwrap()]).current_dir(&shop.folder);
    let served = Served::of(dev).await;
    let first = served.operate("changes", &[], record).await;
    assert_eq!((first.status, first.json(), first.header("idempotency-key")), (200, accepted.clone(), Some("7")));
    let again = served.operate("changes", &[], r#"{"operation": "insert", "seq": 7.0}"#).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{again:?}");
    let other = served.operate("changes", &[], r#"{"seq": 7, "operation": "delete"}"#).await;
    assert_eq!(other.status, 409, "{other:?}");
    let named = served.operate("changes", &[], r#"{"seq": 8, "operation": "changes"}"#).await;
    assert_eq!((named.status, &named.json()["operation"]), (200, &json!("changes")));
    let unusable = served.operate("changes", &[], r#"{"seq": [7], "operation": "insert"}"#).await;
    assert!(unusable.status == 400 && unusable.body.contains("a string or a number"), "{unusable:?}");
    served.stop().await;

    // Served as the function does.
    let database = support::empty_database().await;
    let built = shop.built.path();
    let applied = tenet(&shop.folder, &["schema", "apply", "--database-url", database.url(), built.to_str().unwrap()]);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    let bus = Bus::create().await;
    let mut command = bootstrap(database.url(), bus.name());
    command.env("TENET_BUNDLE", built);
    let mut lambda = Lambda::of(command).await;
    let event = json!({
        "version": "0", "id": "e-1", "source": "table", "detail-type": "Changed", "account": "1", "region": "us-east-1",
        "time": "2026-01-01T00:00:00Z", "resources": [], "detail": { "seq": 7, "operation": "insert" },
    });
    assert_eq!(lambda.invoke(&event.to_string()).await.0, 200);
    let sql = "select accepted, key from tenet.keys";
    let rows = database.connect().await.query(sql, &[]).await.unwrap();
    let stored = |row: &tokio_postgres::Row| (row.get::<_, bool>(0), row.get::<_, String>(1));
    assert_eq!(rows.iter().map(stored).collect::<Vec<_>>(), [(true, "7".to_owned())]);
    let posted = lambda.send("POST", "/operations/changes", &[("content-type", "application/json")], record).await;
    assert_eq!((posted.status, posted.json(), posted.header("idempotent-replayed")), (200, accepted, Some("true")));
    // Here it names the operation, and the rule misses its own member.
    let (_, direct) = lambda.invoke(r#"{"operation": "changes", "seq": 9}"#).await;
    let direct: Value = serde_json::from_str(&direct).unwrap();
    assert_eq!(direct["statusCode"], 422, "{direct}");
    let (_, direct) = lambda.invoke(r#"{"operation": "insert", "seq": 9}"#).await;
    assert!(direct.contains("There is no operation"), "{direct}");
}
