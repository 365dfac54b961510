//! More invocations than connections: the real `bootstrap` in a sandbox with many concurrent invocations, and clients
//! that use the same rows.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use lambda_simulator::FreezeMode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tenet_test_support::hot::{self, NOT_NOW, Settled, TRANSFER, Told, Transfer};

use crate::lambda::bootstrap;
use crate::observed::Log;
use crate::saturation::{RICH, TIMES, blames_no_rule, chains, transfer};
use crate::sources::batch;
use crate::support;
use crate::support::database::Database;
use crate::support::eventbridge::Bus;
use crate::support::sandbox::{HANGS, Sandbox};

/// Hot accounts, and a sandbox for them.
struct Function {
    database: Database,
    bus: Bus,
    sandbox: Sandbox,
    log: Log,
    connections: u32,
    settled: Vec<Settled>,
    _bundle: TempDir,
}

impl Function {
    /// With this many connections, and as many concurrent invocations as Lambda ever gives a sandbox.
    async fn start(connections: u32) -> Self {
        let (database, bus, bundle) = (support::database().await, Bus::create().await, chains(connections, |_| {}));
        hot::open(&database.connect().await, RICH).await;
        let mut command = bootstrap(database.url(), bus.name());
        let log = Log::of(&mut command);
        command.env("TENET_BUNDLE", bundle.path()).env("AWS_LAMBDA_MAX_CONCURRENCY", "64");
        // One response is no reason to freeze: the others are still due.
        let sandbox = Sandbox::start_in(FreezeMode::None, &mut command).await;
        Self { database, bus, sandbox, log, connections, settled: Vec::new(), _bundle: bundle }
    }

    async fn ask(&self, transfer: &Transfer) -> Told {
        Told::of_event(&self.sandbox.invoke(event(transfer)).await)
    }

    /// Runs this many concurrent invocations, with operations of every length.
    async fn clients(&mut self, at_once: usize) {
        let of = format!("at-once-{at_once}");
        let client = async |client| {
            transfer(&of, client, 0).settle(TIMES, async |transfer: &Transfer| self.ask(transfer).await).await
        };
        let settled = try_join_all((0..at_once).map(client)).await.unwrap();
        self.settled.extend(settled);
    }

    /// Checks that every answer matches the database, every event is at the bus or in the outbox, no rule is blamed,
    /// and no more connections were used than allowed.
    async fn close(self) {
        let Self { database, bus, sandbox, log, connections, settled, .. } = self;
        let wrong = hot::audit(&database.connect().await, &settled).await;
        assert!(wrong.is_empty(), "{wrong:#?}");
        let sessions =
            "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'tenet'";
        assert!(database.count(sessions).await <= i64::from(connections));

        let accepted = settled.iter().filter(|settled| settled.status == 200);
        let accepted: BTreeSet<_> = accepted.map(|settled| settled.transfer.id.clone()).collect();
        let left = database.text("select coalesce(string_agg(key, ' '), '') from tenet.outbox").await;
        let left: BTreeSet<_> = left.split_whitespace().map(str::to_owned).collect();
        let arrived = bus.receive(accepted.len() - left.len()).await;
        let arrived = arrived.iter().map(|event| serde_json::from_str::<Value>(event).unwrap());
        let arrived: BTreeSet<_> =
            arrived.map(|event| event["detail"]["transfer_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(&arrived | &left, accepted, "events");

        let requests = log.requests(settled.len()).await;
        assert!(sandbox.terminate().await.success());
        blames_no_rule(&log.text());
        let without = requests.iter().find(|request| !request["queued_us"].is_u64());
        assert_eq!(without, None, "how long a request waited is logged");
    }
}

/// A direct invocation for a transfer.
fn event(transfer: &Transfer) -> Value {
    let mut event = transfer.payload();
    event["operation"] = transfer.operation.into();
    event
}

async fn more_and_more_invocations(connections: u32) {
    let mut function = Function::start(connections).await;
    for at_once in [1, 8, 9, 64, 200] {
        function.clients(at_once).await;
    }
    function.close().await;
}

#[tokio::test]
async fn one_connection_settles_any_number_of_invocations_at_once() {
    more_and_more_invocations(1).await;
}

#[tokio::test]
async fn eight_connections_settle_any_number_of_invocations_at_once() {
    more_and_more_invocations(8).await;
}

#[tokio::test]
async fn batches_of_a_queue_share_the_connections_that_there_are() {
    let mut function = Function::start(2).await;
    let transfers: Vec<_> =
        (0..80).map(|number| Transfer::in_ring(TRANSFER, format!("queued-{number}"), number, RICH)).collect();
    let deliver = async |mut transfers: Vec<&Transfer>| {
        for _ in 0..TIMES {
            let messages: Vec<_> =
                transfers.iter().map(|transfer| (transfer.id.as_str(), "", event(transfer).to_string())).collect();
            let answer = function.sandbox.invoke(batch("transfers", &messages)).await;
            let kept = answer["batchItemFailures"].as_array().unwrap_or_else(|| panic!("{answer}"));
            let kept: BTreeSet<_> = kept.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap()).collect();
            transfers.retain(|transfer| kept.contains(transfer.id.as_str()));
            if transfers.is_empty() {
                return;
            }
        }
        panic!("the queue keeps {transfers:?}");
    };
    // First one batch alone, and then several concurrently.
    let (first, rest) = transfers.split_at(20);
    deliver(first.iter().collect()).await;
    join_all(rest.chunks(20).map(|batch| deliver(batch.iter().collect()))).await;
    let answers = RefCell::new(Vec::new());
    for transfer in &transfers {
        let settled = transfer.settle(1, async |transfer: &Transfer| function.ask(transfer).await).await.unwrap();
        answers.borrow_mut().push(settled);
    }
    function.settled = answers.into_inner();
    function.close().await;
}

#[tokio::test]
async fn what_cannot_begin_in_time_is_told_so_in_time_and_changes_nothing() {
    let mut function = Function::start(1).await;
    let holder = function.database.connect().await;
    holder.batch_execute("begin; lock table accounts").await.unwrap();
    let transfers: Vec<_> =
        (0..9).map(|number| Transfer::in_ring(TRANSFER, format!("late-{number}"), number, RICH)).collect();
    let (first, rest) = transfers.split_first().unwrap();
    let begun = function.sandbox.begin(event(first), HANGS).await;
    function.database.until_waiting(1).await;
    let refused = rest.iter().map(async |transfer| {
        let id = function.sandbox.begin(event(transfer), Duration::from_secs(4)).await;
        let told = Told::of_event(&function.sandbox.answer(&id).await);
        let problem = told.problem();
        assert_eq!((told.status, &problem["code"], &problem["key"]), (503, &json!("overloaded"), &json!(transfer.id)));
    });
    // The lock is held the whole time.
    join_all(refused).await;
    assert_eq!(function.database.count("select count(*) from tenet.keys").await, 0);
    holder.batch_execute("rollback").await.unwrap();
    let told = Told::of_event(&function.sandbox.answer(&begun).await);
    let mut settled = vec![first.settled(&told, 1, NOT_NOW).unwrap().expect("an answer for good")];
    for transfer in rest {
        settled.push(transfer.settle(1, async |transfer: &Transfer| function.ask(transfer).await).await.unwrap());
    }
    function.settled = settled;
    function.close().await;
}
