//! More requests than connections, over HTTP: `tenet serve` with few connections and many clients that use the same
//! rows.
//!
//! Nothing here depends on time: a client retries while it is asked to, up to a limit, and in the end everything has a
//! final answer, which matches the database.

use std::cell::Cell;
use std::collections::BTreeSet;

use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};
use tempfile::TempDir;
use tenet_core::bundle::{INDEX, Index, Operation};
use tenet_test_support::hot::{self, ALONE, NOT_NOW, SHOWN, Settled, TRANSFER, Told, Transfer};
use tenet_test_support::http::{self, Connection, JSON};
use tenet_test_support::serve::Served;
use tokio::process::Command;

use crate::support;
use crate::support::database::Database;

/// The most attempts of a client. The concurrent requests are far fewer than a host lets wait, and all but one of those
/// that use the same rows may lose conflicts several times.
pub(crate) const TIMES: usize = 20;

/// The accounts that all clients use.
pub(crate) const RICH: usize = 4;

/// The example bundle with operations of one to three rules, this many connections, and any other change.
pub(crate) fn chains(connections: u32, change: impl FnOnce(&mut Index)) -> TempDir {
    let (folder, mut index) = support::bundle::copy("rules");
    index.host.connections = connections;
    for (name, rules) in [(ALONE, &["transfer"][..]), (SHOWN, &["limits", "transfer", "show-account"])] {
        let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
        let key = Some("transfer_id".to_owned());
        index.operations.push(Operation { name: name.to_owned(), rules, key, ..Operation::default() });
    }
    change(&mut index);
    std::fs::write(folder.path().join(INDEX), index.to_json()).unwrap();
    folder
}

/// A client's request in this step: an operation of one to three rules, sometimes from the account that exceeds its
/// ceiling.
pub(crate) fn transfer(of: &str, client: usize, step: usize) -> Transfer {
    let operation = [ALONE, TRANSFER, SHOWN][(client + step) % 3];
    let id = format!("{of}-{client}-{step}");
    let transfer = Transfer::in_ring(operation, id, client, RICH);
    let from = if operation == SHOWN && client.is_multiple_of(4) { "poor".to_owned() } else { transfer.from };
    Transfer { from, ..transfer }
}

/// Checks that a log does not blame a rule because of too many requests.
pub(crate) fn blames_no_rule(log: &str) {
    for blame in ["rule failed", "request failed", "passed a limit", "wall_ms"] {
        let line = log.lines().find(|line| line.contains(blame));
        assert_eq!(line, None);
    }
}

/// Hot accounts, and `tenet serve` for them.
struct Bank {
    database: Database,
    served: Served,
    connections: u32,
    settled: Vec<Settled>,
    _bundle: TempDir,
}

impl Bank {
    async fn open(connections: u32) -> Self {
        Self::with(connections, |_| {}).await
    }

    /// The same with another change to the bundle.
    async fn with(connections: u32, change: impl FnOnce(&mut Index)) -> Self {
        let (database, bundle) = (support::database().await, chains(connections, change));
        hot::open(&database.connect().await, RICH).await;
        let served = serve(&bundle, &database).await;
        Self { database, served, connections, settled: Vec::new(), _bundle: bundle }
    }

    /// Runs this many concurrent clients, each with operations of every length, alternating between the regions.
    async fn clients(&mut self, at_once: usize) {
        let of = format!("{at_once}-of-{}", self.settled.len());
        let client = async |client| {
            let mut settled = Vec::new();
            for step in 0..3 {
                let address = self.address(client + step);
                let ask = async |transfer: &Transfer| ask(address, transfer).await;
                settled.push(transfer(&of, client, step).settle(TIMES, ask).await?);
            }
            Ok::<_, String>(settled)
        };
        let settled = try_join_all((0..at_once).map(client)).await.unwrap();
        self.settled.extend(settled.into_iter().flatten());
    }

    fn address(&self, number: usize) -> &str {
        if number.is_multiple_of(2) { self.served.east() } else { self.served.west() }
    }

