use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tenet_core::Fault;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tracing::debug;

use crate::connection::Connection;
use crate::failure;

/// Longest wait for a new connection to be ready, name look-up and log-in included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may be silent before the kernel asks whether the server is there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// Where the database is and how a connection to it is opened.
///
/// This is the one place that differs between a plain PostgreSQL and a server that wants
/// TLS and a token signed for each connection.
#[derive(Clone)]
pub struct Endpoint {
    config: Arc<Config>,
}

/// Text that names no database this host can reach. It never repeats the text, which may
/// hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointError {
    what: &'static str,
}

impl Endpoint {
    /// A plain PostgreSQL, reached without TLS: `postgres://user:password@host:port/database`.
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        let error = |what| Err(EndpointError { what });
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
        config.ssl_mode(SslMode::Disable).keepalives(true).keepalives_idle(KEEPALIVE_IDLE);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("tenet");
        }
        Ok(Self { config: Arc::new(config) })
    }

    /// Opens a connection. Every failure of it is [`Fault::unavailable`].
    pub(crate) async fn connect(&self) -> Result<Connection, Fault> {
        match tokio::time::timeout(CONNECT_TIMEOUT, self.config.connect(NoTls)).await {
            Ok(Ok((client, driver))) => {
                debug!(endpoint = %self, "connected");
                Ok(Connection::new(client, driver))
            }
            Ok(Err(error)) => {
                let text = failure::describe(&error);
                debug!(endpoint = %self, error = text, "not connected");
                Err(Fault::unavailable(format!("no connection to the database could be had: {text}")))
            }
            Err(_) => {
                debug!(endpoint = %self, "not connected in time");
                Err(Fault::unavailable("no connection to the database could be had in time"))
            }
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => f.write_str(host)?,
            #[cfg(unix)]
            Some(Host::Unix(path)) => write!(f, "{}", path.display())?,
            None => {}
        }
        if let Some(port) = self.config.get_ports().first() {
            write!(f, ":{port}")?;
        }
        if let Some(name) = self.config.get_dbname() {
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

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl std::error::Error for EndpointError {}

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
        // Port 1 is reserved for a service that nobody runs.
        let endpoint = Endpoint::parse("postgres://app:hunter2@127.0.0.1:1/x").unwrap();
        let fault = endpoint.connect().await.err().unwrap();
        assert!(fault.is_unavailable(), "{fault}");
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }
}
