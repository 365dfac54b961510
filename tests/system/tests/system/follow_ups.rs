//! Operations that follow, on real databases: each is run once, by whichever host, and never without its commit.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};
use tenet_clock::SystemClock;
use tenet_core::{
    AnswerWaits, Clock, DueFollowUps, DuePage, FollowUp, FollowUpCounts, FollowUpId, FollowUps, Limits, OperationCall,
    Progress, ReadCap, Staged, Statement, Timestamp, Trace, Transactions,
};
use tenet_database::{Database, Endpoint};
use tenet_events::Buses;
use tenet_harness::Model;
use tenet_pipeline::{Handled, Status};

use crate::support::bundle::bundle;
use crate::support::host::{EAST, Host, Regions, TIME, WEST};
use crate::support::shop::root;
use crate::support::tenet::tenet;
use crate::support::{self};
use tenet_test_support::{Harm, Relay};

/// A host on PostgreSQL, and one on the model of Aurora DSQL.
async fn grounds() -> Vec<(&'static str, Endpoint, Option<support::database::Database>)> {
    let postgres = support::database().await;
    let bundles: Vec<(PathBuf, _)> = vec![bundle("guests")];
    let model = Model::start(&bundles, 1).await.unwrap();
    vec![
        ("PostgreSQL", Endpoint::parse(postgres.url()).unwrap(), Some(postgres)),
        ("the model", model.endpoint().unwrap(), None),
    ]
}

fn follow_up(ordinal: u8, due: i64, region: &str) -> FollowUp {
    let id = FollowUpId::from_bytes([ordinal; 16]);
    let call = |operation: &str| OperationCall { operation: operation.into(), payload: "{\"amount\":1.50}".into() };
    let is_odd = ordinal % 2 == 1;
    FollowUp {
        id,
        call: call("probe"),
        due: Timestamp(due),
        caller: is_odd.then(|| "ann".to_owned()),
        chain: FollowUpId::from_bytes([9; 16]),
        parent: is_odd.then(|| FollowUpId::from_bytes([8; 16])),
        on_rejection: is_odd.then(|| call("undo")),
        on_failure: is_odd.then(|| call("undo-all")),
        label: is_odd.then(|| "an ä".to_owned()),
        region: region.into(),
        trace: Trace::w3c("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01").filter(|_| is_odd),
        failures: 0,
    }
}

fn later() -> Instant {
    Instant::now() + TIME
}

#[tokio::test]
async fn rows_come_back_as_they_went_soonest_first_and_go_with_the_transaction_that_ends_them() {
    for (ground, endpoint, _database) in grounds().await {
        let ledger = Database::new(endpoint, 4);
        let all: Vec<_> = (1..40).map(|n| follow_up(n, 1_000_000 - i64::from(n), EAST)).collect();
        let staged = Staged { events: Vec::new(), follow_ups: all.clone() };
        let claim = crate::database::write("k");
        assert_eq!(ledger.open(claim).accept("{}".into(), staged).await.unwrap(), Progress::Continue(()), "{ground}");

        let which = DueFollowUps { region: EAST, now: Timestamp(1_000_000), of_others: Timestamp(0) };
        let due = async |which, after, most| ledger.due(which, after, most, later()).await.unwrap();
        let mut expected = all.clone();
        expected.reverse();
        let DuePage { follow_ups: first, last: after } = due(which, None, 30).await;
        assert_eq!((first.as_slice(), after), (&expected[..30], Some((expected[29].due, expected[29].id))), "{ground}");
        assert_eq!(due(which, after, 30).await.follow_ups, expected[30..], "{ground}");
        let of_west = DueFollowUps { region: WEST, ..which };
        assert_eq!(due(of_west, None, 30).await, DuePage::default(), "{ground}");
        let overdue = DueFollowUps { of_others: Timestamp(1_000_000 - 38), ..of_west };
        assert_eq!(due(overdue, None, 30).await.follow_ups, expected[..2], "{ground}");

        // One ends, one is parked, one is postponed, once.
        let [ended, parked, postponed] = &expected[..3] else { panic!() };
        let claim = tenet_core::Claim { follow_up: Some(ended.id), ..crate::database::write("ends") };
        let next = follow_up(77, 5, EAST);
        assert_eq!(ledger.open(claim).reject("{}".into(), Some(next.clone())).await.unwrap(), Progress::Continue(()));
        for is_first in [true, false] {
            assert_eq!(ledger.park(parked.id, 0, "it keeps failing", later()).await.unwrap(), is_first, "{ground}");
            let noted = ledger.postpone(postponed.id, 0, Timestamp(2_000_000), later()).await.unwrap();
            assert_eq!(noted, is_first, "{ground}");
        }
        // A host that has read it before does not park what an operator has released.
        assert!(ledger.release_follow_up(parked.id, Timestamp(1), later()).await.unwrap(), "{ground}");
        assert!(!ledger.park(parked.id, 7, "it failed before", later()).await.unwrap(), "{ground}");
        assert!(ledger.park(parked.id, 0, "it keeps failing", later()).await.unwrap(), "{ground}");
        assert_eq!(due(which, None, 2).await.follow_ups, [next, expected[3].clone()], "{ground}");
        let later_on = DueFollowUps { now: Timestamp(2_000_000), ..which };
        let last = due(later_on, after, 30).await.follow_ups.pop().unwrap();
        assert_eq!((last.id, last.failures, last.due), (postponed.id, 1, Timestamp(2_000_000)), "{ground}");
        let counts = ledger.count(Timestamp(3_000_005), later()).await.unwrap();
        assert_eq!(counts, FollowUpCounts { due: 38, parked: 1, lag_s: 3 }, "{ground}");
    }
}

