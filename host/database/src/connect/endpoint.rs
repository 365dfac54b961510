use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use tenet_clock::{SystemClock, monotonic};
use tenet_core::{Clock, Code, DualInstant, Fault, SqlState};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{timeout, timeout_at};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tracing::debug;

use crate::connect::connection::Connection;
use crate::connect::connector::{Connector, ServerKind};
use crate::connect::dsql::{Cluster, Dsql, Refusal};
use crate::connect::endpoint_error::EndpointError;
use crate::connect::hosts_schema::{HOSTS_NAME, HOSTS_SCHEMA};
use crate::connect::plain::Plain;
use crate::connect::socket::set_socket_timeouts;
use crate::statements::failure;

/// The timeout for opening a connection, including name look-up and log-in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The timeout for a cancel request.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// The SQLSTATEs of a server that accepts no more connections at present: too many are open, or
/// were opened in this second.
const THROTTLED: [&str; 2] = ["53300", "53400"];

/// The class of SQLSTATEs of a server that refuses the role.
const AUTHORIZATION: &str = "28";

/// The longest pause after the first refused connection. It doubles with each further one, up to
/// the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// Where the database is and how to open a connection to it.
///
/// Only this differs between a plain PostgreSQL and a server that requires TLS and a token signed
/// for each connection.
#[derive(Clone)]
pub struct Endpoint {
    way: Way,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
enum Way {
    Plain(Arc<Config>),
    Dsql(Arc<Cluster>),
    Streams { connector: Arc<dyn Connector>, server: ServerKind, config: Arc<Config> },
}

impl Endpoint {
    /// A plain PostgreSQL, reached without TLS: `postgres://user:password@host:port/database`.
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        let error = |what| Err(EndpointError::new(what));
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return error("a database's URL reads postgres://user:password@host:port/database");
        }
        let Ok(mut config) = Config::from_str(url) else {
            return error("the database's URL cannot be read; its form is postgres://user:password@host:port/database");
        };
        if config.get_hosts().is_empty() {
            return error("the database's URL names no host");
        }
        if config.get_ssl_mode() == SslMode::Require {
            return error("the database's URL asks for TLS, which a plain PostgreSQL endpoint does not speak");
        }
        if config.get_user() == Some(HOSTS_SCHEMA) {
            return error(HOSTS_NAME);
        }
        Plain::set_up(&mut config)?;
        set_socket_timeouts(&mut config);
        if config.get_application_name().is_none() {
            config.application_name("tenet");
        }
        Ok(Self::of(Way::Plain(Arc::new(config))))
    }

    /// A cluster of Aurora DSQL, reached by TLS. The tokens are signed with the credentials of this
    /// configuration, for the cluster's region and not for the configuration's.
    pub fn dsql(dsql: &Dsql, aws: &SdkConfig) -> Result<Self, EndpointError> {
        Ok(Self::of(Way::Dsql(Arc::new(Cluster::new(dsql, aws)?))))
    }

    /// A server that `connector` reaches, where `role` signs in to `database`. A server that asks for a password gets an
    /// empty one.
    pub fn over(
        connector: Arc<dyn Connector>,
        server: ServerKind,
        role: &str,
        database: &str,
    ) -> Result<Self, EndpointError> {
        if role == HOSTS_SCHEMA {
            return Err(EndpointError::of("role", HOSTS_NAME));
        }
        let mut config = Config::new();
        config.user(role).password("").dbname(database).application_name("tenet").ssl_mode(SslMode::Disable);
        Ok(Self::of(Way::Streams { connector, server, config: Arc::new(config) }))
    }

    fn of(way: Way) -> Self {
        Self { way, clock: Arc::new(SystemClock) }
    }

    /// The same with another clock, which tells the ages of its connections and the pauses of its
    /// breaker.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The current time of its clock.
    pub(crate) fn now(&self) -> DualInstant {
        self.clock.dual_instant()
    }

    /// Whether it is DSQL, which builds indexes only in the background.
    pub(crate) fn is_dsql(&self) -> bool {
        matches!(self.way, Way::Dsql(_) | Way::Streams { server: ServerKind::Dsql, .. })
    }

    /// Opens a connection. Retries until the deadline if the server accepts no more connections at
    /// present. Every failure other than the deadline's own is [`Fault::unavailable`].
    pub(crate) async fn connect(&self, deadline: Instant) -> Result<Connection, Fault> {
        let mut longest = FIRST_PAUSE;
        loop {
            let until = deadline.min(monotonic() + CONNECT_TIMEOUT);
            let refusal = match timeout_at(until.into(), self.open()).await {
                Ok(Ok(connection)) => {
                    debug!(endpoint = %self, "connected");
                    return Ok(connection);
                }
                Ok(Err(refusal)) => refusal,
                Err(_) => {
                    debug!(endpoint = %self, "not connected in time");
                    return Err(match monotonic() >= deadline {
                        true => failure::late(),
                        false => Fault::unavailable("could not connect to the database in time"),
                    });
                }
            };
            let text = refusal.to_string();
            debug!(endpoint = %self, error = text, "not connected");
            let text = format!("could not connect to the database: {text}");
            let Some(sqlstate) = refusal.sqlstate() else { return Err(Fault::unavailable(text)) };
            if sqlstate.class() == AUTHORIZATION {
                return Err(Fault::refused(sqlstate, text).with_code(Code::DatabaseRole));
            }
            let pause = longest.mul_f64(fastrand::f64());
            if !THROTTLED.contains(&sqlstate.as_str()) {
                return Err(Fault::unavailable(text));
            }
            if monotonic() + pause >= deadline {
                return Err(Fault::refused(sqlstate, text));
            }
            tokio::time::sleep(pause).await;
            longest = LAST_PAUSE.min(longest * 2);
        }
    }

    /// Cancels the running statement of a session that is about to be closed. The request is sent
    /// in the background, once.
    ///
    /// PostgreSQL notices that its client is gone only when it sends an answer. A statement that
    /// waits for a lock sends none, so every attempt that reached that lock would leave a session
    /// behind. DSQL has no such locks, so it gets no such request.
    pub(crate) fn cancel(&self, connection: &Connection) {
        let Way::Plain(config) = &self.way else { return };
        let (token, socket) = (connection.client.cancel_token(), Plain::socket(config));
        let endpoint = self.to_string();
        tokio::spawn(async move {
            let asking = async {
                match socket {
                    Some(path) => token.cancel_query_raw(UnixStream::connect(path).await.ok()?, NoTls).await.ok(),
                    None => token.cancel_query(Plain::new(Arc::default())).await.ok(),
                }
            };
            let asked = timeout(CANCEL_TIMEOUT, asking).await;
            debug!(endpoint, asked = matches!(asked, Ok(Some(()))), "statement cancelled");
        });
    }

    /// Opens a connection in a task of its own, which ends with its caller. So the CPU time of the
    /// handshake is not charged to the rule whose statement is the first.
    async fn open(&self) -> Result<Connection, Refusal> {
        let (way, now) = (self.way.clone(), self.now());
        let mut opening = JoinSet::new();
        opening.spawn(async move {
            match way {
                Way::Plain(config) => match Plain::socket(&config) {
                    Some(path) => {
                        let socket = UnixStream::connect(path).await.map_err(Refusal::Socket)?;
                        Connection::open_over(&config, now, socket).await.map_err(Refusal::Driver)
                    }
                    None => Connection::open(&config, now, Plain::new).await.map_err(Refusal::Driver),
                },
                Way::Dsql(cluster) => cluster.connect(now).await,
                Way::Streams { connector, config, .. } => {
                    let stream = connector.connect().await.map_err(Refusal::Socket)?;
                    Connection::open_over(&config, now, stream).await.map_err(Refusal::Driver)
                }
            }
        });
        match opening.join_next().await {
            Some(Ok(opened)) => opened,
            Some(Err(_)) | None => Err(Refusal::Panicked),
        }
    }
}

