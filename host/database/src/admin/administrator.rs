use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tenet_core::{Fault, quote_identifier};
use tokio::time::timeout_at;
use tokio_postgres::Error;
use tokio_postgres::types::Type;

use crate::connect::connection::{Connection, SEARCH_PATH};
use crate::connect::endpoint::Endpoint;
use crate::statements::failure;

/// How many times a statement is attempted that conflicts with a concurrent change of the
/// catalogue, and the pause after the first attempt. The pause grows with every further attempt.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// A connection for deployment: creates roles and grants, and reads the state of the database. It
/// signs in with a role that may do so: on DSQL that is `admin`.
pub struct Administrator {
    connection: Connection,
    is_dsql: bool,
    deadline: Instant,
}

/// Counts of committed events that are not delivered yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Events that the relay will offer.
    pub waiting: u64,
    /// Parked events, which no bus accepts.
    pub parked: u64,
    /// Age of the oldest waiting event, in seconds.
    pub oldest_s: u64,
}

impl Administrator {
    /// Connects. The deadline is for the connection and for all later calls.
    pub async fn open(endpoint: &Endpoint, deadline: Instant) -> Result<Self, Fault> {
        let connection = endpoint.connect(deadline).await?;
        let this = Self { connection, is_dsql: endpoint.is_dsql(), deadline };
        this.by_deadline(this.connection.client.batch_execute(SEARCH_PATH)).await?;
        Ok(this)
    }

    /// Creates a role if it does not exist, lets these IAM roles sign in as it
    /// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/using-database-and-iam-roles.html>),
    /// and runs these GRANT statements. Skips what is already done, because every GRANT makes all
    /// sessions reload the catalogue. Returns one line for each change.
    ///
    /// PostgreSQL has no IAM, so the IAM roles are skipped there.
    pub async fn admit(&self, role: &str, principals: &[String], grants: &[String]) -> Result<Vec<String>, Fault> {
        self.by_deadline(async {
            let mut done = Vec::new();
            let client = &self.connection.client;
            let quoted = quote_identifier(role);
            if client.query_typed("SELECT 1 FROM pg_roles WHERE rolname = $1", &[(&role, Type::TEXT)]).await?.is_empty()
            {
                self.run(&format!("CREATE ROLE {quoted} WITH LOGIN")).await?;
                done.push(format!("role {role} is made"));
            }
            if self.is_dsql {
                let sql = "SELECT arn FROM sys.iam_pg_role_mappings WHERE pg_role_name = $1";
                let rows = client.query_typed(sql, &[(&role, Type::TEXT)]).await?;
                let known: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
                for arn in principals.iter().filter(|arn| !known.contains(arn)) {
                    self.run(&format!("AWS IAM GRANT {quoted} TO '{}'", arn.replace('\'', "''"))).await?;
                    done.push(format!("{arn} signs in as {role}"));
                }
            }
            let (name, digest) = (format!("grants/{role}"), Sha256::digest(grants.join(";\n")).to_vec());
            let sql = "SELECT 1 FROM tenet.steps WHERE name = $1 AND sha256 = $2";
            let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
                [(&name, Type::TEXT), (&digest, Type::BYTEA)];
            if client.query_typed(sql, &parameters).await?.is_empty() {
                for grant in grants {
                    self.run(grant).await?;
                }
                let sql = "INSERT INTO tenet.steps (name, sha256, applied_at) VALUES ($1, $2, now()) \
                           ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = excluded.applied_at";
                client.execute_typed(sql, &parameters).await?;
                done.push(format!("{} grants to {role}", grants.len()));
            }
            Ok(done)
        })
        .await
    }

    /// The identity of the database: a UUID, as text.
    pub async fn identity(&self) -> Result<String, Fault> {
        self.by_deadline(async {
            let rows = self.connection.client.query_typed("SELECT id::text FROM tenet.identity", &[]).await?;
            rows.first().map_or(Ok(String::new()), |row| row.try_get(0))
        })
        .await
    }

    /// Counts the events in the outbox.
    pub async fn waiting(&self) -> Result<Waiting, Fault> {
        self.by_deadline(async {
            let sql = "SELECT count(*) - count(parked), count(parked), \
                       coalesce(extract(epoch FROM now() - min(CASE WHEN parked IS NULL THEN at END))::bigint, 0) \
                       FROM tenet.outbox";
            let rows = self.connection.client.query_typed(sql, &[]).await?;
            let Some(row) = rows.first() else { return Ok(Waiting::default()) };
            let number = |place| row.try_get(place).map(|number: i64| u64::try_from(number).unwrap_or_default());
            Ok(Waiting { waiting: number(0)?, parked: number(1)?, oldest_s: number(2)? })
        })
        .await
    }

    async fn by_deadline<T>(&self, doing: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
        let done = timeout_at(self.deadline.into(), doing).await.map_err(|_| failure::late())?;
        done.map_err(|error| Fault::other(None, failure::describe(&error)))
    }

    /// Runs one statement, and retries it after a concurrent change of the catalogue.
    async fn run(&self, sql: &str) -> Result<(), Error> {
        let mut tries = 1;
        loop {
            match self.connection.client.batch_execute(sql).await {
                Err(error) if tries < TRIES && matches!(failure::code(&error), Some("40001" | "XX000")) => {
                    tokio::time::sleep(PAUSE * tries).await;
                    tries += 1;
                }
                // Another session has just created it.
                Err(error) if failure::code(&error) == Some("42710") => return Ok(()),
                done => return done,
            }
        }
    }
}
