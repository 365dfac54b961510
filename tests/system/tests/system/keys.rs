//! Idempotency keys: their owners, how a request's key is chosen, and how long an answer is kept.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenet_clock::SystemClock;
use tenet_core::{AnswerRetention, Clock, StoredAnswers, Timestamp};
use tenet_database::{Database, Endpoint};

use crate::sources::{self, Function};
use crate::support;
use crate::support::host::{Regions, TIME};

#[tokio::test]
async fn a_key_is_its_callers_own_and_the_same_in_both_regions() {
    let database = support::database().await;
    let regions = Regions::start("rules", database.url());
    let write =
        |id: &str| format!(r#"{{"operation":"write","idempotency_key":"k","transaction_id":"{id}","amount":1}}"#);
    let ann = regions.east.invoke_for("ann", &write("of-ann")).await.answer;
    let bob = regions.west.invoke_for("bob", &write("of-bob")).await.answer;
    let anonymous = regions.east.invoke(&write("of-others")).await.answer;
    for (answer, id) in [(&ann, "of-ann"), (&bob, "of-bob"), (&anonymous, "of-others")] {
        assert!(answer.status.code() == 200 && !answer.repeated && answer.body.contains(id), "{answer:?}");
    }
    let again = regions.west.invoke_for("ann", &write("of-ann")).await.answer;
    assert_eq!((again.repeated, &again.body), (true, &ann.body));
    // A caller who guesses the key learns nothing, not even that it exists.
    let guess = regions.east.invoke_for("eve", &write("of-ann")).await.answer;
    assert!(!guess.repeated && guess.body != ann.body, "{guess:?}");

    let ids = database.text("select string_agg(id, ' ' order by id) from transactions").await;
    assert_eq!(ids, "of-ann of-bob of-others");
    let (mut east, mut west) = regions.event_ids();
    for ids in [&mut east, &mut west] {
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3);
    }
    let callers = "select string_agg(distinct length(caller)::text, ' ') from tenet.keys";
    assert_eq!(database.text(callers).await, "0 32");
}

/// The keys with an answer, which are then deleted.
async fn keys(function: &Function) -> String {
    let keys = function.database.text("select coalesce(string_agg(key, ' ' order by key), '') from tenet.keys").await;
    function.database.execute("delete from tenet.keys; delete from transactions").await;
    keys
}

/// An HTTP request in API Gateway's format, with these members in the payload.
fn http(key: Option<&str>, payload: &Value) -> Value {
    http_to("write", key, payload)
}

fn http_to(operation: &str, key: Option<&str>, payload: &Value) -> Value {
    let path = format!("/operations/{operation}");
    let mut headers = json!({ "content-type": "application/json" });
    if let Some(key) = key {
        headers["idempotency-key"] = key.into();
    }
    json!({
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "stage": "$default",
            "http": { "method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" },
            "authorizer": { "jwt": { "claims": { "sub": "ann" }, "scopes": null } },
        },
        "body": payload.to_string(),
        "isBase64Encoded": false,
    })
}

#[tokio::test]
async fn a_role_has_one_answer_whatever_its_session_and_region_and_another_role_has_its_own() {
    let mut function = Function::start().await;
    let as_session = |arn: &str| {
        let mut event = http(Some("k"), &json!({ "transaction_id": "w", "amount": 1 }));
        event["requestContext"]["authorizer"] = json!({ "iam": { "userArn": arn } });
        event
    };
    let first = function.taken(&as_session("arn:aws:sts::123456789012:assumed-role/teller/i-0a1")).await;
    let again = function.taken(&as_session("arn:aws:sts::123456789012:assumed-role/teller/i-0b2")).await;
    assert_eq!((&again["body"], &again["headers"]["idempotent-replayed"]), (&first["body"], &json!("true")));
    let other = function.taken(&as_session("arn:aws:sts::123456789012:assumed-role/clerk/i-0a1")).await;
    assert_eq!(other["headers"]["idempotent-replayed"], json!("false"), "{other}");
    // In the other region too.
    let regions = Regions::start("rules", function.database.url());
    let write = r#"{"operation":"write","idempotency_key":"k","transaction_id":"w","amount":1}"#;
    let there = regions.west.invoke_for("arn:aws:sts::123456789012:assumed-role/teller/i-0c3", write).await.answer;
    assert!(there.repeated, "{there:?}");
}

