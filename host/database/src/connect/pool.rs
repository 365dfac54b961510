use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{Either, join_all, select};
use tenet_clock::monotonic;
use tenet_core::{AnswerWaits, DualInstant, Fault, LimitExceeded};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep_until, timeout, timeout_at};
use tracing::debug;

use crate::connect::connection::Connection;
use crate::connect::connection_lifetimes::ConnectionLifetimes;
use crate::connect::endpoint::Endpoint;
use crate::connect::identity;
use crate::failover::guarded_endpoint::{BreakerGuard, Meanwhile};
use crate::statements::answer_timeout::{AnswerTimeout, Silence};

/// The part of the statement timeout that a statement may wait for a locked row. The rest is for what it does then.
const LOCK_SHARE: f64 = 0.8;

/// The timeout of the check whether a connection is alive. A connection whose peer has gone without
/// closing it does not answer.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// DSQL's default quota for a cluster, and less than a semaphore's maximum on every platform.
const MOST_CONNECTIONS: u32 = 10_000;

/// A bounded number of connections, each lent to one user at a time. It has no timers, because a
/// frozen sandbox runs none. The work of a timer is done when a connection is lent and when it is
/// returned.
pub(crate) struct Pool {
    endpoint: Endpoint,
    lifetimes: ConnectionLifetimes,
    idle: Mutex<Vec<Idle>>,
    is_closed: AtomicBool,
}

/// How many connections may be lent at the same time, over the pools of all endpoints.
pub(crate) struct Permits {
    most: u32,
    semaphore: Arc<Semaphore>,
}

/// The permit for one connection to any endpoint. Its clones are the same permit.
pub(crate) type Permit = Arc<OwnedSemaphorePermit>;

/// A lent connection. Dropping it closes the connection: only a user who knows its state may return
/// it.
pub(crate) struct PooledConnection {
    connection: Connection,
    pool: Arc<Pool>,
    guard: BreakerGuard,
    // Dropped after the connection, so that a new one is opened only when this one is closed.
    permit: Permit,
}

/// Why a connection was replaced.
const OLD: &str = "it reached its maximum age";

struct Idle {
    connection: Connection,
    since: DualInstant,
    /// Whether another connection got no answer in the meantime.
    is_doubted: bool,
}

impl Pool {
    pub(crate) fn new(endpoint: Endpoint, lifetimes: ConnectionLifetimes) -> Self {
        Self { endpoint, lifetimes, idle: Mutex::default(), is_closed: AtomicBool::new(false) }
    }

    /// The current time.
    pub(crate) fn now(&self) -> DualInstant {
        self.endpoint.now()
    }

    /// The endpoint's name for logs.
    pub(crate) fn name(&self) -> String {
        self.endpoint.to_string()
    }

    /// Lends the connection that was used last, or a new one. The breaker receives the result,
    /// except where it says nothing about the endpoint: a server is healthy that accepts no more
    /// connections at present, or that refuses the role.
    pub(crate) async fn check_out(
        self: Arc<Self>,
        permit: Permit,
        mut guard: BreakerGuard,
        timeout: AnswerTimeout,
    ) -> Result<PooledConnection, Fault> {
        let idle = match timeout.wait(self.take_idle(guard.is_probe())).await {
            Ok(idle) => idle,
            Err(silence) => return Err(silence.fault()),
        };
        let connection = match idle {
            Some(connection) => connection,
            None => match self.open(timeout).await {
                // A server that accepts the log-in but does not answer has not recovered.
                Ok(connection) if guard.is_probe() && !connection.answers(SIGN_OF_LIFE).await => {
                    guard.failed();
                    return Err(Fault::unavailable("a new connection to the database did not answer"));
                }
                Ok(connection) => connection,
                Err((fault, is_endpoints)) => {
                    if is_endpoints {
                        guard.failed();
                    }
                    return Err(fault);
                }
            },
        };
        guard.answered();
        Ok(PooledConnection { connection, pool: self, guard, permit })
    }

