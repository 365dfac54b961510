use std::fmt::Write as _;
use std::future::ready;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use tenet_core::{DualInstant, Fault};
use tenet_policy::StatementCache;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Error, NoTls, Socket, Statement};
use tracing::debug;

use crate::connect::message_gate::{Allowance, Gate};
use crate::statements::failure::{self, ConnectionState, QueryError, QueryFailure};
use crate::statements::parameter::Encoded;

/// How many statements' result columns a connection caches, and how many bytes of statement text.
/// The server keeps each of them too.
const MOST_DESCRIBED: usize = 256;
const MOST_DESCRIBED_BYTES: usize = 256 << 10;

/// A statement cannot name the schema of every operator, and for some types a team's own operator
/// would be the better match. With only PostgreSQL's own schema in the path, no other operator is
/// found.
pub(crate) const SEARCH_PATH: &str = "SET search_path = pg_catalog";

/// The search path of a session.
enum SearchPath {
    /// The session's initial one.
    Usual,
    /// The set-up was sent and is not yet answered.
    Sent(JoinHandle<Result<(), Error>>),
    /// [`SEARCH_PATH`].
    Set,
    /// The set-up failed.
    Failed,
}

/// The bytes that a type's number takes in a [`Text`]: the numbers of PostgreSQL's own types have
/// at most four digits.
const KIND_BYTES: usize = 5;

/// One session with the server. Dropping it closes the socket at once, which ends the session and
/// its transaction.
pub(crate) struct Connection {
    pub(crate) client: Client,
    // Dropped after the client: dropping a description while the client exists sends a message.
    described: StatementCache<Statement>,
    /// The statements that set up the session.
    set_up: String,
    search_path: Mutex<SearchPath>,
    /// The limit on the length of one message.
    allowance: Arc<Allowance>,
    /// When opening began. The server counts the connection's age from a later time.
    opened: DualInstant,
    /// The age at which it is replaced.
    used_for: Duration,
    /// Completes when the session was terminated in order, or has failed.
    ended: JoinHandle<()>,
    running: Running,
}

/// A statement's text and the types of its parameters, concatenated. The result columns depend on
/// these only.
pub(crate) type Text = String;

/// Aborts the task that drives the connection when it is dropped.
struct Running(Option<AbortHandle>);

