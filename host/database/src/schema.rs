pub(crate) mod expected;
pub(crate) mod inventory;
pub(crate) mod tables;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tenet_clock::monotonic;
use tenet_core::{Fault, quote_identifier};
use tokio::time::timeout_at;
use tokio_postgres::Error;
use tokio_postgres::types::Type;
use tracing::debug;

use crate::admin::administrator::GRANTS;
use crate::admin::background_job::{BackgroundJob, Unbuilt};
use crate::connect::connection::Connection;
use crate::connect::endpoint::Endpoint;
use crate::statements::failure;

/// The host's own steps. The table that records steps comes first.
const OWN: &[(&str, &str)] = &[
    ("0001_schema", include_str!("../schema/0001_schema.sql")),
    ("0002_steps", include_str!("../schema/0002_steps.sql")),
    ("0003_keys", include_str!("../schema/0003_keys.sql")),
    ("0004_outbox", include_str!("../schema/0004_outbox.sql")),
    ("0005_identity", include_str!("../schema/0005_identity.sql")),
    ("0006_identity_row", include_str!("../schema/0006_identity_row.sql")),
    ("0007_keys_by_age", include_str!("../schema/0007_keys_by_age.sql")),
    ("0008_follow_ups", include_str!("../schema/0008_follow_ups.sql")),
    ("0009_follow_ups_by_due", include_str!("../schema/0009_follow_ups_by_due.sql")),
];

/// How many of them have to be applied before steps can be recorded.
const UNTIL_REMEMBERED: usize = 2;

/// How many times a step is attempted that conflicts with another host applying it, and the pause
/// after the first attempt. The pause grows with every further attempt.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// The timeout for a connection.
const CONNECTING: Duration = Duration::from_secs(30);

/// The tables of the host and of a bundle, as numbered steps.
///
/// Each step is one statement that runs by itself and is then recorded with a digest of its text. A
/// host that stops between the two runs the step again, so a step has to be idempotent: `IF NOT
/// EXISTS`.
pub struct Schema;

/// Why the schema is not up to date. The steps before the one that it names are applied.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SchemaError {
    kind: Kind,
}

/// The status of a step in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is applied.
    Applied,
    /// It is not applied yet.
    ToDo,
    /// It was applied with another text, which [`Schema::apply`] refuses.
    Changed,
    /// It was applied, but is none of the given steps.
    Foreign,
}

/// A step and its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its full name: `tenet/NAME` or `bundle/NAME`.
    pub step: String,
    /// Its statement. Empty if only its name is recorded.
    pub sql: String,
    /// Its status.
    pub standing: Standing,
}

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error(transparent)]
    Unreachable(Fault),
    #[error("the schema step {step} is not applied")]
    Missing { step: String },
    #[error("the schema step {step} was applied with another text; a step is never edited, add a new one")]
    Changed { step: String },
    #[error("the schema step {step} failed: {why}")]
    Failed { step: String, why: String },
    #[error("the schema steps applied so far could not be read: {why}")]
    Memory { why: String },
    #[error("{}", late(.step.as_deref()))]
    Late { step: Option<String> },
}

fn late(step: Option<&str>) -> String {
    match step {
        Some(step) => {
            format!("the time ran out while the schema step {step} was applied; what came before it is in place")
        }
        None => "the time ran out before the schema steps could be read".to_owned(),
    }
}

struct Step {
    name: String,
    sql: String,
    digest: Vec<u8>,
}

impl Schema {
    /// Applies the host's own steps, then `steps`, pairs of a name and a statement, in order. Skips
    /// a step that is already recorded. If one is recorded with another text, fails before anything
    /// is applied.
    ///
    /// Returns the number of steps that are then in place, including those applied before. Errors
    /// name the host's steps `tenet/NAME` and the others `bundle/NAME`. Concurrent callers are
    /// safe.
    ///
    /// A step `CREATE INDEX ASYNC`, or `ALTER TABLE ASYNC` that validates a constraint, is complete when its job is
    /// and the object is valid. On PostgreSQL it runs without that word.
    pub async fn apply(
        endpoint: &Endpoint,
        steps: &[(String, String)],
        deadline: Instant,
    ) -> Result<usize, SchemaError> {
        let (steps, under_way) = (all(steps), Mutex::new(None));
        let applied = Self::apply_all(endpoint, &steps, deadline, &under_way);
        timeout_at(deadline.into(), applied).await.unwrap_or_else(|_| {
            let step = under_way.lock().unwrap_or_else(PoisonError::into_inner).take();
            Err(SchemaError { kind: Kind::Late { step } })
        })
    }

