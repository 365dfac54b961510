use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{bail, ensure};
use futures_util::future::{poll_fn, try_join};
use tenet_core::{CallerId, Digest, EventId, IdempotencyKey, Timestamp, hex};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, NoTls, Row};

/// The example transfer as a careful engineer writes it by hand with tokio-postgres, with the
/// guarantees that a host gives a rule: one answer per key, events bound to the commit, retries
/// after conflicts.
///
/// It sends the same statements as the rules and the host, with the same batching, typed and
/// unprepared, and waits for BEGIN before it writes.
pub struct Direct {
    client: Client,
}

/// A committed transfer, with its event in the outbox.
pub struct Posted(EventId);

type Answers = Result<Vec<Row>, Error>;

impl Direct {
    /// Opens a connection.
    ///
    /// # Errors
    /// Fails if the database is unreachable.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let (client, driver) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(driver);
        Ok(Self { client })
    }

    /// Moves money. Returns when the commit is certain.
    ///
    /// # Errors
    /// Fails if the transfer is refused: the accounts of a benchmark are rich.
    pub async fn transfer(&self, id: &str, from: &str, to: &str, amount: &str) -> anyhow::Result<Posted> {
        loop {
            match self.attempt(id, from, to, amount).await {
                Ok(posted) => return Ok(posted),
                Err(error) => match error.downcast_ref::<Error>().and_then(Error::code) {
                    Some(code) if ["40001", "40P01", "55P03"].contains(&code.code()) => {
                        self.client.batch_execute("ROLLBACK").await?;
                        tokio::time::sleep(Duration::from_micros(fastrand::u64(0..4000))).await;
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// Removes the event from the outbox after a bus has accepted it.
    ///
    /// # Errors
    /// Fails if the database does.
    pub async fn forget(&self, Posted(id): &Posted) -> anyhow::Result<()> {
        let id = id.to_string();
        self.query("DELETE FROM tenet.outbox WHERE id = $1::uuid", &[(&id, Type::TEXT)]).await?;
        Ok(())
    }

    async fn attempt(&self, id: &str, from: &str, to: &str, amount: &str) -> anyhow::Result<Posted> {
        let micros = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
        let payload = format!(r#"{{"transfer_id":"{id}","from":"{from}","to":"{to}","amount":{amount}}}"#);
        let digest = Digest::of(&payload).map_err(|error| anyhow::anyhow!("{error}"))?;
        let key = IdempotencyKey::new(id)?;

        let look_up = "SELECT accepted, answer, digest, now FROM tenet.keys \
                       WHERE operation = $1 AND caller = $2 AND key = $3";
        let scope: [(&(dyn ToSql + Sync), Type); 3] = [(&"transfer", Type::TEXT), (&"", Type::TEXT), (&id, Type::TEXT)];
        let begin = self.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        let ((), found) = try_join(begin, self.query(look_up, &scope)).await?;
        if !found.is_empty() {
            bail!("{id} has an answer");
        }

        let pay = "INSERT INTO daily_totals (account_id, day, paid) \
                   SELECT id, to_timestamp($2::bigint / 1000000.0)::date, $3::numeric FROM accounts WHERE id = $1 \
                   ON CONFLICT (account_id, day) DO UPDATE SET paid = daily_totals.paid + excluded.paid \
                   RETURNING paid, (SELECT daily_ceiling FROM accounts WHERE id = $1) AS ceiling";
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&from, Type::TEXT), (&micros, Type::INT8), (&amount, Type::TEXT)];
        ensure!(self.query(pay, &parameters).await?.len() == 1, "there is no account {from}");

        let change = "UPDATE accounts SET balance = balance + $2::numeric \
                      WHERE id = $1 AND balance + $2::numeric >= 0 RETURNING 1";
        let less = format!("-{amount}");
        let mut changes = [(from, less.as_str()), (to, amount)];
        changes.sort_unstable();
        let ledger_id = uuid();
        let post = "INSERT INTO ledger (id, transfer_id, payer, payee, amount, posted_at) \
                    VALUES ($1::uuid, $2, $3, $4, $5::numeric, to_timestamp($6::bigint / 1000000.0))";
        let of = |place: usize| -> [(&(dyn ToSql + Sync), Type); 2] {
            let (account, by) = changes.get(place).unwrap_or(&changes[0]);
            [(account, Type::TEXT), (by, Type::TEXT)]
        };
        let (first, second) = (of(0), of(1));
        let entry: [(&(dyn ToSql + Sync), Type); 6] = [
            (&ledger_id, Type::TEXT),
            (&id, Type::TEXT),
            (&from, Type::TEXT),
            (&to, Type::TEXT),
            (&amount, Type::TEXT),
            (&micros, Type::INT8),
        ];
        let batch = [self.later(change, &first), self.later(change, &second), self.later(post, &entry)];
        let changed: Vec<usize> =
            in_one_flight(batch).await.into_iter().map(|rows| Ok(rows?.len())).collect::<Result<_, Error>>()?;
        ensure!(changed == [1, 1, 0], "the accounts have too little");

        let answer = format!(r#"{{"transfer_id":"{id}","ledger_id":"{ledger_id}"}}"#);
        let detail = format!(
            r#"{{"transfer_id":"{id}","ledger_id":"{ledger_id}","from":"{from}","to":"{to}","amount":{amount}}}"#
        );
        let event = EventId::derive("transfer", CallerId::ANONYMOUS, &key, Timestamp(micros), 0);
        let event_id = event.to_string();
        let publish = "INSERT INTO tenet.outbox \
                       (id, operation, caller, key, ordinal, source, detail_type, detail, region, at, trace) \
                       VALUES ($1::uuid, $2, '', $3, 0, 'dsql.application', 'Transfer Posted', $4, 'us-east-1', \
                       to_timestamp($5::bigint / 1000000.0), NULL)";
        let row: [(&(dyn ToSql + Sync), Type); 5] = [
            (&event_id, Type::TEXT),
            (&"transfer", Type::TEXT),
            (&id, Type::TEXT),
            (&detail, Type::TEXT),
            (&micros, Type::INT8),
        ];
        let store = "INSERT INTO tenet.keys (operation, caller, key, digest, accepted, answer, now, stored_at, region) \
                     VALUES ($1, '', $2, $3, true, $4, to_timestamp($5::bigint / 1000000.0), now(), 'us-east-1') \
                     RETURNING 1";
        let digest: &[u8] = digest.as_bytes();
        let answered: [(&(dyn ToSql + Sync), Type); 5] = [
            (&"transfer", Type::TEXT),
            (&id, Type::TEXT),
            (&digest, Type::BYTEA),
            (&answer, Type::TEXT),
            (&micros, Type::INT8),
        ];
        let commit = async { self.client.batch_execute("COMMIT").await.map(|()| Vec::new()) };
        let last = [self.later(publish, &row), self.later(store, &answered), Box::pin(commit)];
        let stored: Vec<usize> =
            in_one_flight(last).await.into_iter().map(|rows| Ok(rows?.len())).collect::<Result<_, Error>>()?;
        ensure!(stored == [0, 1, 0], "the answer was not stored");
        Ok(Posted(event))
    }

    async fn query(&self, sql: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Answers {
        self.client.query_typed(sql, parameters).await
    }

    fn later<'a>(
        &'a self,
        sql: &'a str,
        parameters: &'a [(&'a (dyn ToSql + Sync), Type)],
    ) -> Pin<Box<dyn Future<Output = Answers> + Send + 'a>> {
        Box::pin(self.query(sql, parameters))
    }
}

/// Sends all before waiting for any, as the driver does for futures that are polled together.
async fn in_one_flight<'a, const N: usize>(
    mut futures: [Pin<Box<dyn Future<Output = Answers> + Send + 'a>>; N],
) -> Vec<Answers> {
    let mut early: Vec<Option<Answers>> = (0..N).map(|_| None).collect();
    poll_fn(|context| {
        for (future, slot) in futures.iter_mut().zip(&mut early) {
            if let std::task::Poll::Ready(answer) = future.as_mut().poll(context) {
                *slot = Some(answer);
            }
        }
        std::task::Poll::Ready(())
    })
    .await;
    let mut answers = Vec::with_capacity(N);
    for (future, early) in futures.into_iter().zip(early) {
        answers.push(match early {
            Some(answer) => answer,
            None => future.await,
        });
    }
    answers
}

/// A random id in the form of a UUID.
fn uuid() -> String {
    let text = hex(&fastrand::u128(..).to_be_bytes());
    let part = |from, to| text.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}
