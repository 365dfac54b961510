//! Every fault at every statement, and scenarios in which a naive implementation loses or
//! duplicates something.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tenet_core::{FollowUpCounts, Timestamp};
use tenet_database::Endpoint;
use tenet_events::{Buses, EventBridge, Subscription};
use tenet_pipeline::{Answer, Handled, Relayed, Status};
use tenet_test_support::{Dsql, Harm, Relay, Terms, awaited};
use tokio::task::yield_now;

use crate::support;
use crate::support::database::Database;
use crate::support::eventbridge::{self, Bus};
use crate::support::eventbridge_relay;
use crate::support::host::{EAST, Host, TIME, WEST, event_id};

/// The length of an injected delay: enough for others to go first.
const WAIT: Duration = Duration::from_millis(20);

/// The host's timeout for a response: longer than an injected delay.
const SILENCE: Duration = Duration::from_millis(300);

/// Two regions' hosts on one database. Faults can be injected into the east's connection. Accounts
/// `a` and `b` have 1000.00 each.
struct World {
    east: Arc<Host>,
    west: Host,
    wire: Relay,
    at_east: Subscription,
    at_west: Subscription,
    database: Database,
}

impl World {
    async fn start() -> Self {
        Self::with(|database| database).await
    }

    /// The same with a change to the east's database settings.
    async fn with(change: impl FnOnce(tenet_database::Database) -> tenet_database::Database) -> Self {
        let database = support::database().await;
        let accounts = "INSERT INTO accounts (id, balance, daily_ceiling, opened_at) \
                        VALUES ('a', 1000, 1000000, now()), ('b', 1000, 1000000, now())";
        database.execute(accounts).await;
        let wire = Relay::start(database.url()).await;
        let way = tenet_database::Database::new(Endpoint::parse(wire.url()).unwrap(), 16);
        let buses = Buses::new([EAST, WEST]).unwrap();
        let every = r#"{"source":[{"prefix":""}]}"#;
        Self {
            east: Arc::new(Host::over(change(way), "rules", EAST, &buses)),
            west: Host::start("rules", database.url(), WEST, &buses),
            at_east: buses.subscribe(EAST, every).unwrap(),
            at_west: buses.subscribe(WEST, every).unwrap(),
            wire,
            database,
        }
    }

    async fn count(&self, sql: &str) -> i64 {
        self.database.count(sql).await
    }

    /// The ids at both buses, without duplicates. Checks that both have the same.
    fn ids(&self) -> HashSet<String> {
        let ids =
            |events: &Subscription| -> HashSet<_> { events.received().iter().map(|event| event_id(event)).collect() };
        let east = ids(&self.at_east);
        assert_eq!(east, ids(&self.at_west));
        east
    }

    /// Runs the west's relay for everything in the outbox.
    async fn relay(&self) -> Relayed {
        self.west.relay().await
    }

    /// Sends a request to the east.
    fn begin(&self, event: String) -> tokio::task::JoinHandle<Handled> {
        let east = Arc::clone(&self.east);
        tokio::spawn(async move { east.invoke(&event).await })
    }

    /// Waits until no session of the database has an open transaction.
    async fn until_at_rest(&self) {
        let busy = "select count(*) from pg_stat_activity where datname = current_database() \
                    and pid <> pg_backend_pid() and state <> 'idle'";
        let waiting = async {
            while self.count(busy).await > 0 {
                yield_now().await;
            }
        };
        awaited(waiting, || "a session is still in the middle of something".to_owned()).await;
    }

    /// Waits until the answer of this key is committed.
    async fn until_committed(&self, key: &str) {
        let waiting = async {
            while self.count(&format!("select count(*) from tenet.keys where key = '{key}'")).await == 0 {
                yield_now().await;
            }
        };
        awaited(waiting, || format!("{key} has no answer")).await;
    }
}

