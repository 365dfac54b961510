use std::{fmt, io};

use aws_config::SdkConfig;
use rustls::pki_types::DnsName;
use tenet_core::DualInstant;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::{Config, Error};

use crate::connect::connection::Connection;
use crate::connect::endpoint_error::EndpointError;
use crate::connect::hosts_schema::{HOSTS_NAME, HOSTS_SCHEMA};
use crate::connect::message_gate::Gated;
use crate::connect::socket::set_socket_timeouts;
use crate::connect::tls::Tls;
use crate::connect::token::Signer;

const DATABASE: &str = "postgres";
const PORT: u16 = 5432;

/// The length of PostgreSQL's longest identifier, in bytes.
const LONGEST_NAME: usize = 63;

/// A cluster of Aurora DSQL, reached through one of its regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dsql {
    /// The cluster's endpoint in this region, `HOST` or `HOST:PORT`.
    pub endpoint: String,
    /// Where to connect instead of the endpoint's own name: the name or the IP address of a VPC
    /// endpoint without private DNS. TLS and token still use the endpoint's name.
    pub address: Option<String>,
    /// The endpoint's region. Not needed if its name is `ID.dsql.REGION.on.aws`.
    pub region: Option<String>,
    /// The database role to sign in as.
    pub role: String,
    /// The certificate authorities to trust for the server, in PEM text. Without it those that
    /// browsers trust, Amazon among them.
    pub authorities: Option<String>,
    /// The application name sent to the server. Only the first 63 bytes are used.
    pub application: String,
}

impl Dsql {
    /// The only role that signs in with another kind of token. It owns the schema and has all
    /// privileges.
    pub const ADMIN: &str = "admin";

    /// Whether the role is [`Self::ADMIN`]. A deployed function should not use it.
    pub fn is_admin(&self) -> bool {
        self.role == Self::ADMIN
    }
}

/// How connections to one endpoint are opened.
pub(crate) struct Cluster {
    config: Config,
    tls: Tls,
    signer: Signer,
    host: String,
    port: u16,
}

/// Why no connection was opened.
pub(crate) enum Refusal {
    /// No token could be signed.
    NoToken(String),
    /// An error of the server or the network.
    Driver(Error),
    /// The Unix socket or the connector could not be connected to.
    Socket(io::Error),
    /// The task that opens the connection panicked, which is a bug.
    Panicked,
}

impl Cluster {
    pub(crate) fn new(dsql: &Dsql, aws: &SdkConfig) -> Result<Self, EndpointError> {
        let (host, port) = split(&dsql.endpoint)?;
        let region = region(&host, dsql.region.as_deref())?;
        if dsql.role.is_empty() || dsql.role.len() > LONGEST_NAME || dsql.role.contains('\0') {
            return Err(EndpointError::of("role", "a database role has 1 to 63 bytes"));
        }
        if dsql.role == HOSTS_SCHEMA {
            return Err(EndpointError::of("role", HOSTS_NAME));
        }
        let at = dsql.address.as_deref().unwrap_or(&host);
        if at.is_empty() || at.contains(['/', ' ', '\0']) {
            return Err(EndpointError::of("address", "neither a host's name nor an IP address"));
        }
        let mut config = Config::new();
        config
            .host(at)
            .port(port)
            .user(&dsql.role)
            .dbname(DATABASE)
            .application_name(cut(&dsql.application))
            .ssl_mode(SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct);
        set_socket_timeouts(&mut config);
        let tls = Tls::new(&host, dsql.authorities.as_deref())?;
        let signer = Signer::new(aws, &host, &region, dsql.is_admin())?;
        Ok(Self { config, tls, signer, host, port })
    }

    pub(crate) async fn connect(&self, now: DualInstant) -> Result<Connection, Refusal> {
        let token = self.signer.sign().await.map_err(Refusal::NoToken)?;
        let mut config = self.config.clone();
        config.password(token);
        Connection::open(&config, now, |allowance| Gated::new(self.tls.clone(), allowance))
            .await
            .map_err(Refusal::Driver)
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{DATABASE}", self.host, self.port)
    }
}

fn split(endpoint: &str) -> Result<(String, u16), EndpointError> {
    let error = |what| Err(EndpointError::of("endpoint", what));
    let (host, port) = match endpoint.split_once(':') {
        None => (endpoint, PORT),
        Some((host, port)) => match port.parse() {
            Ok(port) if port != 0 => (host, port),
            _ => return error("what follows the colon is no port; the form is HOST or HOST:PORT"),
        },
    };
    // An IP address looks like a name whose last label is a number.
    let is_address = host.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    if DnsName::try_from(host).is_err() || is_address {
        return error("not a host's name, which TLS needs; a cluster's is ID.dsql.REGION.on.aws");
    }
    Ok((host.to_owned(), port))
}