    /// Sends transfers with two rules, each on its own connection.
    async fn begin(&self, of: &str, count: usize) -> Vec<(Transfer, Connection)> {
        let begin = async |number| {
            let transfer = Transfer::in_ring(TRANSFER, format!("{of}-{number}"), number, RICH);
            let mut connection = Connection::open(self.served.east()).await.unwrap();
            send(&mut connection, &transfer).await;
            (transfer, connection)
        };
        join_all((0..count).map(begin)).await
    }

    /// Waits for the answers, and retries those that are not final.
    async fn end(&mut self, begun: Vec<(Transfer, Connection)>) {
        let end = async |(transfer, mut connection): (Transfer, Connection)| {
            let told = Cell::new(Some(Told::from(connection.answer().await.unwrap())));
            let ask = async |transfer: &Transfer| match told.take() {
                Some(first) => first,
                None => ask(self.served.east(), transfer).await,
            };
            transfer.settle(TIMES, ask).await
        };
        let settled = try_join_all(begun.into_iter().map(end)).await.unwrap();
        self.settled.extend(settled);
    }

    /// Checks that every answer matches the database, every event has arrived, no rule is blamed, and no more
    /// connections were used than allowed.
    async fn close(self) {
        let Self { database, mut served, connections, settled, .. } = self;
        let wrong = hot::audit(&database.connect().await, &settled).await;
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
        let sessions =
            "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'tenet'";
        assert!(database.count(sessions).await <= 2 * i64::from(connections), "connections of both regions");

        let accepted = settled.iter().filter(|settled| settled.status == 200);
        let accepted: BTreeSet<_> = accepted.map(|settled| settled.transfer.id.clone()).collect();
        let event = "event Transfer Posted  ";
        if !accepted.is_empty() {
            served.told_times(event, 2 * accepted.len()).await;
        }
        let (lines, log) = served.stop().await;
        for region in ["us-east-1", "us-west-2"] {
            let of_region = lines.iter().filter(|line| line.contains(region));
            let details = of_region.filter_map(|line| line.split_once(event));
            let told = details.map(|(_, detail)| serde_json::from_str::<Value>(detail).unwrap());
            let told: BTreeSet<_> = told.map(|detail| detail["transfer_id"].as_str().unwrap().to_owned()).collect();
            assert_eq!(told, accepted, "events at {region}");
        }
        blames_no_rule(&log);
        let over: Vec<_> = log.lines().filter(|line| line.contains("request over")).collect();
        assert!(over.len() >= settled.len(), "{} requests are over", over.len());
        let without = over.iter().find(|line| !line.contains("queued_us="));
        assert_eq!(without, None, "how long a request waited is logged");
    }
}

async fn serve(bundle: &TempDir, database: &Database) -> Served {
    let mut command = Command::new(support::path("TENET_TEST_TENET"));
    command.arg("serve").arg(bundle.path()).args(["--database-url", database.url(), "--log", "info"]);
    Served::of(command).await
}

async fn send(connection: &mut Connection, transfer: &Transfer) {
    let path = format!("/operations/{}", transfer.operation);
    connection.ask("POST", &path, &[JSON], &transfer.payload().to_string()).await.unwrap();
}

async fn ask(address: &str, transfer: &Transfer) -> Told {
    let path = format!("/operations/{}", transfer.operation);
    http::send(address, "POST", &path, &[JSON], &transfer.payload().to_string()).await.unwrap().into()
}

/// As many clients as connections, one more, and many times as many.
async fn more_and_more_clients(connections: u32) {
    let mut bank = Bank::open(connections).await;
    for at_once in [1, 8, 9, 64, 200] {
        bank.clients(at_once).await;
    }
    bank.close().await;
}

#[tokio::test]
async fn one_connection_settles_what_any_number_of_clients_ask_at_once() {
    more_and_more_clients(1).await;
}

#[tokio::test]
async fn four_connections_settle_what_any_number_of_clients_ask_at_once() {
    more_and_more_clients(4).await;
}

#[tokio::test]
async fn eight_connections_settle_what_any_number_of_clients_ask_at_once() {
    more_and_more_clients(8).await;
}

