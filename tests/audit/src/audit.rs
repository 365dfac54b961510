use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tenet_core::{CallerId, EventId, IdempotencyKey, Timestamp};
use tokio_postgres::Client;

use crate::accounts::{ACCOUNTS, START};
use crate::arrivals::{Arrivals, Arrived};
use crate::chains::{self, Chains, is_step};
use crate::effect::Effect;
use crate::journal::{Entry, Journal};
use crate::name::Name;
use crate::wrong::Kind;

/// Compares the answers, the stored data and the events that arrived.
#[derive(Debug)]
pub struct Audit<'a> {
    journal: &'a Journal,
    entries: BTreeMap<Name, Entry>,
    /// The rows of `tenet.keys`.
    stored: BTreeMap<Name, Stored>,
    /// The transfers of ledger rows, by the rows' ids.
    ledger: BTreeMap<String, String>,
    /// Ids of transactions.
    written: BTreeSet<String>,
}

/// A stored answer.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Whether it was accepted.
    pub accepted: bool,
    /// The text.
    pub body: String,
    /// The time of the request, in microseconds.
    pub now: i64,
}

impl<'a> Audit<'a> {
    /// Reads the contents of the database.
    pub async fn read(client: &Client, journal: &'a Journal) -> anyhow::Result<Self> {
        let sql = "SELECT operation, caller, key, accepted, answer, (extract(epoch from now) * 1000000)::bigint FROM tenet.keys";
        let rows = client.query(sql, &[]).await?;
        let stored = rows.iter().map(|row| {
            let name = Name { operation: row.get(0), caller: row.get(1), key: row.get(2) };
            (name, Stored { accepted: row.get(3), body: row.get(4), now: row.get(5) })
        });
        let stored = stored.collect();
        let rows = client.query("SELECT id::text, transfer_id FROM ledger", &[]).await?;
        let ledger = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let rows = client.query("SELECT id FROM transactions", &[]).await?;
        let written = rows.iter().map(|row| row.get(0)).collect();
        Ok(Self { journal, entries: journal.entries(), stored, ledger, written })
    }

    /// How many events have to arrive at both buses: one for each accepted answer of these
    /// operations.
    pub fn due(&self) -> usize {
        self.published().count()
    }

    /// The accepted answers that have an event.
    fn published(&self) -> impl Iterator<Item = (&Name, &Stored)> {
        self.accepted().filter(|(name, _)| Effect::of(&name.operation) != Effect::Nothing)
    }

    /// The accepted answers.
    pub fn accepted(&self) -> impl Iterator<Item = (&Name, &Stored)> {
        self.stored.iter().filter(|(_, stored)| stored.accepted)
    }

    fn wrong(&self, kind: Kind, name: &Name, text: impl Into<String>) {
        self.journal.wrong(kind, Some(name.clone()), text.into());
    }

    /// Every answer is stored as the caller received it, and nothing is stored that was not
    /// requested.
    pub fn answers(&self) {
        for (name, entry) in &self.entries {
            let answers: Vec<_> = entry.asked.values().collect();
            let kept: Vec<_> = answers.iter().copied().flatten().filter(|(status, _)| *status != 409).collect();
            match self.stored.get(name) {
                None => {
                    if entry.settled {
                        self.wrong(Kind::Lost, name, "a queue was allowed to delete it, and there is no such key");
                    }
                    for answer in answers.iter().copied().flatten() {
                        self.wrong(Kind::Lost, name, format!("was answered {answer:?}, and there is no such key"));
                    }
                }
                Some(Stored { accepted, body, .. }) => {
                    let status = if *accepted { 200 } else { 422 };
                    for answer in kept {
                        if *answer != (status, body.clone()) {
                            self.wrong(
                                Kind::Lost,
                                name,
                                format!("was answered {answer:?}, and kept is {status} {body}"),
                            );
                        }
                    }
                }
            }
            if answers.iter().any(|answer| answer.is_none()) && !entry.may_fail {
                self.wrong(Kind::Failed, name, "has no final answer although all is well");
            }
        }
        for name in self.stored.keys().filter(|name| !self.entries.contains_key(name) && !is_step(name)) {
            self.wrong(Kind::Invented, name, "is a key that no client has used");
        }
    }

