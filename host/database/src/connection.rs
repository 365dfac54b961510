use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinHandle;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Socket, Statement};
use tracing::debug;

use crate::failure;
use crate::parameter::Encoded;

/// How many texts' result columns a connection remembers before it starts over.
const MOST_DESCRIBED: usize = 256;

/// One session with the server. Dropped, it closes its socket at once, which ends the
/// session and whatever transaction it had.
pub(crate) struct Connection {
    pub(crate) client: Client,
    driver: JoinHandle<()>,
    described: Mutex<HashMap<Text, Statement>>,
}

/// A statement's text and its parameters' types: what its result columns depend on.
pub(crate) type Text = (String, Vec<u32>);

impl Connection {
    pub(crate) fn new(client: Client, driver: tokio_postgres::Connection<Socket, NoTlsStream>) -> Self {
        let driver = tokio::spawn(async move {
            match driver.await {
                Ok(()) => debug!("connection closed"),
                Err(error) => debug!(error = failure::describe(&error), "connection ended"),
            }
        });
        Self { client, driver, described: Mutex::default() }
    }

    /// Whether it is known to be dead.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The description of a statement that was described on this connection before.
    ///
    /// A table altered since then makes it stale. It is only used for the names of
    /// columns that have no rows.
    pub(crate) fn described(&self, statement: &Encoded) -> Result<Statement, Text> {
        let text = (statement.sql.clone(), statement.parameters.iter().map(|(_, kind)| kind.oid()).collect());
        let described = self.described.lock().unwrap_or_else(PoisonError::into_inner);
        described.get(&text).cloned().ok_or(text)
    }

    pub(crate) fn remember(&self, text: Text, description: Statement) {
        // The description is kept rather than its columns, because dropping it sends a
        // message to the server.
        let mut described = self.described.lock().unwrap_or_else(PoisonError::into_inner);
        if described.len() >= MOST_DESCRIBED {
            described.clear();
        }
        described.insert(text, description);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
