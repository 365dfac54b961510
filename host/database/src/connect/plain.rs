use std::convert::Infallible;
use std::future::{Ready, ready};
use std::path::PathBuf;
use std::sync::Arc;

use tokio_postgres::config::{Host, SslMode, SslNegotiation};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, Socket};

use crate::connect::endpoint_error::EndpointError;
use crate::connect::message_gate::{Allowance, Gate};

/// PostgreSQL's default port.
const PORT: u16 = 5432;

/// A connector without TLS whose streams have a [`Gate`].
///
/// The driver wraps a stream only for TLS. So it is configured to start TLS directly, without a
/// request to the server, and this connector does no TLS.
#[derive(Clone)]
pub(crate) struct Plain(Arc<Allowance>);

impl Plain {
    pub(crate) fn new(allowance: Arc<Allowance>) -> Self {
        Self(allowance)
    }

    /// Configures connections without TLS.
    pub(crate) fn set_up(config: &mut Config) -> Result<(), EndpointError> {
        if folder(config).is_some() {
            config.ssl_mode(SslMode::Disable);
        } else if config.get_hosts().iter().any(|host| matches!(host, Host::Unix(_))) {
            return Err(EndpointError::new("the database's URL names a socket's folder and another host"));
        } else {
            config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
        }
        Ok(())
    }

    /// The path of the Unix socket that a configuration names, whose stream the driver would not
    /// wrap.
    pub(crate) fn socket(config: &Config) -> Option<PathBuf> {
        let port = config.get_ports().first().unwrap_or(&PORT);
        Some(folder(config)?.join(format!(".s.PGSQL.{port}")))
    }
}

fn folder(config: &Config) -> Option<&PathBuf> {
    match config.get_hosts() {
        [Host::Unix(folder)] => Some(folder),
        _ => None,
    }
}

impl MakeTlsConnect<Socket> for Plain {
    type Stream = Gate<Socket>;
    type TlsConnect = Self;
    type Error = Infallible;

    fn make_tls_connect(&mut self, _: &str) -> Result<Self, Infallible> {
        Ok(self.clone())
    }
}

impl TlsConnect<Socket> for Plain {
    type Stream = Gate<Socket>;
    type Error = Infallible;
    type Future = Ready<Result<Gate<Socket>, Infallible>>;

    fn connect(self, socket: Socket) -> Self::Future {
        ready(Ok(Gate::plain(socket, self.0)))
    }
}