    /// Opens a connection. An error also says whether it is the endpoint's fault.
    async fn open(&self, timeout: AnswerTimeout) -> Result<Connection, (Fault, bool)> {
        let began = monotonic();
        match self.endpoint.connect(timeout.until(began)).await {
            Ok(connection) => {
                let connection = connection.used_for(self.lifetimes.jittered());
                Ok(match self.endpoint.is_dsql() {
                    true => connection,
                    false => connection.with_lock_timeout(timeout.statement_timeout.mul_f64(LOCK_SHARE)),
                })
            }
            Err(fault) if fault.is_deadline() => {
                let silence = timeout.silence_since(began);
                Err((silence.fault(), silence.is_endpoints()))
            }
            Err(fault) => {
                let is_endpoints = fault.sqlstate().is_none();
                Err((fault, is_endpoints))
            }
        }
    }

    /// The idle connection that was used last and is still alive. It is checked if it
    /// `has_to_answer`, or if it was idle for long.
    async fn take_idle(&self, has_to_answer: bool) -> Option<Connection> {
        loop {
            let Idle { connection, since, is_doubted } = self.idle().pop()?;
            let is_trusted = !has_to_answer && !is_doubted && self.now().since(&since) <= self.lifetimes.trusted;
            if connection.is_closed() {
                debug!(reason = "the server closed it while it was idle", "connection dropped");
            } else if connection.is_old(self.now()) {
                retire(connection, OLD);
            } else if is_trusted || connection.answers(SIGN_OF_LIFE).await {
                return Some(connection);
            } else {
                self.drop_idle("it did not answer");
            }
        }
    }

    /// How long the server takes to answer a query of a table on a connection that no request uses, new or idle, if it
    /// answers. That takes as long as opening a connection can take. An error is an answer too.
    pub(crate) async fn shows_life(&self, deadline: Instant) -> Option<Duration> {
        let idle = self.idle().pop().map(|idle| idle.connection).filter(|connection| !connection.is_closed());
        let asked = monotonic();
        if let Some(connection) = idle {
            if timeout(SIGN_OF_LIFE, identity::is_answered(&connection)).await == Ok(true) {
                self.idle().push(Idle { connection, since: self.now(), is_doubted: false });
                return Some(monotonic() - asked);
            }
            self.drop_idle("it did not answer");
        }
        let connection = self.endpoint.connect(deadline).await.ok()?;
        let asked = monotonic();
        let answered = identity::is_answered(&connection).await.then(|| monotonic() - asked);
        // Not kept: all permits may be in use.
        retire(connection, "it was opened for a sign of life");
        answered
    }

    /// Closes the idle connections together with one that was lost: they have most likely broken
    /// for the same reason, and each would cost an attempt.
    fn drop_idle(&self, reason: &'static str) {
        let idle = std::mem::take(&mut *self.idle());
        debug!(reason, idle = idle.len(), "connections dropped");
    }

    /// Stops keeping connections, and terminates the idle sessions in order.
    pub(crate) async fn close(&self, deadline: Instant) {
        self.is_closed.store(true, Ordering::Release);
        let idle = std::mem::take(&mut *self.idle());
        let goodbyes = idle.into_iter().map(|idle| idle.connection.say_goodbye());
        if timeout_at(deadline.into(), join_all(goodbyes)).await.is_err() {
            debug!("the time ran out before every connection was closed");
        }
    }

    /// Makes the idle connections be checked before they are used.
    fn doubt_idle(&self) {
        self.idle().iter_mut().for_each(|idle| idle.is_doubted = true);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permits {
    /// Makes this many permits, but at least one.
    pub(crate) fn new(most: u32) -> Self {
        let most = most.clamp(1, MOST_CONNECTIONS);
        Self { most, semaphore: Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(1))) }
    }

    /// Waits in FIFO order while all are lent. Waiting says nothing about the endpoints.
    pub(crate) async fn acquire(&self, deadline: Instant) -> Result<Permit, Fault> {
        let permit = Arc::clone(&self.semaphore).acquire_owned();
        match timeout_at(deadline.into(), permit).await {
            Ok(Ok(permit)) => Ok(Arc::new(permit)),
            Ok(Err(_)) => Err(Fault::unavailable("the connections to the database are being closed")),
            Err(_) => Err(Fault::deadline("the time ran out while all connections were in use")),
        }
    }

    /// Waits for the lent connections, and lends no more.
    pub(crate) async fn close(&self, deadline: Instant) {
        // Requests that already wait for a connection come first.
        let all_back = timeout_at(deadline.into(), self.semaphore.acquire_many(self.most)).await;
        self.semaphore.close();
        drop(all_back);
    }
}

