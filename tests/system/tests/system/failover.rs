//! A host between two regions' endpoints of one database, of which one goes away.

use std::time::Instant;

use tenet_database::{Database, Endpoint};
use tenet_events::Buses;
use tenet_pipeline::Status;
use tenet_test_support::{Dsql, Relay, Terms};

use crate::support;
use crate::support::host::{EAST, Host, TIME, WEST};
use crate::{dsql, lambda};

fn write(id: &str) -> String {
    format!(r#"{{"operation":"write","transaction_id":"{id}","amount":1.00}}"#)
}

fn later() -> Instant {
    Instant::now() + TIME
}

/// Both regions' endpoints of one database, and the east's host with a way to both.
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
    let written = async |id: &str| {
        let answer = host.invoke(&write(id)).await.answer;
        assert_eq!(answer.status, Status::Accepted, "{answer:?}");
    };
    written("at home").await;
    assert_eq!(west.let_in().len(), 1, "the peer was asked who it is and no more");
    west.reset();
    written("still at home").await;
    assert_eq!(west.statements(), 0);

    east.go_down();
    east.reset();
    for number in 0..10 {
        written(&format!("away {number}")).await;
    }
    assert_eq!(east.statements(), 0);
    assert!(west.statements() > 0);
    // With the token of the region that it is in.
    assert!(west.turned_away().is_empty());

    east.come_up();
    let mut number = 0;
    while east.statements() == 0 {
        // It is tried again when its pause is over, by one request.
        written(&format!("back {number}")).await;
        number += 1;
    }
    west.reset();
    written("home again").await;
    assert_eq!(west.statements(), 0);
    assert_eq!(database.count("select count(*) from transactions").await, 13 + number);
}

#[tokio::test]
async fn a_request_in_the_middle_of_which_home_goes_away_ends_at_the_peer_once() {
    let database = support::database().await;
    let (east, west, host) = regions(database.url()).await;
    host.invoke(&write("first")).await;
    // It is committed, and home is gone before it can say so.
    east.harm_once("COMMIT", tenet_test_support::Harm::CutAfter);
    let event = write("w");
    let answered = host.invoke(&event);
    let goes = async {
        east.until_harmed(1).await;
        east.go_down();
    };
    let (handled, ()) = tokio::join!(answered, goes);
    assert_eq!(handled.answer.status, Status::Accepted, "{:?}", handled.answer);
    assert!(west.statements() > 0 || handled.receipt.attempts > 1);
    assert_eq!(database.count("select count(*) from transactions where id = 'w'").await, 1);
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
    // Nor for home, where it is said who is meant.
    let fault = open(Some([7; 16])).await.warm(later()).await.unwrap_err();
    assert!(fault.to_string().contains("another database"), "{fault}");

    // Whom home would have shown is not known while it is away.
    east.go_down();
    let database = open(None).await;
    assert!(database.warm(later()).await.unwrap_err().is_unavailable());
    let host = Host::over(database, "rules", EAST, &Buses::new([EAST]).unwrap());
    let answer = host.invoke_within(std::time::Duration::from_secs(2), &write("w")).await.answer;
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
    // It is tried until it has failed often enough, and then no more.
    let first = host.invoke(&write("w")).await;
    assert_eq!((first.answer.status, first.receipt.attempts), (Status::Unavailable, 6), "{:?}", first.answer);
    let next = host.invoke(&write("w")).await;
    assert_eq!((next.answer.status, next.receipt.attempts), (Status::Unavailable, 1), "{:?}", next.answer);
    assert!(next.answer.body.contains(r#""key":"w""#), "{:?}", next.answer);
    relay.come_up();
    let mut tries = 1;
    while host.invoke(&write("w")).await.answer.status != Status::Accepted {
        tries += 1;
        tokio::task::yield_now().await;
    }
    assert!(tries >= 1);
    assert_eq!(database.count("select count(*) from transactions").await, 1);
}

#[tokio::test]
async fn what_is_not_the_endpoints_fault_never_opens_its_breaker() {
    let database = support::database().await;
    let relay = Relay::start(database.url()).await;
    let buses = Buses::new([EAST]).unwrap();
    let host = Host::on(Endpoint::parse(relay.url()).unwrap(), "guests", EAST, &buses);
    database.execute("insert into counters values (1, 0)").await;
    for number in 0..8 {
        // A conflict, an error that the rule is shown, and a rule that takes its time.
        relay.harm_once("UPDATE", tenet_test_support::Harm::CHANGED);
        let event = format!(r#"{{"operation":"probe","idempotency_key":"{number}","do":"increment","id":1}}"#);
        assert_eq!(host.invoke(&event).await.answer.status, Status::Accepted);
        let fails = format!(r#"{{"operation":"probe","idempotency_key":"f{number}","do":"sql","sql":"select 1 / 0"}}"#);
        host.invoke(&fails).await;
    }
    assert_eq!(database.count("select value from counters").await, 8);
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
    host.invoke(&write("first")).await;
    // Less than a second says nothing of the endpoint.
    let time = std::time::Duration::from_millis(1100);
    for number in 0..5 {
        relay.harm_once("BEGIN", tenet_test_support::Harm::DelayAnswer(TIME));
        let answer = host.invoke_within(time, &write(&format!("w-{number}"))).await.answer;
        assert!(answer.body.contains("out-of-time"), "{answer:?}");
    }
    relay.spare();
    let next = host.invoke(&write("w")).await;
    assert_eq!((next.answer.status, next.receipt.attempts), (Status::Unavailable, 1), "{:?}", next.answer);
}
