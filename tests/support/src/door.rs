use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::bucket::Bucket;
use crate::dialect;
use crate::message::{Message, Severity};
use crate::roles::Roles;
use crate::token::{self, Denied, Wanted};
use crate::wire::Wire;

/// The ALPN protocol that TLS has to negotiate before PostgreSQL's protocol begins.
pub(crate) const PROTOCOL: &[u8] = b"postgresql";

/// The first byte of a TLS connection.
const HANDSHAKE: u8 = 0x16;
/// Version 3.0 of PostgreSQL's protocol.
const VERSION: u32 = 196_608;

/// Authenticates the clients of a DSQL endpoint and rejects others.
pub(crate) struct Door {
    pub(crate) host: String,
    pub(crate) region: String,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) clock_ahead: Duration,
    pub(crate) bucket: Option<Bucket>,
    pub(crate) most: Option<u32>,
    /// Whether it serves every cluster of the region.
    pub(crate) every_cluster: bool,
    pub(crate) roles: Option<Roles>,
    pub(crate) wire: Arc<Wire>,
    /// Role and application name of each client that was admitted.
    pub(crate) let_in: Mutex<Vec<(String, String)>>,
    /// The reason for each client that was rejected.
    pub(crate) turned_away: watch::Sender<Vec<String>>,
}

/// A client that was admitted.
pub(crate) struct Guest {
    pub(crate) stream: TlsStream<TcpStream>,
    /// The session parameters that it requested, except user and database.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// The error for a client that is rejected.
struct Turned {
    sqlstate: &'static str,
    message: String,
    detail: Option<String>,
}

impl Door {
    /// Admits a client, or sends it the reason why not.
    pub(crate) async fn admit(&self, client: TcpStream) -> Option<Guest> {
        match self.try_admit(client).await {
            Ok(guest) => guest,
            // The client left by itself: the TLS negotiation failed.
            Err(error) => {
                self.turned_away.send_modify(|away| away.push(error.to_string()));
                None
            }
        }
    }

    async fn try_admit(&self, mut client: TcpStream) -> std::io::Result<Option<Guest>> {
        let mut first = [0];
        client.peek(&mut first).await?;
        if first[0] != HANDSHAKE {
            let _ = Message::read_first(&mut client).await;
            let turned = Turned::new("28000", "unable to accept connection, TLS is required from the first byte on");
            self.turn_away(&mut client, turned).await;
            return Ok(None);
        }
        let hello = LazyConfigAcceptor::new(Acceptor::default(), client).await?;
        let name = hello.client_hello().server_name().map(str::to_owned);
        let protocol = hello.client_hello().alpn().is_some_and(|mut names| names.any(|name| name == PROTOCOL));
        let mut stream = hello.into_stream(Arc::clone(&self.tls)).await?;
        match self.sign_in(&mut stream, name.as_deref(), protocol).await? {
            Ok((user, parameters)) => {
                let application = parameters.get("application_name").cloned().unwrap_or_default();
                self.let_in.lock().unwrap().push((user, application));
                Ok(Some(Guest { stream, parameters }))
            }
            Err(turned) => {
                self.turn_away(&mut stream, turned).await;
                Ok(None)
            }
        }
    }

    async fn turn_away(&self, client: &mut (impl AsyncWrite + Unpin), turned: Turned) {
        let Turned { sqlstate, message, detail } = turned;
        let error = Message::error(Severity::Fatal, sqlstate, &message, detail.as_deref());
        self.turned_away.send_modify(|away| away.push(message));
        // The client may be gone already.
        let _ = client.write_all(&error.bytes()).await;
        let _ = client.shutdown().await;
    }

