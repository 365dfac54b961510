use std::io::Result;
use std::str::FromStr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The PostgreSQL behind a stand-in, which admits its user without a password.
#[derive(Clone)]
pub(crate) struct Server {
    host: String,
    port: u16,
    pub(crate) user: String,
    pub(crate) database: String,
}

impl Server {
    /// The server at this URL.
    pub(crate) fn at(url: &str) -> Self {
        let config = Config::from_str(url).unwrap();
        let Host::Tcp(host) = config.get_hosts()[0].clone() else { panic!("{url} is not reached by TCP") };
        Self {
            host,
            port: config.get_ports()[0],
            user: config.get_user().unwrap().to_owned(),
            database: config.get_dbname().unwrap().to_owned(),
        }
    }

    /// A new connection. Fails while the server is down.
    pub(crate) async fn reach(&self) -> Result<TcpStream> {
        let server = TcpStream::connect((self.host.as_str(), self.port)).await?;
        server.set_nodelay(true)?;
        Ok(server)
    }

    /// A new connection on which this first message was sent.
    pub(crate) async fn connect(&self, first: &[u8]) -> Result<TcpStream> {
        let mut server = self.reach().await?;
        let length = (first.len() as u32 + 4).to_be_bytes();
        server.write_all(&[&length[..], first].concat()).await?;
        Ok(server)
    }
}
