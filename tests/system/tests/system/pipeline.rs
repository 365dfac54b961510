//! Whole requests: real rules in the real engine on a real PostgreSQL, in two regions.

use std::sync::Arc;

use tenet_pipeline::Status;
use tenet_test_support::{Harm, Relay};

use crate::support;
use crate::support::host::{EAST, Host, Regions};

const WRITE: &str = r#"{"operation":"write","transaction_id":"test-001","amount":100.50}"#;
const WRITTEN: &str =
    r#"{"statusCode":200,"body":"{\"message\":\"Transaction created successfully\",\"transaction_id\":\"test-001\"}"}"#;

#[tokio::test]
async fn a_transaction_is_recorded_read_elsewhere_and_told_to_both_buses_exactly_once() {
    let database = support::database().await;
    let regions = Regions::start("rules", database.url());
    assert_eq!(regions.east.reply(WRITE).await, WRITTEN);
    assert_eq!(
        regions.west.reply(r#"{"operation":"read"}"#).await,
        r#"{"statusCode":200,"body":"{\"transaction_count\":1,\"region\":\"us-west-2\"}"}"#
    );
    let row = database
        .text("select concat_ws('|', id, amount, region, status, timestamp is not null) from transactions")
        .await;
    assert_eq!(row, "test-001|100.50|us-east-1|pending|t");

    // The other region, another spelling of the same amount: the stored answer and no new effect.
    let again = regions.west.invoke(r#"{"amount":1.005e2,"operation":"write","transaction_id":"test-001"}"#).await;
    assert!(again.answer.repeated);
    assert_eq!(tenet_pipeline::direct::write(&again.answer), WRITTEN);
    assert_eq!(database.count("select count(*) from transactions").await, 1);

    let (east, west) = regions.event_ids();
    assert_eq!((east.len(), &east), (1, &west));
    let event = regions.at_west.received().remove(0);
    let detail = r#""detail":{"transaction_id":"test-001","amount":100.50,"region":"us-east-1","tenet":{"id":""#;
    assert!(event.contains(detail), "{event}");
    assert!(
        event.contains(r#""source":"dsql.application""#) && event.contains(r#""detail-type":"Transaction Created""#)
    );
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
}

#[tokio::test]
async fn a_missing_id_gets_a_uuid_and_the_caller_the_key_to_ask_again() {
    let database = support::database().await;
    let regions = Regions::start("rules", database.url());
    let first = regions.east.invoke(r#"{"operation":"write","amount":7}"#).await.answer;
    assert!(first.key_is_given);
    let body: serde_json::Value = serde_json::from_str(&first.body).unwrap();
    let id = body["transaction_id"].as_str().unwrap();
    assert_eq!((id.len(), id.matches('-').count()), (36, 4));
    let key = first.key.unwrap();
    let again = format!(r#"{{"operation":"write","amount":7.00,"idempotency_key":"{}"}}"#, key.as_str());
    assert_eq!(regions.west.invoke(&again).await.answer.body, first.body);
}

#[tokio::test]
async fn the_same_key_twice_at_once_in_two_regions_has_one_effect_and_equal_answers() {
    let database = support::database().await;
    let regions = Regions::start("rules", database.url());
    let (east, west) = tokio::join!(regions.east.reply(WRITE), regions.west.reply(WRITE));
    assert_eq!((east.as_str(), west.as_str()), (WRITTEN, WRITTEN));
    assert_eq!(database.count("select count(*) from transactions").await, 1);
    let (east, west) = regions.event_ids();
    let all: std::collections::HashSet<_> = east.iter().chain(&west).collect();
    assert_eq!(all.len(), 1, "one event, however often it was delivered");
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
}

#[tokio::test]
async fn the_same_key_with_another_payload_is_409() {
    let database = support::database().await;
    let regions = Regions::start("rules", database.url());
    regions.east.reply(WRITE).await;
    let other = regions.west.invoke(&WRITE.replace("100.50", "100.51")).await.answer;
    assert_eq!(other.status.code(), 409);
    assert_eq!(database.text("select amount::text from transactions").await, "100.50");
}

#[tokio::test]
async fn two_writers_of_one_row_both_come_through_and_one_of_them_tries_again() {
    let database = support::database().await;
    let regions = Arc::new(Regions::start("guests", database.url()));
    database.execute("insert into counters values (1, 0)").await;

    // Both read the row and then wait for its lock, which is released only then.
    let holder = database.connect().await;
    holder.batch_execute("begin; select * from counters where id = 1 for update").await.unwrap();
    let writers: Vec<_> = ["a", "b"]
        .map(|key| {
            let regions = Arc::clone(&regions);
            let event = format!(r#"{{"operation":"probe","idempotency_key":"{key}","do":"increment","id":1}}"#);
            tokio::spawn(async move { regions.east.invoke(&event).await })
        })
        .into();
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let watcher = database.connect().await;
    while watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < 2 {}
    holder.batch_execute("rollback").await.unwrap();

    let mut attempts = 0;
    let mut values = Vec::new();
    for writer in writers {
        let handled = writer.await.unwrap();
        assert_eq!(handled.answer.status, Status::Accepted, "{}", handled.answer.body);
        attempts += handled.receipt.attempts;
        values.push(serde_json::from_str::<serde_json::Value>(&handled.answer.body).unwrap()["value"].clone());
    }
    values.sort_by_key(serde_json::Value::as_i64);
    assert_eq!((attempts, values), (3, vec![1.into(), 2.into()]));
    assert_eq!(database.count("select value from counters").await, 2);
    let (mut east, mut west) = regions.event_ids();
    east.sort();
    west.sort();
    assert_eq!((east.len(), &east), (2, &west));
    assert_ne!(east[0], east[1]);
}

#[tokio::test]
async fn a_guest_that_swallows_a_database_error_and_accepts_changes_nothing() {
    let database = support::database().await;
    let regions = Regions::start("guests", database.url());
    database.execute("insert into counters values (1, 0)").await;
    let handled = regions.east.invoke(r#"{"operation":"probe","idempotency_key":"k","do":"swallow"}"#).await;
    assert_eq!(handled.answer.status, Status::Failed, "{}", handled.answer.body);
    assert!(!handled.answer.body.contains("23505"), "internals stay in the log: {}", handled.answer.body);
    assert_eq!(database.count("select count(*) from tenet.keys").await, 0);
    assert_eq!(database.text("select string_agg(id || ':' || value, ',') from counters").await, "1:0");
}

#[tokio::test]
async fn an_error_that_the_host_itself_shows_spends_the_transaction_too() {
    let database = support::database().await;
    let regions = Regions::start("guests", database.url());
    let handled = regions.east.invoke(r#"{"operation":"probe","idempotency_key":"k","do":"invalid"}"#).await;
    assert_eq!(handled.answer.status, Status::Failed, "{}", handled.answer.body);
    assert_eq!(database.count("select count(*) from tenet.keys").await, 0);
}

#[tokio::test]
async fn a_rejection_undoes_the_writes_of_the_rules_before_it_and_is_given_again() {
    let database = support::database().await;
    let regions = Regions::start("guests", database.url());
    database.execute("insert into counters values (1, 0)").await;
    let event = r#"{"operation":"pair","idempotency_key":"k","do":"increment","id":1,"veto":true}"#;
    let first = regions.east.invoke(event).await.answer;
    assert_eq!(first.status, Status::Rejected);
    assert!(first.body.starts_with(r#"{"code":"veto","#), "{}", first.body);
    let second = regions.west.invoke(event).await.answer;
    assert_eq!((second.repeated, second.body), (true, first.body));
    assert_eq!(database.count("select value from counters").await, 0);
    assert!(regions.at_east.received().is_empty());
}

#[tokio::test]
async fn a_later_rule_sees_what_an_earlier_one_wrote() {
    let database = support::database().await;
    let regions = Regions::start("guests", database.url());
    database.execute("insert into counters values (1, 41)").await;
    let event = r#"{"operation":"pair","idempotency_key":"k","do":"increment","id":1}"#;
    assert_eq!(regions.east.invoke(event).await.answer.body, r#"{"second":42}"#);
}

#[tokio::test]
async fn bad_input_gets_a_clear_answer_and_writes_nothing() {
    let database = support::database().await;
    let regions = Regions::start("rules", database.url());
    let long = "x".repeat(300);
    for (event, status, says) in [
        (r#"{"operation":"write","transaction_id":"a","amount":100.505}"#.to_owned(), 422, "3 digits after the point"),
        (r#"{"operation":"write","transaction_id":"b","amount":1e400}"#.to_owned(), 422, "invalid-amount"),
        (r#"{"operation":"write","transaction_id":"c","amount":"many"}"#.to_owned(), 422, "invalid-payload"),
        (r#"{"operation":"write","transaction_id":"d"}"#.to_owned(), 422, "amount"),
        (format!(r#"{{"operation":"write","transaction_id":"{long}","amount":1}}"#), 400, "300"),
        (r#"{"operation":"write","transaction_id":"","amount":1}"#.to_owned(), 400, "at least one"),
        // With a separate key the id is not the key, but still does not fit any column.
        (
            r#"{"operation":"write","idempotency_key":"e","transaction_id":"a\u0000b","amount":1}"#.to_owned(),
            422,
            "invalid-transaction-id",
        ),
        (r#"{"operation":"wriet"}"#.to_owned(), 400, "read, show-account, transfer, write"),
    ] {
        let answer = regions.east.invoke(&event).await.answer;
        assert_eq!(answer.status.code(), status, "{event}: {}", answer.body);
        assert!(answer.body.contains(says), "{event}: {}", answer.body);
    }
    assert_eq!(database.count("select count(*) from transactions").await, 0);
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
}

#[tokio::test]
async fn a_rule_that_breaks_leaves_nothing_but_a_reference_and_the_next_request_is_clean() {
    let database = support::database().await;
    let regions = Regions::start("guests", database.url());
    for behaviour in ["bug", "panic", "loop", "recurse", "memory", "host-calls", "bad-json"] {
        let event = format!(r#"{{"operation":"probe","idempotency_key":"{behaviour}","do":"{behaviour}"}}"#);
        let answer = regions.east.invoke(&event).await.answer;
        assert_eq!(answer.status, Status::Failed, "{behaviour}: {}", answer.body);
        assert!(answer.body.contains("\"reference\""), "{behaviour}: {}", answer.body);
    }
    let failing = r#"{"operation":"probe","idempotency_key":"sql","do":"sql","sql":"select * from nowhere"}"#;
    assert_eq!(regions.east.invoke(failing).await.answer.status, Status::Failed);
    assert_eq!(database.count("select count(*) from tenet.keys").await, 0);
    let fine = regions.east.invoke(r#"{"operation":"probe","idempotency_key":"fine","do":"three-reads"}"#).await;
    assert_eq!(fine.answer.status, Status::Accepted, "{}", fine.answer.body);
}

#[tokio::test]
async fn every_kind_of_value_reaches_a_guest_as_it_left_it() {
    let database = support::database().await;
    let regions = Regions::start("guests", database.url());
    let answer = regions.east.invoke(r#"{"operation":"probe-read","do":"values"}"#).await.answer;
    assert_eq!(answer.status, Status::Accepted, "{}", answer.body);
    let sent = concat!(
        r#"{"sent":{"boolean":"true","int2":"-32768","int4":"-2147483648","int8":"-9223372036854775808","#,
        r#""float8":"-0.125","numeric":"-12345678901234567890.1234567890","text":"Grüße, 🦀","bytea":"00ff10","#,
        r#""uuid":"0f5d8c1a-02b3-4c4d-9e5f-00a1b2c3d4e5","date":"2024-02-29","time":"23:59:59.999999","#,
        r#""timestamp":"1969-12-31T23:59:59.999999","timestamptz":"2026-01-31T22:59:59Z","#,
        r#""interval":"14 -3 1500000","json":"[1, 2]"},"nulls":{"#,
    );
    assert!(answer.body.starts_with(sent), "{}", answer.body);
    assert_eq!(answer.body.matches(":null").count(), 15, "{}", answer.body);
}

#[tokio::test]
async fn a_guest_sees_only_a_refusal_after_its_first_error_and_may_reject() {
    let database = support::database().await;
    let regions = Regions::start("guests", database.url());
    let event = r#"{"operation":"probe","idempotency_key":"k","do":"after-error"}"#;
    let answer = regions.east.invoke(event).await.answer;
    assert_eq!(answer.status, Status::Rejected, "{}", answer.body);
    assert!(answer.body.starts_with(r#"{"code":"25P02","#), "{}", answer.body);
}

#[tokio::test]
async fn limits_on_rows_and_events_end_the_request_and_leave_nothing() {
    let database = support::database().await;
    let regions = Regions::start("guests", database.url());
    for event in [
        r#"{"operation":"probe","idempotency_key":"rows","do":"rows","count":10001}"#,
        r#"{"operation":"probe","idempotency_key":"events","do":"events","count":101}"#,
    ] {
        assert_eq!(regions.east.invoke(event).await.answer.status, Status::Failed, "{event}");
    }
    assert_eq!(database.count("select count(*) from tenet.keys").await, 0);
    let event = r#"{"operation":"probe","idempotency_key":"fits","do":"events","count":100}"#;
    assert_eq!(regions.east.invoke(event).await.answer.status, Status::Accepted);
    assert_eq!(regions.at_west.received().len(), 100);
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
}

#[tokio::test]
async fn a_read_only_operation_cannot_write() {
    let database = support::database().await;
    let regions = Regions::start("guests", database.url());
    let event = r#"{"operation":"probe-read","do":"sql","sql":"insert into counters values (1, 0)"}"#;
    assert_eq!(regions.east.invoke(event).await.answer.status, Status::Failed);
    assert_eq!(database.count("select count(*) from counters").await, 0);
}

#[tokio::test]
async fn three_sequential_statements_cost_four_round_trips() {
    let database = support::database().await;
    let relay = Relay::start(database.url()).await;
    let regions = Regions::start("guests", relay.url());
    let event = |key: &str| format!(r#"{{"operation":"probe","idempotency_key":"{key}","do":"three-reads"}}"#);
    // The first request opens its connection.
    regions.east.invoke(&event("first")).await;
    relay.reset();
    let handled = regions.east.invoke(&event("second")).await;
    assert_eq!(handled.answer.status, Status::Accepted, "{}", handled.answer.body);
    assert_eq!((relay.round_trips(), handled.receipt.round_trips), (4, 4));
}

#[tokio::test]
async fn a_batch_of_three_statements_is_one_round_trip_of_its_own() {
    let database = support::database().await;
    let regions = Regions::start("guests", database.url());
    let handled = regions.east.invoke(r#"{"operation":"probe","idempotency_key":"k","do":"batch"}"#).await;
    assert_eq!(handled.answer.body, r#"{"affected":2,"counted":[2]}"#);
    // BEGIN, whose response a write waits for; the batch; the commit.
    assert_eq!(handled.receipt.round_trips, 3);
    assert_eq!(
        database.text("select string_agg(id || ':' || value, ',' order by id) from counters").await,
        "1:10,2:20"
    );
}

#[tokio::test]
async fn begin_refused_before_a_first_statement_that_writes_writes_nothing_by_itself() {
    let database = support::database().await;
    let relay = Relay::start(database.url()).await;
    let regions = Regions::start("guests", relay.url());
    relay.harm_once("BEGIN", Harm::UNAVAILABLE);
    let handled = regions.east.invoke(r#"{"operation":"probe","idempotency_key":"k","do":"write-first","id":1}"#).await;
    assert_eq!((handled.answer.status, handled.receipt.attempts), (Status::Accepted, 2), "{}", handled.answer.body);
    assert_eq!(database.count("select count(*) from counters").await, 1);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_settled_on_the_next_attempt() {
    let database = support::database().await;
    let relay = Relay::start(database.url()).await;
    let regions = Regions::start("guests", relay.url());
    database.execute("insert into counters values (1, 0)").await;
    relay.harm_once("COMMIT", Harm::CutAfter);
    let event = r#"{"operation":"probe","idempotency_key":"k","do":"increment","id":1}"#;
    let handled = regions.east.invoke(event).await;
    assert_eq!((handled.answer.status, handled.answer.repeated), (Status::Accepted, false), "{}", handled.answer.body);
    assert_eq!(database.count("select value from counters").await, 1);
    let (east, west) = regions.event_ids();
    assert_eq!((east.len(), &east), (1, &west));
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
}

#[tokio::test]
async fn an_event_that_no_bus_took_stays_in_the_outbox() {
    let database = support::database().await;
    let regions = Regions::start("rules", database.url());
    regions.buses.set_up("us-west-2", false).unwrap();
    assert_eq!(regions.east.reply(WRITE).await, WRITTEN, "the answer does not depend on the bus");
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 1);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_503_and_names_the_key() {
    let buses = tenet_events::Buses::new([EAST]).unwrap();
    let host = Host::start("rules", "postgres://admin@127.0.0.1:1/nowhere", EAST, &buses);
    let answer = host.invoke(WRITE).await.answer;
    assert_eq!(answer.status.code(), 503);
    assert!(
        answer.body.contains(r#""key":"test-001""#) && answer.body.contains("cannot be reached"),
        "{}",
        answer.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_everybody_writes_counts_every_writer_once() {
    let database = support::database().await;
    let regions = Arc::new(Regions::start("guests", database.url()));
    database.execute("insert into counters values (1, 0)").await;
    let writers: Vec<_> = (0..64)
        .map(|writer| {
            let regions = Arc::clone(&regions);
            tokio::spawn(async move {
                let host = if writer % 2 == 0 { &regions.east } else { &regions.west };
                let event = format!(r#"{{"operation":"probe","idempotency_key":"{writer}","do":"increment","id":1}}"#);
                host.invoke(&event).await
            })
        })
        .collect();
    let mut accepted = 0;
    for writer in writers {
        let answer = writer.await.unwrap().answer;
        match answer.status {
            Status::Accepted => accepted += 1,
            // Gave up, with the right answer and without any effect.
            Status::Unavailable => {}
            _ => panic!("{}", answer.body),
        }
    }
    assert!(accepted > 0);
    assert_eq!(database.count("select value from counters").await, accepted);
    let (east, west) = regions.event_ids();
    let all: std::collections::HashSet<_> = east.iter().chain(&west).collect();
    assert_eq!(i64::try_from(all.len()).unwrap(), accepted);
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
}

#[tokio::test]
async fn a_transaction_of_3000_rows_is_committed_and_one_row_more_is_the_rules_fault() {
    let database = support::database().await;
    let regions = Regions::start("guests", database.url());
    let fill = |key: &str, rows: u32| {
        let sql = format!("insert into counters select g, 0 from generate_series(1, {rows}) g");
        format!(r#"{{"operation":"probe","idempotency_key":"{key}","do":"sql","sql":"{sql}"}}"#)
    };
    // The key row is one of them.
    let handled = regions.east.invoke(&fill("more", 3000)).await;
    assert_eq!(handled.answer.status, Status::Failed, "{:?}", handled.answer);
    assert_eq!(database.count("select count(*) from counters").await, 0);
    let handled = regions.east.invoke(&fill("most", 2999)).await;
    assert_eq!(handled.answer.status, Status::Accepted, "{:?}", handled.answer);
    assert_eq!(handled.receipt.rows_affected, 2999);
    assert_eq!(database.count("select count(*) from counters").await, 2999);
    // Rows that are only read do not count.
    let read = r#"{"operation":"probe","idempotency_key":"r","do":"sql","sql":"select * from counters"}"#;
    let handled = regions.east.invoke(read).await;
    assert_eq!((handled.answer.status, handled.receipt.rows_affected), (Status::Accepted, 0));
}