#[tokio::test]
async fn clients_that_hang_up_and_ask_again_have_one_answer_each() {
    let mut bank = Bank::open(2).await;
    let holder = bank.database.connect().await;
    holder.batch_execute("begin; lock table accounts").await.unwrap();
    let begun = bank.begin("left", 64).await;
    // As many as there are connections have begun, and all others wait for one.
    bank.database.until_waiting(2).await;
    drop(begun);
    let again = bank.begin("left", 64).await;
    holder.batch_execute("rollback").await.unwrap();
    bank.end(again).await;
    for settled in &bank.settled {
        let path = format!("/operations/{}", settled.transfer.operation);
        let payload = settled.transfer.payload().to_string();
        let answer = http::send(bank.served.west(), "POST", &path, &[JSON], &payload).await.unwrap();
        assert_eq!((answer.status, &answer.body), (settled.status, &settled.body));
        assert_eq!(answer.header("idempotent-replayed"), Some("true"));
    }
    bank.close().await;
}

#[tokio::test]
async fn one_key_that_is_asked_a_thousand_times_at_once_is_decided_once() {
    let mut bank = Bank::open(4).await;
    let transfer = Transfer::in_ring(TRANSFER, "one".to_owned(), 0, RICH);
    let path = format!("/operations/{TRANSFER}");
    let client = async |number| {
        let mut connection = Connection::open(bank.address(number)).await.unwrap();
        let mut decided = 0;
        let ask = async |connection: &mut Connection| {
            connection.send("POST", &path, &[JSON], &transfer.payload().to_string()).await.unwrap()
        };
        for _ in 0..4 {
            let answer = ask(&mut connection).await;
            decided += usize::from(answer.header("idempotent-replayed") == Some("false") && answer.status == 200);
            transfer.settled(&answer.into(), 1, NOT_NOW)?;
        }
        let last = transfer.settle(TIMES, async |transfer| self::ask(bank.address(number), transfer).await).await?;
        Ok::<_, String>((decided, last))
    };
    let told = try_join_all((0..250).map(client)).await.unwrap();
    assert_eq!(told.iter().map(|(decided, _)| decided).sum::<usize>(), 1, "answers that are no repeats");
    bank.settled = told.into_iter().map(|(_, settled)| settled).collect();
    bank.close().await;
}

#[tokio::test]
async fn a_request_is_overtaken_by_few() {
    const CLIENTS: usize = 16;
    let mut bank = Bank::open(1).await;
    let answered = Cell::new(0_usize);
    let client = async |client| {
        let (mut settled, mut overtaken) = (Vec::new(), 0);
        for step in 0..12 {
            let transfer = Transfer::in_ring(TRANSFER, format!("fair-{client}-{step}"), client, RICH);
            let before = answered.get();
            let ask = async |transfer: &Transfer| ask(bank.served.east(), transfer).await;
            settled.push(transfer.settle(TIMES, ask).await?);
            overtaken = overtaken.max(answered.get() - before);
            answered.set(answered.get() + 1);
        }
        Ok::<_, String>((settled, overtaken))
    };
    let clients = try_join_all((0..CLIENTS).map(client)).await.unwrap();
    let most = clients.iter().map(|(_, overtaken)| *overtaken).max().unwrap();
    // Each other client has one request before it, and sends one more before its own turn comes.
    assert!(most < 4 * CLIENTS, "{most} answers came before one of {CLIENTS} clients' request");
    bank.settled = clients.into_iter().flat_map(|(settled, _)| settled).collect();
    bank.close().await;
}

#[tokio::test]
async fn bodies_that_come_byte_by_byte_hold_up_no_others() {
    let mut bank = Bank::open(1).await;
    let begin = async |number| {
        let transfer = Transfer::in_ring(TRANSFER, format!("slow-{number}"), number, RICH);
        let body = transfer.payload().to_string();
        let mut connection = Connection::open(bank.served.east()).await.unwrap();
        let head = connection.head("POST", &format!("/operations/{TRANSFER}"), &[JSON], body.len());
        connection.write(head.as_bytes()).await.unwrap();
        (transfer, connection, body)
    };
    let mut slow = join_all((0..100).map(begin)).await;
    let longest = slow.iter().map(|(_, _, body)| body.len()).max().unwrap();
    for at in 0..longest {
        if at == longest / 2 {
            bank.clients(8).await;
        }
        for (_, connection, body) in &mut slow {
            connection.write(body.as_bytes().get(at..=at).unwrap_or_default()).await.unwrap();
        }
    }
    let begun = slow.into_iter().map(|(transfer, connection, _)| (transfer, connection)).collect();
    bank.end(begun).await;
    bank.close().await;
}