impl PooledConnection {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns a connection that has no transaction and no outstanding answer.
    pub(crate) fn give_back(self) {
        let Self { connection, pool, guard, permit } = self;
        connection.allowance().for_host();
        guard.succeeded();
        let (now, mut idle) = (pool.now(), pool.idle());
        if !connection.is_usable() {
            retire(connection, "its set-up failed");
        } else if connection.is_old(now) || pool.is_closed.load(Ordering::Acquire) {
            retire(connection, OLD);
        } else {
            idle.push(Idle { connection, since: now, is_doubted: false });
        }
        // If the permit were released before the connection is idle, one connection too many could
        // be opened.
        drop(permit);
    }

    /// Closes a connection whose state is not known.
    pub(crate) fn discard(self, reason: &'static str) {
        debug!(reason, "connection dropped");
    }

    /// Waits for the answer to a rule's statement. If there is none after some time, the endpoint has to show on
    /// another connection that it still answers. The wait also ends when the rule's time for answers is used up, if
    /// its statements are the cause.
    pub(crate) async fn wait_watched<T>(
        &self,
        timeout: AnswerTimeout,
        waits: &AnswerWaits,
        answer: impl Future<Output = T>,
    ) -> Result<T, Silence> {
        let began = monotonic();
        let (until, watched) = (timeout.until(began), began + timeout.until_watched());
        let over = began + waits.left();
        let watch = async {
            if watched < over {
                sleep_until(watched.into()).await;
                self.guard.watch(watched, until).await;
            }
            sleep_until(over.into()).await;
            match self.guard.exceeded(waits, Some(began), until).await {
                Some(exceeded) => exceeded,
                None => pending().await,
            }
        };
        let answered = async {
            match select(pin!(answer), pin!(watch)).await {
                Either::Left((answer, _)) => Ok(answer),
                Either::Right((exceeded, _)) => Err(timeout.silence_since(began).for_limit(exceeded)),
            }
        };
        // Where the wait is given up, the statement has to end too.
        let given_up = CancelOnDrop(Some(self));
        let answered = timeout.wait(answered).await;
        given_up.disarm();
        waits.add(monotonic() - began);
        answered.flatten()
    }

    /// The server has answered a statement on it.
    pub(crate) fn answered(&self) {
        self.guard.heard();
    }

    /// The limit, if the rule's time for answers is used up and its statements are the cause. Nothing is outstanding.
    pub(crate) async fn exceeded(&self, timeout: AnswerTimeout, waits: &AnswerWaits) -> Option<LimitExceeded> {
        if !waits.left().is_zero() {
            return None;
        }
        let now = monotonic();
        // The statement waits for that.
        self.guard.exceeded(waits, None, timeout.until(now).min(now + timeout.until_watched())).await
    }

    /// Closes a connection on which an answer timed out. Returns what the endpoint has done meanwhile.
    pub(crate) fn silent(self, silence: Silence) -> Meanwhile {
        let Self { connection, pool, guard, .. } = self;
        debug!(reason = "it was silent", "connection dropped");
        pool.endpoint.cancel(&connection);
        drop(connection);
        let meanwhile = guard.silent(silence);
        if meanwhile == Meanwhile::Nothing && silence.is_endpoints() {
            pool.doubt_idle();
        }
        meanwhile
    }

    /// Closes a broken connection and the idle ones. If the host itself ended the connection
    /// because a message was too long, that says nothing about the others or the endpoint.
    pub(crate) fn lost(self) {
        if self.connection.allowance().refused().is_some() {
            return self.discard("a message on it was too long");
        }
        self.pool.drop_idle("one was lost");
        self.guard.failed();
    }
}

/// Has the server cancel the running statement of a connection, unless it is disarmed.
struct CancelOnDrop<'a>(Option<&'a PooledConnection>);

impl CancelOnDrop<'_> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(lease) = self.0 {
            lease.pool.endpoint.cancel(&lease.connection);
        }
    }
}

/// Terminates a session in order, in the background.
fn retire(connection: Connection, reason: &'static str) {
    debug!(reason, "connection dropped");
    drop(connection.say_goodbye());
}