fn direct(payload: &Value) -> Value {
    direct_to("write", payload)
}

fn direct_to(operation: &str, payload: &Value) -> Value {
    let mut event = payload.clone();
    event["operation"] = operation.into();
    event
}

fn queue(body: &Value) -> Value {
    sources::batch("orders", &[("of-the-message", "", body.to_string())])
}

fn bridge(detail: &Value) -> Value {
    sources::event("of-the-bus", "bank", "Deposit", detail.clone())
}

#[tokio::test]
async fn the_first_key_of_field_payload_event_and_source_counts_whichever_way_a_request_comes() {
    let mut function = Function::start().await;
    let tenet = json!({ "id": "of-the-event", "region": "us-west-2", "bus": "us-west-2" });
    let all = json!({ "amount": 1, "idempotency_key": "field", "transaction_id": "payload", "tenet": tenet });
    let without = |names: &[&str]| {
        let mut payload = all.clone();
        payload.as_object_mut().unwrap().retain(|name, _| !names.contains(&name.as_str()));
        payload
    };
    let (field, payload) = (without(&["tenet"]), without(&["tenet", "idempotency_key"]));
    let none = without(&["tenet", "idempotency_key", "transaction_id"]);
    let (published, of_event) = (without(&["idempotency_key"]), without(&["idempotency_key", "transaction_id"]));
    let mut nameless = bridge(&none);
    nameless.as_object_mut().unwrap().remove("id");
    for (event, key) in [
        (http(Some("header"), &payload), "header"),
        (http(None, &field), "field"),
        (http(None, &payload), "payload"),
        (direct(&field), "field"),
        (direct(&payload), "payload"),
        (bridge(&all), "field"),
        (bridge(&published), "payload"),
        (bridge(&of_event), "of-the-event"),
        (bridge(&none), "of-the-bus"),
        (queue(&direct(&field)), "field"),
        (queue(&direct(&payload)), "payload"),
        (queue(&direct(&none)), "of-the-message"),
        (queue(&bridge(&all)), "field"),
        (queue(&bridge(&published)), "payload"),
        (queue(&bridge(&of_event)), "of-the-event"),
        (queue(&bridge(&none)), "of-the-bus"),
        (queue(&nameless), "of-the-message"),
    ] {
        function.taken(&event).await;
        assert_eq!(keys(&function).await, key, "{event}");
    }
    // A caller without a key receives the invocation's.
    for event in [http(None, &none), direct(&none)] {
        let answer = function.taken(&event).await;
        let told = answer["headers"]["idempotency-key"].as_str().unwrap().to_owned();
        assert_eq!((told.len(), keys(&function).await), (36, told));
    }
}