fn pay(id: &str, amount: &str) -> String {
    format!(r#"{{"operation":"transfer","transfer_id":"{id}","from":"a","to":"b","amount":{amount}}}"#)
}

fn write(id: &str) -> String {
    format!(r#"{{"operation":"write","transaction_id":"{id}","amount":1.00}}"#)
}

fn is_definitive(answer: &Answer) -> bool {
    match answer.status {
        Status::Accepted | Status::Rejected => true,
        Status::Unavailable => false,
        _ => panic!("{answer:?}"),
    }
}

/// Injects every fault at every statement of one request, one after the other, and repeats the
/// request in the other region each time.
async fn every_harm(world: &World, name: &str, event: impl Fn(&str) -> String, status: Status, rows: &str) {
    world.east.invoke(&event(&format!("{name}-first"))).await;
    world.wire.reset();
    world.east.invoke(&event(&format!("{name}-second"))).await;
    let statements = world.wire.statements();
    assert!(statements >= 4, "{statements}");
    let mut done = 0;
    for statement in 0..statements {
        for (number, harm) in Harm::all(WAIT).into_iter().enumerate() {
            let id = format!("{name}-{statement}-{number}");
            let before = world.wire.harms().values().sum::<u64>();
            world.wire.harm_after(statement, harm);
            let first = world.east.invoke(&event(&id)).await.answer;
            world.wire.spare();
            let harmed = world.wire.harms().values().sum::<u64>() > before;
            done += u32::from(harmed);
            let says = format!("{name}: {} at statement {statement}: {first:?}", harm.name());
            let again = world.west.invoke(&event(&id)).await.answer;
            assert_eq!(again.status, status, "{says} and then {again:?}");
            if is_definitive(&first) {
                assert_eq!((first.status, &first.body), (again.status, &again.body), "{says}");
            }
            let left = world.count(&format!("{rows} = '{id}'")).await;
            assert_eq!(left, i64::from(status == Status::Accepted), "{says}");
            let keys = world.count(&format!("select count(*) from tenet.keys where key = '{id}'")).await;
            assert_eq!(keys, 1, "{says}");
        }
    }
    assert!(done > 6 * statements, "{done} harms to {statements} statements");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_harm_to_every_statement_ends_as_one_request_does() {
    let world = World::with(|way| way.with_statement_timeout(SILENCE)).await;
    let ledger = "select count(*) from ledger where transfer_id";
    every_harm(&world, "paid", |id| pay(id, "1.00"), Status::Accepted, ledger).await;
    every_harm(&world, "poor", |id| pay(id, "100000.00"), Status::Rejected, ledger).await;
    let written = "select count(*) from transactions where id";
    every_harm(&world, "written", write, Status::Accepted, written).await;

    // By now, delayed commits have arrived.
    world.until_at_rest().await;
    world.relay().await;
    assert_eq!(world.count("select count(*) from tenet.outbox").await, 0);
    let accepted = world.count("select count(*) from tenet.keys where accepted").await;
    assert_eq!(i64::try_from(world.ids().len()).unwrap(), accepted);
    let wrong = "select count(*) from accounts where balance <> 1000 \
                 + (select coalesce(sum(amount), 0) from ledger where payee = accounts.id) \
                 - (select coalesce(sum(amount), 0) from ledger where payer = accounts.id)";
    assert_eq!(world.count(wrong).await, 0);
    let paid = "select count(*) from daily_totals where paid <> (select sum(amount) from ledger)";
    assert_eq!(world.count(paid).await, 0);
}

#[tokio::test]
async fn an_error_that_a_client_is_told_has_failed_the_servers_transaction_too() {
    let database = support::database().await;
    let wire = Relay::start(database.url()).await;
    let (client, driver) = tokio_postgres::connect(wire.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(driver);
    let code = |result: Result<(), tokio_postgres::Error>| result.unwrap_err().code().unwrap().code().to_owned();
    let insert = "INSERT INTO counters VALUES (1, 0)";

    client.batch_execute("BEGIN").await.unwrap();
    client.batch_execute(insert).await.unwrap();
    wire.harm_once("SELECT", Harm::CHANGED);
    assert_eq!(code(client.query_typed("SELECT 1", &[]).await.map(drop)), "40001");
    assert_eq!(code(client.batch_execute("SELECT 2").await), "25P02");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(database.count("select count(*) from counters").await, 0);

    // Without BEGIN there is no transaction, and each statement is one of its own.
    wire.harm_once("BEGIN", Harm::ALTERED);
    assert_eq!(code(client.batch_execute("BEGIN").await), "40001");
    client.batch_execute(insert).await.unwrap();
    assert_eq!(database.count("select count(*) from counters").await, 1);

    for (harm, sqlstate, rows) in [
        (Harm::CommitRefused, "40001", 1),
        (Harm::CommitDoubted { done: false }, "XX000", 1),
        (Harm::CommitDoubted { done: true }, "XX000", 0),
    ] {
        client.batch_execute("BEGIN").await.unwrap();
        client.batch_execute("DELETE FROM counters").await.unwrap();
        wire.harm_once("COMMIT", harm);
        assert_eq!(code(client.batch_execute("COMMIT").await), sqlstate);
        assert_eq!(database.count("select count(*) from counters").await, rows, "{}", harm.name());
        client.batch_execute("SELECT 1").await.unwrap();
    }
}

#[tokio::test]
async fn what_a_silent_stand_in_is_told_it_holds_and_passes_on_when_it_speaks() {
    let database = support::database().await;
    let wire = Relay::start(database.url()).await;
    let connect = async || {
        let (client, driver) = tokio_postgres::connect(wire.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(driver);
        client
    };
    let (one, other, leaves) = (connect().await, connect().await, connect().await);
    leaves.batch_execute("BEGIN; INSERT INTO counters VALUES (1, 0)").await.unwrap();

    // At this statement the whole stand-in becomes silent, on existing and new connections.
    wire.harm_once("INSERT", Harm::Hold { done: false });
    let inserts = tokio::spawn(async move { one.batch_execute("INSERT INTO counters VALUES (2, 0)").await });
    wire.until_harmed(1).await;
    let reads = tokio::spawn(async move { other.query_one("SELECT 3", &[]).await.unwrap().get::<_, i32>(0) });
    let (_, late) = tokio::join!(wire.until_knocked(4), async { tokio::time::timeout(WAIT, connect()).await });
    assert!(late.is_err(), "a log-in was answered");
    // A client that leaves has no further effect.
    drop(leaves);
    let sessions = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'";
    while database.count(sessions).await > 0 {
        yield_now().await;
    }
    assert_eq!(database.count("select count(*) from counters").await, 0);
    assert!(!inserts.is_finished() && !reads.is_finished());
    wire.speak();
    inserts.await.unwrap().unwrap();
    assert_eq!(reads.await.unwrap(), 3);
    assert_eq!(database.text("select string_agg(id::text, ' ') from counters").await, "2");

    // Executed without a response, for this one connection only.
    let (one, other) = (connect().await, connect().await);
    wire.harm_once("DELETE", Harm::Silence { done: true });
    let deletes = tokio::spawn(async move { one.batch_execute("DELETE FROM counters").await });
    while database.count("select count(*) from counters").await > 0 {
        yield_now().await;
    }
    other.batch_execute("INSERT INTO counters VALUES (4, 0)").await.unwrap();
    assert!(!deletes.is_finished());
    deletes.abort();
}

#[tokio::test]
async fn a_commit_delivered_after_another_host_answered_the_repeat_changes_nothing() {
    let world = World::start().await;
    world.database.execute("update accounts set balance = 1 where id = 'a'").await;
    let late = Duration::from_millis(300);
    world.wire.harm_once("INSERT INTO tenet.keys", Harm::Late(late));
    let first = world.begin(pay("t", "30.00"));
    world.wire.until_harmed(1).await;
    // The host is gone, and its rejection is on its way. Meanwhile the account receives money.
    first.abort();
    world.database.execute("update accounts set balance = 1000 where id = 'a'").await;
    let answer = world.west.invoke(&pay("t", "30.00")).await.answer;
    assert_eq!(answer.status, Status::Accepted, "{answer:?}");
    drop(first);
    world.until_at_rest().await;
    let again = world.west.invoke(&pay("t", "30.00")).await.answer;
    assert_eq!((again.status, again.body), (Status::Accepted, answer.body));
    assert_eq!(world.count("select count(*) from ledger").await, 1);
}

#[tokio::test]
async fn a_host_killed_between_commit_and_answer_has_accepted_although_the_rule_would_now_reject() {
    let world = World::start().await;
    world.wire.harm_once("COMMIT", Harm::DelayAnswer(TIME));
    let first = world.begin(pay("t", "30.00"));
    world.until_committed("t").await;
    first.abort();
    world.database.execute("update accounts set balance = 0 where id = 'a'").await;
    let answer = world.west.invoke(&pay("t", "30.00")).await.answer;
    let ledger_id = world.database.text("select id::text from ledger").await;
    assert_eq!(answer.status, Status::Accepted, "{answer:?}");
    assert_eq!(answer.body, format!(r#"{{"transfer_id":"t","ledger_id":"{ledger_id}"}}"#));
    assert!(answer.repeated);
    // Another host's relay publishes its event.
    assert_eq!(world.relay().await.delivered, 1);
    assert_eq!((world.ids().len(), world.count("select count(*) from tenet.outbox").await), (1, 0));
}

#[tokio::test]
async fn after_an_unknown_commit_another_payload_under_the_key_is_refused() {
    let world = World::start().await;
    world.wire.harm_once("COMMIT", Harm::DelayAnswer(TIME));
    let first = world.begin(
        r#"{"operation":"transfer","idempotency_key":"k","transfer_id":"t","from":"a","to":"b","amount":1}"#.into(),
    );
    world.until_committed("k").await;
    first.abort();
    let other = r#"{"operation":"transfer","idempotency_key":"k","transfer_id":"u","from":"a","to":"b","amount":1}"#;
    assert_eq!(world.west.invoke(other).await.answer.status, Status::KeyReused);
    assert_eq!(world.database.text("select string_agg(transfer_id, ',') from ledger").await, "t");
}

#[tokio::test]
async fn one_key_in_two_operations_is_two_requests() {
    let world = World::start().await;
    // Even at the same time.
    let now = Timestamp(1_790_000_000_000_000);
    let keyed = |operation: &str, rest: &str| format!(r#"{{"operation":"{operation}","idempotency_key":"k",{rest}}}"#);
    let paid = keyed("transfer", r#""transfer_id":"t","from":"a","to":"b","amount":1"#);
    let written = keyed("write", r#""transaction_id":"w","amount":1"#);
    for event in [&paid, &written] {
        assert_eq!(world.west.invoke_at(now, event).await.answer.status, Status::Accepted);
    }
    assert_eq!(world.ids().len(), 2);
    assert_ne!(world.west.reply(&paid).await, world.west.reply(&written).await);
}

#[tokio::test]
async fn events_of_a_region_that_is_lost_after_its_commit_are_told_by_the_other() {
    let world = World::start().await;
    world.wire.harm_once("COMMIT", Harm::DelayAnswer(TIME));
    let first = world.begin(write("w"));
    world.until_committed("w").await;
    first.abort();
    assert_eq!(world.ids().len(), 0);
    let relayed = world.relay().await;
    assert_eq!((relayed.delivered, relayed.left, relayed.complete), (1, 0, true));
    assert_eq!(world.ids().len(), 1);
    // The event names the region that committed, not the one whose relay published it.
    assert!(world.at_west.received()[0].contains(r#""region":"us-east-1","bus":"us-west-2""#));
    assert_eq!(
        world.relay().await,
        Relayed { complete: true, follow_ups: Some(FollowUpCounts::default()), ..Relayed::default() }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_regions_relays_beside_the_publishers_leave_nothing_and_make_up_nothing() {
    let world = World::start().await;
    let publishers = (0..20).map(|number| {
        let event = write(&format!("w-{number}"));
        let host = if number % 2 == 0 { &*world.east } else { &world.west };
        async move { host.invoke(&event).await }
    });
    let relays = (0..20).map(|number| {
        let host = if number % 2 == 0 { &*world.east } else { &world.west };
        // A row that another relay removed meanwhile is not a failure.
        async move { host.relay().await }
    });
    let (published, relayed) = tokio::join!(join_all(publishers), join_all(relays));
    for Handled { answer, .. } in &published {
        assert_eq!(answer.status, Status::Accepted, "{answer:?}");
    }
    let last = world.relay().await;
    for turn in relayed.iter().chain([&last]) {
        assert!(turn.complete && turn.left == 0 && turn.parked_now == 0, "{turn:?}");
    }
    assert_eq!((published.len(), relayed.len()), (20, 20));
    assert_eq!((world.ids().len(), world.count("select count(*) from tenet.outbox").await), (20, 0));
}

#[tokio::test]
async fn a_bus_that_took_an_event_and_never_said_so_gets_it_again_under_the_same_id() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let way = eventbridge_relay::Relay::start(eventbridge::endpoint(), |_| vec![]).await;
    let publisher = EventBridge::new(&eventbridge::config(EAST, way.url()), EAST, bus.name());
    let host = Host::publishing(Endpoint::parse(database.url()).unwrap(), "rules", EAST, Arc::new(publisher));
    // As often as the SDK retries by itself.
    way.lose_answers(3);
    let handled = host.invoke(&write("w")).await;
    assert_eq!(handled.answer.status, Status::Accepted);
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 1);
    assert_eq!(host.relay().await.delivered, 1);
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
    let events = bus.receive(4).await;
    let ids: HashSet<_> = events.iter().map(|event| event_id(event)).collect();
    assert_eq!((events.len(), ids.len()), (4, 1));
}

#[tokio::test]
async fn a_wire_that_falls_silent_costs_a_caller_its_time_and_nothing_else() {
    let database = support::database().await;
    let dsql = Dsql::start(database.url(), Terms::of(EAST)).await;
    let endpoint = crate::dsql::endpoint(&dsql).await;
    let host = Host::on(endpoint, "rules", EAST, &Buses::new([EAST]).unwrap());
    host.invoke(&write("w-1")).await;
    dsql.harm_once("COMMIT", Harm::DelayAnswer(TIME));
    let answer = host.invoke_within(Duration::from_millis(500), &write("w-2")).await.answer;
    assert_eq!(answer.status, Status::Unavailable);
    assert!(answer.body.contains(r#""code":"outcome-unknown""#) && answer.body.contains(r#""key":"w-2""#));
    assert_eq!(host.invoke(&write("w-2")).await.answer.status, Status::Accepted);
    assert_eq!(database.count("select count(*) from transactions").await, 2);
}