/// An invocation of the guest that schedules these, under this key.
fn schedule(key: &str, then: Value) -> String {
    json!({ "operation": "probe", "idempotency_key": key, "do": "schedule", "id": 1, "then": then }).to_string()
}

/// An increment of the counter 1, as an operation that follows.
fn increment(more: Value) -> Value {
    let mut then = json!({ "operation": "probe", "payload": { "do": "increment", "id": 1 } });
    then.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    then
}

async fn follow(host: &Host, handled: &mut Handled) -> usize {
    let Some(mut pending) = handled.pending.take() else { return 0 };
    let follow_ups = pending.take_follow_ups();
    let deadline = SystemClock.instant() + TIME;
    host.pipeline.publish(pending, deadline).await;
    host.pipeline.follow(follow_ups, host.region, deadline).await.ended
}

async fn value(database: &support::database::Database) -> i64 {
    database.count("select value from counters where id = 1").await
}

async fn left(database: &support::database::Database) -> i64 {
    database.count("select count(*) from tenet.follow_ups").await
}

#[tokio::test]
async fn what_follows_runs_once_however_often_it_is_delivered_and_from_whichever_region() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let regions = Regions::start("guests", database.url());
    let event = schedule("k", json!([increment(json!({ "label": "one" }))]));
    let mut handled = regions.east.decide(&event).await;
    assert_eq!((handled.answer.status.code(), left(&database).await), (200, 1), "{:?}", handled.answer);
    // Asked again, it schedules nothing more.
    assert_eq!(regions.west.decide(&event).await.answer.body, handled.answer.body);
    assert_eq!(left(&database).await, 1);
    let follow_ups = handled.pending.as_mut().unwrap().take_follow_ups();
    let deadline = SystemClock.instant() + TIME;
    let run = async |host: &Host| host.pipeline.follow(follow_ups.clone(), host.region, deadline).await;
    let (east, west) = tokio::join!(run(&regions.east), run(&regions.west));
    assert_eq!((east.ended, west.ended, east.left, west.left), (1, 1, 0, 0));
    assert_eq!(run(&regions.east).await.ended, 1);
    // The request itself, and its follow-up.
    assert_eq!((value(&database).await, left(&database).await), (2, 0));
    assert_eq!(regions.event_ids().0.len(), 1);
}

