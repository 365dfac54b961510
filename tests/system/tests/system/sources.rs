//! Events, queues and relay schedules into the real `bootstrap`: the responses to the sources, and
//! the resulting state of the database and the bus.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::lambda::{Lambda, bootstrap};
use crate::support;
use crate::support::database::Database;
use crate::support::eventbridge::Bus;
use crate::support::host::Regions;

/// The example bundle with operations that handle events.
fn bundle() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (source, mut index) = support::bundle::bundle("rules");
    for file in index.files() {
        let to = folder.path().join(&file.path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(source.join(&file.path), to).unwrap();
    }
    for operation in &mut index.operations {
        operation.events = match operation.name.as_str() {
            "write" => vec![
                json!({ "source": ["till"], "detail": { "amount": [{ "numeric": [">", 100] }] } }),
                json!({ "source": ["bank"], "detail-type": ["Deposit"], "region": ["us-east-1"] }),
                json!({ "source": ["dsql.application"] }),
            ],
            "open-account" => vec![json!({ "detail": { "account": [{ "exists": true }] } })],
            "transfer" => vec![json!({ "source": ["payroll"] })],
            _ => vec![],
        };
    }
    index.host.relay_grace_s = 60;
    // The tests share a machine, and do not measure how fast a rule reads megabytes.
    index.ceilings.cpu_ms = 30_000;
    for rule in &mut index.rules {
        rule.limits.cpu_ms = 30_000;
        rule.limits.wall_ms = 30_000;
    }
    std::fs::write(folder.path().join("index.json"), index.to_json()).unwrap();
    folder
}

/// A function with that bundle, its database and its bus.
pub(crate) struct Function {
    pub(crate) lambda: Lambda,
    pub(crate) database: Database,
    pub(crate) bus: Bus,
    _bundle: TempDir,
}

impl Function {
    pub(crate) async fn start() -> Self {
        let (bundle, database, bus) = (bundle(), support::database().await, Bus::create().await);
        let mut command = bootstrap(database.url(), bus.name());
        command.env("TENET_BUNDLE", bundle.path());
        Self { lambda: Lambda::of(command).await, database, bus, _bundle: bundle }
    }