    /// Every accepted answer has exactly one row, and every row an accepted answer.
    pub fn effects(&self) {
        let mut ledger = self.ledger.clone();
        let mut written = self.written.clone();
        for (name, Stored { body, .. }) in self.accepted() {
            let output: Value = serde_json::from_str(body).unwrap_or_default();
            let there = match Effect::of(&name.operation) {
                Effect::Transaction => written.remove(output["transaction_id"].as_str().unwrap_or_default()),
                Effect::Ledger => ledger.remove(output["ledger_id"].as_str().unwrap_or_default()).is_some(),
                Effect::Counter | Effect::Nothing => true,
            };
            if !there {
                self.wrong(Kind::Lost, name, format!("is accepted and has no row: {body}"));
            }
        }
        for (id, transfer) in ledger {
            let again = self.accepted().any(|(_, Stored { body, .. })| body.contains(&format!("{transfer:?}")));
            let kind = if again { Kind::Doubled } else { Kind::Invented };
            self.journal.wrong(kind, None, format!("the ledger's row {id} of the transfer {transfer} has no answer"));
        }
        for id in written {
            let text = format!("the row {id} of transactions has no accepted answer");
            self.journal.wrong(Kind::Invented, None, text);
        }
    }

    /// Each account has its initial balance plus what the ledger says, and has paid what the ledger
    /// says and no more than its ceiling.
    pub async fn books(&self, client: &Client) -> anyhow::Result<()> {
        let start = format!("{START}::bigint / 100.0");
        for (kind, what, sql) in [
            (
                Kind::Invented,
                "balances that are not what their ledger says",
                format!(
                    "SELECT id FROM accounts WHERE balance <> {start} \
                     + (SELECT coalesce(sum(amount), 0) FROM ledger WHERE payee = accounts.id) \
                     - (SELECT coalesce(sum(amount), 0) FROM ledger WHERE payer = accounts.id)"
                ),
            ),
            (
                Kind::Invented,
                "the sum of all balances has changed",
                format!("SELECT 'all' FROM accounts HAVING sum(balance) <> {ACCOUNTS} * {start}"),
            ),
            (Kind::Invented, "negative balances", "SELECT id FROM accounts WHERE balance < 0".to_owned()),
            (
                Kind::Invented,
                "days that are not what the ledger says",
                "SELECT coalesce(account_id, payer) FROM daily_totals FULL JOIN \
                 (SELECT payer, (posted_at AT TIME ZONE 'UTC')::date AS day, sum(amount) AS sum FROM ledger GROUP BY 1, 2) l \
                 ON account_id = payer AND daily_totals.day = l.day WHERE paid IS DISTINCT FROM sum"
                    .to_owned(),
            ),
            (
                Kind::Invented,
                "ceilings that were passed",
                "SELECT id FROM daily_totals JOIN accounts ON id = account_id WHERE paid > daily_ceiling".to_owned(),
            ),
        ] {
            let rows = client.query(&sql, &[]).await?;
            if !rows.is_empty() {
                let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
                self.journal.wrong(kind, None, format!("{what}: {}", ids.join(", ")));
            }
        }
        Ok(())
    }

    /// Each counter is as many as were accepted for it, and no two of them were given the same value.
    pub async fn counters(&self, client: &Client) -> anyhow::Result<()> {
        let mut counted: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
        for (name, Stored { body, .. }) in self.accepted() {
            if Effect::of(&name.operation) == Effect::Counter {
                let output: Value = serde_json::from_str(body).unwrap_or_default();
                let (id, value) = (output["id"].as_i64().unwrap_or(-1), output["value"].as_i64().unwrap_or(-1));
                if !counted.entry(i32::try_from(id)?).or_default().insert(value) {
                    self.wrong(Kind::Doubled, name, format!("the counter {id} was given the value {value} twice"));
                }
            }
        }
        for row in client.query("SELECT id, value FROM counters", &[]).await? {
            let (id, value): (i32, i64) = (row.get(0), row.get(1));
            if chains::COUNTERS.contains(&id) {
                continue;
            }
            let accepted = counted.get(&id).map_or(0, |values| values.len() as i64);
            if value != accepted {
                let kind = if value < accepted { Kind::Lost } else { Kind::Invented };
                self.journal.wrong(kind, None, format!("the counter {id} is {value}, and {accepted} were accepted"));
            }
        }
        Ok(())
    }