/// A host that was frozen for longer than answers are kept still holds what it has read before.
#[tokio::test]
async fn one_that_has_ended_does_not_run_again_even_when_its_answer_is_removed() {
    for (ground, endpoint, _database) in grounds().await {
        let ledger = Database::new(endpoint.clone(), 4);
        let host = Host::over(Database::new(endpoint, 4), "guests", EAST, &Buses::new([EAST]).unwrap());
        let follow_ups =
            [json!({ "do": "schedule", "then": [] }), json!({ "do": "reject", "code": "no", "message": "" })];
        for (place, payload) in follow_ups.into_iter().enumerate() {
            let then = json!({ "operation": "probe", "payload": payload });
            let event =
                json!({ "operation": "probe", "idempotency_key": place.to_string(), "do": "schedule", "then": [then] });
            let mut handled = host.decide(&event.to_string()).await;
            let stale = handled.pending.as_mut().unwrap().take_follow_ups();
            let deadline = SystemClock.instant() + TIME;
            assert_eq!(host.pipeline.follow(stale.clone(), EAST, deadline).await.ended, 1, "{ground}");
            let id = stale.first().unwrap().id;
            let removed =
                run(&ledger, &format!("remove {place}"), &format!("DELETE FROM tenet.keys WHERE key = '{id}'")).await;
            assert_eq!(removed.affected, 1, "{ground} {place}");
            let again = host.pipeline.follow(stale.clone(), EAST, deadline).await;
            assert_eq!((again.ended, again.left), (0, 1), "{ground} {place}");
            let left = format!("SELECT 1 FROM tenet.keys WHERE key = '{id}'");
            assert_eq!(run(&ledger, &format!("look {place}"), &left).await.rows.rows, 0, "{ground} {place}");
        }
    }
}

/// Runs a statement in a transaction with this key.
pub(crate) async fn run(ledger: &Database, key: &str, sql: &str) -> tenet_core::Outcome {
    let mut attempt = ledger.open(crate::database::write(key));
    let (cap, waits) = (ReadCap { rows: 10, bytes: 1000 }, AnswerWaits::new(&Limits::default()));
    let ran = attempt.run(vec![Statement::new(sql, vec![])], cap, &waits).await;
    let Ok(Progress::Continue(mut outcomes)) = ran else { panic!("{ran:?}") };
    assert_eq!(attempt.accept("{}".into(), Staged::default()).await.unwrap(), Progress::Continue(()));
    outcomes.remove(0)
}

#[tokio::test]
async fn one_that_is_due_later_waits_for_the_relay_and_what_a_killed_host_left_too() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let host = Host::start("guests", database.url(), EAST, &Buses::new([EAST]).unwrap());
    let in_a_day = increment(json!({ "after_ms": 86_400_000 }));
    let past = increment(json!({ "at": "2020-01-01T00:00:00Z" }));
    // The host is gone after its answer, so that nothing runs what follows at once.
    let handled = host.decide(&schedule("k", json!([in_a_day, past, increment(json!({}))]))).await;
    assert_eq!(handled.answer.status.code(), 200, "{:?}", handled.answer);
    let relayed = host.relay().await;
    assert_eq!((relayed.followed, relayed.follow_ups.unwrap().due, left(&database).await), (2, 0, 1), "{relayed:?}");
    assert_eq!((host.relay().await.followed, value(&database).await), (0, 3));
    database.execute("update tenet.follow_ups set due = now() - interval '7 seconds'").await;
    assert_eq!((host.relay().await.followed, value(&database).await, left(&database).await), (1, 4, 0));
}

#[tokio::test]
async fn what_is_rejected_has_ended_with_what_undoes_it_and_a_chain_is_of_its_first_request() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let host = Host::start("guests", database.url(), EAST, &Buses::new([EAST]).unwrap());
    let rejected = json!({
        "operation": "probe",
        "payload": { "do": "reject", "code": "sold-out", "message": "none is left" },
        "on_rejection": { "do": "increment", "id": 1 },
    });
    let step = json!({ "operation": "probe", "payload": { "do": "schedule", "id": 1, "then": [rejected] } });
    let event = schedule("k", json!([step]));
    let mut handled = host.invoke_for("ann", &event).await;
    assert_eq!(handled.answer.status.code(), 200, "{:?}", handled.answer);
    // `invoke_for` has published, and with that dropped what follows at once.
    assert_eq!(follow(&host, &mut handled).await, 0);
    // The step, what it scheduled, and what undoes that.
    let mut followed = 0;
    while left(&database).await > 0 {
        followed += host.relay().await.followed;
    }
    assert_eq!((followed, value(&database).await), (3, 3));
    let own = "select count(*) from tenet.keys where caller <> '' and key like '________-____-8%'";
    assert_eq!(database.count(own).await, 3);
    assert_eq!(database.count("select count(*) from tenet.keys where not accepted").await, 1);
}

