use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::session::connection;
use crate::session::failure::{too_fast, too_many_connections};
use crate::sql_error::SqlError;
use crate::store::Store;
use crate::store::limits::Limits;

/// The time, as a cluster is given it.
pub trait Clock: Send + Sync {
    /// The time of day: microseconds since 1970-01-01 in UTC. `now()` returns it.
    fn now(&self) -> i64;

    /// The time since any moment in the past. It never goes back. Ages are measured on it.
    fn elapsed(&self) -> Duration;
}

/// Says whether a role may sign in with a password.
pub type SignIn = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// What a [`Cluster`] is made of.
#[derive(Clone)]
pub struct Options {
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// The seed of all that is random: `gen_random_uuid()`, `random()`, the ids of jobs.
    pub seed: u64,
    /// Its limits.
    pub limits: Limits,
    /// How long an index is built. The statement that asks for it returns before.
    pub index_build: Duration,
    /// Checks passwords. Without it any password will do.
    pub sign_in: Option<SignIn>,
}

impl Options {
    /// A cluster with DSQL's own limits, which builds indexes at once and checks no password.
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self { clock, seed, limits: Limits::default(), index_build: Duration::ZERO, sign_in: None }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, limits, index_build, .. } = self;
        f.debug_struct("Options")
            .field("seed", seed)
            .field("limits", limits)
            .field("index_build", index_build)
            .finish_non_exhaustive()
    }
}

/// An endpoint of a logical database. A clone is the same endpoint; a [`peer`](Self::peer) is that of
/// another region.
#[derive(Clone)]
pub struct Cluster(Arc<Endpoint>);

/// One endpoint: the database behind it, and its own limits of connections.
pub(crate) struct Endpoint {
    pub(crate) store: Arc<Store>,
    sign_in: Option<SignIn>,
    gate: Mutex<Gate>,
}

/// Who may still connect.
struct Gate {
    open: usize,
    /// New connections that may come now.
    tokens: f64,
    filled: Duration,
}

/// A place for a connection, until it is dropped.
pub(crate) struct Place<'e>(&'e Endpoint);

impl Cluster {
    /// An empty database with one endpoint.
    pub fn new(options: Options) -> Self {
        let Options { clock, seed, limits, index_build, sign_in } = options;
        Self::of(Arc::new(Store::new(limits, clock, seed, index_build)), sign_in)
    }

    fn of(store: Arc<Store>, sign_in: Option<SignIn>) -> Self {
        let (tokens, filled) = (f64::from(store.limits.connection_burst), store.clock.elapsed());
        Self(Arc::new(Endpoint { store, sign_in, gate: Mutex::new(Gate { open: 0, tokens, filled }) }))
    }

    /// Another endpoint of the same database, as in a peered region: what one commits, the other
    /// sees at once. Connections are counted for each.
    pub fn peer(&self) -> Self {
        Self::of(Arc::clone(&self.0.store), self.0.sign_in.clone())
    }

    /// Serves one connection to its end. A transaction that is open then is rolled back.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        connection::serve(&self.0, stream).await
    }

    /// Serves all connections of a listener, each in a task of its own.
    ///
    /// # Errors
    /// Those of the listener. Connections that are open go on.
    pub async fn listen(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let cluster = self.clone();
            // How a client's connection ended concerns that client only.
            drop(tokio::spawn(async move { cluster.serve(stream).await }));
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Takes a place for a new connection.
    pub(crate) fn admit(&self) -> Result<Place<'_>, SqlError> {
        let limits = &self.store.limits;
        let mut gate = self.gate();
        let now = self.store.clock.elapsed();
        let gained = now.saturating_sub(gate.filled).as_secs_f64() * f64::from(limits.connection_rate);
        gate.tokens = (gate.tokens + gained).min(f64::from(limits.connection_burst));
        gate.filled = now;
        if gate.tokens < 1.0 {
            return Err(too_fast());
        }
        gate.tokens -= 1.0;
        if gate.open >= limits.connections {
            return Err(too_many_connections());
        }
        gate.open += 1;
        Ok(Place(self))
    }

    pub(crate) fn accepts(&self, user: &str, password: &str) -> bool {
        self.sign_in.as_ref().is_none_or(|sign_in| sign_in(user, password))
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.gate().open -= 1;
    }
}
