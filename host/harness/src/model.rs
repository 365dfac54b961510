use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenet_clock::{SystemClock, monotonic};
use tenet_core::bundle::Index;
use tenet_core::{BoxFuture, Clock as _};
use tenet_database::{ByteStream, Connector, Endpoint, ServerKind};
use tenet_dsql::{Clock, Cluster, Options, UNKNOWN};
use tokio::io::duplex;
use tokio::net::TcpListener;

use crate::error::{Error, Result};
use crate::schema;

/// How long the schema may take.
const SCHEMA: Duration = Duration::from_secs(60);

/// The bytes of a stream that may be under way.
const BUFFER: usize = 64 << 10;

/// The role that applies the schema, and its database: those of every cluster.
const ROLE: &str = "admin";
const DATABASE: &str = "postgres";

/// A model of Aurora DSQL: a database in the memory of this process whose transactions conflict as those of a
/// cluster do. It ends with the value.
#[derive(Clone, Debug)]
pub struct Model(Cluster);

impl Model {
    /// One with the tables of the host and of these built bundles. The seed decides what is random in it.
    ///
    /// # Errors
    /// Fails where it refuses a step.
    pub async fn start(bundles: &[(PathBuf, Index)], seed: u64) -> Result<Self> {
        let clock = OwnClock { since: monotonic() };
        let model = Self(Cluster::new(Options::new(Arc::new(clock), seed)));
        model.apply(bundles).await?;
        Ok(model)
    }

    /// Applies the steps of these built bundles that it does not have yet.
    ///
    /// # Errors
    /// Fails where it refuses a step.
    pub async fn apply(&self, bundles: &[(PathBuf, Index)]) -> Result<()> {
        let applied = schema::apply_by(&self.endpoint()?, bundles, monotonic() + SCHEMA).await;
        match applied {
            Ok(_) => Ok(()),
            Err(error) if format!("{error:#}").contains(UNKNOWN) => {
                let what = "the model of Aurora DSQL does not know a step of the schema";
                Err(Error::new(what, "run it on PostgreSQL, without --dsql").caused_by(error))
            }
            Err(error) => Err(error),
        }
    }

    /// The way into it.
    ///
    /// # Errors
    /// Does not fail: a role of this name may sign in.
    pub fn endpoint(&self) -> Result<Endpoint> {
        Ok(Endpoint::over(Arc::new(InProcess(self.0.clone())), ServerKind::Dsql, ROLE, DATABASE)?)
    }

    /// The same database as another region has it.
    #[must_use]
    pub fn peer(&self) -> Self {
        Self(self.0.peer())
    }

    /// Another database with what this one has now.
    pub(crate) fn fork(&self) -> Self {
        Self(self.0.fork())
    }

    /// Serves clients of a port, for as long as the future is polled. Any password will do.
    ///
    /// # Errors
    /// Fails where no connection can be taken any more.
    pub async fn listen(self, listener: TcpListener) -> Result<()> {
        Ok(self.0.listen(listener).await?)
    }
}

/// The streams to a model in this process.
struct InProcess(Cluster);

impl Connector for InProcess {
    fn name(&self) -> &str {
        "the model of Aurora DSQL"
    }

    fn connect(&self) -> BoxFuture<'static, std::io::Result<Box<dyn ByteStream>>> {
        let cluster = self.0.clone();
        Box::pin(async move {
            let (near, far) = duplex(BUFFER);
            // It ends with its client.
            drop(tokio::spawn(async move { cluster.serve(far).await }));
            Ok(Box::new(near) as Box<dyn ByteStream>)
        })
    }
}

/// The clock of this machine.
struct OwnClock {
    since: Instant,
}

impl Clock for OwnClock {
    fn now(&self) -> i64 {
        SystemClock.now().micros()
    }

    fn elapsed(&self) -> Duration {
        monotonic().saturating_duration_since(self.since)
    }
}