/// The answer to the COMMIT of a follow-up is lost, or its connection before that, at each statement.
#[tokio::test]
async fn a_follow_up_that_is_cut_at_any_statement_is_run_once() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let relay = Relay::start(database.url()).await;
    let host = Host::start("guests", relay.url(), EAST, &Buses::new([EAST]).unwrap());
    let mut expected = 0;
    for statement in 0..12 {
        for harm in [Harm::CutBefore, Harm::CutAfter] {
            let key = format!("{statement} {harm:?}");
            let mut handled = host.decide(&schedule(&key, json!([increment(json!({}))]))).await;
            assert_eq!(handled.answer.status.code(), 200, "{key}: {:?}", handled.answer);
            relay.harm_after(statement, harm);
            follow(&host, &mut handled).await;
            relay.spare();
            while left(&database).await > 0 {
                host.relay().await;
            }
            expected += 2;
            assert_eq!(value(&database).await, expected, "{key}");
        }
    }
}

#[tokio::test]
async fn what_follows_an_event_of_one_transaction_costs_rows_and_no_round_trip() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let host = Host::start("guests", database.url(), EAST, &Buses::new([EAST]).unwrap());
    let trips = async |key: &str, then: Value| host.decide(&schedule(key, then)).await.receipt.round_trips;
    let without = trips("none", json!([])).await;
    let many: Vec<_> = (0..20).map(|_| increment(json!({ "after_ms": 60_000 }))).collect();
    assert_eq!(trips("many", json!(many)).await, without);
}

#[test]
fn a_test_file_tells_the_story_of_a_chain_over_days() {
    let (out, _) = bundle("guests");
    let out = out.to_str().unwrap();
    let ended = tenet(&root(), &["test", "--bundle", "tests/guests", "--out", out, "--filter", "follow-ups"]);
    assert!(ended.code == 0 && ended.stdout.contains("pass  rules/probe/tests/follow-ups"), "{}", ended.stdout);
}

