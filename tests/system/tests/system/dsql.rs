//! The host against a stand-in for Aurora DSQL, and the stand-in against clients that it has to
//! reject.

use std::fs::File;
use std::future::Future;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dsql::auth_token::{AuthTokenGenerator, Config as TokenConfig};
use aws_sdk_dsql::config::{Credentials, SharedCredentialsProvider};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tenet_core::Fault;
use tenet_database::{Administrator, ConnectionLifetimes, Database, Dsql, Endpoint, Schema};
use tenet_events::Buses;
use tenet_test_support::{ACCESS_KEY, Authority, Dsql as StandIn, Relay, Roles, SECRET_KEY, Terms, awaited};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

use crate::lambda::{Lambda, bootstrap};
use crate::support::eventbridge::Bus;
use crate::support::host::{EAST, Host, WEST};
use crate::support::{self, tenet};

/// A deadline that no passing test reaches.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// The credentials that a stand-in accepts.
async fn aws() -> SdkConfig {
    signing_with(SECRET_KEY).await
}

async fn signing_with(secret: &str) -> SdkConfig {
    // With a session token, as in a function, and with characters that have to be encoded.
    let session = Some("session/token+with=signs".to_owned());
    let credentials = SharedCredentialsProvider::new(Credentials::new(ACCESS_KEY, secret, session, None, "test"));
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(credentials)
        .load()
        .await
}

/// The endpoint of a stand-in, as a function configures it.
fn cluster(stand_in: &StandIn) -> Dsql {
    Dsql {
        endpoint: stand_in.endpoint(),
        address: Some("127.0.0.1".to_owned()),
        region: None,
        role: "app".to_owned(),
        authorities: Some(stand_in.authority().to_owned()),
        application: "orders:7".to_owned(),
    }
}

pub(crate) async fn endpoint(stand_in: &StandIn) -> Endpoint {
    Endpoint::dsql(&cluster(stand_in), &aws().await).unwrap()
}

/// The reason why there is no connection.
async fn refusal(cluster: &Dsql, aws: &SdkConfig) -> Fault {
    let database = Database::new(Endpoint::dsql(cluster, aws).unwrap(), 1);
    let fault = database.warm(later()).await.unwrap_err();
    assert!(fault.is_unavailable(), "{fault}");
    fault
}

/// A client other than the host, and how it connects.
struct Stranger {
    names_the_server: bool,
    speaks_postgresql: bool,
    role: &'static str,
    database: &'static str,
    parameter: Option<(&'static str, &'static str)>,
}

/// A client that does everything correctly.
const STRANGER: Stranger =
    Stranger { names_the_server: true, speaks_postgresql: true, role: "app", database: "postgres", parameter: None };

impl Stranger {
    async fn connect(self, stand_in: &StandIn) -> Result<Client, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(stand_in.authority().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
        tls.enable_sni = self.names_the_server;
        if self.speaks_postgresql {
            tls.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        let socket = TcpStream::connect(("127.0.0.1", stand_in.port())).await.unwrap();
        let name = stand_in.host().to_owned().try_into().unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, socket).await.unwrap();

        let token = TokenConfig::builder().hostname(stand_in.host()).region(Region::new(stand_in.region().to_owned()));
        let generator = AuthTokenGenerator::new(token.build().unwrap());
        let token = generator.db_connect_auth_token(&aws().await).await.unwrap();
        let mut config = Config::new();
        // The stream is encrypted already.
        config.user(self.role).dbname(self.database).password(token.as_str()).ssl_mode(SslMode::Disable);
        if let Some((name, value)) = self.parameter {
            config.options(format!("-c {name}={value}"));
        }
        let (client, driver) = config.connect_raw(stream, NoTls).await?;
        tokio::spawn(driver);
        Ok(client)
    }
}

/// The server's error.
fn said(error: &Error) -> (String, String) {
    let error = error.as_db_error().unwrap_or_else(|| panic!("{error:?}"));
    (error.code().code().to_owned(), error.message().to_owned())
}

const WRITE: &str = r#"{"operation":"write","transaction_id":"test-001","amount":100.50}"#;

