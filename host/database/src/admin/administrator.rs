use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tenet_core::{Fault, quote_identifier};
use tokio::time::timeout_at;
use tokio_postgres::Error;
use tokio_postgres::types::{ToSql, Type};

use crate::connect::connection::{Connection, SEARCH_PATH};
use crate::connect::endpoint::Endpoint;
use crate::statements::failure;

/// How many times a statement is attempted that conflicts with a concurrent change of the
/// catalogue, and the pause after the first attempt. The pause grows with every further attempt.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// What the names of recorded grants begin with.
pub(crate) const GRANTS: &str = "grants/";

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

/// What a role lacks.
struct Access {
    is_new: bool,
    /// The IAM roles that cannot sign in as it.
    principals: Vec<String>,
}

fn create(role: &str) -> String {
    format!("CREATE ROLE {} WITH LOGIN", quote_identifier(role))
}

fn sign_in(role: &str, arn: &str) -> String {
    format!("AWS IAM GRANT {} TO '{}'", quote_identifier(role), arn.replace('\'', "''"))
}

/// The name under which a grant is recorded among the steps.
fn step(role: &str, grant: &str) -> String {
    let digest: String = Sha256::digest(grant).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{GRANTS}{role}/{digest}")
}

impl Administrator {
    /// Connects. The deadline is for the connection and for all later calls.
    pub async fn open(endpoint: &Endpoint, deadline: Instant) -> Result<Self, Fault> {
        let connection = endpoint.connect(deadline).await?;
        let this = Self { connection, is_dsql: endpoint.is_dsql(), deadline };
        this.by_deadline(this.connection.client.batch_execute(SEARCH_PATH)).await?;
        Ok(this)
    }

    /// The statements that [`Self::admit`] would run. Changes nothing.
    ///
    /// A database without the host's tables lacks everything.
    pub async fn lacking(&self, role: &str, principals: &[String], grants: &[String]) -> Result<Vec<String>, Fault> {
        self.by_deadline(async {
            let access = self.access(role, principals).await?;
            let is_new = access.is_new;
            let granted = if is_new { Vec::new() } else { self.granted().await? };
            let of_role =
                is_new.then(|| create(role)).into_iter().chain(access.principals.iter().map(|arn| sign_in(role, arn)));
            let grants = grants.iter().filter(|grant| !granted.contains(&step(role, grant)));
            Ok(of_role.chain(grants.cloned()).collect())
        })
        .await
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
            let access = self.access(role, principals).await?;
            if access.is_new {
                self.run(&create(role)).await?;
                done.push(format!("role {role} is made"));
            }
            for arn in &access.principals {
                self.run(&sign_in(role, arn)).await?;
                done.push(format!("{arn} signs in as {role}"));
            }
            // What an earlier role of this name was granted is gone with it.
            let granted = if access.is_new { Vec::new() } else { self.granted().await? };
            let mut count = 0;
            for grant in grants.iter().filter(|grant| !granted.contains(&step(role, grant))) {
                self.run(grant).await?;
                let (name, digest) = (step(role, grant), Sha256::digest(grant).to_vec());
                let sql = "INSERT INTO tenet.steps (name, sha256, applied_at) VALUES ($1, $2, now()) \
                           ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = excluded.applied_at";
                let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&name, Type::TEXT), (&digest, Type::BYTEA)];
                self.connection.client.execute_typed(sql, &parameters).await?;
                count += 1;
            }
            if count > 0 {
                done.push(format!("{count} grants to {role}"));
            }
            Ok(done)
        })
        .await
    }

    /// What is missing for these IAM roles to sign in as this role.
    async fn access(&self, role: &str, principals: &[String]) -> Result<Access, Error> {
        let client = &self.connection.client;
        let is_new =
            client.query_typed("SELECT 1 FROM pg_roles WHERE rolname = $1", &[(&role, Type::TEXT)]).await?.is_empty();
        if !self.is_dsql {
            return Ok(Access { is_new, principals: Vec::new() });
        }
        let sql = "SELECT arn FROM sys.iam_pg_role_mappings WHERE pg_role_name = $1";
        let rows = client.query_typed(sql, &[(&role, Type::TEXT)]).await?;
        let known: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let principals = principals.iter().filter(|arn| !known.contains(arn)).cloned().collect();
        Ok(Access { is_new, principals })
    }

    /// The names of all recorded grants; none without the table that records them.
    async fn granted(&self) -> Result<Vec<String>, Error> {
        let sql = "SELECT name FROM tenet.steps";
        match self.connection.client.query_typed(sql, &[]).await {
            Ok(rows) => rows.iter().map(|row| row.try_get(0)).collect(),
            Err(error) if matches!(failure::code(&error), Some("3F000" | "42P01")) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
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