#[tokio::test]
async fn an_operator_sees_what_waits_and_releases_or_ends_it() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let host = Host::start("guests", database.url(), EAST, &Buses::new([EAST]).unwrap());
    let first = json!({ "after_ms": 7_199_000, "label": "one" });
    let second = json!({ "after_ms": 7_200_000, "on_rejection": { "do": "reject" } });
    let event = schedule("k", json!([increment(first), increment(second)]));
    let handled = host.decide(&event).await;
    let output: Value = serde_json::from_str(&handled.answer.body).unwrap();
    let ids: Vec<&str> = output["scheduled"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let operations = |arguments: &[&str]| {
        let arguments = [&["operations"], arguments, &["--database-url", database.url()]].concat();
        tenet(std::path::Path::new("."), &arguments)
    };
    let listed = operations(&["list"]);
    let lines: Vec<_> = listed.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with(&format!("{}  probe  one  due 20", ids[0])), "{listed:?}");
    assert!(lines[0].ends_with("Z in 1 h") && !listed.stdout.contains("increment"), "{listed:?}");
    let shown = operations(&["show", ids[1]]);
    assert!(
        shown.stdout.contains("  after a request, committed in us-east-1\n  if it is rejected: probe\n"),
        "{shown:?}"
    );

    let reason = "update tenet.follow_ups set parked = 'it broke', failures = 8, due = 'infinity' where label = 'one'";
    database.execute(reason).await;
    assert_eq!(host.relay().await.follow_ups.unwrap().parked, 1);
    assert!(operations(&["list"]).stdout.contains("one  parked after 8 failures: it broke"), "{listed:?}");
    let released = operations(&["release", ids[0]]);
    assert!(released.code == 0 && released.stderr.contains("next relay"), "{released:?}");
    assert_eq!(operations(&["release", ids[0]]).code, 3);
    assert_eq!((host.relay().await.followed, value(&database).await), (1, 2));

    // The one that has ended does not keep the other from being cancelled.
    let cancelled = operations(&["cancel", ids[0], ids[1]]);
    assert!(cancelled.code == 3 && cancelled.stderr.contains(&format!("{} does not wait", ids[0])), "{cancelled:?}");
    let without = "never runs; probe, which undoes a rejected one, does not follow without `--undo`";
    assert!(cancelled.stderr.contains(without), "{cancelled:?}");
    assert_eq!(left(&database).await, 0);
    assert_eq!(operations(&["cancel", ids[1]]).code, 3);
    let stored = format!("select answer from tenet.keys where key = '{}'", ids[1]);
    assert!(database.text(&stored).await.starts_with("{\"code\":\"cancelled\""));
    assert!(operations(&["list"]).stderr.contains("no operation waits"));
    assert!(operations(&["show", "k"]).stderr.contains("UUID"));

    // What undoes one follows, and one that has failed is released before its pause has passed.
    let undone = json!({ "after_ms": 7_200_000, "on_rejection": { "do": "increment", "id": 1 } });
    let failing = json!({ "after_ms": 7_200_000, "label": "two" });
    host.decide(&schedule("l", json!([increment(undone), increment(failing)]))).await;
    let ids = database.text("select string_agg(id::text, ' ' order by label nulls first) from tenet.follow_ups").await;
    let (undone, failing) = ids.split_once(' ').unwrap();
    let cancelled = operations(&["cancel", "--undo", undone]);
    assert!(cancelled.code == 0 && cancelled.stderr.contains("probe follows"), "{cancelled:?}");
    assert_eq!((host.relay().await.followed, value(&database).await), (1, 4));
    assert_eq!(operations(&["release", failing]).code, 3);
    database.execute("update tenet.follow_ups set failures = 1").await;
    assert!(operations(&["list"]).stdout.contains("in 1 h after 1 failure\n"), "{:?}", operations(&["list"]));
    assert_eq!(operations(&["release", failing]).code, 0);
    assert_eq!((host.relay().await.followed, value(&database).await), (1, 5));
}

#[tokio::test]
async fn many_that_wait_hide_no_single_one_and_none_that_is_parked() {
    let database = support::database().await;
    let row = "insert into tenet.follow_ups (id, bucket, due, operation, payload, chain, region, failures, parked) \
        select gen_random_uuid(), 0, due, 'probe', '{}', '00000000-0000-8000-8000-000000000001', 'us-east-1', 0, parked from ";
    database
        .execute(&format!(
            "{row} (select now() + n * interval '1 h' as due, null as parked from generate_series(1, 150) as n) as s"
        ))
        .await;
    database.execute(&format!("{row} (select timestamptz 'infinity' as due, 'it broke' as parked) as s")).await;
    let operations = |arguments: &[&str]| {
        let arguments = [&["operations"], arguments, &["--database-url", database.url()]].concat();
        tenet(std::path::Path::new("."), &arguments)
    };
    let listed = operations(&["list"]);
    assert!(listed.stdout.lines().count() == 101 && listed.stdout.contains("it broke"), "{listed:?}");
    assert!(listed.stderr.contains("there may be more"), "{listed:?}");
    let last =
        database.text("select id::text from tenet.follow_ups where parked is null order by due desc limit 1").await;
    assert_eq!(operations(&["show", &last]).code, 0);
    assert_eq!(operations(&["cancel", &last]).code, 0);
    assert_eq!(left(&database).await, 150);
}