    /// Each step of a chain has its answer and its effect once, no other has one, and none is left to run.
    pub async fn chains(&self, client: &Client) -> anyhow::Result<()> {
        let Chains { accepted, missing, invented } = Chains::of(&self.stored);
        for (name, id) in missing {
            self.wrong(Kind::Lost, &name, format!("its step {id} has no answer"));
        }
        for name in invented {
            self.wrong(Kind::Invented, &name, "is a step that no committed transaction has scheduled");
        }
        let sql = "SELECT coalesce(sum(value), 0)::bigint FROM counters WHERE id >= $1 AND id < $2";
        let counted: i64 = client.query_one(sql, &[&chains::COUNTERS.start, &chains::COUNTERS.end]).await?.get(0);
        let accepted = i64::try_from(accepted)?;
        if counted != accepted {
            let kind = if counted < accepted { Kind::Lost } else { Kind::Doubled };
            self.journal.wrong(
                kind,
                None,
                format!("steps of chains have counted {counted}, and {accepted} were accepted"),
            );
        }
        let left =
            "SELECT id::text, due::text, region, failures, coalesce(parent::text, 'a request') FROM tenet.follow_ups";
        for row in client.query(left, &[]).await? {
            let text = |column: usize| row.get::<_, String>(column);
            let (id, failures) = (text(0), row.get::<_, i32>(3));
            let answer = self.stored.keys().find(|name| name.key == id).map_or("no answer", |_| "an answer");
            let of = format!("due {} in {} after {}, {failures} failures", text(1), text(2), text(4));
            self.journal.wrong(Kind::Failed, None, format!("the follow-up {id} waits, with {answer}: {of}"));
        }
        Ok(())
    }

    /// Each accepted answer has its event at both buses, with one content per id, and no other
    /// event has arrived.
    pub fn events(&self, arrivals: &Arrivals) {
        let mut arrived = arrivals.all();
        for (name, Stored { body, now, .. }) in self.published() {
            let Ok(key) = IdempotencyKey::new(name.key.clone()) else { continue };
            let Some(caller) = CallerId::parse(&name.caller) else { continue };
            let id = EventId::derive(&name.operation, caller, &key, Timestamp(*now), 0).to_string();
            match arrived.remove(&id) {
                None => self.wrong(Kind::Lost, name, format!("its event {id} has arrived nowhere")),
                Some(contents) => self.event(name, body, &id, &contents),
            }
        }
        for (id, contents) in arrived {
            let text = format!("the event {id} has no accepted answer: {:?}", contents.keys().next());
            self.journal.wrong(Kind::Invented, None, text);
        }
    }

    fn event(&self, name: &Name, body: &str, id: &str, contents: &Arrived) {
        if contents.len() > 1 {
            let text = format!("its event {id} has {} contents: {:?}", contents.len(), contents.keys());
            self.wrong(Kind::Doubled, name, text);
        }
        let output: Value = serde_json::from_str(body).unwrap_or_default();
        let nonce = &output[Effect::of(&name.operation).shown_by()];
        for content in contents.keys().filter(|content| !content.contains(&nonce.to_string())) {
            self.wrong(Kind::Invented, name, format!("its event {id} is another's: {content}"));
        }
        for (bus, place) in [("the first bus", 0), ("the second bus", 1)] {
            if contents.values().all(|times| times[place] == 0) {
                self.wrong(Kind::Lost, name, format!("its event {id} has not arrived at {bus}"));
            }
        }
    }
}
