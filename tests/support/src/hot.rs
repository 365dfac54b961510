//! A few accounts that all clients use at once, transfers of 1.00 between them, and the invariants that hold once every
//! client has its answer.
//!
//! It depends on the example rules `limits` and `transfer` and their tables. A rich account can pay any amount that is
//! requested; the poor one may pay [`CEILING`] times a day, and each further transfer is rejected.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::http::Answer;

/// The operation with `transfer` alone, which the example bundle does not have.
pub const ALONE: &str = "transfer-alone";

/// The operation with `limits` and `transfer`.
pub const TRANSFER: &str = "transfer";

/// The operation with these two and `show-account`, which the example bundle does not have.
pub const SHOWN: &str = "transfer-and-show";

/// How often the poor account may pay.
pub const CEILING: usize = 20;

/// The initial balance of each account.
const BALANCE: u64 = 1_000_000;

/// The codes with which a healthy but overloaded host may answer.
pub const NOT_NOW: &[&str] = &["busy", "overloaded"];

/// The same if faults are injected into its connections too.
pub const NOT_NOW_UNDER_HARM: &[&str] = &["busy", "overloaded", "unavailable", "out-of-time", "outcome-unknown"];

/// One transfer of 1.00.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The operation: [`ALONE`], [`TRANSFER`] or [`SHOWN`].
    pub operation: &'static str,
    /// Its id, which is its key.
    pub id: String,
    /// The payer.
    pub from: String,
    /// The payee.
    pub to: String,
}

/// A response to a client.
#[derive(Clone, Debug)]
pub struct Told {
    /// The status code.
    pub status: u16,
    /// The output, or the problem.
    pub body: String,
    /// The number of attempts in its receipt, if there is one.
    pub attempts: Option<u64>,
}

/// A transfer with its final answer.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The request.
    pub transfer: Transfer,
    /// 200, or 422.
    pub status: u16,
    /// The output, or the rejection.
    pub body: String,
    /// How often it was sent.
    pub asked: usize,
}

/// Opens this many rich accounts, `rich-0` and so on, and the account `poor`.
pub async fn open(client: &Client, rich: usize) {
    let accounts = format!(
        "INSERT INTO accounts (id, balance, daily_ceiling, opened_at) \
         SELECT 'rich-' || n, {BALANCE}, 1000000000, now() FROM generate_series(0, {rich} - 1) n \
         UNION ALL SELECT 'poor', {BALANCE}, {CEILING}, now()"
    );
    client.batch_execute(&accounts).await.unwrap();
}

impl Transfer {
    /// A transfer from one rich account to the next: with consecutive numbers the transfers form a ring of `rich`
    /// accounts.
    pub fn in_ring(operation: &'static str, id: String, number: usize, rich: usize) -> Self {
        let (from, to) = (format!("rich-{}", number % rich), format!("rich-{}", (number + 1) % rich));
        Self { operation, id, from, to }
    }

    /// The payload.
    pub fn payload(&self) -> Value {
        let Self { id, from, to, .. } = self;
        json!({"transfer_id": id, "from": from, "to": to, "amount": 1, "account": from})
    }

    /// Retries until there is a final answer, at most this many times. The error describes the problem.
    pub async fn settle(&self, times: usize, ask: impl AsyncFn(&Self) -> Told) -> Result<Settled, String> {
        for asked in 1..=times {
            let told = ask(self).await;
            if let Some(settled) = self.settled(&told, asked, NOT_NOW)? {
                return Ok(settled);
            }
        }
        Err(format!("{self:?} was asked for {times} times and has no final answer"))
    }

    /// Classifies the answer to attempt number `asked`: a final answer; none if the client has to retry, because of a
    /// code in `not_now`; or an error, because no host should give this answer.
    pub fn settled(&self, told: &Told, asked: usize, not_now: &[&str]) -> Result<Option<Settled>, String> {
        let problem = told.problem();
        match told.status {
            200 | 422 => {
                let (transfer, body) = (self.clone(), told.body.clone());
                Ok(Some(Settled { transfer, status: told.status, body, asked }))
            }
            503 if not_now.iter().any(|code| problem["code"] == *code) && problem["key"] == *self.id => Ok(None),
            _ => Err(format!("{self:?} was answered {told:?}")),
        }
    }
}