    /// The response to an event that is handled.
    pub(crate) async fn taken(&mut self, event: &Value) -> Value {
        let (status, answer) = self.lambda.invoke(&event.to_string()).await;
        assert_eq!(status, 200, "{event}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// The reason why the invocation failed.
    pub(crate) async fn failed(&mut self, event: &Value) -> String {
        let (status, answer) = self.lambda.invoke(&event.to_string()).await;
        assert_eq!(status, 500, "{event}: {answer}");
        answer
    }

    /// The ids of the messages that the queue has to keep.
    pub(crate) async fn kept(&mut self, batch: &Value) -> Vec<String> {
        let answer = self.taken(batch).await;
        let failures = answer["batchItemFailures"].as_array().unwrap();
        failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    async fn transactions(&self) -> String {
        self.database
            .text("select coalesce(string_agg(id || ' ' || amount, ', ' order by id), '') from transactions")
            .await
    }
}

pub(crate) fn event(id: &str, source: &str, detail_type: &str, detail: Value) -> Value {
    json!({
        "version": "0", "id": id, "source": source, "detail-type": detail_type, "account": "123456789012",
        "time": "2026-01-31T00:00:00Z", "region": "us-east-1", "resources": [], "detail": detail,
    })
}

pub(crate) fn batch(queue: &str, messages: &[(&str, &str, String)]) -> Value {
    let message = |(id, group, body): &(&str, &str, String)| {
        json!({
            "messageId": id,
            "receiptHandle": "handle",
            "body": body,
            "attributes": { "ApproximateReceiveCount": "1", "MessageGroupId": group },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:123456789012:{queue}"),
            "awsRegion": "us-east-1",
        })
    };
    json!({ "Records": messages.iter().map(message).collect::<Vec<_>>() })
}

fn write(id: &str) -> String {
    format!(r#"{{"operation":"write","transaction_id":"{id}","amount":10.50}}"#)
}

#[tokio::test]
async fn an_event_is_decided_once_by_every_operation_that_takes_it_however_often_it_is_delivered() {
    let mut function = Function::start().await;
    let detail = json!({
        "transaction_id": "t-1", "amount": 100.5, "account": "ann", "opening_balance": 1.5, "daily_ceiling": 60,
    });
    let first = function.taken(&event("e-1", "till", "Paid", detail.clone())).await;
    let answers = first["answers"].as_array().unwrap();
    let told: Vec<_> = answers.iter().map(|answer| (&answer["operation"], &answer["statusCode"])).collect();
    assert_eq!(told, [(&json!("open-account"), &json!(200)), (&json!("write"), &json!(200))]);

    assert_eq!(function.taken(&event("e-1", "till", "Paid", detail.clone())).await, first);
    assert_eq!(function.transactions().await, "t-1 100.50");
    assert_eq!(function.database.count("select count(*) from accounts").await, 1);
    assert_eq!(function.bus.receive(1).await.len(), 1);
}

#[tokio::test]
async fn an_event_that_a_host_published_is_the_same_from_either_bus() {
    let mut function = Function::start().await;
    let from = |id: &str, bus: &str, published: &str| {
        let tenet = json!({ "id": published, "region": "us-east-1", "bus": bus });
        let detail = json!({ "account": "ann", "opening_balance": 1.5, "daily_ceiling": 60, "tenet": tenet });
        event(id, "bank", "Account Wanted", detail)
    };
    let first = function.taken(&from("e-1", "us-east-1", "p-1")).await;
    assert_eq!(first["answers"][0]["statusCode"], 200, "{first}");
    assert_eq!(function.taken(&from("e-2", "us-west-2", "p-1")).await, first);
    // Another event is another request, which the rule rejects: an answer like any other.
    let other = function.taken(&from("e-3", "us-east-1", "p-2")).await;
    assert_eq!(other["answers"][0]["statusCode"], 422, "{other}");
    assert_eq!(function.database.count("select count(*) from accounts").await, 1);
}

#[tokio::test]
async fn an_event_that_is_not_settled_makes_the_invocation_fail_and_says_why() {
    let mut function = Function::start().await;
    let small = event("e-1", "till", "Paid", json!({ "amount": 100 }));
    let why = function.failed(&small).await;
    for part in ["\\\"Paid\\\"", "\\\"till\\\"", "open-account, transfer, write"] {
        assert!(why.contains(part), "{why}");
    }
    let keyless = event("e-2", "bank", "Deposit", json!({ "idempotency_key": "", "amount": 1 }));
    let why = function.failed(&keyless).await;
    assert!(why.contains("write answered 400") && why.contains("at least one character"), "{why}");
    let records = json!({ "Records": [{ "eventSource": "aws:s3", "s3": {} }] });
    let why = function.failed(&records).await;
    assert!(why.contains("aws:s3") && why.contains("SQS batches"), "{why}");
    assert_eq!(function.transactions().await, "");

    let bundle = bundle();
    let mut nowhere = bootstrap("postgres://missing@127.0.0.1:1/none", "bus");
    nowhere.env("TENET_BUNDLE", bundle.path());
    function.lambda = Lambda::of(nowhere).await;
    let why = function.failed(&event("e-3", "bank", "Deposit", json!({ "amount": 1 }))).await;
    assert!(why.contains("write answered 503 (unavailable)") && why.contains("log has more under"), "{why}");
    let batch = batch("orders", &[("m-1", "", write("t-1")), ("m-2", "", write("t-2"))]);
    assert_eq!(function.kept(&batch).await, ["m-1", "m-2"]);
}

#[tokio::test]
async fn of_a_batch_the_queue_keeps_what_was_not_decided_and_nothing_else() {
    let mut function = Function::start().await;
    let deposit = event("e-1", "bank", "Deposit", json!({ "transaction_id": "t-2", "amount": 2.25 }));
    let messages = [
        ("m-1", "", write("t-1")),
        ("m-2", "", deposit.to_string()),
        ("m-rejected", "", r#"{"operation":"write","amount":100.505}"#.to_owned()),
        ("m-unreadable", "", "no JSON at all".to_owned()),
        ("m-unknown", "", r#"{"operation":"wriet"}"#.to_owned()),
        ("m-untaken", "", event("e-2", "shop", "Deposit", json!({})).to_string()),
        ("m-relay", "", r#"{"tenet":"relay"}"#.to_owned()),
        ("m-3", "", r#"{"operation":"write","amount":3}"#.to_owned()),
        ("m-reads", "", r#"{"operation":"read"}"#.to_owned()),
    ];
    let batch = batch("orders", &messages);
    let kept = function.kept(&batch).await;
    assert_eq!(kept, ["m-unreadable", "m-unknown", "m-untaken", "m-relay"]);
    // A redelivery has the same result: the message's id is the key of a request without one.
    assert_eq!(function.kept(&batch).await, kept);
    assert_eq!(function.database.count("select count(*) from transactions").await, 3);
    assert_eq!(
        function.database.text("select string_agg(key, ' ' order by key) from tenet.keys").await,
        "m-3 m-rejected t-1 t-2"
    );
    assert_eq!(function.bus.receive(3).await.len(), 3);

    assert_eq!(function.kept(&json!({ "Records": [] })).await.len(), 0);
}

#[tokio::test]
async fn a_pipe_of_a_queue_keeps_what_was_not_decided_and_one_of_a_stream_keeps_everything() {
    let mut function = Function::start().await;
    let deposit = event("e-1", "bank", "Deposit", json!({ "transaction_id": "t-2", "amount": 2.25 }));
    let messages =
        [("m-1", "", write("t-1")), ("m-2", "", deposit.to_string()), ("m-unreadable", "", "[1,2]".to_owned())];
    // A pipe passes a bare list, even for one record.
    let of_pipe = batch("orders", &messages)["Records"].clone();
    assert_eq!(function.kept(&of_pipe).await, ["m-unreadable"]);
    assert_eq!(function.kept(&of_pipe).await, ["m-unreadable"]);
    assert_eq!(function.kept(&json!([of_pipe[0]])).await.len(), 0);
    assert_eq!(function.transactions().await, "t-1 10.50, t-2 2.25");
    assert_eq!(function.bus.receive(2).await.len(), 2);

    let why = function.failed(&json!([{ "eventSource": "aws:kinesis", "data": "e30=" }])).await;
    assert!(why.contains("aws:kinesis") && why.contains("EventBridge pipe"), "{why}");
    assert_eq!(function.transactions().await, "t-1 10.50, t-2 2.25");
}

#[tokio::test]
async fn a_fifo_group_stops_at_what_fails_and_the_others_go_on_in_their_order() {
    let mut function = Function::start().await;
    let open = |account: &str, balance: &str| {
        format!(
            r#"{{"operation":"open-account","account":"{account}","opening_balance":{balance},"daily_ceiling":60}}"#
        )
    };
    let pay = |id: &str, from: &str, to: &str| {
        format!(r#"{{"operation":"transfer","transfer_id":"{id}","from":"{from}","to":"{to}","amount":1}}"#)
    };
    let batch = batch(
        "payments.fifo",
        &[
            ("m-1", "a", open("ann", "5")),
            ("m-2", "b", open("cid", "5")),
            ("m-3", "a", open("bob", "0")),
            ("m-4", "b", open("dan", "0")),
            ("m-5", "a", pay("p-1", "ann", "bob")),
            ("m-6", "b", "no JSON at all".to_owned()),
            ("m-7", "a", pay("p-2", "ann", "bob")),
            ("m-8", "b", pay("p-3", "cid", "dan")),
        ],
    );
    // Every payment depends on those before it in its group.
    assert_eq!(function.kept(&batch).await, ["m-6", "m-8"]);
    let balances = "select string_agg(id || ' ' || balance, ', ' order by id) from accounts";
    assert_eq!(function.database.text(balances).await, "ann 3.00, bob 2.00, cid 5.00, dan 0.00");
    assert_eq!(function.kept(&batch).await, ["m-6", "m-8"]);
    assert_eq!(function.database.text(balances).await, "ann 3.00, bob 2.00, cid 5.00, dan 0.00");
}

#[tokio::test]
async fn the_relay_delivers_what_is_left_and_leaves_what_is_young() {
    let mut function = Function::start().await;
    let row = |id: &str, key: &str, age: &str| {
        format!(
            "insert into tenet.outbox (id, operation, caller, key, ordinal, source, detail_type, detail, region, at) values \
             ('{id}', 'write', '', '{key}', 0, 's', 't', '{{\"key\":\"{key}\"}}', 'us-west-2', now() - interval '{age}')"
        )
    };
    for n in 0..45 {
        function
            .database
            .execute(&row(&format!("00000000-0000-8000-8000-{n:012}"), &format!("k-{n}"), "2 minutes"))
            .await;
    }
    function.database.execute(&row("00000000-0000-8000-9000-000000000001", "young", "1 second")).await;
    // An event that every bus refuses, older than all others.
    function.database.execute(&row("00000000-0000-8000-9000-000000000002", "refused", "1 hour")).await;
    function.database.execute("update tenet.outbox set detail_type = '' where key = 'refused'").await;

    let relayed = function.taken(&json!({ "tenet": "relay" })).await;
    assert_eq!((&relayed["delivered"], &relayed["left"], &relayed["parked"]), (&json!(45), &json!(0), &json!(1)));
    assert_eq!(relayed["complete"], true);
    assert!(relayed["lag_s"].as_u64().is_some_and(|lag| (3600..4000).contains(&lag)), "{relayed}");
    let left = "select string_agg(key, ' ' order by key) from tenet.outbox";
    assert_eq!(function.database.text(left).await, "refused young");
    let mut arrived = function.bus.receive(45).await;
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), 45);
    assert!(arrived.iter().all(|event| event.contains("us-west-2")), "the event names the region that committed");

    let mut schedule = event("e-1", "aws.events", "Scheduled Event", json!({}));
    schedule["resources"] = json!(["arn:aws:events:us-east-1:123456789012:rule/tenet-relay"]);
    // A parked event is not offered again, and an alarm can see it.
    let again = function.taken(&schedule).await;
    let counts = ["delivered", "left", "parked", "parked_now", "lag_s"].map(|count| again[count].as_u64());
    assert_eq!(counts, [0, 0, 0, 1, 0].map(Some), "{again}");
    let reason = function.database.text("select parked from tenet.outbox where key = 'refused'").await;
    assert_eq!(reason, "an event's detail-type has 1 to 128 characters and no U+0000; this one has 0");
}

#[tokio::test]
async fn relays_of_both_regions_at_once_deliver_everything_and_leave_nothing() {
    let database = support::database().await;
    let regions = Regions::start("rules", database.url());
    database
        .execute(
            "insert into tenet.outbox (id, operation, caller, key, ordinal, source, detail_type, detail, region, at) \
             select gen_random_uuid(), 'write', '', 'k-' || n, 0, 's', 't', '{}', 'us-east-1', now() - interval '1 hour' \
             from generate_series(1, 70) n",
        )
        .await;
    let ids = database.text("select string_agg(id::text, ' ' order by id) from tenet.outbox").await;
    let (east, west) = tokio::join!(regions.east.relay(), regions.west.relay());
    assert!(east.complete && west.complete && east.delivered + west.delivered >= 70, "{east:?} {west:?}");
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
    let (at_east, at_west) = regions.event_ids();
    for mut arrived in [at_east, at_west] {
        arrived.sort();
        arrived.dedup();
        assert_eq!(arrived.join(" "), ids);
    }
}

#[tokio::test]
async fn what_a_bus_has_put_into_a_queue_is_taken_from_there() {
    let mut function = Function::start().await;
    function.taken(&event("e-1", "bank", "Deposit", json!({ "transaction_id": "t-1", "amount": 1 }))).await;
    let delivered = function.bus.receive(1).await.remove(0);
    let batch = batch("created", &[("m-1", "", delivered)]);
    // Its own event requests another transaction from `write` with the key of the first: 409.
    assert_eq!(function.kept(&batch).await.len(), 0);
    assert_eq!(function.transactions().await, "t-1 1.00");
    assert_eq!(function.bus.receive(0).await.len(), 0);
}

#[tokio::test]
async fn a_payload_as_large_as_lambda_carries_is_decided() {
    let mut function = Function::start().await;
    let filler = "x".repeat(5_900_000);
    let direct = format!(r#"{{"operation":"write","transaction_id":"t-1","amount":1.50,"filler":"{filler}"}}"#);
    let (status, answer) = function.lambda.invoke(&direct).await;
    assert_eq!((status, answer.contains(r#""statusCode":200"#)), (200, true), "{answer}");
    // An HTTP API passes the body as a string.
    let body = format!(r#"{{"transaction_id":"t-2","amount":2.50,"filler":"{filler}"}}"#);
    let headers = [("content-type", "application/json")];
    let answer = function.lambda.send("POST", "/operations/write", &headers, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(function.transactions().await, "t-1 1.50, t-2 2.50");
}
