use std::io;

use tenet_core::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes to a server and back.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// Opens streams to a server that is not reached through a socket of the machine: a model in the
/// process, or a network that a test simulates.
pub trait Connector: Send + Sync {
    /// The server's name in logs.
    fn name(&self) -> &str;

    /// Opens a stream.
    ///
    /// # Errors
    /// Fails if the server cannot be reached. That is a failure of the endpoint.
    fn connect(&self) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>>;
}

/// Whose rules a server follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// Aurora DSQL: indexes are built in the background, nothing waits for a locked row, and a
    /// running statement cannot be cancelled.
    Dsql,
    /// PostgreSQL.
    Postgres,
}