impl Refusal {
    /// The server's SQLSTATE, if it sent one.
    fn sqlstate(&self) -> Option<SqlState> {
        match self {
            Self::NoToken(_) | Self::Socket(_) | Self::Panicked => None,
            Self::Driver(error) => failure::code(error).and_then(SqlState::new),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken(why) => write!(f, "no token could be signed: {why}"),
            Self::Driver(error) => f.write_str(&failure::describe_refusal(error)),
            Self::Socket(error) => write!(f, "the server cannot be reached: {error}"),
            Self::Panicked => f.write_str("the host panicked while it opened it"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = match &self.way {
            Way::Plain(config) => config,
            Way::Dsql(cluster) => return cluster.fmt(f),
            Way::Streams { connector, .. } => return f.write_str(connector.name()),
        };
        match config.get_hosts().first() {
            Some(Host::Tcp(host)) => f.write_str(host)?,
            #[cfg(unix)]
            Some(Host::Unix(path)) => write!(f, "{}", path.display())?,
            None => {}
        }
        if let Some(port) = config.get_ports().first() {
            write!(f, ":{port}")?;
        }
        if let Some(name) = config.get_dbname() {
            write!(f, "/{name}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_where_it_leads_and_never_the_password() {
        let endpoint = Endpoint::parse("postgres://app:hunter2@db.example:5433/orders").unwrap();
        assert_eq!(endpoint.to_string(), "db.example:5433/orders");
        assert_eq!(format!("{endpoint:?}"), "Endpoint(db.example:5433/orders)");
    }

    #[test]
    fn refuses_what_is_no_url_without_repeating_it() {
        for url in [
            "",
            "postgres//app:hunter2@db/x?y=z",
            "host=db password=hunter2",
            "postgres://app:hunter2@db:port/x",
            "postgres://app:hunter2@db/x?hunter2=1",
            "postgres://app:hunter2@db/x?sslmode=require",
            "postgres:///x",
        ] {
            let error = Endpoint::parse(url).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_database_that_is_not_there_is_unavailable() {
        // Nothing listens on port 1, which is reserved.
        let endpoint = Endpoint::parse("postgres://app:hunter2@127.0.0.1:1/x").unwrap();
        let fault = endpoint.connect(monotonic() + CONNECT_TIMEOUT).await.err().unwrap();
        assert!(fault.is_unavailable(), "{fault}");
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }
}