/// The region from the endpoint's name or the one that is given; one is enough.
fn region(host: &str, given: Option<&str>) -> Result<String, EndpointError> {
    let error = |what: String| Err(EndpointError::of("region", what));
    let labels: Vec<_> = host.split('.').collect();
    let named = match *labels.as_slice() {
        // `dsql-SUFFIX` appears in names with private DNS of a VPC endpoint.
        [_, service, region, "on", "aws"] if service == "dsql" || service.starts_with("dsql-") => Some(region),
        _ => None,
    };
    match (named, given) {
        (Some(named), Some(given)) if named != given => {
            error(format!("the endpoint's name says {named}, and {given} is given"))
        }
        (None, None) => error("it is not in the endpoint's name and has to be given".to_owned()),
        (_, Some(given)) if !is_region(given) => error("a region reads like us-east-1".to_owned()),
        (Some(region), _) | (None, Some(region)) => Ok(region.to_owned()),
    }
}

fn is_region(text: &str) -> bool {
    let of = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= LONGEST_NAME && text.bytes().all(of)
}

fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(LONGEST_NAME)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use aws_sdk_dsql::config::{Credentials, SharedCredentialsProvider};

    use super::*;
    use crate::Endpoint;

    const HOST: &str = "abcdefghijklmnopqrstuvwxyz.dsql.us-west-2.on.aws";

    fn dsql() -> Dsql {
        Dsql {
            endpoint: HOST.to_owned(),
            address: None,
            region: None,
            role: "app".to_owned(),
            authorities: None,
            application: "orders:7".to_owned(),
        }
    }

    async fn aws() -> SdkConfig {
        let credentials = SharedCredentialsProvider::new(Credentials::new("AKID", "secret", None, None, "test"));
        let region = aws_config::Region::new("us-east-1");
        aws_config::defaults(aws_config::BehaviorVersion::latest())
            .region(region)
            .credentials_provider(credentials)
            .load()
            .await
    }

    #[tokio::test]
    async fn signs_for_the_endpoints_own_region_and_for_its_role() {
        let aws = aws().await;
        let token = Cluster::new(&dsql(), &aws).unwrap().signer.sign().await.unwrap();
        assert!(token.starts_with(&format!("{HOST}/?Action=DbConnect&")), "{token}");
        assert!(token.contains("%2Fus-west-2%2Fdsql%2Faws4_request"), "{token}");
        let admin = Dsql { role: "admin".to_owned(), ..dsql() };
        let token = Cluster::new(&admin, &aws).unwrap().signer.sign().await.unwrap();
        assert!(token.starts_with(&format!("{HOST}/?Action=DbConnectAdmin&")), "{token}");
    }

    #[tokio::test]
    async fn takes_the_region_from_the_name_unless_it_is_given() {
        let aws = aws().await;
        for (endpoint, given, region) in [
            (HOST, None, "us-west-2"),
            (HOST, Some("us-west-2"), "us-west-2"),
            ("abcdefghijklmnopqrstuvwxyz.dsql-fnh4.eu-west-1.on.aws:5433", None, "eu-west-1"),
            ("dsql.example:5433", Some("eu-west-1"), "eu-west-1"),
        ] {
            let dsql = Dsql { endpoint: endpoint.to_owned(), region: given.map(str::to_owned), ..dsql() };
            let token = Cluster::new(&dsql, &aws).unwrap().signer.sign().await.unwrap();
            assert!(token.contains(&format!("%2F{region}%2Fdsql")), "{token}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused_by_its_name() {
        let aws = aws().await;
        let with = |change: &dyn Fn(&mut Dsql)| {
            let mut dsql = dsql();
            change(&mut dsql);
            dsql
        };
        let endpoint = |endpoint: &'static str| with(&|dsql| dsql.endpoint = endpoint.to_owned());
        let cases = [
            (endpoint(""), "endpoint"),
            (endpoint("10.0.0.1"), "endpoint"),
            (endpoint("a host"), "endpoint"),
            (endpoint("host.example:0"), "endpoint"),
            (endpoint("host.example:port"), "endpoint"),
            (endpoint("postgres://host.example/postgres"), "endpoint"),
            (endpoint("host.example"), "region"),
            (with(&|dsql| dsql.region = Some("us-east-1".to_owned())), "region"),
            (with(&|dsql| dsql.role = String::new()), "role"),
            (with(&|dsql| dsql.role = "r".repeat(64)), "role"),
            (with(&|dsql| dsql.role = "tenet".to_owned()), "role"),
            (with(&|dsql| dsql.address = Some("https://vpce".to_owned())), "address"),
            (with(&|dsql| dsql.authorities = Some("no certificate".to_owned())), "ca"),
        ];
        for (dsql, part) in cases {
            let error = Endpoint::dsql(&dsql, &aws).unwrap_err();
            assert_eq!(error.part(), Some(part), "{dsql:?}: {error}");
        }
        let without = SdkConfig::builder().build();
        assert!(Endpoint::dsql(&dsql(), &without).unwrap_err().to_string().contains("credentials"));
    }

    #[test]
    fn a_long_name_of_the_client_is_cut_between_characters() {
        assert_eq!(cut("orders:7"), "orders:7");
        assert_eq!(cut(&"ü".repeat(40)), "ü".repeat(31));
    }
}
