//! A separate database for each test on the real PostgreSQL that `cargo xtask test` starts.

use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use tenet_test_support::awaited;
use tokio_postgres::{Client, Config, NoTls};

use super::variable;

/// A database that is deleted when this is dropped.
pub(crate) struct Database {
    name: String,
    url: String,
}

/// A database with the host's schema and those of the tests' bundles.
pub(crate) async fn database() -> Database {
    let template = std::env::var("TENET_TEST_TEMPLATE").unwrap_or_else(|_| "tenet_template".to_owned());
    Database::create(&template).await
}

/// An empty database.
pub(crate) async fn empty_database() -> Database {
    Database::create("template1").await
}

impl Database {
    async fn create(template: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let server = variable("TENET_TEST_POSTGRES");
        let client = connect(&server).await;
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await.unwrap();
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        Self { name, url }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A connection that is independent of the host.
    pub(crate) async fn connect(&self) -> Client {
        connect(&self.url).await
    }

    /// Runs statements.
    pub(crate) async fn execute(&self, sql: &str) {
        self.connect().await.batch_execute(sql).await.unwrap();
    }

    /// Waits until this many sessions wait for a lock.
    pub(crate) async fn until_waiting(&self, sessions: i64) {
        let sql = "select count(*) from pg_stat_activity \
                   where datname = current_database() and wait_event_type = 'Lock'";
        let client = self.connect().await;
        let waiting = async {
            while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) < sessions {
                tokio::task::yield_now().await;
            }
        };
        awaited(waiting, || format!("not {sessions} sessions wait for a lock")).await;
    }

    /// The single `bigint` that a query returns.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.text(&format!("select ({sql})::text")).await.parse().unwrap()
    }

    /// The single text that a query returns.
    pub(crate) async fn text(&self, sql: &str) -> String {
        self.connect().await.query_one(sql, &[]).await.unwrap().get(0)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = variable("TENET_TEST_POSTGRES");
        // The test's own runtime is shutting down and accepts no more work.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { connect(&server).await.batch_execute(&drop).await.unwrap() });
        });
        let dropped = dropping.join();
        assert!(dropped.is_ok() || std::thread::panicking(), "the database {} could not be dropped", self.name);
    }
}

/// A session with a database.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, driver) = Config::from_str(url).unwrap().connect(NoTls).await.unwrap();
    tokio::spawn(driver);
    client
}