#[tokio::test]
async fn a_request_without_the_member_that_is_its_key_is_a_400_unless_it_has_another_or_is_an_event() {
    let mut function = Function::start().await;
    let none = json!({ "from": "ann", "to": "bob", "amount": 1 });
    let null = json!({ "transfer_id": null, "from": "ann", "to": "bob", "amount": 1 });
    let event = |id: &str, detail: &Value| sources::event(id, "payroll", "Due", detail.clone());
    for payload in [&none, &null] {
        for invocation in [http_to("transfer", None, payload), direct_to("transfer", payload)] {
            let answer = function.taken(&invocation).await;
            assert_eq!(answer["statusCode"], 400, "{invocation}");
            let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            let told = body["detail"].as_str().or(body["message"].as_str()).unwrap();
            assert!(told.starts_with("The member \"transfer_id\" is missing: it is the idempotency key."), "{told}");
        }
        assert_eq!(function.kept(&queue(&direct_to("transfer", payload))).await, ["of-the-message"]);
        let mut nameless = event("", payload);
        nameless.as_object_mut().unwrap().remove("id");
        assert_eq!(function.kept(&queue(&nameless)).await, ["of-the-message"]);
        assert_eq!(keys(&function).await, "");
    }
    // The rule requires the member too, but its rejection is an answer under a permanent key.
    for (event, key) in [
        (http_to("transfer", Some("header"), &none), "header"),
        (queue(&direct_to("transfer", &json!({ "idempotency_key": "field" }))), "field"),
        (event("of-the-bus", &none), "of-the-bus"),
        (queue(&event("of-the-bus", &none)), "of-the-bus"),
    ] {
        function.taken(&event).await;
        assert_eq!(keys(&function).await, key, "{event}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_key_is_a_400_whichever_way_it_comes_and_nothing_is_tried() {
    let mut function = Function::start().await;
    let long = "x".repeat(256);
    for key in [long.as_str(), "a\0b", ""] {
        let field = json!({ "amount": 1, "idempotency_key": key });
        let member = json!({ "amount": 1, "transaction_id": key });
        let own = json!({ "amount": 1, "tenet": { "id": key, "region": "us-west-2", "bus": "us-west-2" } });
        for payload in [&field, &member] {
            for event in [http(None, payload), direct(payload)] {
                assert_eq!(function.taken(&event).await["statusCode"], 400, "{event}");
            }
            assert_eq!(function.kept(&queue(&direct(payload))).await.len(), 1);
        }
        for detail in [&field, &member, &own] {
            let why = function.failed(&bridge(detail)).await;
            assert!(why.contains("write answered 400"), "{why}");
            assert_eq!(function.kept(&queue(&bridge(detail))).await.len(), 1);
        }
    }
    assert_eq!(function.taken(&http(Some(&long), &json!({ "amount": 1 }))).await["statusCode"], 400);
    assert_eq!(keys(&function).await, "");
}

#[tokio::test]
async fn null_is_no_key_whichever_way_it_comes_and_whichever_member_it_is_in() {
    let mut function = Function::start().await;
    let null = json!({ "amount": 1, "idempotency_key": null, "transaction_id": null });
    let named = json!({ "amount": 1, "idempotency_key": null, "transaction_id": "payload" });
    for (event, key) in [
        (http(None, &named), "payload"),
        (http(Some("header"), &null), "header"),
        (direct(&named), "payload"),
        (bridge(&named), "payload"),
        (bridge(&null), "of-the-bus"),
        (queue(&direct(&named)), "payload"),
        (queue(&direct(&null)), "of-the-message"),
    ] {
        function.taken(&event).await;
        assert_eq!(keys(&function).await, key, "{event}");
    }
    for event in [http(None, &null), direct(&null)] {
        let answer = function.taken(&event).await;
        let told = answer["headers"]["idempotency-key"].as_str().unwrap().to_owned();
        assert_eq!((told.len(), keys(&function).await), (36, told));
    }
}

#[tokio::test]
async fn a_path_and_a_header_mean_the_same_to_the_function_and_to_the_harness() {
    let mut function = Function::start().await;
    let database = support::database().await;
    let served = support::serve("rules", database.url()).await;
    let payload = json!({ "amount": 1 });
    // Each path as a socket receives it, as an HTTP API passes it, and the expected status.
    let ways = [
        ("/operations/write", "/operations/write", 200),
        ("/operations/wr%69te", "/operations/write", 200),
        ("/operations/wr%69te", "/operations/wr%69te", 200),
        ("/operations/write?x=1", "/operations/write", 200),
        ("/operations/write%23x", "/operations/write#x", 404),
        ("/operations/write%23x", "/operations/write%23x", 404),
        ("/operations/write%3Fx", "/operations/write?x", 404),
        ("/operations/write%20", "/operations/write ", 404),
    ];
    // Each header's values, as a socket receives them and, joined, as an HTTP API passes them.
    let keys = [
        (&["k-1"][..], 200),
        (&["\"k-1\""], 200),
        (&["\"a, b\""], 200),
        (&["\"say \\\"a\\\"\""], 200),
        (&["a", "b"], 400),
        (&["a", "a"], 400),
        (&["a,b"], 400),
        (&["\"a\"", "\"b\""], 400),
        (&["\"a\";v=1"], 400),
        (&["a;v=1"], 400),
        (&["\"a"], 400),
        (&[""], 400),
    ];
    let paths = ways.iter().map(|way| (*way, &["k-1"][..]));
    let headers = keys.iter().map(|(values, status)| (("/operations/write", "/operations/write", *status), *values));
    for ((path, raw, status), values) in paths.chain(headers) {
        let mut event = http(Some(&values.join(",")), &payload);
        event["rawPath"] = raw.into();
        let told = function.taken(&event).await;
        let lines: Vec<_> = values.iter().map(|value| ("idempotency-key", *value)).collect();
        let lines: Vec<_> = [("content-type", "application/json")].into_iter().chain(lines).collect();
        let served = support::http::send(served.east(), "POST", path, &lines, &payload.to_string()).await.unwrap();
        assert_eq!((&told["statusCode"], served.status), (&json!(status), status), "{raw} {values:?}: {told}");
        assert_eq!(told["headers"]["idempotency-key"].as_str(), served.header("idempotency-key"), "{values:?}");
    }
}

#[tokio::test]
async fn an_event_that_several_operations_take_came_at_one_moment_for_all_of_them() {
    let mut function = Function::start().await;
    let detail = json!({ "amount": 1, "account": "ann", "opening_balance": 1.5, "daily_ceiling": 60 });
    let answers = function.taken(&sources::event("e-1", "bank", "Deposit", detail)).await;
    assert_eq!(answers["answers"].as_array().map(Vec::len), Some(2), "{answers}");
    assert_eq!(function.database.count("select count(*) from tenet.keys").await, 2);
    assert_eq!(function.database.count("select count(distinct now) from tenet.keys").await, 1);
}

/// Ten minutes for both kinds.
const SHORTLY: AnswerRetention =
    AnswerRetention { accepted: Duration::from_secs(600), rejected: Duration::from_secs(600) };

fn ledger(url: &str) -> Database {
    Database::new(Endpoint::parse(url).unwrap(), 2)
}

async fn expire(ledger: &Database, keep: AnswerRetention) -> u64 {
    ledger.expire(keep, Instant::now() + TIME).await.unwrap()
}

/// Sets the age of all answers by the database's clock.
async fn age(database: &support::database::Database, interval: &str) {
    database.execute(&format!("update tenet.keys set stored_at = now() - interval '{interval}'")).await;
}

#[tokio::test]
async fn an_answer_is_kept_for_as_long_as_is_promised_whatever_clock_its_request_had() {
    let database = support::database().await;
    let regions = Regions::start("rules", database.url());
    let ledger = ledger(database.url());
    let now = SystemClock.now().micros();
    let year = 365 * 86_400 * 1_000_000;
    let moments = [0, now - 50 * year, now - 600_000_000, now, now + 600_000_000, now + 50 * year];
    for (n, moment) in moments.into_iter().enumerate() {
        for amount in ["1", "1.005"] {
            let event = format!(r#"{{"operation":"write","idempotency_key":"{n} {amount}","amount":{amount}}}"#);
            let answer = regions.east.invoke_at(Timestamp(moment), &event).await.answer;
            assert_eq!(answer.status.code(), if amount == "1" { 200 } else { 422 }, "{answer:?}");
        }
    }
    assert_eq!(expire(&ledger, SHORTLY).await, 0);
    // Ten minutes after its transaction began, an answer may just have been committed.
    age(&database, "14 minutes 50 seconds").await;
    assert_eq!(expire(&ledger, SHORTLY).await, 0);
    age(&database, "15 minutes 1 second").await;
    let day = Duration::from_secs(86_400);
    assert_eq!(expire(&ledger, AnswerRetention { accepted: day, ..SHORTLY }).await, 6);
    assert_eq!(database.count("select count(*) from tenet.keys where accepted").await, 6);
    assert_eq!(expire(&ledger, AnswerRetention { rejected: day, ..SHORTLY }).await, 6);
    assert_eq!(database.count("select count(*) from tenet.keys").await, 0);
}

#[tokio::test]
async fn an_answer_whose_events_are_still_there_stays_with_them_and_a_key_that_went_is_a_new_one() {
    let database = support::database().await;
    let regions = Regions::start("rules", database.url());
    let write = |id: &str| format!(r#"{{"operation":"write","transaction_id":"{id}","amount":1}}"#);
    for id in ["gone", "waits", "parked"] {
        assert_eq!(regions.east.invoke(&write(id)).await.answer.status.code(), 200);
    }
    let row = "insert into tenet.outbox (id, operation, caller, key, ordinal, source, detail_type, detail, region, at, parked) \
               select gen_random_uuid(), operation, caller, key, 0, 's', 't', '{}', region, now() + interval '1 hour', \
               case key when 'parked' then 'why' end from tenet.keys where key in ('waits', 'parked')";
    database.execute(row).await;
    age(&database, "31 days").await;
    let relayed = regions.west.relay().await;
    assert_eq!((relayed.keys_expired, relayed.parked_now), (1, 1));
    assert_eq!(database.text("select string_agg(key, ' ' order by key) from tenet.keys").await, "parked waits");

    database.execute("delete from transactions; delete from tenet.outbox").await;
    assert!(regions.west.invoke(&write("waits")).await.answer.repeated);
    let answer = regions.west.invoke(&write("gone")).await.answer;
    assert_eq!((answer.status.code(), answer.repeated), (200, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_old_answers_go_in_small_transactions_and_several_relays_at_once_do_no_harm() {
    let database = support::database().await;
    database
        .execute(
            "insert into tenet.keys (operation, caller, key, digest, accepted, answer, now, region, stored_at) \
             select 'write', '', n::text, '', n % 2 = 0, repeat('x', case when n <= 40 then 524288 else 2 end), now(), \
             'us-east-1', now() - case when n <= 2000 then interval '31 days' else interval '1 hour' end \
             from generate_series(1, 2010) n; \
             create table removed (n bigint, bytes bigint); \
             create function remove() returns trigger language plpgsql as \
             'begin insert into public.removed select count(*), sum(length(answer)) from old_rows; return null; end'; \
             create trigger remove after delete on tenet.keys referencing old table as old_rows \
             for each statement execute function remove()",
        )
        .await;
    let regions = std::sync::Arc::new(Regions::start("rules", database.url()));
    let relays = [0, 1, 2, 3].map(|n| {
        let regions = std::sync::Arc::clone(&regions);
        tokio::spawn(async move {
            let host = if n % 2 == 0 { &regions.east } else { &regions.west };
            host.relay().await.keys_expired
        })
    });
    let mut expired = 0;
    for relay in relays {
        expired += relay.await.unwrap();
    }
    // A relay that meets another one leaves the rest to it, or to the next run.
    expired += regions.east.relay().await.keys_expired;
    assert_eq!(expired, 2000);
    assert_eq!(database.count("select count(*) from tenet.keys").await, 10);
    // Each row counts twice of 3,000, because of the index. The limit on bytes is 10 MiB.
    assert!(database.count("select max(n) from removed").await <= 1000);
    assert!(database.count("select max(bytes) from removed").await <= 5 << 20);
}
