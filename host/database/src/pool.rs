use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tenet_core::{Fault, Moment};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;
use tracing::debug;

use crate::ages::Ages;
use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::failure;
use crate::side::Try;

/// The longest wait for a sign of life. A connection whose other end has gone without a
/// word gives none.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// No cluster takes more connections, and a semaphore takes this many everywhere.
const MOST_CONNECTIONS: u32 = 10_000;

/// A bounded number of connections, each lent to one user at a time. It has no timers:
/// a frozen sandbox runs none. What a timer would do is done when a connection is lent
/// and when it comes back.
pub(crate) struct Pool {
    endpoint: Endpoint,
    ages: Ages,
    permits: Permits,
    idle: Mutex<Vec<Idle>>,
}

/// How many connections may be lent at the same moment, over all pools that share this.
#[derive(Clone)]
pub(crate) struct Permits {
    most: u32,
    semaphore: Arc<Semaphore>,
}

/// A connection lent. Dropped, it closes the connection: only who knows its state may
/// give it back.
pub(crate) struct Lease {
    connection: Connection,
    pool: Arc<Pool>,
    attempt: Try,
    // After the connection, so that a new one is opened only when this one is closed.
    permit: OwnedSemaphorePermit,
}

struct Idle {
    connection: Connection,
    since: Moment,
}

impl Pool {
    pub(crate) fn new(endpoint: Endpoint, permits: Permits, ages: Ages) -> Self {
        Self { endpoint, ages, permits, idle: Mutex::default() }
    }

    /// The endpoint, as a log may name it.
    pub(crate) fn name(&self) -> String {
        self.endpoint.to_string()
    }

    /// Lends the connection that was used last, or a new one that is there by then. Waits while
    /// all are lent. How that went is told to the breaker, unless it is about others: a server
    /// that takes no more connections just now is well.
    pub(crate) async fn check_out(
        self: Arc<Self>,
        mut attempt: Try,
        by: Instant,
        deadline: Instant,
    ) -> Result<Lease, Fault> {
        let permit = Arc::clone(&self.permits.semaphore).acquire_owned();
        let permit = timeout_at(by.into(), permit).await.map_err(|_| failure::late())?;
        let permit = permit.map_err(|_| Fault::unavailable("the database is being shut down"))?;
        let idle = timeout_at(by.into(), self.take_idle()).await.map_err(|_| failure::late())?;
        attempt.wait_until(by);
        let connection = match idle {
            Some(connection) => connection,
            None => match self.endpoint.connect(by).await {
                Ok(connection) => connection.used_for(self.ages.of_one()),
                Err(fault) if fault.sqlstate().is_some() => {
                    attempt.gave_up();
                    return Err(fault);
                }
                Err(fault) => {
                    attempt.failed();
                    return Err(fault);
                }
            },
        };
        attempt.wait_until(deadline);
        Ok(Lease { connection, pool: self, attempt, permit })
    }

    async fn take_idle(&self) -> Option<Connection> {
        loop {
            let Idle { connection, since } = self.idle().pop()?;
            if connection.is_closed() {
                debug!(reason = "the server closed it while it was idle", "connection dropped");
            } else if connection.is_old() {
                retire(connection);
            } else if since.elapsed() <= self.ages.trusted || connection.answers(SIGN_OF_LIFE).await {
                return Some(connection);
            } else {
                self.drop_idle("it gave no sign of life");
            }
        }
    }

    /// Closes the idle connections with one that was lost: what broke it has most likely
    /// broken them, and each would cost an attempt to find out.
    fn drop_idle(&self, reason: &'static str) {
        let idle = std::mem::take(&mut *self.idle());
        debug!(reason, idle = idle.len(), "connections dropped");
    }

    /// Waits for the connections lent, lends none any more, and says goodbye on all.
    pub(crate) async fn close(&self, deadline: Instant) {
        // Who waits for a connection already is in front of this.
        let all_back = timeout_at(deadline.into(), self.permits.semaphore.acquire_many(self.permits.most)).await;
        self.permits.semaphore.close();
        drop(all_back);
        let idle = std::mem::take(&mut *self.idle());
        let goodbyes = idle.into_iter().map(|idle| idle.connection.say_goodbye());
        if timeout_at(deadline.into(), join_all(goodbyes)).await.is_err() {
            debug!("the time ran out before every connection was closed");
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permits {
    /// At least one.
    pub(crate) fn new(most: u32) -> Self {
        let most = most.clamp(1, MOST_CONNECTIONS);
        Self { most, semaphore: Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(1))) }
    }
}

impl Lease {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Gives back a connection that has no transaction and no answer outstanding.
    pub(crate) fn give_back(self) {
        let Self { connection, pool, attempt, permit } = self;
        attempt.succeeded();
        let mut idle = pool.idle();
        if connection.is_old() || pool.permits.semaphore.is_closed() {
            retire(connection);
        } else {
            idle.push(Idle { connection, since: Moment::now() });
        }
        // A permit free before its connection is idle would open one connection too many.
        drop(permit);
    }

    /// Closes a connection whose state is not known.
    pub(crate) fn discard(self, reason: &'static str) {
        debug!(reason, "connection dropped");
        self.attempt.gave_up();
    }

    /// Closes a connection on which nothing came in time.
    pub(crate) fn timed_out(self) {
        let Self { connection, attempt, .. } = self;
        debug!(reason = "the time ran out", "connection dropped");
        drop(connection);
        attempt.failed();
    }

    /// Closes a connection that broke, and the idle ones.
    pub(crate) fn lost(self) {
        self.pool.drop_idle("one was lost");
        self.attempt.failed();
    }
}

/// Ends a connection in order, which nobody waits for.
fn retire(connection: Connection) {
    debug!(reason = "its time is over", "connection dropped");
    drop(connection.say_goodbye());
}
