//! A cluster on a clock that stands still, and clients of it.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tenet_dsql::{Clock, Cluster, Options};
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

/// A clock that a test moves.
#[derive(Default)]
pub(crate) struct TestClock(AtomicU64);

/// 2026-11-30 00:00:00 UTC, in microseconds since 1970.
const START: i64 = 1_795_996_800_000_000;

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_micros()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> i64 {
        START + i64::try_from(self.0.load(Ordering::Relaxed)).unwrap()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// A cluster with DSQL's limits, or others, and its clock.
pub(crate) fn cluster_with(change: impl FnOnce(&mut Options)) -> (Cluster, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    let mut options = Options::new(clock.clone(), 7);
    change(&mut options);
    (Cluster::new(options), clock)
}

pub(crate) fn cluster() -> Cluster {
    cluster_with(|_| {}).0
}

/// A client of this cluster, signed in as `admin`.
pub(crate) async fn connect(cluster: &Cluster) -> Client {
    try_connect(cluster, &config()).await.unwrap()
}

pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.user("admin").password("token").dbname("postgres");
    config
}

pub(crate) async fn try_connect(cluster: &Cluster, config: &Config) -> Result<Client, Error> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let cluster = cluster.clone();
    tokio::spawn(async move { cluster.serve(far).await });
    let (client, connection) = config.connect_raw(near, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A cluster with these objects, one statement each.
pub(crate) async fn with_schema(statements: &[&str]) -> Cluster {
    let cluster = cluster();
    let client = connect(&cluster).await;
    for statement in statements {
        client.batch_execute(statement).await.unwrap();
    }
    cluster
}

/// Runs a text, and shows each result: the rows, their values separated by commas, or the error.
pub(crate) async fn run(client: &Client, sql: &str) -> String {
    match client.simple_query(sql).await {
        Ok(messages) => {
            let shown = messages.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    Some((0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect::<Vec<_>>().join(","))
                }
                _ => None,
            });
            shown.collect::<Vec<_>>().join(" ")
        }
        Err(error) => failure(&error),
    }
}

/// The SQLSTATE and the message of an error.
pub(crate) fn failure(error: &Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{}: {}", error.code().code(), error.message()),
        None => format!("{error:?}"),
    }
}