    /// The GRANTs that give a role what the host itself needs on its own tables.
    pub fn privileges(role: &str) -> Vec<String> {
        let role = quote_identifier(role);
        let on = |what: &str, table: &str| format!("GRANT {what} ON tenet.{table} TO {role}");
        vec![
            format!("GRANT USAGE ON SCHEMA tenet TO {role}"),
            on("SELECT, INSERT, DELETE", "keys"),
            on("SELECT, INSERT, UPDATE, DELETE", "outbox"),
            on("SELECT, INSERT, UPDATE, DELETE", "follow_ups"),
            on("SELECT", "identity"),
            // The harness checks whether the bundle's steps are applied.
            on("SELECT", "steps"),
        ]
    }

    async fn apply_all(
        endpoint: &Endpoint,
        steps: &[Step],
        deadline: Instant,
        under_way: &Mutex<Option<String>>,
    ) -> Result<usize, SchemaError> {
        let connection = connect(endpoint, deadline).await?;
        let run = async |step: &Step| {
            *under_way.lock().unwrap_or_else(PoisonError::into_inner) = Some(step.name.clone());
            step.run(&connection, endpoint.is_dsql()).await
        };
        if !memory(&connection).await? {
            for step in steps.iter().take(UNTIL_REMEMBERED) {
                run(step).await?;
            }
        }
        let mut to_do = Vec::new();
        for step in steps {
            if !step.is_remembered(&connection).await? {
                to_do.push(step);
            }
        }
        for step in to_do {
            run(step).await?;
        }
        Ok(steps.len())
    }

    /// The status of each step, in the order of [`Self::apply`], then all other applied steps.
    /// Changes nothing.
    pub async fn plan(
        endpoint: &Endpoint,
        steps: &[(String, String)],
        deadline: Instant,
    ) -> Result<Vec<Planned>, SchemaError> {
        let plan = async {
            let connection = connect(endpoint, deadline).await?;
            let remembers = memory(&connection).await?;
            let mut plan = Vec::new();
            for step in all(steps) {
                let standing = if !remembers {
                    Standing::ToDo
                } else {
                    match step.is_remembered(&connection).await {
                        Ok(true) => Standing::Applied,
                        Ok(false) => Standing::ToDo,
                        Err(error) if error.changed_step().is_some() => Standing::Changed,
                        Err(error) => return Err(error),
                    }
                };
                plan.push(Planned { step: step.name, sql: step.sql, standing });
            }
            if remembers {
                for step in remembered(&connection).await? {
                    if !plan.iter().any(|planned| planned.step == step) {
                        plan.push(Planned { step, sql: String::new(), standing: Standing::Foreign });
                    }
                }
            }
            Ok(plan)
        };
        let planned = timeout_at(deadline.into(), plan).await;
        planned.unwrap_or(Err(SchemaError { kind: Kind::Late { step: None } }))
    }

    /// Fails with the first of these steps that is not applied, or was applied with another text.
    /// The steps are those of [`Self::apply`]. Changes nothing.
    pub async fn check(endpoint: &Endpoint, steps: &[(String, String)]) -> Result<(), SchemaError> {
        for Planned { step, standing, .. } in Self::plan(endpoint, steps, monotonic() + CONNECTING).await? {
            match standing {
                Standing::Applied | Standing::Foreign => {}
                Standing::ToDo => return Err(SchemaError { kind: Kind::Missing { step } }),
                Standing::Changed => return Err(SchemaError { kind: Kind::Changed { step } }),
            }
        }
        Ok(())
    }
}

/// The host's own steps followed by these.
fn all(steps: &[(String, String)]) -> Vec<Step> {
    let own = OWN.iter().map(|(name, sql)| Step::new("tenet", name, sql));
    own.chain(steps.iter().map(|(name, sql)| Step::new("bundle", name, sql))).collect()
}

async fn connect(endpoint: &Endpoint, deadline: Instant) -> Result<Connection, SchemaError> {
    endpoint
        .connect(deadline.min(monotonic() + CONNECTING))
        .await
        .map_err(|fault| SchemaError { kind: Kind::Unreachable(fault) })
}

impl Step {
    fn new(of: &str, name: &str, sql: &str) -> Self {
        Self { name: format!("{of}/{name}"), sql: sql.to_owned(), digest: Sha256::digest(sql).to_vec() }
    }

    /// Runs the step and records it, unless another host does so concurrently.
    async fn run(&self, connection: &Connection, on_dsql: bool) -> Result<(), SchemaError> {
        let job = BackgroundJob::of(&self.sql);
        let mut tries = 1;
        loop {
            let ran = match &job {
                Some(job) if on_dsql => job.run(&self.sql, connection).await,
                Some(job) => connection.client.batch_execute(&job.at_once(&self.sql)).await.map_err(Unbuilt::Refused),
                None => connection.client.batch_execute(&self.sql).await.map_err(Unbuilt::Refused),
            };
            match ran {
                Ok(()) => {
                    debug!(step = self.name, "schema step applied");
                    return self.remember(connection).await;
                }
                Err(unbuilt) if unbuilt.error().is_some_and(may_be_a_race) => {
                    if memory(connection).await? && self.is_remembered(connection).await? {
                        return Ok(());
                    }
                    if tries == TRIES {
                        return Err(self.failed(&unbuilt));
                    }
                }
                Err(unbuilt) => return Err(self.failed(&unbuilt)),
            }
            tokio::time::sleep(PAUSE * tries).await;
            tries += 1;
        }
    }