impl Told {
    /// A function's response to an HTTP request.
    pub fn of_event(event: &Value) -> Self {
        let receipt = event["headers"]["tenet-receipt"].as_str();
        Self {
            status: event["statusCode"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or_default(),
            body: event["body"].as_str().unwrap_or_default().to_owned(),
            attempts: receipt.and_then(attempts),
        }
    }

    /// The body of an answer that is not an output.
    pub fn problem(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl From<Answer> for Told {
    fn from(answer: Answer) -> Self {
        let attempts = answer.header("tenet-receipt").and_then(attempts);
        Self { status: answer.status, attempts, body: answer.body }
    }
}

/// The number of attempts in a receipt.
fn attempts(receipt: &str) -> Option<u64> {
    receipt.split(", ").find_map(|part| part.strip_prefix("attempts="))?.parse().ok()
}

/// Compares the answers with the stored data. Returns a list of differences.
pub async fn audit(client: &Client, settled: &[Settled]) -> Vec<String> {
    let mut wrong = Vec::new();
    let rows = client.query("SELECT operation, key, accepted, answer FROM tenet.keys", &[]).await.unwrap();
    let stored: BTreeMap<(String, String), (bool, String)> =
        rows.iter().map(|row| ((row.get(0), row.get(1)), (row.get(2), row.get(3)))).collect();
    let sql = "SELECT transfer_id, count(*), min(id::text) FROM ledger GROUP BY 1";
    let rows = client.query(sql, &[]).await.unwrap();
    let posted: BTreeMap<String, (i64, String)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();

    let (mut known, mut accepted, mut limited) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for Settled { transfer, status, body, .. } in settled {
        let Transfer { operation, id, from, .. } = transfer;
        let name = ((*operation).to_owned(), id.clone());
        let is_accepted = *status == 200;
        match stored.get(&name) {
            None => wrong.push(format!("{name:?} was answered {status}, and its key has no answer")),
            Some((true, answer)) if is_accepted && answer == body => {}
            Some((false, answer)) if !is_accepted && code(answer) == code(body) => {}
            Some(answer) => wrong.push(format!("{name:?} was answered {status} {body}, and stored is {answer:?}")),
        }
        if is_accepted {
            let output: Value = serde_json::from_str(body).unwrap_or_default();
            match posted.get(id) {
                Some((1, ledger_id)) if output["ledger_id"].as_str().is_none_or(|told| told == ledger_id) => {}
                row => wrong.push(format!("{name:?} was answered {body}, and the ledger has {row:?}")),
            }
            accepted.insert(id);
            if *operation != ALONE {
                limited.insert(id);
            }
        } else if code(body) != "daily-limit" || from != "poor" {
            wrong.push(format!("{name:?} was rejected: {body}"));
        }
        known.insert(name);
    }
    let invented = stored.keys().filter(|name| !known.contains(name));
    wrong.extend(invented.map(|name| format!("{name:?} has a stored answer, and no client received one")));
    let invented = posted.keys().filter(|id| !accepted.contains(id));
    wrong.extend(invented.map(|id| format!("{id} is in the ledger, and no client received its acceptance")));

    let ledger = |who: &str| format!("(SELECT count(*) FROM ledger WHERE {who} = accounts.id)");
    let rejected = settled.iter().any(|settled| settled.status == 422);
    for (what, sql) in [
        (
            "balances are not what the ledger makes of them",
            format!("SELECT 1 FROM accounts WHERE balance <> {BALANCE} + {} - {}", ledger("payee"), ledger("payer")),
        ),
        (
            "the sum of all balances has changed",
            format!("SELECT 1 FROM accounts HAVING sum(balance) <> count(*) * {BALANCE}"),
        ),
        (
            "the days' totals are not what was accepted",
            format!("SELECT 1 FROM daily_totals HAVING coalesce(sum(paid), 0) <> {}", limited.len()),
        ),
        (
            "an account has paid more than it may",
            "SELECT 1 FROM daily_totals JOIN accounts ON account_id = id WHERE paid > daily_ceiling".to_owned(),
        ),
        (
            "a transfer was rejected that was within the ceiling",
            format!(
                "SELECT 1 WHERE {rejected} AND NOT EXISTS \
                 (SELECT 1 FROM daily_totals WHERE account_id = 'poor' AND paid = {CEILING})"
            ),
        ),
        (
            "sessions are in the middle of a transaction",
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'".to_owned(),
        ),
    ] {
        if !client.query(&sql, &[]).await.unwrap().is_empty() {
            wrong.push(what.to_owned());
        }
    }
    wrong
}

/// The code of a problem.
fn code(problem: &str) -> String {
    let problem: Value = serde_json::from_str(problem).unwrap_or_default();
    problem["code"].as_str().unwrap_or_default().to_owned()
}