    async fn sign_in(
        &self,
        stream: &mut TlsStream<TcpStream>,
        name: Option<&str>,
        protocol: bool,
    ) -> std::io::Result<Result<(String, BTreeMap<String, String>), Turned>> {
        let (version, mut parameters) = read_startup(stream).await?;
        if let Some(turned) = self.greet(version, name, protocol, &parameters) {
            return Ok(Err(turned));
        }
        let user = parameters.remove("user").unwrap_or_default();
        parameters.remove("database");
        stream.write_all(&Message::password_wanted().bytes()).await?;
        stream.flush().await?;
        let answer = Message::read(stream, 10_000).await?;
        self.wire.until_letting_in().await;
        let password = String::from_utf8_lossy(&answer.body);
        let now = SystemTime::now() + self.clock_ahead;
        let host = name.filter(|_| self.every_cluster).unwrap_or(&self.host);
        let wanted = Wanted { host, region: &self.region, user: &user, now };
        let checked = token::check(password.trim_end_matches('\0'), &wanted);
        Ok(match checked {
            Ok(()) if user != "admin" && self.roles.as_ref().is_some_and(|roles| !roles.has(&user)) => {
                Err(Turned::new("28000", "unable to accept connection, access denied"))
            }
            Ok(()) => Ok((user, parameters)),
            Err(Denied { message, detail }) => Err(Turned { sqlstate: "28000", message, detail }),
        })
    }

    /// Why a client is rejected before it is asked for a password.
    fn greet(
        &self,
        version: u32,
        name: Option<&str>,
        protocol: bool,
        parameters: &BTreeMap<String, String>,
    ) -> Option<Turned> {
        if version != VERSION {
            return Some(Turned::new("08P01", "unable to accept connection, the protocol's version is not 3.0"));
        }
        let Some(name) = name else {
            return Some(Turned::new("08P01", "unable to accept connection, sni was not received"));
        };
        let is_of_region = self.every_cluster && name.ends_with(&format!(".dsql.{}.on.aws", self.region));
        if name != self.host && !is_of_region {
            return Some(Turned::new("08P01", format!("unable to accept connection, there is no cluster {name}")));
        }
        if !protocol {
            let text = "received direct SSL connection request without ALPN protocol negotiation extension";
            return Some(Turned::new("08P01", text));
        }
        if self.bucket.as_ref().is_some_and(|bucket| !bucket.take()) {
            return Some(Turned::new("53400", "unable to accept connection, rate exceeded"));
        }
        if self.most.is_some_and(|most| *self.wire.clients.borrow() >= most) {
            return Some(Turned::new("53300", "unable to accept connection, too many open connections"));
        }
        let database = parameters.get("database").map_or("", String::as_str);
        if database != "postgres" {
            return Some(Turned::new("3D000", format!("database \"{database}\" does not exist")));
        }
        let asked = parameters.keys().map(String::as_str).filter(|name| !["user", "database"].contains(name));
        let refusal = asked.filter(|name| *name != "options").find_map(dialect::parameter).or_else(|| {
            let options = parameters.get("options")?;
            let names = options.split("-c").filter_map(|option| Some(option.split_once('=')?.0.trim()));
            names.into_iter().find_map(dialect::parameter)
        });
        refusal.map(|refusal| Turned::new(refusal.sqlstate, refusal.message))
    }
}

impl Turned {
    fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into(), detail: None }
    }
}

/// The first message of a client that requests these parameters.
pub(crate) fn startup(parameters: &BTreeMap<String, String>) -> Vec<u8> {
    let pairs = parameters.iter().flat_map(|(name, value)| [name, value]);
    let texts: String = pairs.map(|text| format!("{text}\0")).collect();
    [&VERSION.to_be_bytes(), texts.as_bytes(), b"\0"].concat()
}

async fn read_startup(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u32, BTreeMap<String, String>)> {
    let body = Message::read_first(stream).await?;
    let Some((version, rest)) = body.split_first_chunk() else {
        return Err(Error::new(ErrorKind::InvalidData, "no version"));
    };
    let texts: Vec<_> = rest.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    let pairs = texts.chunks_exact(2).filter(|pair| !pair[0].is_empty());
    Ok((u32::from_be_bytes(*version), pairs.map(|pair| (pair[0].clone(), pair[1].clone())).collect()))
}
