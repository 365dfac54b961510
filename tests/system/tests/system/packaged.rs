//! The shipped artifacts: rules for both of Lambda's architectures, and the zip for Lambda, run as
//! a function in two regions by third-party software, on one real PostgreSQL.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tenet_core::bundle::{INDEX, Index};
use tenet_engine::{OWN_TARGET, TARGETS};

use crate::support;
use crate::support::bundle::bundle;
use crate::support::database::Database;
use crate::support::eventbridge::Bus;
use crate::support::ministack::{self, Function};
use crate::support::tenet::{run, tenet};

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";

const WRITE: &str = r#"{"operation":"write","transaction_id":"test-001","amount":100.50}"#;
const READ: &str = r#"{"operation":"read"}"#;

/// The function in one region, with a bus of its own.
async fn deploy(region: &'static str, database: &Database) -> (Function, Bus) {
    let endpoint = ministack::endpoint();
    let bus = Bus::create_at(&endpoint, region).await;
    let variables =
        [("TENET_DATABASE_URL", database.url()), ("TENET_EVENT_BUS", bus.name()), ("AWS_ENDPOINT_URL", &endpoint)];
    (Function::deploy(region, &variables).await, bus)
}

#[tokio::test]
async fn the_recipe_is_answered_in_both_regions_and_its_event_leaves_the_one_that_committed() {
    let database = support::database().await;
    let (east, at_east) = deploy(EAST, &database).await;
    let (west, at_west) = deploy(WEST, &database).await;

    let written = r#"{"message":"Transaction created successfully","transaction_id":"test-001"}"#;
    assert_eq!(east.invoke(WRITE).await, json!({"statusCode": 200, "body": written}));
    for (function, region) in [(&east, EAST), (&west, WEST)] {
        assert_eq!(function.invoke(WRITE).await, json!({"statusCode": 200, "body": written}));
        let counted = format!(r#"{{"transaction_count":1,"region":"{region}"}}"#);
        assert_eq!(function.invoke(READ).await, json!({"statusCode": 200, "body": counted}));
    }

    let events = at_east.receive(1).await;
    assert!(events.len() == 1 && events[0].contains("test-001") && events[0].contains(EAST), "{events:?}");
    assert_eq!(at_west.receive(0).await, [""; 0]);
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
}

#[tokio::test]
async fn an_http_api_before_it_answers_as_the_harness_does() {
    let database = support::database().await;
    let (function, bus) = deploy(EAST, &database).await;
    let api = function.http_api().await;

    assert_eq!(api.send("GET", "/health", &[], "").await.json()["status"], "ready");
    let write = r#"{"transaction_id":"test-001","amount":100.50}"#;
    for replayed in ["false", "true"] {
        let answer = api.send("POST", "/operations/write", &[("idempotency-key", "k-1")], write).await;
        assert_eq!((answer.status, answer.header("idempotency-key")), (200, Some("k-1")), "{answer:?}");
        assert_eq!(answer.header("idempotent-replayed"), Some(replayed));
        assert_eq!(answer.json()["transaction_id"], "test-001");
    }
    let rejected = api.send("POST", "/operations/write", &[], r#"{"amount":100.505}"#).await;
    assert_eq!((rejected.status, rejected.header("content-type")), (422, Some("application/problem+json")));
    assert_eq!(api.send("GET", "/operations/nothing", &[], "").await.status, 404);
    assert!(api.send("GET", "/openapi.json", &[], "").await.json()["paths"]["/operations/write"].is_object());

    assert_eq!(database.count("select count(*) from transactions").await, 1);
    assert_eq!(bus.receive(1).await.len(), 1);
}

#[tokio::test]
async fn a_rule_of_the_bus_hands_it_an_event_and_what_it_decided_comes_back_to_the_bus() {
    let database = support::database().await;
    let (function, bus) = deploy(WEST, &database).await;
    // It is warm before the event comes, so that only the bus is waited for.
    assert_eq!(function.invoke(READ).await["statusCode"], 200);
    bus.invoke("orders", r#"{"source":["shop"]}"#, &function.arn()).await;

    bus.put("shop", "Ordered", r#"{"operation":"write","transaction_id":"order-1","amount":7.25}"#).await;
    let events = bus.receive(2).await;
    let decided = events.iter().find(|event| event.contains("Transaction Created")).expect("an event of the rule's");
    assert!(decided.contains("order-1") && decided.contains(WEST), "{decided}");
    assert_eq!(database.text("select amount::text from transactions where id = 'order-1'").await, "7.25");
}

#[tokio::test]
async fn a_bundle_is_built_for_the_other_machine_and_refused_on_this_one_by_name() {
    let other = TARGETS.into_iter().find(|target| *target != OWN_TARGET).unwrap();
    let database = support::database().await;
    // If the components are built already, only the code differs.
    let folder = tempfile::tempdir().unwrap();
    let (built, _) = bundle("rules");
    run(Command::new("cp").arg("-r").arg(built).arg(folder.path().join("out")));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/rules");
    let name = other.split('-').next().unwrap();
    let built = tenet(folder.path(), &["build", source.to_str().unwrap(), "--target", name, "--out", "out"]);
    assert_eq!(built.code, 0, "{built:?}");

    let out = folder.path().join("out");
    let index = Index::parse(&std::fs::read_to_string(out.join(INDEX)).unwrap()).unwrap();
    assert_eq!(index.compiled_for.as_ref().unwrap().target, other);
    for rule in &index.rules {
        assert!(rule.compiled.as_ref().unwrap().path.contains(other), "{rule:?}");
    }
    for file in index.files() {
        assert!(file.is(&std::fs::read(out.join(&file.path)).unwrap()), "{file:?}");
    }
    let refused = tenet(folder.path(), &["run", "read", "--bundle", "out", "--database-url", database.url()]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains(other) && refused.stderr.contains(OWN_TARGET), "{refused:?}");
}
