//! Two regions are deployed, inspected and deleted on stand-ins, with the deployer's commands, its
//! templates and the packed function. `deploy/README.md` lists what no stand-in covers.

use std::fs;

use serde_json::{Value, json};
use tenet_test_support::awaited;

use crate::support::bundle::bundle;
use crate::support::http::Answer;
use crate::support::ministack::HttpApi;
use crate::support::rehearsal::{EAST, Rehearsal, WEST, root};
use crate::support::tenet::tenet;

/// The HTTP APIs of both regions, from the output of `tenet deploy`.
fn apis(told: &str) -> [HttpApi; 2] {
    let ids: Vec<_> = told
        .lines()
        .filter_map(|line| line.trim().strip_prefix("api ")?.trim().strip_prefix("http://")?.split('.').next())
        .collect();
    assert_eq!(ids.len(), 2, "{told}");
    [HttpApi::at(EAST, ids[0]), HttpApi::at(WEST, ids[1])]
}

async fn write(api: &HttpApi, key: &str) -> Answer {
    let body = format!(r#"{{"transaction_id":"{key}","amount":1.00}}"#);
    api.send("POST", "/operations/write", &[("idempotency-key", key)], &body).await
}

/// The values of a name in both regions' status.
fn each<'a>(status: &'a [Value], name: &str) -> Vec<&'a Value> {
    status.iter().map(|region| &region[name]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_from_nothing_to_nothing() {
    let rehearsal = Rehearsal::new().await;

    // What a deploy depends on, before anything is there.
    let doctor = rehearsal.tenet(&["doctor", "--deploy"]);
    assert_eq!(doctor.code, 0, "{doctor:?}");
    for line in
        ["account      000000000000", "us-west-2, with the witness us-east-2", "clusters     us-east-1: none yet"]
    {
        assert!(doctor.stdout.contains(line), "{doctor:?}");
    }
    assert!(
        doctor.stdout.contains("concurrent executions") && doctor.stdout.contains("while idle   in each region"),
        "{doctor:?}"
    );

    // A plan changes nothing.
    let plan = rehearsal.tenet(&["deploy", "--plan"]);
    assert_eq!(plan.code, 2, "{plan:?}");
    assert!(plan.stdout.contains("us-west-2: + a cluster of Aurora DSQL, peered, with the witness us-east-2"));
    assert_eq!(each(&rehearsal.status(), "cluster"), [&Value::Null, &Value::Null]);

    let deployed = rehearsal.succeed(&["deploy"]);
    let [east, west] = apis(&deployed.stdout);
    let status = rehearsal.status();
    assert_eq!(each(&status, "well"), [&json!(true), &json!(true)], "{status:#?}");
    for (region, other) in [(0, 1), (1, 0)] {
        assert_eq!(status[region]["cluster"]["status"], "ACTIVE");
        assert_eq!(status[region]["cluster"]["peer"], status[other]["cluster"]["id"]);
        assert_eq!(status[region]["outbox"], json!({"waiting": 0, "parked": 0, "oldest_s": 0}));
        assert_eq!(status[region]["smoke"]["failure"], Value::Null);
    }
    assert_eq!(status[0]["sha256"], status[1]["sha256"]);
    // Only the two regions' functions can sign in with the function's role.
    let roles = [EAST, WEST].map(|region| {
        (rehearsal.role(), format!("arn:aws:iam::000000000000:role/{}-{region}-function", rehearsal.name))
    });
    assert_eq!(rehearsal.roles.granted(), roles);

    // The HTTP APIs of both regions use one database.
    let written = write(&east, "k-1").await;
    assert_eq!((written.status, written.header("idempotent-replayed")), (200, Some("false")), "{written:?}");
    let replayed = write(&west, "k-1").await;
    assert_eq!((replayed.status, replayed.header("idempotent-replayed")), (200, Some("true")), "{replayed:?}");
    assert_eq!(replayed.json(), written.json());
    for api in [&east, &west] {
        assert_eq!(api.send("GET", "/health", &[], "").await.json()["status"], "ready");
        assert_eq!(api.send("GET", "/live", &[], "").await.status, 200);
    }
    assert_eq!(rehearsal.database.count("select count(*) from transactions where id = 'k-1'").await, 1);

    // Large transfers of a region go to its queue.
    for (account, balance) in [("ann", "50000.00"), ("bob", "0.00")] {
        let body = format!(r#"{{"account":"{account}","opening_balance":{balance},"daily_ceiling":50000.00}}"#);
        let opened = west.send("POST", "/operations/open-account", &[], &body).await;
        assert_eq!(opened.status, 200, "{opened:?}");
    }
    for (id, amount) in [("small", "9999.99"), ("large", "10000.00")] {
        let body = format!(r#"{{"transfer_id":"{id}","from":"ann","to":"bob","amount":{amount}}}"#);
        let moved = west.send("POST", "/operations/transfer", &[], &body).await;
        assert_eq!(moved.status, 200, "{moved:?}");
    }
    let routed = rehearsal.heard(WEST, "routed", 1).await;
    assert!(!routed.contains("small"), "{routed}");
    assert!(routed.contains("large") && routed.contains(r#""operation": "transfer""#), "{routed}");

    // Each transaction is settled in the region that committed it, or that it prefers, and reviewed
    // there if it is large. An event that no host published is settled where it was put.
    let body = r#"{"transaction_id":"huge","amount":100000.00}"#;
    assert_eq!(east.send("POST", "/operations/write", &[], body).await.status, 200);
    for (id, preferred, committed) in
        [("prefers-east", EAST, Some(EAST)), ("prefers-west", WEST, Some(EAST)), ("of-no-host", WEST, None)]
    {
        let mut detail = json!({"id": id, "preferred_region": preferred});
        if let Some(region) = committed {
            detail["tenet"] = json!({"region": region});
        }
        rehearsal.put(EAST, "dsql.application", "Transaction Created", &detail.to_string()).await;
    }
    rehearsal.put(EAST, "dsql.application", "Something Else", r#"{"id":"other","preferred_region":"us-east-1"}"#).await;
    let settled = rehearsal.heard(EAST, "settlement", 3 + 2).await;
    for id in ["huge", "prefers-east", "of-no-host"] {
        assert!(settled.contains(id), "{id} in {settled}");
    }
    assert!(!settled.contains("prefers-west") && !settled.contains("other"), "{settled}");
    let reviewed = rehearsal.heard(EAST, "reviews", 1).await;
    assert!(reviewed.contains("huge") && reviewed.contains("\"urgent\""), "{reviewed}");

    // Another deploy changes nothing.
    let again = rehearsal.succeed(&["deploy"]);
    assert!(again.stdout.contains("nothing was changed"), "{}\n{}", again.stdout, again.stderr);
    let plan = rehearsal.tenet(&["deploy", "--plan"]);
    assert_eq!(plan.code, 0, "{plan:?}");

    // A new version gets a part of the calls, is promoted, and rolled back.
    let old = status[0]["sha256"].clone();
    rehearsal.change_the_function();
    rehearsal.succeed(&["deploy", "--canary", "10%"]);
    let status = rehearsal.status();
    assert_eq!(each(&status, "canary"), [&json!({"version": "2", "percent": 10}); 2], "{status:#?}");
    assert_eq!(each(&status, "sha256"), [&old, &old]);
    assert_eq!(write(&east, "k-2").await.status, 200);
    rehearsal.succeed(&["promote"]);
    let status = rehearsal.status();
    assert_eq!(each(&status, "version"), [&json!("2"), &json!("2")]);
    assert!(status[0]["sha256"] != old && status[0]["sha256"] == status[1]["sha256"], "{status:#?}");
    assert_eq!(write(&west, "k-3").await.status, 200);
    rehearsal.succeed(&["rollback"]);
    assert_eq!(each(&rehearsal.status(), "sha256"), [&old, &old]);
    let none = rehearsal.tenet(&["promote"]);
    assert!(none.code != 0 && none.stderr.contains("there is no canary"), "{none:?}");

    // The function's log lines about a request.
    let logs = rehearsal.succeed(&["logs", "--request", "record-transaction"]);
    assert!(logs.stdout.lines().any(|line| line.contains(EAST) && line.contains("request over")), "{logs:?}");

    // One region's endpoint fails: the other one takes over, the breaker logs it, and it recovers.
    rehearsal.east.go_down();
    for number in 0..6 {
        let answer = write(&east, &format!("away-{number}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let status = rehearsal.status();
    assert!(status[0]["unknown"][0].as_str().is_some_and(|why| why.contains("outbox")), "{status:#?}");
    assert_eq!((&status[0]["well"], &status[1]["well"]), (&json!(false), &json!(true)));
    let logs = rehearsal.succeed(&["logs", "--request", "BreakerOpened"]);
    assert!(logs.stdout.contains(EAST), "{logs:?}");
    rehearsal.succeed(&["smoke"]);
    rehearsal.east.come_up();
    rehearsal.east.reset();
    let mut number = 0;
    while rehearsal.east.statements() == 0 {
        // One request tries it again when the pause is over.
        assert_eq!(write(&east, &format!("back-{number}")).await.status, 200);
        number += 1;
    }
    assert_eq!(each(&rehearsal.status(), "well"), [&json!(true), &json!(true)]);

    // Data is deleted only by name, and only what is listed is left.
    let refused = rehearsal.tenet(&["destroy", "--clusters"]);
    assert!(refused.code != 0 && refused.stderr.contains("protected from deletion"), "{refused:?}");
    let destroyed = rehearsal.succeed(&["destroy"]);
    assert_eq!(destroyed.stdout.matches("cluster").count(), 2, "{destroyed:?}");
    let status = rehearsal.status();
    assert_eq!(each(&status, "stack"), [&Value::Null, &Value::Null]);
    assert_eq!(status[0]["cluster"]["status"], "ACTIVE");
    let destroyed = rehearsal.succeed(&["destroy", "--clusters", "--lift-protection", &rehearsal.name]);
    assert!(destroyed.stdout.contains("nothing is left"), "{destroyed:?}");
    let status = rehearsal.status();
    assert_eq!(each(&status, "cluster"), [&Value::Null, &Value::Null], "{status:#?}");
    assert_eq!(rehearsal.left_at_ministack().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_deployed_is_refused_before_anything_is_made() {
    let rehearsal = Rehearsal::new().await;
    for (from, to, why, help) in [
        ("witness = \"us-east-2\"", "witness = \"eu-west-1\"", "eu-west-1 is of the region set Europe", "us-east-2"),
        (
            "operation = \"write\"",
            "operation = \"read\"",
            "smoke.operation is \"read\", which only reads",
            "takes a key",
        ),
        ("reserved_concurrency = 50", "reserved_concurrency = 5000", "a cluster takes 10000", "593 at most"),
    ] {
        rehearsal.configure(|config| config.replace(from, to));
        let refused = rehearsal.tenet(&["deploy"]);
        assert!(refused.code != 0 && refused.stderr.contains(why) && refused.stderr.contains(help), "{refused:?}");
    }
    rehearsal.configure(str::to_owned);
    assert_eq!(each(&rehearsal.status(), "cluster"), [&Value::Null, &Value::Null]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_follows_the_event_of_another_in_the_region_that_has_published_it() {
    let rehearsal = Rehearsal::new().await;
    // The example rules, with an operation that counts a transfer again when its event arrives.
    let (built, _) = bundle("rules");
    let scratch = tempfile::tempdir().unwrap();
    let (folder, source) = (scratch.path(), root().join("guest/rules"));
    for rule in ["record-transaction", "open-account", "limits", "transfer"] {
        fs::create_dir_all(folder.join("rules").join(rule)).unwrap();
        fs::copy(built.join(format!("rules/{rule}.wasm")), folder.join(format!("rules/{rule}/rule.wasm"))).unwrap();
        fs::copy(source.join(format!("rules/{rule}/rule.toml")), folder.join(format!("rules/{rule}/rule.toml")))
            .unwrap();
    }
    fs::create_dir(folder.join("schema")).unwrap();
    for step in fs::read_dir(source.join("schema")).unwrap() {
        let step = step.unwrap();
        fs::copy(step.path(), folder.join("schema").join(step.file_name())).unwrap();
    }
    let manifest = "version = 1\n\n[operations.write]\nrules = [\"record-transaction\"]\n\
                    key = { member = \"transaction_id\", optional = true }\n\n[operations.open-account]\nrules = [\"open-account\"]\n\n[operations.transfer]\n\
                    rules = [\"limits\", \"transfer\"]\nkey = \"transfer_id\"\n\n[operations.count-again]\n\
                    rules = [\"limits\"]\nevents = [{ source = [\"dsql.application\"], detail-type = [\"Transfer Posted\"] }]\n";
    fs::write(folder.join("tenet.toml"), manifest).unwrap();
    assert_eq!(tenet(folder, &["grant"]).code, 0);
    let examples = format!("{source:?}");
    rehearsal.configure(|config| {
        assert!(config.contains(&examples), "{config}");
        config.replace(&examples, &format!("{folder:?}"))
    });
    let deployed = rehearsal.succeed(&["deploy"]);
    let [east, west] = apis(&deployed.stdout);
    for account in ["ann", "bob"] {
        let body = format!(r#"{{"account":"{account}","opening_balance":50.00,"daily_ceiling":500.00}}"#);
        let opened = east.send("POST", "/operations/open-account", &[], &body).await;
        assert_eq!(opened.status, 200, "{opened:?}");
    }
    for (api, id, amount, paid) in [(&west, "first", "10.00", "20.00"), (&east, "second", "7.00", "34.00")] {
        let body = format!(r#"{{"transfer_id":"{id}","from":"ann","to":"bob","amount":{amount}}}"#);
        let moved = api.send("POST", "/operations/transfer", &[], &body).await;
        assert_eq!(moved.status, 200, "{moved:?}");
        // Once by the transfer itself and once by the following event, and no more.
        let sql = format!("select count(*) from daily_totals where account_id = 'ann' and paid = {paid}");
        awaited(async { while rehearsal.database.count(&sql).await == 0 {} }, || format!("{paid} after {id}")).await;
    }
    let followed = "select count(*) from tenet.keys where operation = 'count-again'";
    assert_eq!(rehearsal.database.count(followed).await, 2);
    rehearsal.succeed(&["destroy", "--clusters", "--lift-protection", &rehearsal.name]);
}
