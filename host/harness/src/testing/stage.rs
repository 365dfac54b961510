use std::sync::Arc;

use tenet_database::{Contents, Database, Tables};

use super::site::{CONNECTIONS, TIME, TestDatabase};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::unmodelled::Unmodelled;

/// A database that requests at once run on, over and over from the same rows.
pub(crate) enum Stage<'a> {
    /// A test's own PostgreSQL. Its requests wait for each other's row locks.
    Postgres { rig: &'a TestDatabase, rows: Contents, connections: Arc<Database> },
    /// Copies of a model of Aurora DSQL.
    Model { rows: Model, tables: &'a Tables },
}

/// What one run of requests has: its connections and its tables.
pub(crate) struct Scene {
    pub(crate) connections: Arc<Database>,
    pub(crate) tables: Arc<Tables>,
}

impl<'a> Stage<'a> {
    pub(crate) fn on_postgres(rig: &'a TestDatabase, rows: Contents) -> Self {
        Self::Postgres { rig, rows, connections: rig.connections() }
    }

    /// On a model with a bundle's tables, of which `rig` has the rows. The inner error is what the model does not take.
    pub(crate) async fn on_model(
        model: &Model,
        rig: &'a TestDatabase,
        rows: &Contents,
    ) -> Result<Result<Self, Unmodelled>> {
        let own = model.fork();
        match rig.tables.of(&own.endpoint()?).await?.restore(rows).await {
            Ok(()) => Ok(Ok(Self::Model { rows: own, tables: &rig.tables })),
            Err(fault) => Ok(Err(Unmodelled::of_error("the rows", &Error::from(fault)))),
        }
    }

    /// Begins a run, with the rows as they were.
    pub(crate) async fn begin(&self) -> Result<Scene> {
        match self {
            Self::Postgres { rig, rows, connections } => {
                rig.tables.restore(rows).await?;
                Ok(Scene { connections: Arc::clone(connections), tables: Arc::clone(&rig.tables) })
            }
            Self::Model { rows, tables } => {
                let endpoint = rows.fork().endpoint()?;
                let tables = Arc::new(tables.of(&endpoint).await?);
                let connections = Database::new(endpoint, CONNECTIONS).with_statement_timeout(TIME);
                Ok(Scene { connections: Arc::new(connections), tables })
            }
        }
    }

    /// Waits until a run cannot go on because one of its requests waits for a lock of another, if that is.
    pub(crate) async fn blocked(&self) -> Result<()> {
        match self {
            Self::Postgres { rig, .. } => {
                while !rig.tables.is_blocked().await? {}
                Ok(())
            }
            Self::Model { .. } => std::future::pending().await,
        }
    }

    /// Ends the sessions of a run that cannot go on.
    pub(crate) async fn end(&mut self) -> Result<()> {
        if let Self::Postgres { rig, connections, .. } = self {
            rig.tables.end_others().await?;
            *connections = rig.connections();
        }
        Ok(())
    }

    /// Leaves the test's own database as it was.
    pub(crate) async fn leave(self) -> Result<()> {
        match self {
            Self::Postgres { rig, rows, .. } => Ok(rig.tables.restore(&rows).await?),
            Self::Model { .. } => Ok(()),
        }
    }
}
