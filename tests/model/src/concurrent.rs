//! Transactions that run at the same time on the model, and the history of what they saw.

use fastrand::Rng;
use tokio_postgres::Client;

use crate::history::{History, Operation, Transaction};
use crate::sides::ModelSide;

/// Generated transactions on several connections of one model.
pub struct Concurrent {
    /// Decides the transactions and the order of their steps.
    pub seed: u64,
    /// How many connections there are.
    pub connections: usize,
    /// How many transactions are run.
    pub transactions: usize,
    /// How many lists there are.
    pub keys: u32,
    /// Whether rows that are only read are locked FOR UPDATE, which prevents write skew.
    pub locks_reads: bool,
}

/// A connection, and its open transaction.
struct Session {
    client: Client,
    open: Option<Open>,
}

struct Open {
    operations: Vec<Operation>,
    began: Option<usize>,
    left: u32,
}

impl Concurrent {
    /// Runs the transactions, and then one that reads all lists.
    pub async fn run(&self) -> anyhow::Result<History> {
        let mut rng = Rng::with_seed(self.seed);
        let model = ModelSide::new(self.seed).cluster();
        let setup = model.connect().await?;
        setup.batch_execute("CREATE TABLE lists (id int PRIMARY KEY, numbers text NOT NULL)").await?;
        let values: Vec<_> = (0..self.keys).map(|key| format!("({key}, '')")).collect();
        setup.batch_execute(&format!("INSERT INTO lists VALUES {}", values.join(", "))).await?;
        let mut sessions = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            sessions.push(Session { client: model.connect().await?, open: None });
        }
        let mut history = History::default();
        let (mut step, mut number) = (0, 0);
        while history.transactions.len() < self.transactions {
            step += 1;
            let at = rng.usize(..sessions.len());
            let Some(session) = sessions.get_mut(at) else { continue };
            self.step(session, &mut rng, step, &mut number, &mut history).await?;
        }
        let last = Session { client: setup, open: None };
        let mut operations = Vec::new();
        for key in 0..self.keys {
            operations.push(Operation::Read { key, list: read(&last.client, key, "").await? });
        }
        step += 1;
        // Those that are still open are as good as rolled back.
        history.transactions.push(Transaction { operations, is_committed: true, began: step, ended: step + 1 });
        Ok(history)
    }

    async fn step(
        &self,
        session: &mut Session,
        rng: &mut Rng,
        step: usize,
        number: &mut u64,
        history: &mut History,
    ) -> anyhow::Result<()> {
        let Session { client, open } = session;
        let Some(transaction) = open else {
            client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
            *open = Some(Open { operations: Vec::new(), began: None, left: rng.u32(1..5) });
            return Ok(());
        };
        if transaction.left == 0 {
            let ends = if rng.u8(..10) == 0 { "ROLLBACK" } else { "COMMIT" };
            let ended = client.batch_execute(ends).await;
            if let Err(error) = &ended
                && error.code().map(tokio_postgres::error::SqlState::code) != Some("40001")
            {
                anyhow::bail!("{ends}: {error:?}");
            }
            if let Some(Open { operations, began, .. }) = open.take() {
                let is_committed = ended.is_ok() && ends == "COMMIT";
                history.transactions.push(Transaction {
                    operations,
                    is_committed,
                    began: began.unwrap_or(step),
                    ended: step,
                });
            }
            return Ok(());
        }
        transaction.left -= 1;
        transaction.began = transaction.began.or(Some(step));
        let key = rng.u32(..self.keys);
        if rng.bool() {
            let lock = if self.locks_reads { " FOR UPDATE" } else { "" };
            let list = read(client, key, lock).await?;
            transaction.operations.push(Operation::Read { key, list });
        } else {
            *number += 1;
            let append = format!("UPDATE lists SET numbers = numbers || ' {number}' WHERE id = {key}");
            client.batch_execute(&append).await?;
            transaction.operations.push(Operation::Append { key, number: *number });
        }
        Ok(())
    }
}

async fn read(client: &Client, key: u32, lock: &str) -> anyhow::Result<Vec<u64>> {
    let row = client.query_one(&format!("SELECT numbers FROM lists WHERE id = {key}{lock}"), &[]).await?;
    let numbers: &str = row.try_get(0)?;
    Ok(numbers.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}