#[tokio::test]
async fn connections_that_are_kept_alive_and_idle_hold_up_no_others() {
    let mut bank = Bank::open(1).await;
    let open = async |_| {
        let mut connection = Connection::open(bank.served.east()).await.unwrap();
        assert_eq!(connection.send("GET", "/live", &[], "").await.unwrap().status, 200);
        connection
    };
    let idle = join_all((0..200).map(open)).await;
    bank.clients(16).await;
    let mut begun = Vec::new();
    for (number, mut connection) in idle.into_iter().enumerate() {
        let transfer = Transfer::in_ring(TRANSFER, format!("idle-{number}"), number, RICH);
        send(&mut connection, &transfer).await;
        begun.push((transfer, connection));
    }
    bank.end(begun).await;
    bank.close().await;
}

#[tokio::test]
async fn a_host_says_that_it_lives_while_all_its_connections_are_taken() {
    let mut bank = Bank::open(1).await;
    let holder = bank.database.connect().await;
    holder.batch_execute("begin; lock table accounts").await.unwrap();
    let begun = bank.begin("held", 64).await;
    bank.database.until_waiting(1).await;
    assert_eq!(bank.served.get("/live").await.status, 200);
    assert_eq!(bank.served.get("/operations").await.status, 200);
    holder.batch_execute("rollback").await.unwrap();
    bank.end(begun).await;
    bank.close().await;
}

#[tokio::test]
async fn reads_alone_are_all_answered() {
    let bank = Bank::open(1).await;
    let read = async |number| {
        let account = format!("rich-{}", number % RICH);
        let body = json!({ "account": account }).to_string();
        for _ in 0..TIMES {
            let answer = http::send(bank.address(number), "POST", "/operations/show-account", &[JSON], &body).await;
            let answer = answer.unwrap();
            if answer.status == 200 {
                assert_eq!(answer.json()["account"], *account);
                return;
            }
            assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("overloaded")), "{answer:?}");
        }
        panic!("{account} was asked for {TIMES} times");
    };
    join_all((0..200).map(read)).await;
    bank.close().await;
}

#[tokio::test]
async fn shadows_that_read_take_nothing_that_requests_wait_for() {
    let mut bank = Bank::with(2, |index| {
        let operation = index.operations.iter_mut().find(|operation| operation.name == TRANSFER).unwrap();
        operation.shadow.insert("transfer".to_owned(), "show-account".to_owned());
    })
    .await;
    bank.clients(64).await;
    bank.close().await;
}

#[tokio::test]
async fn rules_that_compute_without_end_are_stopped_and_the_rest_is_answered() {
    let (database, (folder, mut index)) = (support::database().await, support::bundle::copy("guests"));
    index.host.connections = 2;
    std::fs::write(folder.path().join(INDEX), index.to_json()).unwrap();
    let served = serve(&folder, &database).await;
    let ask = async |operation: &str, body: &str| {
        http::send(served.east(), "POST", &format!("/operations/{operation}"), &[JSON], body).await.unwrap()
    };
    // Too few failures to suspend the rule.
    let endless = join_all((0..8).map(|_| ask("probe", r#"{"do":"loop"}"#)));
    let others = join_all((0..64).map(|_| ask("rows-read", r#"{"rows":10}"#)));
    let (endless, others) = tokio::join!(endless, others);
    for answer in endless {
        assert_eq!((answer.status, &answer.json()["code"]), (500, &json!("failed")), "{answer:?}");
    }
    for answer in others {
        assert_eq!((answer.status, &answer.json()["rows"]), (200, &json!(10)), "{answer:?}");
    }
    let (_, log) = served.stop().await;
    let failed: Vec<_> = log.lines().filter(|line| line.contains("rule failed")).collect();
    let of_probe = failed.iter().filter(|line| line.contains("probe") && line.contains("cpu_ms")).count();
    assert_eq!((failed.len(), of_probe), (8, 8), "{failed:#?}");
}
