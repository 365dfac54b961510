//! A host with two regions' endpoints of one database, one of which fails.

use std::time::{Duration, Instant};

use serde_json::json;
use tenet_database::{Database, Endpoint};
use tenet_events::Buses;
use tenet_pipeline::{Handled, Status};
use tenet_test_support::{Dsql, Harm, Relay, Terms, awaited};

use crate::sources::batch;
use crate::support;
use crate::support::host::{EAST, Host, TIME, WEST};
use crate::support::two_regions::{self, TwoRegions};
use crate::{dsql, lambda};

fn write(id: &str) -> String {
    format!(r#"{{"operation":"write","transaction_id":"{id}","amount":1.00}}"#)
}

fn later() -> Instant {
    Instant::now() + TIME
}

async fn written(host: &Host, id: &str) {
    let answer = host.invoke(&write(id)).await.answer;
    assert_eq!(answer.status, Status::Accepted, "{answer:?}");
}

/// Both regions' endpoints of one database, and the east's host with access to both.
async fn regions(url: &str) -> (Dsql, Dsql, Host) {
    let (east, west) = (Dsql::start(url, Terms::of(EAST)).await, Dsql::start(url, Terms::of(WEST)).await);
    let database = Database::with_peer(dsql::endpoint(&east).await, dsql::endpoint(&west).await, None, 4);
    database.warm(later()).await.unwrap();
    let host = Host::over(database, "rules", EAST, &Buses::new([EAST]).unwrap());
    (east, west, host)
}

#[tokio::test]
async fn while_home_is_away_the_peer_serves_and_afterwards_home_does_again() {
    let database = support::database().await;
    let (east, west, host) = regions(database.url()).await;
    written(&host, "at home").await;
    assert_eq!(west.let_in().len(), 1, "the peer was asked who it is and no more");
    west.reset();
    written(&host, "still at home").await;
    assert_eq!(west.statements(), 0);

    east.go_down();
    east.reset();
    for number in 0..10 {
        written(&host, &format!("away {number}")).await;
    }
    assert_eq!(east.statements(), 0);
    assert!(west.statements() > 0);
    // With the token for the endpoint's own region.
    assert!(west.turned_away().is_empty());

    east.come_up();
    let mut number = 0;
    let asking = async {
        while east.statements() == 0 {
            // One request tries it again when the pause is over.
            written(&host, &format!("back {number}")).await;
            number += 1;
        }
    };
    awaited(asking, || "home is not tried again".to_owned()).await;
    west.reset();
    written(&host, "home again").await;
    assert_eq!(west.statements(), 0);
    assert_eq!(database.count("select count(*) from transactions").await, 13 + number);
}

#[tokio::test]
async fn a_request_in_the_middle_of_which_home_goes_away_ends_at_the_peer_once() {
    let database = support::database().await;
    let (east, west, host) = regions(database.url()).await;
    written(&host, "first").await;
    west.reset();
    // It commits, and the home endpoint fails before it can respond.
    east.harm_once("COMMIT", Harm::CutAfter);
    let event = write("w");
    let answered = host.invoke(&event);
    let goes = async {
        east.until_harmed(1).await;
        east.go_down();
    };
    let (handled, ()) = tokio::join!(answered, goes);
    let Handled { answer, receipt, .. } = handled;
    assert_eq!((answer.status, answer.repeated), (Status::Accepted, false), "{answer:?}");
    assert_eq!((receipt.attempts, receipt.unknown_commits), (2, 1));
    assert!(west.statements() > 0, "the peer knows what became of it");
    assert_eq!(database.count("select count(*) from transactions where id = 'w'").await, 1);
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
}

#[tokio::test]
async fn another_database_is_never_taken_for_the_peer() {
    let (one, other) = (support::database().await, support::database().await);
    other.execute("update tenet.identity set id = gen_random_uuid()").await;
    let (east, west) = (Dsql::start(one.url(), Terms::of(EAST)).await, Dsql::start(other.url(), Terms::of(WEST)).await);
    let open =
        async |identity| Database::with_peer(dsql::endpoint(&east).await, dsql::endpoint(&west).await, identity, 4);
    let fault = open(None).await.warm(later()).await.unwrap_err();
    assert!(fault.to_string().contains("another database") && !fault.is_unavailable(), "{fault}");
    // Nor on the home endpoint, if the setting names another database.
    let fault = open(Some([7; 16])).await.warm(later()).await.unwrap_err();
    assert!(fault.to_string().contains("another database"), "{fault}");

    // The identity of the home database is unknown while it is down.
    east.go_down();
    let database = open(None).await;
    assert!(database.warm(later()).await.unwrap_err().is_unavailable());
    let host = Host::over(database, "rules", EAST, &Buses::new([EAST]).unwrap());
    let answer = host.invoke_within(Duration::from_secs(2), &write("w")).await.answer;
    assert_eq!(answer.status, Status::Unavailable, "{answer:?}");
    assert_eq!(other.count("select count(*) from transactions").await, 0);
}

#[tokio::test]
async fn a_host_that_is_told_who_the_database_is_can_begin_at_the_peer() {
    let database = support::database().await;
    let identity = database.text("select replace(id::text, '-', '') from tenet.identity").await;
    let identity = u128::from_str_radix(&identity, 16).unwrap().to_be_bytes();
    let (east, west) =
        (Dsql::start(database.url(), Terms::of(EAST)).await, Dsql::start(database.url(), Terms::of(WEST)).await);
    east.go_down();
    let ledger = Database::with_peer(dsql::endpoint(&east).await, dsql::endpoint(&west).await, Some(identity), 4);
    let host = Host::over(ledger, "rules", EAST, &Buses::new([EAST]).unwrap());
    assert_eq!(host.invoke(&write("w")).await.answer.status, Status::Accepted);
}

#[tokio::test]
async fn an_endpoint_that_stays_away_costs_nobody_more_than_a_moment_and_is_found_when_it_is_back() {
    let database = support::database().await;
    let relay = Relay::start(database.url()).await;
    let buses = Buses::new([EAST]).unwrap();
    let host = Host::on(Endpoint::parse(relay.url()).unwrap(), "rules", EAST, &buses);
    relay.go_down();
    // It is tried until it has failed often enough, and then not again.
    let first = host.invoke(&write("w")).await;
    assert_eq!((first.answer.status, first.receipt.attempts), (Status::Unavailable, 6), "{:?}", first.answer);
    assert_eq!(relay.knocks(), 5);
    let next = host.invoke(&write("w")).await;
    assert_eq!((next.answer.status, next.receipt.attempts), (Status::Unavailable, 1), "{:?}", next.answer);
    assert!(next.answer.body.contains(r#""key":"w""#), "{:?}", next.answer);
    assert_eq!(relay.knocks(), 5);
    relay.come_up();
    let asking = async {
        loop {
            let Handled { answer, receipt, .. } = host.invoke(&write("w")).await;
            assert_eq!(receipt.attempts, 1, "{answer:?}");
            match answer.status {
                Status::Unavailable => assert_eq!(relay.knocks(), 5, "it was not tried: {answer:?}"),
                _ => return answer,
            }
        }
    };
    let found = awaited(asking, || "the endpoint is not tried again".to_owned()).await;
    // By the first request that tries it again.
    assert_eq!((found.status, relay.knocks()), (Status::Accepted, 6), "{found:?}");
    assert_eq!(database.count("select count(*) from transactions").await, 1);
}

#[tokio::test]
async fn what_is_not_the_endpoints_fault_never_opens_its_breaker() {
    let database = support::database().await;
    let relay = Relay::start(database.url()).await;
    let buses = Buses::new([EAST]).unwrap();
    let host = Host::on(Endpoint::parse(relay.url()).unwrap(), "guests", EAST, &buses);
    database.execute("insert into counters values (1, 0)").await;
    let asked = async |key: &str, what: &str| {
        let event = format!(r#"{{"operation":"probe","idempotency_key":"{key}","do":{what}}}"#);
        host.invoke(&event).await
    };
    // Of each kind as many in a row as would open the breaker, and no success between them that
    // would reset it.
    const IN_A_ROW: u32 = 6;
    (0..IN_A_ROW).for_each(|_| relay.harm_once("UPDATE", Harm::CHANGED));
    let conflicts = asked("conflicts", r#""increment","id":1"#).await;
    assert_eq!((conflicts.answer.status, conflicts.receipt.conflicts), (Status::Accepted, IN_A_ROW));
    (0..IN_A_ROW).for_each(|_| relay.harm_once("COMMIT", Harm::CommitRefused));
    let refused = asked("refused", r#""increment","id":1"#).await;
    assert_eq!((refused.answer.status, refused.receipt.conflicts), (Status::Accepted, IN_A_ROW));
    for (what, status) in [
        // Errors that the rule receives: of data, and of the statement.
        (r#""sql","sql":"select 1 / 0""#, Status::Rejected),
        (r#""sql","sql":"select gone from counters""#, Status::Failed),
        // A rule that computes in the middle of its transaction.
        (r#""dawdle""#, Status::Failed),
        // More rows than it may read.
        (r#""rows","count":20000"#, Status::Failed),
    ] {
        for number in 0..IN_A_ROW {
            let Handled { answer, receipt, .. } = asked(&format!("{what} {number}").replace('"', "'"), what).await;
            assert_eq!((answer.status, receipt.attempts), (status, 1), "{what}: {answer:?}");
        }
    }
    // A request that had no time to wait for a busy connection.
    let busy = Host::over(Database::new(Endpoint::parse(relay.url()).unwrap(), 1), "guests", EAST, &buses);
    let holder = database.connect().await;
    holder.batch_execute("begin; update counters set value = value where id = 1").await.unwrap();
    let increment = |key: &str| format!(r#"{{"operation":"probe","idempotency_key":"{key}","do":"increment","id":1}}"#);
    let (has_it, waits) = (increment("has it"), increment("waits"));
    let many = async {
        database.until_waiting(1).await;
        for _ in 0..IN_A_ROW {
            let answer = busy.invoke_within(Duration::from_millis(50), &waits).await.answer;
            assert_eq!(answer.status, Status::Unavailable, "{answer:?}");
        }
        holder.batch_execute("rollback").await.unwrap();
    };
    let (has_it, ()) = tokio::join!(busy.invoke(&has_it), many);
    assert_eq!((has_it.answer.status, has_it.receipt.attempts), (Status::Accepted, 1), "{:?}", has_it.answer);
    let last = busy.invoke(&waits).await;
    assert_eq!((last.answer.status, last.receipt.attempts), (Status::Accepted, 1), "{:?}", last.answer);
    assert_eq!(database.count("select value from counters").await, 4);
}

#[tokio::test]
async fn sessions_that_wait_for_a_lock_do_not_outlive_the_attempts_that_came_to_it() {
    let database = support::database().await;
    database.execute("insert into counters values (1, 0)").await;
    let ledger = Database::new(Endpoint::parse(database.url()).unwrap(), 2);
    let ledger = ledger.with_statement_timeout(Duration::from_millis(100));
    let host = Host::over(ledger, "guests", EAST, &Buses::new([EAST]).unwrap());
    let holder = database.connect().await;
    holder.batch_execute("begin; update counters set value = value where id = 1").await.unwrap();
    let increment = r#"{"operation":"probe","idempotency_key":"k","do":"increment","id":1}"#;
    let answer = host.invoke_within(Duration::from_secs(1), increment).await;
    assert_eq!(answer.answer.status, Status::Unavailable, "{answer:?}");
    assert!(answer.receipt.attempts > 1, "{answer:?}");
    // The lock is held the whole time.
    let waiting = "select count(*) from pg_stat_activity \
                   where datname = current_database() and wait_event_type = 'Lock'";
    let none_waits = async { while database.count(waiting).await > 0 {} };
    awaited(none_waits, || "sessions wait for the lock".to_owned()).await;
    holder.batch_execute("rollback").await.unwrap();
    // An endpoint that answered no other request meanwhile is not used for a while.
    let asking = async {
        loop {
            let answer = host.invoke(increment).await.answer;
            if answer.status != Status::Unavailable {
                return answer;
            }
        }
    };
    let answer = awaited(asking, || "the endpoint is not tried again".to_owned()).await;
    assert_eq!(answer.status, Status::Accepted, "{answer:?}");
    assert_eq!(database.count("select value from counters").await, 1);
}

#[tokio::test]
async fn the_function_goes_to_its_peer_and_counts_that_it_does() {
    let database = support::database().await;
    let (east, west) =
        (Dsql::start(database.url(), Terms::of(EAST)).await, Dsql::start(database.url(), Terms::of(WEST)).await);
    let folder = tempfile::tempdir().unwrap();
    let (ca, log) = (folder.path().join("ca.pem"), folder.path().join("log"));
    std::fs::write(&ca, [east.authority(), west.authority()].concat()).unwrap();
    let bus = support::eventbridge::Bus::create().await;
    let mut function = lambda::bootstrap("", bus.name());
    function
        .env_remove("TENET_DATABASE_URL")
        .env("TENET_DSQL_ENDPOINT", east.endpoint())
        .env("TENET_DSQL_ADDRESS", "127.0.0.1")
        .env("TENET_DSQL_PEER_ENDPOINT", west.endpoint())
        .env("TENET_DSQL_PEER_ADDRESS", "127.0.0.1")
        .env("TENET_DSQL_ROLE", "app")
        .env("TENET_DSQL_CA", &ca)
        .stdout(std::fs::File::create(&log).unwrap());
    let mut function = lambda::Lambda::of(function).await;
    assert_eq!(function.invoke(&write("w-0")).await.0, 200);
    east.go_down();
    for number in 1..8 {
        let (_, answer) = function.invoke(&write(&format!("w-{number}"))).await;
        assert!(answer.contains(r#""statusCode":200"#), "{answer}");
    }
    let told = std::fs::read_to_string(&log).unwrap();
    assert!(told.contains(r#""BreakerOpened":1"#) && told.contains("CloudWatchMetrics"), "{told}");
    assert!(told.contains(&format!(r#""endpoint":"{}"#, east.endpoint())), "{told}");
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_is_given_up_like_one_that_is_gone() {
    let database = support::database().await;
    let relay = Relay::start(database.url()).await;
    let buses = Buses::new([EAST]).unwrap();
    let host = Host::on(Endpoint::parse(relay.url()).unwrap(), "rules", EAST, &buses);
    written(&host, "first").await;
    // Less than a second proves nothing about the endpoint, even on a busy machine.
    let time = Duration::from_millis(2000);
    for number in 0..5 {
        relay.harm_once("BEGIN", Harm::Hold { done: false });
        let answer = host.invoke_within(time, &write(&format!("w-{number}"))).await.answer;
        let problem = answer.problem().unwrap();
        let key = format!("w-{number}");
        assert_eq!((&*problem.code, problem.key.as_deref()), ("out-of-time", Some(key.as_str())), "{answer:?}");
        relay.speak();
    }
    let knocks = relay.knocks();
    let next = host.invoke(&write("w")).await;
    assert_eq!((next.answer.status, next.receipt.attempts), (Status::Unavailable, 1), "{:?}", next.answer);
    assert_eq!(relay.knocks(), knocks);
}

#[tokio::test]
async fn one_finds_out_for_all_and_is_over_with_the_first_answer() {
    let mut world = TwoRegions::start(false, 1, |_| {}).await;
    world.east.go_down();
    assert_eq!(world.invoke(&two_regions::write("w"), TIME).await.status(), 503);
    assert_eq!(world.opened(&world.east), 1);
    world.east.come_up();
    // The request that tries the endpoint gets an answer from the database, and then its
    // transaction waits.
    let holder = world.database.connect().await;
    let client = world.database.connect().await;
    let waiting = "select count(*) from pg_stat_activity \
                   where datname = current_database() and wait_event_type = 'Lock'";
    let messages: Vec<_> = (0..8).map(|number| format!("w-{number}")).collect();
    let messages: Vec<_> = messages.iter().map(|id| (id.as_str(), "", two_regions::write(id).to_string())).collect();
    let served = async {
        loop {
            holder.batch_execute("begin; lock table transactions in access exclusive mode").await.unwrap();
            let before = world.log.lines("request given up").len();
            let id = world.sandbox.begin(batch("orders", &messages), TIME).await;
            // All of them wait for the table, or were rejected.
            let sent_away = || world.log.lines("request given up").len() - before;
            while sent_away() + client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) as usize != 8 {
                tokio::task::yield_now().await;
            }
            holder.batch_execute("rollback").await.unwrap();
            let left = world.sandbox.answer(&id).await["batchItemFailures"].clone();
            // While the breaker is open, some are rejected, also of those that waited.
            if sent_away() == 0 {
                return left;
            }
        }
    };
    assert_eq!(awaited(served, || "home is not tried again".to_owned()).await, json!([]), "{}", world.log.text());
    assert_eq!(world.database.count("select count(*) from transactions").await, 8);
}

#[tokio::test]
async fn that_all_connections_are_in_use_sends_no_request_to_the_peer() {
    let mut world = TwoRegions::start(true, 2, |index| index.host.connections = 1).await;
    assert_eq!(world.invoke(&two_regions::write("first"), TIME).await.status(), 200);
    world.west.reset();
    let holder = world.database.connect().await;
    // Its rule has ended, but its connection is not free.
    holder.batch_execute("begin; lock table tenet.keys in exclusive mode").await.unwrap();
    let has_it = world.begin(&two_regions::write("has it"), TIME).await;
    world.database.until_waiting(1).await;
    // As many as would open a breaker.
    for number in 0..6 {
        let waits = two_regions::write(&format!("w-{number}"));
        let answer = world.invoke(&waits, Duration::from_millis(1000)).await;
        assert_eq!((answer.status(), &answer.problem()["code"]), (503, &json!("overloaded")), "{answer:?}");
    }
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(world.answer(&has_it).await.status(), 200);
    for number in 0..6 {
        assert_eq!(world.invoke(&two_regions::write(&format!("w-{number}")), TIME).await.status(), 200);
    }
    assert_eq!(world.west.statements(), 0);
    assert_eq!((world.opened(&world.east), world.opened(&world.west)), (0, 0));
}
