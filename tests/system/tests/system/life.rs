//! The life cycle of a sandbox: the real `bootstrap` is started cold, frozen, thawed and terminated
//! by a third-party simulator of Lambda.

use std::time::Duration;

use lambda_simulator::FreezeMode;
use serde_json::{Value, json};
use tenet_core::bundle::INDEX;

use crate::lambda::bootstrap;
use crate::support;
use crate::support::eventbridge::{self, Bus};
use crate::support::eventbridge_relay::Relay;
use crate::support::sandbox::{HANGS, Sandbox};

fn write(id: &str) -> Value {
    json!({"operation": "write", "transaction_id": id, "amount": 100.5})
}

#[tokio::test]
async fn the_answer_leaves_before_its_events_and_the_sandbox_stays_awake_for_them() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let relay = Relay::start(eventbridge::endpoint(), |_| vec![]).await;
    let sandbox = Sandbox::start(bootstrap(database.url(), bus.name()).env("AWS_ENDPOINT_URL", relay.url())).await;
    let held = relay.hold().await;
    let answer = sandbox.invoke(write("t-1")).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    relay.call().await;
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 1);
    assert!(!sandbox.simulator.is_frozen(), "there is work left");
    drop(held);
    sandbox.is_frozen().await;
    assert_eq!(bus.receive(1).await.len(), 1);
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
}

#[tokio::test]
async fn events_of_a_sandbox_that_dies_before_they_leave_stay_in_the_outbox() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let relay = Relay::start(eventbridge::endpoint(), |_| vec![]).await;
    let sandbox = Sandbox::start(bootstrap(database.url(), bus.name()).env("AWS_ENDPOINT_URL", relay.url())).await;
    let _held = relay.hold().await;
    assert_eq!(sandbox.invoke(write("t-1")).await["statusCode"], 200);
    relay.call().await;
    sandbox.kill().await;
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 1);
}

#[tokio::test]
async fn a_bundle_may_have_its_events_leave_before_the_answer() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let (folder, mut index) = support::bundle::copy("rules");
    index.host.publish_after_answer = false;
    std::fs::write(folder.path().join(INDEX), index.to_json()).unwrap();
    let relay = Relay::start(eventbridge::endpoint(), |_| vec![]).await;
    let sandbox = Sandbox::start(
        bootstrap(database.url(), bus.name()).env("AWS_ENDPOINT_URL", relay.url()).env("TENET_BUNDLE", folder.path()),
    )
    .await;
    let held = relay.hold().await;
    let id = sandbox.begin(write("t-1"), HANGS).await;
    relay.call().await;
    let state = sandbox.simulator.get_invocation_state(&id).await.unwrap();
    assert!(state.response.is_none(), "{state:?}");
    drop(held);
    assert_eq!(sandbox.answer(&id).await["statusCode"], 200);
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
}

#[tokio::test]
async fn what_was_frozen_goes_on_although_its_connection_died_meanwhile() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let sandbox = Sandbox::start(&mut bootstrap(database.url(), bus.name())).await;
    for round in 0..3 {
        let answer = sandbox.invoke(write(&format!("t-{round}"))).await;
        assert_eq!(answer["statusCode"], 200, "{answer}");
        sandbox.is_frozen().await;
        let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                   where datname = current_database() and pid <> pg_backend_pid()";
        assert!(database.count(cut).await >= 1, "the sandbox keeps its connection while it is frozen");
    }
    assert_eq!(database.count("select count(*) from transactions").await, 3);
}

#[tokio::test]
async fn an_answer_comes_before_the_deadline_whatever_keeps_the_database() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let sandbox = Sandbox::start(&mut bootstrap(database.url(), bus.name())).await;
    let holder = database.connect().await;
    holder.batch_execute("begin; lock table transactions in access exclusive mode").await.unwrap();
    let id = sandbox.begin(write("t-1"), Duration::from_secs(3)).await;
    let answer = sandbox.answer(&id).await;
    assert_eq!(answer["statusCode"], 503, "{answer}");
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(sandbox.invoke(write("t-1")).await["statusCode"], 200);
    assert_eq!(database.count("select count(*) from transactions").await, 1);
}

#[tokio::test]
async fn told_to_end_it_answers_what_it_has_and_closes_its_connections() {
    let (database, bus) = (support::database().await, Bus::create().await);
    // Lambda does not freeze a sandbox that it is terminating.
    let sandbox = Sandbox::start_in(FreezeMode::None, &mut bootstrap(database.url(), bus.name())).await;
    let holder = database.connect().await;
    holder.batch_execute("begin; lock table transactions in access exclusive mode").await.unwrap();
    let id = sandbox.begin(write("t-1"), HANGS).await;
    database.until_waiting(1).await;
    sandbox.signal();
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(sandbox.answer(&id).await["statusCode"], 200);
    let status = sandbox.ended().await;
    assert!(status.success(), "{status}");
    assert_eq!(database.count("select count(*) from transactions").await, 1);
}

#[tokio::test]
async fn told_to_end_while_it_is_idle_it_ends_well() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let sandbox = Sandbox::start(&mut bootstrap(database.url(), bus.name())).await;
    assert_eq!(sandbox.invoke(write("t-1")).await["statusCode"], 200);
    sandbox.is_frozen().await;
    let client = database.connect().await;
    let sessions = async || {
        let sql =
            "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'tenet'";
        client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    assert_eq!(sessions().await, 1);
    // Lambda thaws a sandbox before it terminates it.
    let thaw = format!("kill -CONT {}", sandbox.pid);
    assert!(std::process::Command::new("sh").args(["-c", &thaw]).status().unwrap().success());
    let status = sandbox.terminate().await;
    assert!(status.success(), "{status}");
    while sessions().await > 0 {
        tokio::task::yield_now().await;
    }
    let lost = "select sessions_abandoned + sessions_fatal + sessions_killed from pg_stat_database \
                where datname = current_database()";
    assert_eq!(database.count(lost).await, 0, "it has said goodbye to the database");
}

#[tokio::test]
async fn a_sandbox_with_several_invocations_at_a_time_decides_them_side_by_side() {
    let (database, bus) = (support::database().await, Bus::create().await);
    let mut command = bootstrap(database.url(), bus.name());
    // One response is no reason to freeze: the others are still due.
    let sandbox = Sandbox::start_in(FreezeMode::None, command.env("AWS_LAMBDA_MAX_CONCURRENCY", "4")).await;
    let holder = database.connect().await;
    holder.batch_execute("begin; lock table transactions in access exclusive mode").await.unwrap();
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(sandbox.begin(write(&format!("t-{number}")), HANGS).await);
    }
    database.until_waiting(4).await;
    holder.batch_execute("rollback").await.unwrap();
    for id in ids {
        assert_eq!(sandbox.answer(&id).await["statusCode"], 200);
    }
    assert_eq!(bus.receive(4).await.len(), 4);
}
