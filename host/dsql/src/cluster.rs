use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::session::connection;
use crate::session::endpoint::{Endpoint, SignIn};
use crate::store::Store;
use crate::store::limits::Limits;

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

impl Cluster {
    /// An empty database with one endpoint.
    pub fn new(options: Options) -> Self {
        let Options { clock, seed, limits, index_build, sign_in } = options;
        Self::of(Arc::new(Store::new(limits, clock, seed, index_build)), sign_in)
    }

    fn of(store: Arc<Store>, sign_in: Option<SignIn>) -> Self {
        Self(Arc::new(Endpoint::new(store, sign_in)))
    }

    /// Another endpoint of the same database, as in a peered region: what one commits, the other
    /// sees at once. Connections are counted for each.
    pub fn peer(&self) -> Self {
        Self::of(Arc::clone(&self.0.store), self.0.sign_in())
    }

    /// Another database with what is committed in this one, and one endpoint. What is done to one of them
    /// the other does not see. Equal forks draw the same chance.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::of(Arc::new(self.0.store.fork()), self.0.sign_in())
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