#[tokio::test]
async fn every_operation_answers_and_costs_on_dsql_what_it_does_on_postgresql() {
    let (plain, behind) = (support::database().await, support::database().await);
    let stand_in = StandIn::start(behind.url(), Terms::of(EAST)).await;
    let buses = Buses::new([EAST]).unwrap();
    let relay = Relay::start(plain.url()).await;
    let on_postgres = Host::start("rules", relay.url(), EAST, &buses);
    let on_dsql = Host::on(endpoint(&stand_in).await, "rules", EAST, &buses);
    for event in [
        WRITE,
        WRITE,
        r#"{"operation":"write","transaction_id":"test-002","amount":100.505}"#,
        r#"{"operation":"write","transaction_id":"test-001","amount":1,"idempotency_key":"other"}"#,
        r#"{"operation":"read"}"#,
        r#"{"operation":"open-account","account":"ann","opening_balance":100.00,"daily_ceiling":60}"#,
        r#"{"operation":"open-account","account":"bob","opening_balance":0,"daily_ceiling":60}"#,
        r#"{"operation":"show-account","account":"ann"}"#,
        r#"{"operation":"transfer","transfer_id":"t-1","from":"ann","to":"bob","amount":70}"#,
    ] {
        relay.reset();
        stand_in.reset();
        let (one, other) = (on_postgres.invoke(event).await, on_dsql.invoke(event).await);
        assert_eq!((one.answer.status, &one.answer.body), (other.answer.status, &other.answer.body), "{event}");
        assert_eq!(one.receipt.round_trips, other.receipt.round_trips, "{event}");
        assert_eq!(relay.round_trips(), stand_in.round_trips(), "{event}");
    }
    assert_eq!(stand_in.refused(), [""; 0]);
    assert_eq!(stand_in.let_in(), [("app".to_owned(), "orders:7".to_owned())]);
    assert_eq!(stand_in.turned_away(), [""; 0]);
}