impl Connection {
    /// Opens a connection at this time. The streams that `way` makes have a gate with this allowance.
    pub(crate) async fn open<T>(
        config: &Config,
        opened: DualInstant,
        way: impl FnOnce(Arc<Allowance>) -> T,
    ) -> Result<Self, Error>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let allowance = Arc::<Allowance>::default();
        let (client, driver) = config.connect(way(Arc::clone(&allowance))).await?;
        Ok(Self::over(client, driver, allowance, opened))
    }

    /// Opens a connection at this time over a stream to the server.
    pub(crate) async fn open_over<S>(config: &Config, opened: DualInstant, stream: S) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let allowance = Arc::<Allowance>::default();
        let gate = Gate::plain(stream, Arc::clone(&allowance));
        let (client, driver) = config.connect_raw(gate, NoTls).await?;
        Ok(Self::over(client, driver, allowance, opened))
    }

    fn over(
        client: Client,
        driver: impl Future<Output = Result<(), Error>> + Send + 'static,
        allowance: Arc<Allowance>,
        opened: DualInstant,
    ) -> Self {
        let described = StatementCache::new(MOST_DESCRIBED, MOST_DESCRIBED_BYTES);
        let ended = tokio::spawn(async move {
            match driver.await {
                Ok(()) => debug!("connection closed"),
                Err(error) => debug!(error = failure::describe(&error), "connection ended"),
            }
        });
        let running = Running(Some(ended.abort_handle()));
        let (set_up, search_path) = (SEARCH_PATH.to_owned(), Mutex::new(SearchPath::Usual));
        Self { client, described, set_up, search_path, allowance, opened, used_for: Duration::MAX, ended, running }
    }

    /// The same connection, to be replaced at this age.
    pub(crate) fn used_for(self, used_for: Duration) -> Self {
        Self { used_for, ..self }
    }

    /// The same connection, on which a wait for a locked row ends as a conflict after this time. Only for PostgreSQL:
    /// DSQL has no such waits, and no such setting.
    pub(crate) fn with_lock_timeout(mut self, lock_timeout: Duration) -> Self {
        // Zero would be no timeout.
        let millis = lock_timeout.as_millis().max(1);
        self.set_up = format!("{SEARCH_PATH}; SET lock_timeout = {millis}");
        self
    }

    /// Sends the statements that set up the session, before its first flight.
    pub(crate) async fn send_search_path(&self) {
        if !matches!(*self.search_path(), SearchPath::Usual) {
            return;
        }
        // If the connection is closed, the flight fails too.
        let Ok(answers) = self.client.simple_query_raw(&self.set_up).await else { return };
        // The driver delivers answers in order, so this one has to be read first.
        let set = tokio::spawn(answers.try_for_each(|_| ready(Ok(()))));
        *self.search_path() = SearchPath::Sent(set);
    }

    /// Whether no rule's statement has run on it.
    pub(crate) fn is_new(&self) -> bool {
        !matches!(*self.search_path(), SearchPath::Set)
    }

    /// Waits until the session has confirmed its search path, which was sent before. On an error,
    /// no rule's statement may run on this session.
    pub(crate) async fn has_search_path(&self) -> Result<(), QueryFailure> {
        let before = mem::replace(&mut *self.search_path(), SearchPath::Failed);
        let sent = match before {
            SearchPath::Sent(set) => set.await.ok(),
            SearchPath::Set => Some(Ok(())),
            SearchPath::Usual | SearchPath::Failed => None,
        };
        let doing = "the session's search path could not be set";
        match sent {
            Some(Ok(())) => {
                *self.search_path() = SearchPath::Set;
                Ok(())
            }
            Some(Err(error)) => match QueryFailure::of_host(self.query_error(error), doing) {
                lost @ QueryFailure { left: ConnectionState::Lost, .. } => Err(lost),
                QueryFailure { fault, .. } => Err(QueryFailure { fault, left: ConnectionState::Stuck }),
            },
            None => Err(QueryFailure { fault: Fault::conflict(None, doing), left: ConnectionState::Stuck }),
        }
    }

    /// Whether it can be used again. One whose set-up failed cannot, whatever else its first flight did: the set-up, sent
    /// once more, could end up in a transaction that has failed too.
    pub(crate) fn is_usable(&self) -> bool {
        !matches!(*self.search_path(), SearchPath::Failed)
    }

    fn search_path(&self) -> MutexGuard<'_, SearchPath> {
        self.search_path.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limit on the length of one message.
    pub(crate) fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// Why an answer did not arrive. If the connection was ended because a message was too long,
    /// the driver reports only that it is closed.
    pub(crate) fn query_error(&self, error: Error) -> QueryError {
        match self.allowance.refused() {
            Some(length) if error.as_db_error().is_none() => QueryError::TooLong(length),
            _ => QueryError::Driver(error),
        }
    }

    /// Whether it is known to be closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Whether it has reached the age at which it is replaced.
    pub(crate) fn is_old(&self, now: DualInstant) -> bool {
        now.since(&self.opened) >= self.used_for
    }

    /// Whether the server answers within this time. It costs a round trip.
    pub(crate) async fn answers(&self, within: Duration) -> bool {
        matches!(timeout(within, self.client.check_connection()).await, Ok(Ok(())))
    }

    /// Terminates the session in order. The returned task completes when that is done.
    pub(crate) fn say_goodbye(self) -> JoinHandle<()> {
        let Self { client, described, ended, mut running, .. } = self;
        running.0 = None;
        drop(client);
        drop(described);
        ended
    }

    /// The cached description of a statement on this connection.
    ///
    /// It is stale if a table was altered since. It is only used for the names of columns that have
    /// no rows.
    pub(crate) fn described(&self, statement: &Encoded) -> Result<Statement, Text> {
        let text = text(statement);
        self.described.get(&text).ok_or(text)
    }

    /// Caches a description.
    pub(crate) fn remember(&self, text: Text, description: Statement) {
        // The cache keeps the description rather than its columns, because dropping a description
        // sends a message to the server. So it evicts one at a time.
        self.described.keep(&text, description);
    }
}

fn text(statement: &Encoded) -> Text {
    let mut text = String::with_capacity(statement.sql.len() + statement.parameters.len() * KIND_BYTES);
    text.push_str(&statement.sql);
    for (_, kind) in &statement.parameters {
        // A statement contains no U+0000, and writing to a String cannot fail.
        let _ = write!(text, "\0{}", kind.oid());
    }
    text
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(driver) = &self.0 {
            driver.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use tenet_core::Value;

    use super::*;

    #[test]
    fn a_description_is_of_one_text_with_parameters_of_these_types() {
        let text = |sql: &str, parameters: Vec<Value>| text(&Encoded::of_host(sql, parameters).unwrap());
        let (int4, int8) = (|| Value::Int4(1), || Value::Int8(1));
        assert_eq!(text("SELECT $1", vec![int4()]), text("SELECT $1", vec![Value::Int4(2)]));
        let other = [
            text("SELECT $1", vec![]),
            text("SELECT $1", vec![int4()]),
            text("SELECT $1", vec![int8()]),
            text("SELECT $1", vec![int4(), int8()]),
            text("SELECT $1", vec![int8(), int4()]),
            text("SELECT $2", vec![int4()]),
        ];
        for (place, one) in other.iter().enumerate() {
            assert!(!other[place + 1..].contains(one), "{one:?}");
        }
    }
}
