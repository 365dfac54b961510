//! A separate database for each test on the real PostgreSQL that `cargo xtask test` starts.

use tenet_test_support::{TestDatabase, awaited};
use tokio_postgres::Client;

use super::variable;

/// A database that is deleted when this is dropped.
pub(crate) struct Database(TestDatabase);

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
        Self(TestDatabase::create(&variable("TENET_TEST_POSTGRES"), template).await.unwrap())
    }

    pub(crate) fn name(&self) -> &str {
        self.0.name()
    }

    pub(crate) fn url(&self) -> &str {
        self.0.url()
    }

    /// A connection that is independent of the host.
    pub(crate) async fn connect(&self) -> Client {
        connect(self.0.url()).await
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

/// A session with a database.
pub(crate) async fn connect(url: &str) -> Client {
    tenet_test_support::connect(url).await.unwrap()
}