#[tokio::test]
async fn the_terminal_shows_what_follows() {
    let (out, _) = bundle("guests");
    let out = out.to_str().unwrap();
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let then =
        json!([increment(json!({ "label": "now" })), increment(json!({ "after_ms": 3_600_000, "label": "then" }))]);
    let payload = json!({ "do": "schedule", "then": then }).to_string();
    let arguments = ["run", "probe", "--payload", &payload, "--database-url", database.url(), "--bundle", out];
    let ended = tenet(&root(), &arguments);
    assert!(ended.code == 0 && ended.stderr.contains("later probe: due 20"), "{ended:?}");
    assert!(ended.stderr.contains("Z  then\n") && ended.stderr.contains("then probe: accepted (200)"), "{ended:?}");

    let mut served = support::serve("guests", database.url()).await;
    let answered = served.operate("probe", &[], &payload).await;
    assert_eq!(answered.status, 200);
    let line = served.told("then probe").await;
    assert!(line.contains("us-east-1  then probe  accepted (200)"), "{line}");
    served.stop().await;
}

#[tokio::test]
async fn a_rule_cancels_what_it_may_schedule_with_its_own_commit() {
    for (ground, endpoint, _keep) in grounds().await {
        let (folder, index) = bundle("guests");
        let buses = Buses::new([EAST]).unwrap();
        let host = Host::of_database(Database::new(endpoint, 16), EAST, &buses, &folder, &index);
        let ask = async |payload: Value| host.decide(&payload.to_string()).await;
        let scheduled = async |operation: &str, then: Value| {
            let payload = match operation {
                "probe" => json!({ "operation": "probe", "do": "schedule", "id": 1, "then": then }),
                _ => json!({ "operation": "values", "do": "schedule", "id": "1" }),
            };
            let handled = ask(payload).await;
            let output: Value = serde_json::from_str(&handled.answer.body).unwrap();
            output["scheduled"][0].as_str().or(output.as_str()).unwrap().split(' ').next().unwrap().to_owned()
        };
        let cancel = async |id: &str, reject: bool| {
            ask(json!({ "operation": "probe", "do": "cancel", "follow_up": id, "reject": reject })).await
        };
        let later = json!([{ "operation": "probe", "payload": { "do": "context" }, "after_ms": 3_600_000 }]);
        let id = scheduled("probe", later).await;
        assert_eq!(cancel(&id, true).await.answer.status, Status::Rejected, "{ground}");
        let cancelled = cancel(&id, false).await;
        assert_eq!(cancelled.answer.body, r#"{"cancelled":true}"#, "{ground}");
        // It writes first, which costs one more than another statement.
        assert_eq!(cancelled.receipt.round_trips, 3, "{ground}");
        assert_eq!(cancel(&id, false).await.answer.body, r#"{"cancelled":false}"#, "{ground}");
        let bug = cancel("one", false).await;
        assert!(bug.reason.unwrap().contains("\"one\" is no id of a follow-up"), "{ground}");

        let of_another = scheduled("values", Value::Null).await;
        let refused = cancel(&of_another, false).await;
        assert_eq!(refused.answer.status, Status::Failed, "{ground}");
        assert!(refused.reason.as_ref().unwrap().contains("\"values\""), "{ground}: {:?}", refused.reason);
        // It is still there.
        let refused = cancel(&of_another, false).await;
        assert_eq!(refused.answer.status, Status::Failed, "{ground}");

        // One that runs at the same time has either ended or never does.
        ask(json!({ "operation": "probe", "do": "sql", "sql": "INSERT INTO counters (id, value) VALUES (1, 0)" }))
            .await;
        let mut expected = 0;
        for round in 0..20 {
            let id = scheduled("probe", json!([increment(json!({}))])).await;
            let (_, cancelled) = tokio::join!(host.relay(), cancel(&id, false));
            // A relay that lost the row leaves it to the next.
            host.relay().await;
            let is_cancelled = match cancelled.answer.body.as_str() {
                r#"{"cancelled":true}"# => true,
                r#"{"cancelled":false}"# => false,
                other => panic!("{ground} {round}: {other}"),
            };
            // By what schedules it, by itself if it was not cancelled, and by what asks.
            expected += 1 + i64::from(!is_cancelled) + 1;
            let asked = ask(json!({ "operation": "probe", "do": "increment", "id": 1 })).await.answer.body;
            assert_eq!(asked, format!(r#"{{"id":1,"value":{expected}}}"#), "{ground} {round}");
        }
    }
}
