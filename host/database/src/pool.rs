use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenet_core::Fault;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

use crate::connection::Connection;
use crate::endpoint::Endpoint;

/// A bounded number of connections, each lent to one user at a time. It has no timers:
/// a frozen sandbox runs none.
pub(crate) struct Pool {
    endpoint: Endpoint,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

/// A connection lent. Dropped, it closes the connection: only who knows its state may
/// give it back.
pub(crate) struct Lease {
    connection: Connection,
    pool: Arc<Pool>,
    // After the connection, so that a new one is opened only when this one is closed.
    permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(endpoint: Endpoint, max_connections: u32) -> Self {
        let permits = usize::try_from(max_connections).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        Self { endpoint, permits: Arc::new(Semaphore::new(permits)), idle: Mutex::default() }
    }

    /// Lends the connection that was used last, or a new one. Waits while all are lent.
    pub(crate) async fn check_out(self: Arc<Self>) -> Result<Lease, Fault> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| Fault::unavailable("the database is being shut down"))?;
        let reused = self.take_idle();
        let connection = match reused {
            Some(connection) => connection,
            None => self.endpoint.connect().await?,
        };
        Ok(Lease { connection, pool: self, permit })
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle();
        loop {
            let connection = idle.pop()?;
            if !connection.is_closed() {
                return Some(connection);
            }
            debug!(reason = "the server closed it while it was idle", "connection dropped");
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Gives back a connection that has no transaction and no answer outstanding.
    pub(crate) fn give_back(self) {
        let Self { connection, pool, permit } = self;
        pool.idle().push(connection);
        // A permit free before its connection is idle would open one connection too many.
        drop(permit);
    }

    /// Closes a connection whose state is not known.
    pub(crate) fn discard(self, reason: &'static str) {
        debug!(reason, "connection dropped");
    }

    /// Closes a connection that broke, and the idle ones: what broke it has most likely
    /// broken them, and each would cost an attempt to find out.
    pub(crate) fn lost(self) {
        let idle = std::mem::take(&mut *self.pool.idle());
        debug!(reason = "it was lost", idle = idle.len(), "connections dropped");
    }
}
