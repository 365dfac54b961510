//! The example rules about accounts, tested as a team tests its own: whole requests on a real
//! PostgreSQL, in two regions.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use tenet_core::Timestamp;
use tenet_pipeline::{Handled, Status};

use crate::support;
use crate::support::database::Database;
use crate::support::host::{Host, Regions};

const DAY: i64 = 86_400_000_000;
/// The last microsecond of 2026-01-31 in UTC.
const LATE: Timestamp = Timestamp(1_769_904_000_000_000 - 1);

fn open(account: &str, balance: &str, ceiling: &str) -> String {
    format!(
        r#"{{"operation":"open-account","account":"{account}","opening_balance":{balance},"daily_ceiling":{ceiling}}}"#
    )
}

fn pay(id: &str, from: &str, to: &str, amount: &str) -> String {
    format!(r#"{{"operation":"transfer","transfer_id":"{id}","from":"{from}","to":"{to}","amount":{amount}}}"#)
}

fn show(account: &str) -> String {
    format!(r#"{{"operation":"show-account","account":"{account}"}}"#)
}

/// Two regions with the accounts `a` and `b`: each has 100.00 and this daily ceiling.
async fn regions(database: &Database, ceiling: &str) -> Regions {
    let regions = Regions::start("rules", database.url());
    for account in ["a", "b"] {
        accepted(&regions.east.invoke(&open(account, "100.00", ceiling)).await);
    }
    regions
}

fn accepted(handled: &Handled) {
    assert_eq!(handled.answer.status, Status::Accepted, "{}", handled.answer.body);
}

fn rejected(handled: &Handled, code: &str) {
    assert_eq!(handled.answer.status, Status::Rejected, "{}", handled.answer.body);
    assert!(handled.answer.body.starts_with(&format!(r#"{{"code":"{code}","#)), "{}", handled.answer.body);
}

/// Every account with its balance.
async fn balances(database: &Database) -> String {
    database.text("select string_agg(id || ' ' || balance, ', ' order by id) from accounts").await
}

/// Every account and day with the amount paid.
async fn paid(database: &Database) -> String {
    let all = "select coalesce(string_agg(concat_ws(' ', account_id, day, paid), ', ' order by account_id, day), '') \
               from daily_totals";
    database.text(all).await
}

async fn entries(database: &Database) -> i64 {
    database.count("select count(*) from ledger").await
}

/// Retries until the answer is final, as a caller of a busy host does; all on one day, however long
/// it takes.
async fn settled(host: &Host, event: &str) -> Handled {
    loop {
        let handled = host.invoke_at(LATE, event).await;
        if handled.answer.status != Status::Unavailable {
            return handled;
        }
    }
}

/// Each account has its opening balance plus what the ledger says, and has paid what the ledger
/// says.
async fn assert_books_balance(database: &Database, opened_with: &str) {
    let wrong = format!(
        "select count(*) from accounts where balance <> {opened_with} \
         + (select coalesce(sum(amount), 0) from ledger where payee = accounts.id) \
         - (select coalesce(sum(amount), 0) from ledger where payer = accounts.id)"
    );
    assert_eq!(database.count(&wrong).await, 0, "{}", balances(database).await);
    let paid_otherwise = "select count(*) from daily_totals full join \
         (select payer, (posted_at at time zone 'UTC')::date as day, sum(amount) as sum from ledger group by 1, 2) l \
         on account_id = payer and daily_totals.day = l.day where paid is distinct from sum";
    assert_eq!(database.count(paid_otherwise).await, 0, "{}", paid(database).await);
}

#[tokio::test]
async fn a_transfer_is_posted_on_both_sides_and_told_to_both_buses_once() {
    let database = support::database().await;
    let regions = regions(&database, "50").await;
    let event = pay("t-1", "b", "a", "30.50");
    let handled = regions.east.invoke(&event).await;
    accepted(&handled);
    let ledger_id = database.text("select id::text from ledger").await;
    assert_eq!(handled.answer.body, format!(r#"{{"transfer_id":"t-1","ledger_id":"{ledger_id}"}}"#));

    assert_eq!(balances(&database).await, "a 130.50, b 69.50");
    let entry = database.text("select concat_ws(' ', transfer_id, payer, payee, amount) from ledger").await;
    assert_eq!(entry, "t-1 b a 30.50");
    let shown = regions.west.invoke(&show("b")).await.answer.body;
    assert_eq!(shown, r#"{"account":"b","balance":69.50,"daily_ceiling":50.00,"paid_today":30.50}"#);

    let (east, west) = regions.event_ids();
    assert_eq!((east.len(), &east), (1, &west));
    let told: Value = serde_json::from_str(&regions.at_west.received()[0]).unwrap();
    assert_eq!(told["detail-type"], "Transfer Posted");
    assert_eq!(told["detail"]["ledger_id"], ledger_id);
    let detail = r#""transfer_id":"t-1","ledger_id":"#;
    assert!(regions.at_west.received()[0].contains(detail), "{}", regions.at_west.received()[0]);
    assert!(regions.at_west.received()[0].contains(r#""from":"b","to":"a","amount":30.50,"#));
}

#[tokio::test]
async fn a_repeated_transfer_gets_the_same_bytes_and_one_entry() {
    let database = support::database().await;
    let regions = regions(&database, "100").await;
    let event = pay("t-1", "a", "b", "10");
    let (first, second) = tokio::join!(regions.east.reply(&event), regions.west.reply(&event));
    assert_eq!(first, second);
    assert_eq!(regions.west.reply(&event).await, first);
    assert_eq!((entries(&database).await, balances(&database).await.as_str()), (1, "a 90.00, b 110.00"));
    let (east, west) = regions.event_ids();
    assert_eq!(east.iter().chain(&west).collect::<HashSet<_>>().len(), 1);

    let other = regions.west.invoke(&pay("t-1", "a", "b", "10.01")).await;
    assert_eq!(other.answer.status, Status::KeyReused);
}

#[tokio::test]
async fn an_overdraft_is_refused_and_undoes_what_limits_wrote() {
    let database = support::database().await;
    let regions = regions(&database, "1000").await;
    for (id, from, to) in [("t-1", "a", "b"), ("t-2", "b", "a")] {
        let handled = regions.east.invoke(&pay(id, from, to, "100.01")).await;
        rejected(&handled, "insufficient-funds");
        assert!(handled.answer.body.contains(r#""details":{"balance":"100.00"}"#), "{}", handled.answer.body);
    }
    assert_eq!((paid(&database).await.as_str(), entries(&database).await), ("", 0));
    assert_eq!(balances(&database).await, "a 100.00, b 100.00");
    assert_eq!(database.count("select count(*) from tenet.outbox").await, 0);
    assert!(regions.at_east.received().is_empty());

    accepted(&regions.west.invoke(&pay("t-3", "a", "b", "100.00")).await);
    assert_eq!(balances(&database).await, "a 0.00, b 200.00");
}

#[tokio::test]
async fn more_than_the_ceiling_of_a_day_is_refused_and_leaves_nothing() {
    let database = support::database().await;
    let regions = regions(&database, "50").await;
    let first = regions.east.invoke_at(LATE, &pay("t-1", "a", "b", "30")).await;
    accepted(&first);
    let over = pay("t-2", "a", "b", "20.01");
    let handled = regions.west.invoke_at(LATE, &over).await;
    rejected(&handled, "daily-limit");
    let told = r#""details":{"ceiling":"50.00","left":"20.00"}"#;
    assert!(handled.answer.body.contains(told), "{}", handled.answer.body);
    assert_eq!((paid(&database).await.as_str(), entries(&database).await), ("a 2026-01-31 30.00", 1));
    assert_eq!(balances(&database).await, "a 70.00, b 130.00");
    assert_eq!(regions.at_west.received().len(), 1);

    // The other account has its own ceiling.
    accepted(&regions.west.invoke_at(LATE, &pay("t-3", "b", "a", "50")).await);
    accepted(&regions.east.invoke_at(LATE, &pay("t-4", "a", "b", "20")).await);
}

#[tokio::test]
async fn a_new_ceiling_begins_at_midnight_in_utc_by_the_time_of_the_request() {
    let database = support::database().await;
    let regions = regions(&database, "50").await;
    let next = Timestamp(LATE.0 + 1);
    accepted(&regions.east.invoke_at(LATE, &pay("t-1", "a", "b", "50")).await);
    accepted(&regions.west.invoke_at(next, &pay("t-2", "a", "b", "50")).await);
    // A payment that was sent before midnight and arrives after others belongs to its own day.
    rejected(&regions.east.invoke_at(LATE, &pay("t-3", "a", "b", "0.01")).await, "daily-limit");
    rejected(&regions.east.invoke_at(Timestamp(LATE.0 + DAY), &pay("t-4", "a", "b", "0.01")).await, "daily-limit");
    assert_eq!(paid(&database).await, "a 2026-01-31 50.00, a 2026-02-01 50.00");
    assert_books_balance(&database, "100").await;
    let shown = regions.west.invoke_at(Timestamp(next.0 + DAY), &show("a")).await.answer.body;
    assert!(shown.ends_with(r#""paid_today":0.00}"#), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceiling_holds_under_sixteen_transfers_at_once_in_two_regions() {
    let database = support::database().await;
    let regions = Arc::new(regions(&database, "55").await);
    let payers: Vec<_> = (0..16)
        .map(|number| {
            let regions = Arc::clone(&regions);
            tokio::spawn(async move {
                let host = if number % 2 == 0 { &regions.east } else { &regions.west };
                settled(host, &pay(&format!("t-{number}"), "a", "b", "10")).await
            })
        })
        .collect();
    let mut through = 0;
    for payer in payers {
        let handled = payer.await.unwrap();
        match handled.answer.status {
            Status::Accepted => through += 1,
            _ => rejected(&handled, "daily-limit"),
        }
    }
    assert_eq!(through, 5);
    assert_eq!(paid(&database).await, "a 2026-01-31 50.00");
    assert_eq!((entries(&database).await, balances(&database).await.as_str()), (5, "a 50.00, b 150.00"));
    assert_books_balance(&database, "100").await;
    let (east, west) = regions.event_ids();
    assert_eq!(east.iter().chain(&west).collect::<HashSet<_>>().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_opposite_streams_of_transfers_come_through_without_a_deadlock() {
    const EACH: i64 = 20;
    let database = support::database().await;
    let regions = Arc::new(regions(&database, "1000").await);
    let streams: Vec<_> = [("a", "b"), ("b", "a"), ("a", "b"), ("b", "a")]
        .into_iter()
        .enumerate()
        .map(|(stream, (from, to))| {
            let regions = Arc::clone(&regions);
            tokio::spawn(async move {
                let host = if stream < 2 { &regions.east } else { &regions.west };
                for number in 0..EACH {
                    accepted(&settled(host, &pay(&format!("t-{stream}-{number}"), from, to, "0.01")).await);
                }
            })
        })
        .collect();
    for stream in streams {
        stream.await.unwrap();
    }
    assert_eq!((entries(&database).await, balances(&database).await.as_str()), (4 * EACH, "a 100.00, b 100.00"));
    assert_books_balance(&database, "100").await;

    // A server's process reports its deadlocks when it has ended.
    drop(regions);
    let watcher = database.connect().await;
    let others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    while watcher.query_one(others, &[]).await.unwrap().get::<_, i64>(0) > 0 {}
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(database.count(deadlocks).await, 0);
}

#[tokio::test]
async fn every_payload_that_is_wrong_is_a_rejection_and_leaves_nothing() {
    let database = support::database().await;
    let regions = regions(&database, "1000").await;
    let before = database.count("select count(*) from tenet.keys where accepted").await;
    let long = "x".repeat(65);
    let longer = "x".repeat(100_000);
    let digits = format!("0.{}1", "0".repeat(900));
    let zeros = format!("200.{}", "0".repeat(900));
    let mut wrong = vec![
        (pay("t", "a", "a", "1"), "same-account"),
        (pay("t", "a", "c", "1"), "no-account"),
        (pay("t", "c", "a", "1"), "no-account"),
        (pay("t", "c", "d", "1"), "no-account"),
        (pay("t", "a", "b", "200"), "insufficient-funds"),
        (pay("t", "a", "b", &zeros), "insufficient-funds"),
        (pay("t", "a", "b", "1000.01"), "daily-limit"),
        (pay("t", "a", "b", "9999999999.99"), "daily-limit"),
        (open("a", "1", "1"), "account-exists"),
        (show("c"), "no-account"),
    ];
    for amount in ["0", "-0.00", "0e9", "-1", "-1e-2", "0.001", "1e-400", "10000000000", "1e400", &digits] {
        wrong.push((pay("t", "a", "b", amount), "invalid-amount"));
    }
    for amount in ["-0.01", "0.001", "10000000000", "1e400", &digits] {
        wrong.push((open("c", amount, "1"), "invalid-amount"));
        wrong.push((open("c", "1", amount), "invalid-amount"));
    }
    for amount in ["1e1000", "\"1\"", "null", "true", "[1]", "{}"] {
        wrong.push((pay("t", "a", "b", amount), "invalid-payload"));
        wrong.push((open("c", amount, "1"), "invalid-payload"));
    }
    for id in ["", "a\\u0000", "\\u0000", "a b", "\u{e4}", "'; --", &long, &longer] {
        wrong.push((pay("t", id, "b", "1"), "invalid-payload"));
        wrong.push((pay("t", "a", id, "1"), "invalid-payload"));
        wrong.push((pay(id, "a", "b", "1"), "invalid-payload"));
        wrong.push((open(id, "1", "1"), "invalid-payload"));
        wrong.push((show(id), "invalid-payload"));
    }
    for missing in ["transfer_id", "from", "to", "amount"] {
        wrong.push((pay("t", "a", "b", "1").replace(missing, "other"), "invalid-payload"));
    }
    for (number, (event, code)) in wrong.iter().enumerate() {
        // A separate key each, so that invalid ids reach the rules.
        let event = event.replacen('{', &format!(r#"{{"idempotency_key":"{number}","#), 1);
        let handled = regions.east.invoke(&event).await;
        let shown: String = event.chars().take(300).collect();
        assert_eq!(handled.answer.status, Status::Rejected, "{shown}: {}", handled.answer.body);
        let body: Value = serde_json::from_str(&handled.answer.body).unwrap();
        assert_eq!(body["code"], *code, "{shown}: {body}");
    }
    assert_eq!(balances(&database).await, "a 100.00, b 100.00");
    assert_eq!((paid(&database).await.as_str(), entries(&database).await), ("", 0));
    assert_eq!(database.count("select count(*) from tenet.keys where accepted").await, before);
    assert!(regions.at_east.received().is_empty());
}

#[tokio::test]
async fn the_largest_amounts_can_be_paid_and_their_sums_kept() {
    let database = support::database().await;
    let regions = Regions::start("rules", database.url());
    let most = "9999999999.99";
    for account in ["a", "b", "c"] {
        accepted(&regions.east.invoke(&open(account, most, most)).await);
    }
    accepted(&regions.east.invoke(&pay("t-1", "a", "c", most)).await);
    accepted(&regions.west.invoke(&pay("t-2", "b", "c", most)).await);
    assert_eq!(balances(&database).await, "a 0.00, b 0.00, c 29999999999.97");
    assert_books_balance(&database, most).await;
}

#[tokio::test]
async fn an_account_is_opened_once() {
    let database = support::database().await;
    let regions = Arc::new(regions(&database, "50").await);
    let event = open("c", "1", "1");
    let (east, west) = tokio::join!(regions.east.invoke(&event), regions.west.invoke(&event));
    let (winner, loser) = if east.answer.status == Status::Accepted { (east, west) } else { (west, east) };
    assert_eq!((winner.answer.status, winner.answer.body.as_str()), (Status::Accepted, r#"{"account":"c"}"#));
    rejected(&loser, "account-exists");
    assert_eq!(balances(&database).await, "a 100.00, b 100.00, c 1.00");
}

#[tokio::test]
async fn a_transfer_costs_four_round_trips_and_showing_an_account_two() {
    let database = support::database().await;
    let regions = regions(&database, "50").await;
    for (event, round_trips) in [(pay("t-1", "a", "b", "1"), 4), (show("a"), 2), (open("c", "1", "1"), 3)] {
        let handled = regions.east.invoke(&event).await;
        accepted(&handled);
        assert_eq!((handled.receipt.round_trips, handled.receipt.attempts), (round_trips, 1), "{event}");
    }
}
