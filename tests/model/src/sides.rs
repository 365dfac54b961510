//! Both databases, as a run of transactions uses them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tenet_dsql::{Clock, Cluster, Options};
use tokio_postgres::{Client, Config, NoTls};

use crate::serial::Fresh;
use crate::side::Side;

/// The bytes that a connection to the model holds in each direction.
const BUFFER: usize = 64 << 10;

/// A PostgreSQL, whose schema `public` is made anew.
pub struct PostgresSide(Config);

/// A new model each time.
pub struct ModelSide {
    seed: u64,
}

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> i64 {
        1_800_000_000_000_000
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

impl PostgresSide {
    /// The database with this URL.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self(url.parse()?))
    }
}

impl ModelSide {
    /// Models whose own chance is decided by this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// An empty database.
    pub(crate) fn cluster(&self) -> Model {
        Model(Cluster::new(Options::new(Arc::new(Still), self.seed)))
    }
}

/// A model, to which clients connect in memory.
pub(crate) struct Model(Cluster);

impl Model {
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        let cluster = self.0.clone();
        let (near, far) = tokio::io::duplex(BUFFER);
        tokio::spawn(async move { cluster.serve(far).await });
        let mut config = Config::new();
        config.user("admin").dbname("postgres").password("any");
        let (client, connection) = config.connect_raw(near, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

impl Fresh for PostgresSide {
    async fn fresh(&mut self) -> anyhow::Result<Side> {
        let side = Side::postgres(&self.0).await?;
        let empty = "SET client_min_messages = warning; SET timezone = 'UTC'; SET intervalstyle = 'postgres'; \
                     DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public";
        match side.command(empty).await {
            Ok(_) => Ok(side),
            Err((sqlstate, message)) => bail!("PostgreSQL: {sqlstate} {message}"),
        }
    }
}

impl Fresh for ModelSide {
    async fn fresh(&mut self) -> anyhow::Result<Side> {
        let model = self.cluster();
        self.seed += 1;
        Ok(Side::of(model.connect().await?))
    }
}