#[tokio::test]
async fn two_regions_with_tokens_of_their_own_share_one_database() {
    let database = support::database().await;
    let (east, west) =
        tokio::join!(StandIn::start(database.url(), Terms::of(EAST)), StandIn::start(database.url(), Terms::of(WEST)),);
    let buses = Buses::new([EAST, WEST]).unwrap();
    let in_east = Host::on(endpoint(&east).await, "rules", EAST, &buses);
    let in_west = Host::on(endpoint(&west).await, "rules", WEST, &buses);
    let written = in_east.reply(WRITE).await;
    assert_eq!(in_west.reply(WRITE).await, written);
    assert!(in_west.reply(r#"{"operation":"read"}"#).await.contains(r#"{\"transaction_count\":1,"#));
    assert_eq!((east.let_in().len(), west.let_in().len()), (1, 1));
}

#[tokio::test]
async fn a_relays_turn_is_understood_by_dsql() {
    let database = support::database().await;
    let stand_in = StandIn::start(database.url(), Terms::of(EAST)).await;
    let buses = Buses::new([EAST]).unwrap();
    let host = Host::on(endpoint(&stand_in).await, "rules", EAST, &buses);
    for id in ["t-1", "t-2"] {
        host.invoke(&WRITE.replace("test-001", id)).await;
    }
    let row = "insert into tenet.outbox (id, operation, caller, key, ordinal, source, detail_type, detail, region, at) \
               select gen_random_uuid(), operation, caller, key, n, 's', case n when 0 then '' else 't' end, '{}', region, now \
               from tenet.keys, generate_series(0, 1) n where key = 't-1'";
    database.execute(row).await;
    database.execute("update tenet.keys set stored_at = now() - interval '31 days'").await;
    let relayed = host.relay().await;
    let counts = (relayed.delivered, relayed.parked, relayed.parked_now, relayed.keys_expired);
    assert_eq!((counts, relayed.complete), ((1, 1, 1, 1), true));
    assert_eq!(stand_in.refused(), [""; 0]);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_connection_is_said() {
    let database = support::database().await;
    let start = |terms| StandIn::start(database.url(), terms);
    let aws = aws().await;
    let right = start(Terms::of(EAST)).await;
    let here = cluster(&right);

    // The certificate is for another name, or from an untrusted authority.
    let other_name = start(Terms { certified: Some("other.example".to_owned()), ..Terms::of(EAST) }).await;
    let fault = refusal(&cluster(&other_name), &aws).await;
    assert!(fault.to_string().contains("not valid for name"), "{fault}");
    for authorities in [Some(Authority::new().pem()), None] {
        let fault = refusal(&Dsql { authorities, ..here.clone() }, &aws).await;
        assert!(fault.to_string().contains("UnknownIssuer"), "{fault}");
    }

    // The token is for another region, signed with another key, or too old.
    let fault = refusal(&here, &signing_with("not the secret").await).await;
    assert!(fault.to_string().contains("signature is not right"), "{fault}");
    assert!(!format!("{fault:#}").contains("X-Amz"), "{fault}");
    let hour = Duration::from_secs(3600);
    let tomorrow = start(Terms { clock_ahead: hour, ..Terms::of(EAST) }).await;
    let fault = refusal(&cluster(&tomorrow), &aws).await;
    assert!(fault.to_string().contains("access denied") && fault.to_string().contains("expired"), "{fault}");
    let anonymous = start(Terms { host: Some("db.example".to_owned()), ..Terms::of(EAST) }).await;
    let elsewhere = Dsql { region: Some(WEST.to_owned()), ..cluster(&anonymous) };
    let fault = refusal(&elsewhere, &aws).await;
    assert!(fault.to_string().contains("for the region us-west-2"), "{fault}");

    Database::new(endpoint(&right).await, 1).warm(later()).await.unwrap();
}

#[tokio::test]
async fn a_stand_in_lets_nobody_in_whom_dsql_would_not() {
    let database = support::database().await;
    let stand_in = StandIn::start(database.url(), Terms::of(EAST)).await;
    assert!(STRANGER.connect(&stand_in).await.is_ok());
    let no_name = Stranger { names_the_server: false, ..STRANGER };
    let no_protocol = Stranger { speaks_postgresql: false, ..STRANGER };
    let as_admin = Stranger { role: "admin", ..STRANGER };
    let elsewhere = Stranger { database: "orders", ..STRANGER };
    let impatient = Stranger { parameter: Some(("statement_timeout", "5")), ..STRANGER };
    let mut words = Vec::new();
    for (stranger, says) in [
        (no_name, "unable to accept connection, sni was not received"),
        (no_protocol, "without ALPN protocol negotiation extension"),
        (as_admin, "Wrong user to action mapping. user: admin, action: DbConnect"),
        (elsewhere, "database \"orders\" does not exist"),
        (impatient, "setting configuration parameter \"statement_timeout\" not supported"),
    ] {
        let (_, message) = said(&stranger.connect(&stand_in).await.err().unwrap());
        assert!(message.contains(says), "{message}");
        words.push(message);
    }
    let plain = format!("postgres://app@127.0.0.1:{}/postgres", stand_in.port());
    let fault = Database::new(Endpoint::parse(&plain).unwrap(), 1).warm(later()).await.unwrap_err();
    assert!(fault.to_string().contains("TLS is required"), "{fault}");
    assert_eq!(stand_in.turned_away()[..words.len()], words);
}

#[tokio::test]
async fn a_stand_in_refuses_what_dsql_does_not_know_and_the_transaction_with_it() {
    let database = support::database().await;
    let stand_in = StandIn::start(database.url(), Terms::of(EAST)).await;
    let client = STRANGER.connect(&stand_in).await.unwrap();
    client.batch_execute("CREATE TABLE items (id int PRIMARY KEY, n int)").await.unwrap();
    for (statement, says) in [
        ("SAVEPOINT a", "SAVEPOINT"),
        ("SET statement_timeout = 1", "setting configuration parameter \"statement_timeout\" not supported"),
        ("TRUNCATE items", "TRUNCATE"),
        ("SELECT * FROM items FOR SHARE", "locking clauses"),
    ] {
        client.batch_execute("BEGIN; INSERT INTO items VALUES (1, 1)").await.unwrap();
        let (code, message) = said(&client.batch_execute(statement).await.unwrap_err());
        assert!(code == "0A000" && message.contains(says), "{code} {message}");
        assert_eq!(said(&client.batch_execute("SELECT 1").await.unwrap_err()).0, "25P02", "{statement}");
        client.batch_execute("COMMIT").await.unwrap();

        let (code, message) = said(&client.query_typed(statement, &[]).await.unwrap_err());
        assert!(code == "0A000" && message.contains(says), "{code} {message}");
        client.query_typed("SELECT 1", &[]).await.unwrap();
    }
    let (code, message) = said(&client.batch_execute("BEGIN ISOLATION LEVEL SERIALIZABLE").await.unwrap_err());
    assert!(code == "0A000" && message.contains("REPEATABLE READ"), "{code} {message}");
    assert_eq!(database.count("select count(*) from items").await, 0);
    // The server's own errors are passed on unchanged.
    assert_eq!(said(&client.batch_execute("SELEKT").await.unwrap_err()).0, "42601");
}

#[tokio::test]
async fn a_stand_in_builds_an_index_in_the_background_or_not_at_all() {
    let database = support::database().await;
    let stand_in = StandIn::start(database.url(), Terms::of(EAST)).await;
    let client = STRANGER.connect(&stand_in).await.unwrap();
    client.batch_execute("CREATE TABLE items (id int PRIMARY KEY, n int)").await.unwrap();
    let (_, message) = said(&client.batch_execute("CREATE INDEX a ON items (n)").await.unwrap_err());
    assert_eq!(message, "unsupported mode. please use CREATE INDEX ASYNC.");
    let answers = client.simple_query("CREATE INDEX ASYNC a ON items (n)").await.unwrap();
    let job = answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get("job_id"),
        _ => None,
    });
    assert_eq!(job.map(str::len), Some(26));
    let rows = client.query_typed("CREATE UNIQUE INDEX ASYNC b ON items (n)", &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, &str>("job_id").len(), 26);
    assert_eq!(database.count("select count(*) from pg_indexes where tablename = 'items'").await, 3);
}

#[tokio::test]
async fn a_message_longer_than_dsql_takes_ends_the_connection_by_name() {
    let database = support::database().await;
    let stand_in = StandIn::start(database.url(), Terms::of(EAST)).await;
    let client = STRANGER.connect(&stand_in).await.unwrap();
    let long = format!("SELECT '{}'", "x".repeat(10 << 20));
    let (code, message) = said(&client.batch_execute(&long).await.unwrap_err());
    assert_eq!((code.as_str(), message.as_str()), ("08P01", "invalid message length"));
}

/// Checks that the next request is served on a new connection without an error.
async fn replaced(stand_in: &StandIn, host: &Host, by: impl Future<Output = ()>) {
    let counted = host.invoke(r#"{"operation":"read"}"#).await;
    let before = stand_in.let_in().len();
    by.await;
    let again = host.invoke(r#"{"operation":"read"}"#).await;
    assert_eq!(again.answer.body, counted.answer.body);
    assert!(stand_in.let_in().len() > before);
}

#[tokio::test]
async fn a_connection_that_dsql_ends_or_the_way_forgets_is_replaced_unnoticed() {
    let database = support::database().await;
    let buses = Buses::new([EAST]).unwrap();

    let stand_in =
        StandIn::start(database.url(), Terms { age: Some(Duration::from_millis(300)), ..Terms::of(EAST) }).await;
    let host = Host::on(endpoint(&stand_in).await, "rules", EAST, &buses);
    replaced(&stand_in, &host, stand_in.alone()).await;

    let stand_in = StandIn::start(database.url(), Terms::of(EAST)).await;
    let host = Host::on(endpoint(&stand_in).await, "rules", EAST, &buses);
    replaced(&stand_in, &host, async {
        stand_in.cut();
        stand_in.alone().await;
    })
    .await;

    // The host gets no notice of this; it has to check.
    let careful = ConnectionLifetimes { trusted: Duration::ZERO, ..ConnectionLifetimes::default() };
    let host = Host::over(Database::with_lifetimes(endpoint(&stand_in).await, 4, careful), "rules", EAST, &buses);
    replaced(&stand_in, &host, async { stand_in.fall_silent() }).await;
}

#[tokio::test]
async fn a_connection_is_given_up_at_its_age_and_asked_for_a_sign_of_life_after_a_pause() {
    let database = support::database().await;
    let stand_in = StandIn::start(database.url(), Terms::of(EAST)).await;
    let buses = Buses::new([EAST]).unwrap();
    let read = r#"{"operation":"read"}"#;
    let with =
        async |ages| Host::over(Database::with_lifetimes(endpoint(&stand_in).await, 4, ages), "rules", EAST, &buses);

    // As in a deployment: the connection is not checked.
    let host = with(ConnectionLifetimes::default()).await;
    let cost = host.invoke(read).await.receipt.round_trips;
    for _ in 0..3 {
        stand_in.reset();
        host.invoke(read).await;
        assert_eq!((stand_in.round_trips(), stand_in.let_in().len()), (cost, 1));
    }
    let host = with(ConnectionLifetimes { trusted: Duration::ZERO, ..ConnectionLifetimes::default() }).await;
    host.invoke(read).await;
    stand_in.reset();
    host.invoke(read).await;
    assert_eq!((stand_in.round_trips(), stand_in.let_in().len()), (cost + 1, 2));
    // A connection that is too old when it is returned is not kept.
    stand_in.cut();
    let host = with(ConnectionLifetimes { longest: Duration::ZERO, ..ConnectionLifetimes::default() }).await;
    host.invoke(read).await;
    stand_in.alone().await;
    assert_eq!((stand_in.goodbyes(), stand_in.let_in().len()), (1, 3));
    // A kept connection that is too old when it is needed is not used.
    let age = Duration::from_millis(500);
    let host = with(ConnectionLifetimes { longest: age, ..ConnectionLifetimes::default() }).await;
    let until_replaced = async {
        while stand_in.goodbyes() < 2 {
            host.invoke(read).await;
        }
    };
    awaited(until_replaced, || "the connection is not replaced".to_owned()).await;
    // The first connection, and its replacement.
    assert_eq!((stand_in.goodbyes(), stand_in.let_in().len()), (2, 5));
}

#[tokio::test]
async fn who_connects_too_fast_waits_and_is_let_in() {
    let database = support::database().await;
    let stand_in = StandIn::start(database.url(), Terms { rate: Some((1, 1)), ..Terms::of(EAST) }).await;
    let (one, other) = (Database::new(endpoint(&stand_in).await, 1), Database::new(endpoint(&stand_in).await, 1));
    let (one, other) = tokio::join!(one.warm(later()), other.warm(later()));
    one.and(other).unwrap();
    assert_eq!(stand_in.let_in().len(), 2);
    let turned_away = stand_in.turned_away();
    assert!(!turned_away.is_empty() && turned_away.iter().all(|why| why.contains("rate exceeded")), "{turned_away:?}");

    // The same if all connections are taken.
    let one = StandIn::start(database.url(), Terms { most: Some(1), ..Terms::of(EAST) }).await;
    let (first, second) = (Database::new(endpoint(&one).await, 1), Database::new(endpoint(&one).await, 1));
    first.warm(later()).await.unwrap();
    let waits = second.warm(later());
    let leaves = async {
        one.until_turned_away(1).await;
        first.close(later()).await;
    };
    let (waited, ()) = tokio::join!(waits, leaves);
    waited.unwrap();
    assert!(one.turned_away().iter().all(|why| why.contains("too many open connections")));

    // A caller without time to wait receives the reason.
    let full = StandIn::start(database.url(), Terms { rate: Some((0, 0)), ..Terms::of(EAST) }).await;
    let soon = Instant::now() + Duration::from_millis(500);
    let fault = Database::new(endpoint(&full).await, 1).warm(soon).await.unwrap_err();
    assert!(fault.to_string().contains("53400") || fault.is_deadline(), "{fault}");
}

#[tokio::test]
async fn closing_waits_for_what_is_under_way_and_says_goodbye() {
    let database = support::database().await;
    let stand_in = StandIn::start(database.url(), Terms::of(EAST)).await;
    let ledger = Database::new(endpoint(&stand_in).await, 2);
    ledger.warm(later()).await.unwrap();
    stand_in.reset();
    ledger.close(later()).await;
    stand_in.alone().await;
    assert_eq!((stand_in.goodbyes(), stand_in.messages()), (1, 1));
    assert!(ledger.warm(later()).await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn the_schema_is_applied_as_admin_and_by_nobody_else() {
    let database = support::empty_database().await;
    let stand_in = StandIn::start(database.url(), Terms::of(EAST)).await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, stand_in.authority()).unwrap();
    let bundle = support::bundle::bundle("rules").0;
    let mut command = std::process::Command::new(support::path("TENET_TEST_TENET"));
    command
        .args(["schema", "apply", "--dsql-endpoint", &stand_in.endpoint(), "--dsql-address", "127.0.0.1"])
        .args(["--dsql-ca".as_ref(), ca.as_os_str(), bundle.as_os_str()])
        .envs([("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)])
        .envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")]);
    let ended = tokio::task::spawn_blocking(move || tenet::run(&mut command)).await.unwrap();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(stand_in.let_in(), [("admin".to_owned(), "tenet".to_owned())]);
    assert_eq!(database.count("select count(*) from transactions").await, 0);
    assert_eq!(stand_in.refused(), [""; 0]);

    let step = |name: &str, sql: &str| [(name.to_owned(), sql.to_owned())];
    let admin = Endpoint::dsql(&Dsql { role: Dsql::ADMIN.to_owned(), ..cluster(&stand_in) }, &aws().await).unwrap();
    Schema::apply(&admin, &step("0001_index", "CREATE INDEX ASYNC IF NOT EXISTS i ON transactions (region)"), later())
        .await
        .unwrap();
    let error = Schema::apply(&admin, &step("0002_sequence", "CREATE SEQUENCE s"), later()).await.unwrap_err();
    assert!(error.to_string().contains("requires an explicit CACHE"), "{error}");
}

#[tokio::test]
async fn dsql_takes_the_grants_of_every_bundle() {
    let database = support::database().await;
    let terms = Terms { roles: Some(Roles::default()), ..Terms::of(EAST) };
    let stand_in = StandIn::start(database.url(), terms).await;
    let admin = Endpoint::dsql(&Dsql { role: Dsql::ADMIN.to_owned(), ..cluster(&stand_in) }, &aws().await).unwrap();
    let role = format!("app_{}", database.name());
    for name in ["rules", "guests"] {
        let (folder, _) = support::bundle::bundle(name);
        let written = tenet::tenet(&folder, &["schema", "grants", "--role", &role, folder.to_str().unwrap()]);
        assert!(written.code == 0 && written.stdout.contains(" ON \"public\"."), "{written:?}");
        let statements: Vec<_> = written.stdout.lines().map(|line| line.trim_end_matches(';').to_owned()).collect();
        let administrator = Administrator::open(&admin, later()).await.unwrap();
        administrator.admit(&role, &[], &statements).await.unwrap();
        assert_eq!(administrator.lacking(&role, &[], &statements).await.unwrap(), [""; 0]);
    }
    assert_eq!(stand_in.refused(), [""; 0]);
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// A plan shows exactly the statements that a deploy runs, each of them once.
#[tokio::test]
async fn what_a_role_lacks_is_what_it_is_given() {
    let database = support::database().await;
    let terms = Terms { roles: Some(Roles::default()), ..Terms::of(EAST) };
    let stand_in = StandIn::start(database.url(), terms).await;
    let admin = Endpoint::dsql(&Dsql { role: Dsql::ADMIN.to_owned(), ..cluster(&stand_in) }, &aws().await).unwrap();
    let role = format!("app_{}", database.name());
    let administrator = Administrator::open(&admin, later()).await.unwrap();
    let grant = |what: &str| format!("GRANT {what} ON tenet.keys TO {role}");
    let principals = ["arn:aws:iam::123456789012:role/shop-us-east-1-function".to_owned()];
    let sign_in = format!("AWS IAM GRANT \"{role}\" TO '{}'", principals[0]);
    let create = format!("CREATE ROLE \"{role}\" WITH LOGIN");
    let (one, two) = ([grant("SELECT")], [grant("SELECT"), grant("DELETE")]);

    let lacking = administrator.lacking(&role, &principals, &one).await.unwrap();
    assert_eq!(lacking, [create.as_str(), &sign_in, &one[0]]);
    assert_eq!(administrator.admit(&role, &principals, &one).await.unwrap().len(), 3);
    assert_eq!(administrator.lacking(&role, &principals, &two).await.unwrap(), [two[1].as_str()]);
    assert_eq!(administrator.admit(&role, &principals, &two).await.unwrap(), [format!("1 grants to {role}")]);
    assert_eq!(administrator.admit(&role, &principals, &two).await.unwrap(), [""; 0]);
    // They are no steps of the schema.
    let steps = Schema::plan(&admin, &[], later()).await.unwrap();
    assert!(steps.iter().all(|step| !step.step.starts_with("grants")), "{steps:?}");
    // With a role its grants are gone.
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    assert_eq!(administrator.lacking(&role, &principals, &two).await.unwrap().len(), 3);
    administrator.admit(&role, &principals, &two).await.unwrap();
    assert_eq!(administrator.lacking(&role, &principals, &two).await.unwrap(), [""; 0]);
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    // Nor does a database without the host's tables have any.
    database.execute("DROP SCHEMA tenet CASCADE").await;
    assert_eq!(administrator.lacking(&role, &principals, &two).await.unwrap().len(), 3);
}

#[tokio::test]
async fn the_function_answers_the_recipe_from_dsql() {
    let database = support::database().await;
    let stand_in = StandIn::start(database.url(), Terms::of(EAST)).await;
    let bus = Bus::create().await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, stand_in.authority()).unwrap();
    let log = folder.path().join("log");
    let function = |role: &str| {
        let mut command: Command = bootstrap("", bus.name());
        command
            .env_remove("TENET_DATABASE_URL")
            .env("TENET_DSQL_ENDPOINT", stand_in.endpoint())
            .env("TENET_DSQL_ADDRESS", "127.0.0.1")
            .env("TENET_DSQL_ROLE", role)
            .env("TENET_DSQL_CA", &ca)
            .env("AWS_SESSION_TOKEN", "session/token")
            .env("TENET_LOG", "trace")
            .stdout(File::create(&log).unwrap());
        command
    };
    let mut lambda = Lambda::of(function("app")).await;
    let written = r#"{"statusCode":200,"body":"{\"message\":\"Transaction created successfully\",\"transaction_id\":\"test-001\"}"}"#;
    assert_eq!(lambda.invoke(WRITE).await, (200, written.to_owned()));
    let counted = r#"{"statusCode":200,"body":"{\"transaction_count\":1,\"region\":\"us-east-1\"}"}"#;
    assert_eq!(lambda.invoke(r#"{"operation":"read"}"#).await.1, counted);
    // The connection is lost while idle, and the caller does not notice.
    stand_in.cut();
    assert_eq!(lambda.invoke(WRITE).await.1, written);
    assert_eq!(bus.receive(1).await.len(), 1);
    assert!(stand_in.let_in().iter().all(|client| *client == ("app".to_owned(), "tenet:1".to_owned())));
    assert_eq!(stand_in.refused(), [""; 0]);

    let told = std::fs::read_to_string(&log).unwrap();
    assert!(told.contains("connected") && !told.contains("X-Amz-Signature"), "{told}");

    let refused = function("admin").stderr(Stdio::piped()).output().await.unwrap();
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && stderr.contains("TENET_DSQL_ROLE is admin"), "{stderr}");
}