    async fn remember(&self, connection: &Connection) -> Result<(), SchemaError> {
        let mut tries = 1;
        while memory(connection).await? && !self.is_remembered(connection).await? {
            let remembered = connection
                .client
                .execute_typed(
                    "INSERT INTO tenet.steps (name, sha256, applied_at) VALUES ($1, $2, now()) \
                     ON CONFLICT (name) DO NOTHING",
                    &[(&self.name, Type::TEXT), (&self.digest, Type::BYTEA)],
                )
                .await;
            match remembered {
                Ok(_) => {}
                Err(error) if tries < TRIES && may_be_a_race(&error) => tokio::time::sleep(PAUSE * tries).await,
                Err(error) => return Err(self.failed(&Unbuilt::Refused(error))),
            }
            tries += 1;
        }
        Ok(())
    }

    /// Whether the step is recorded. Fails if it was recorded with another text.
    async fn is_remembered(&self, connection: &Connection) -> Result<bool, SchemaError> {
        // Steps run with the default search path, which may contain an operator of the team's own.
        let rows = connection
            .client
            .query_typed("SELECT name, sha256 FROM tenet.steps", &[])
            .await
            .map_err(|error| self.failed(&Unbuilt::Refused(error)))?;
        match rows.iter().find(|row| row.try_get::<_, &str>(0).is_ok_and(|name| name == self.name)) {
            None => Ok(false),
            Some(row) if row.try_get::<_, &[u8]>(1).is_ok_and(|digest| digest == self.digest) => Ok(true),
            Some(_) => Err(SchemaError { kind: Kind::Changed { step: self.name.clone() } }),
        }
    }

    fn failed(&self, unbuilt: &Unbuilt) -> SchemaError {
        SchemaError { kind: Kind::Failed { step: self.name.clone(), why: unbuilt.describe() } }
    }
}

/// The names of all applied steps, in order. The records of grants in the same table are left out.
async fn remembered(connection: &Connection) -> Result<Vec<String>, SchemaError> {
    let rows = connection.client.query_typed("SELECT name FROM tenet.steps ORDER BY applied_at, name", &[]).await;
    let rows = rows.map_err(|error| SchemaError { kind: Kind::Memory { why: failure::describe(&error) } })?;
    let names = rows.iter().map(|row| row.try_get(0));
    names
        .filter(|name: &Result<String, _>| !name.as_ref().is_ok_and(|name| name.starts_with(GRANTS)))
        .collect::<Result<_, _>>()
        .map_err(|error| SchemaError { kind: Kind::Memory { why: failure::describe(&error) } })
}

/// Whether the table that records steps exists.
async fn memory(connection: &Connection) -> Result<bool, SchemaError> {
    match connection.client.query_typed("SELECT 1 FROM tenet.steps WHERE false", &[]).await {
        Ok(_) => Ok(true),
        // No such schema, no such table.
        Err(error) if matches!(failure::code(&error), Some("3F000" | "42P01")) => Ok(false),
        Err(error) => Err(SchemaError { kind: Kind::Memory { why: failure::describe(&error) } }),
    }
}

/// Whether an error can come from another host that applies the same step: a conflict, or an object
/// that already exists. PostgreSQL's catalogue reports races as duplicate rows and as XX000 (tuple
/// concurrently updated), even with `IF NOT EXISTS`.
fn may_be_a_race(error: &Error) -> bool {
    let conflict = ["40001", "40P01", "55P03", "XX000", "23505"];
    let duplicate = ["42P06", "42P07", "42701", "42710"];
    failure::code(error).is_some_and(|code| conflict.contains(&code) || duplicate.contains(&code))
}

impl SchemaError {
    /// Whether no connection was available. Nothing was applied.
    pub fn is_unavailable(&self) -> bool {
        matches!(self.kind, Kind::Unreachable(_))
    }

    /// The full name of the step that [`Schema::check`] found not to be applied.
    pub fn missing_step(&self) -> Option<&str> {
        match &self.kind {
            Kind::Missing { step } => Some(step),
            _ => None,
        }
    }

    /// The full name of the step that the database refused.
    pub fn failed_step(&self) -> Option<&str> {
        match &self.kind {
            Kind::Failed { step, .. } => Some(step),
            _ => None,
        }
    }

    /// The full name of the step that was applied before with another text.
    pub fn changed_step(&self) -> Option<&str> {
        match &self.kind {
            Kind::Changed { step } => Some(step),
            _ => None,
        }
    }
}
