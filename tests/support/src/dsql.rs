use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::authority::Authority;
use crate::awaited::awaited;
use crate::bucket::Bucket;
use crate::dialect::Dialect;
use crate::door::{Door, Guest, PROTOCOL, startup};
use crate::link::{Link, Manners};
use crate::roles::Roles;
use crate::server::Server;
use crate::wire::Wire;

/// The longest message that DSQL accepts, in bytes.
const LONGEST_MESSAGE: usize = 10 << 20;

/// One regional endpoint of a DSQL cluster, in front of a database of a real PostgreSQL. Two
/// endpoints in front of one database are two regions of one cluster.
///
/// It ends with the runtime on which it was started.
pub struct Dsql {
    port: u16,
    authority: String,
    door: Arc<Door>,
    wire: Arc<Wire>,
}

/// The properties of a stand-in.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The region of the endpoint.
    pub region: String,
    /// The endpoint's name, if it does not have the form of a cluster's name with the region in it.
    pub host: Option<String>,
    /// The name in the certificate, if it differs from the endpoint's.
    pub certified: Option<String>,
    /// The maximum age of a connection; unlimited if it is none.
    pub age: Option<Duration>,
    /// The limit on new connections: the burst, and how many per second after that.
    pub rate: Option<(u32, u32)>,
    /// The maximum number of connections.
    pub most: Option<u32>,
    /// How far its clock is ahead of the client's.
    pub clock_ahead: Duration,
    /// Whether it refuses statements that DSQL does not support.
    pub strict: bool,
    /// Whether it is the endpoint of every cluster of its region, whatever the cluster's id.
    pub every_cluster: bool,
    /// Which IAM roles may sign in as which database role. If it is none, every client may sign in
    /// as any role.
    pub roles: Option<Roles>,
}

impl Terms {
    /// The properties of an endpoint in this region, as lenient as DSQL can be.
    pub fn of(region: &str) -> Self {
        Self {
            region: region.to_owned(),
            host: None,
            certified: None,
            age: None,
            rate: None,
            most: None,
            clock_ahead: Duration::ZERO,
            strict: true,
            every_cluster: false,
            roles: None,
        }
    }
}

impl Dsql {
    /// Starts serving the database with this URL, which has to admit its user without a password.
    /// DSQL's roles do not exist in PostgreSQL: all become the user in the URL.
    pub async fn start(url: &str, terms: Terms) -> Self {
        let server = Server::at(url);
        let Terms { region, host, certified, age, rate, most, clock_ahead, strict, every_cluster, roles } = terms;
        let id: String = std::iter::repeat_with(fastrand::lowercase).take(26).collect();
        let certified = certified.or_else(|| every_cluster.then(|| format!("*.dsql.{region}.on.aws")));
        let host = host.unwrap_or_else(|| format!("{id}.dsql.{region}.on.aws"));
        let authority = Authority::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Arc::new(Wire::default());
        let endpoint = Self {
            port: listener.local_addr().unwrap().port(),
            authority: authority.pem(),
            wire: Arc::clone(&wire),
            door: Arc::new(Door {
                tls: Arc::new(authority.server(certified.as_deref().unwrap_or(&host), PROTOCOL)),
                host,
                region,
                clock_ahead,
                bucket: rate.map(|(burst, a_second)| Bucket::new(burst, a_second)),
                most,
                every_cluster,
                roles: roles.clone(),
                wire: Arc::clone(&wire),
                let_in: Mutex::default(),
                turned_away: watch::Sender::default(),
            }),
        };
        let (door, wire) = (Arc::clone(&endpoint.door), Arc::clone(&endpoint.wire));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                wire.knock();
                if wire.is_down() {
                    continue;
                }
                client.set_nodelay(true).unwrap();
                let (door, server, wire, roles) = (Arc::clone(&door), server.clone(), Arc::clone(&wire), roles.clone());
                tokio::spawn(async move {
                    if wire.is_silent() {
                        wire.until_heard().await;
                        if has_left(&client).await {
                            return;
                        }
                    }
                    let Some(Guest { stream, mut parameters }) = door.admit(client).await else { return };
                    parameters.insert("user".to_owned(), server.user.clone());
                    parameters.insert("database".to_owned(), server.database.clone());
                    // DSQL always behaves in this way.
                    parameters.insert("default_transaction_isolation".to_owned(), "repeatable read".to_owned());
                    parameters.entry("timezone".to_owned()).or_insert_with(|| "UTC".to_owned());
                    let Ok(server) = server.connect(&startup(&parameters)).await else { return };
                    let manners =
                        Manners { dialect: strict.then(Dialect::default), age, longest: Some(LONGEST_MESSAGE), roles };
                    Link::serve(stream, server, wire, manners).await;
                });
            }
        });
        endpoint
    }

    /// The endpoint's name, which no name server knows: connect to 127.0.0.1.
    pub fn host(&self) -> &str {
        &self.door.host
    }

    /// The endpoint's name and its port.
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.door.host, self.port)
    }

    /// The port at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The endpoint's region.
    pub fn region(&self) -> &str {
        &self.door.region
    }

    /// The certificate of the authority that signed the endpoint's certificate, as PEM text.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The role and the application name of each client that was admitted.
    pub fn let_in(&self) -> Vec<(String, String)> {
        self.door.let_in.lock().unwrap().clone()
    }

    /// The error sent to each rejected client, or why it left by itself.
    pub fn turned_away(&self) -> Vec<String> {
        self.door.turned_away.borrow().clone()
    }

    /// Waits until this many clients were rejected.
    pub async fn until_turned_away(&self, count: usize) {
        // This value holds the sender, so waiting cannot fail.
        let mut away = self.door.turned_away.subscribe();
        let instead = || format!("turned away were {:?}, and not {count}", self.turned_away());
        let _ = awaited(away.wait_for(|away| away.len() >= count), instead).await;
    }
}

/// Whether a client that has sent something is gone.
async fn has_left(client: &TcpStream) -> bool {
    client.ready(Interest::READABLE).await.is_ok_and(|ready| ready.is_read_closed())
}

impl Deref for Dsql {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}
