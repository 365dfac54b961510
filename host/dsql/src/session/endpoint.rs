use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::session::failure::{too_fast, too_many_connections};
use crate::sql_error::SqlError;
use crate::store::Store;

/// Says whether a role may sign in with a password.
pub type SignIn = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

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

impl Endpoint {
    pub(crate) fn new(store: Arc<Store>, sign_in: Option<SignIn>) -> Self {
        let (tokens, filled) = (f64::from(store.limits.connection_burst), store.clock.elapsed());
        Self { store, sign_in, gate: Mutex::new(Gate { open: 0, tokens, filled }) }
    }

    /// What checks passwords.
    pub(crate) fn sign_in(&self) -> Option<SignIn> {
        self.sign_in.clone()
    }

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
