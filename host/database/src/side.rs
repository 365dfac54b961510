use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tenet_core::{Fault, Measured};

use crate::breaker::{Breaker, Change, Pass};
use crate::pool::{Lease, Pool};

/// All lines of this crate that count something: one for each change of an endpoint's breaker.
pub const MEASURED: [Measured; 1] = [Measured {
    name: "breaker",
    dimensions: &[&["endpoint"], &[]],
    metrics: &[("BreakerOpened", "Count"), ("BreakerClosed", "Count")],
}];

/// One of the endpoints of a database: the connections to it, and whether it is worth trying.
pub(crate) struct Side {
    pub(crate) pool: Arc<Pool>,
    breaker: Mutex<Breaker>,
    /// Whether it is known to lead to the database that is meant.
    verified: AtomicBool,
}

/// A try at an endpoint. Dropped before it is told how that went, it says nothing, unless its
/// time was over: whoever waits for an answer until then gives up by dropping it.
pub(crate) struct Try {
    side: Arc<Side>,
    pass: Option<Pass>,
    /// When whoever waits for the endpoint waits no longer, once somebody does.
    until: Option<Instant>,
}

impl Side {
    pub(crate) fn new(pool: Pool) -> Arc<Self> {
        Arc::new(Self { pool: Arc::new(pool), breaker: Mutex::default(), verified: AtomicBool::new(false) })
    }

    /// Lends a connection, unless the endpoint is not worth trying or has none by then. It is used
    /// until the deadline.
    pub(crate) async fn check_out(self: &Arc<Self>, by: Instant, deadline: Instant) -> Result<Lease, Fault> {
        let (pass, change) = self.breaker().admit(Instant::now());
        self.tell(change);
        let Some(pass) = pass else {
            return Err(Fault::shut("the database could not be reached a moment ago, and is not tried again yet"));
        };
        let attempt = Try { side: Arc::clone(self), pass: Some(pass), until: None };
        Arc::clone(&self.pool).check_out(attempt, by, deadline).await
    }

    pub(crate) fn is_verified(&self) -> bool {
        self.verified.load(Ordering::Acquire)
    }

    pub(crate) fn verify(&self) {
        self.verified.store(true, Ordering::Release);
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: Option<Change>) {
        let Some(change) = change else { return };
        let endpoint = self.pool.name();
        let is = |what: Change| u8::from(change == what);
        tracing::warn!(
            name: "breaker",
            message = "endpoint's breaker turns",
            endpoint,
            state = change.state(),
            BreakerOpened = is(Change::Opened),
            BreakerClosed = is(Change::Closed),
        );
    }
}

impl Try {
    /// From now on somebody waits for the endpoint, until then.
    pub(crate) fn wait_until(&mut self, until: Instant) {
        self.until = Some(until);
    }

    /// The endpoint did what it was asked.
    pub(crate) fn succeeded(mut self) {
        if let Some(pass) = self.pass.take() {
            let change = self.side.breaker().succeeded(pass);
            self.side.tell(change);
        }
    }

    /// It could not be reached, or was lost, or was silent.
    pub(crate) fn failed(mut self) {
        self.fail();
    }

    /// How it went cannot be said, and that is not the endpoint's doing.
    pub(crate) fn gave_up(mut self) {
        self.give_up();
    }

    fn fail(&mut self) {
        if let Some(pass) = self.pass.take() {
            let change = self.side.breaker().failed(pass, Instant::now(), fastrand::f64());
            self.side.tell(change);
        }
    }

    fn give_up(&mut self) {
        if let Some(pass) = self.pass.take() {
            let change = self.side.breaker().gave_up(pass, Instant::now());
            self.side.tell(change);
        }
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        if self.until.is_some_and(|until| Instant::now() >= until) { self.fail() } else { self.give_up() }
    }
}
