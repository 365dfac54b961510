//! A database that is not set up: the host reports what is missing, and does not treat it as an
//! outage.

use std::time::Instant;

use tenet_core::{Code, Fault};
use tenet_database::{Database, Endpoint};

use crate::support;
use crate::support::host::TIME;

/// The messages of a start and a health check about the database, with a role that has these
/// rights.
struct Role {
    database: support::database::Database,
    name: String,
}

impl Role {
    async fn of(database: support::database::Database) -> Self {
        let name = format!("app_{}", database.name());
        database.execute(&format!("CREATE ROLE {name} LOGIN")).await;
        Self { database, name }
    }

    async fn grant(&self, rights: &str) {
        self.database.execute(&format!("GRANT {rights} TO {}", self.name)).await;
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::parse(&self.database.url().replacen("//admin@", &format!("//{}@", self.name), 1)).unwrap()
    }

    async fn drop(self) {
        self.database.execute(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name)).await;
    }
}

fn later() -> Instant {
    Instant::now() + TIME
}

fn code(fault: Result<(), Fault>) -> Option<Code> {
    fault.unwrap_err().code()
}

#[tokio::test]
async fn a_missing_grant_is_named_and_does_not_open_the_breaker() {
    use tenet_core::Transactions;
    let role = Role::of(support::database().await).await;
    let ledger = Database::with_peer(role.endpoint(), role.endpoint(), None, 2);
    for _ in 0..10 {
        let fault = ledger.warm(later()).await.unwrap_err();
        assert_eq!(fault.code(), Some(Code::DatabaseGrant), "{fault}");
        assert!(fault.to_string().contains("identity could not be read") && !fault.is_unavailable(), "{fault}");
    }
    role.grant("USAGE ON SCHEMA tenet").await;
    role.grant("SELECT ON tenet.identity").await;
    // If the breaker had opened, the database would not be tried now.
    ledger.warm(later()).await.unwrap();
    assert_eq!(code(ledger.ready(later()).await), Some(Code::DatabaseGrant));
    role.grant("SELECT ON tenet.keys").await;
    ledger.ready(later()).await.unwrap();
    ledger.close(later()).await;
    role.drop().await;
}

#[tokio::test]
async fn a_missing_schema_is_named() {
    use tenet_core::Transactions;
    let database = support::empty_database().await;
    let endpoint = || Endpoint::parse(database.url()).unwrap();
    assert_eq!(code(Database::new(endpoint(), 1).ready(later()).await), Some(Code::DatabaseSchema));
    let both = Database::with_peer(endpoint(), endpoint(), None, 2);
    assert_eq!(code(both.warm(later()).await), Some(Code::DatabaseSchema));
}

#[tokio::test]
async fn a_role_that_is_not_let_in_is_named_and_does_not_open_the_breaker() {
    let role = Role::of(support::database().await).await;
    role.database.execute(&format!("ALTER ROLE {} NOLOGIN", role.name)).await;
    let ledger = Database::new(role.endpoint(), 1);
    for _ in 0..10 {
        let fault = ledger.warm(later()).await.unwrap_err();
        assert_eq!((fault.code(), fault.is_shut()), (Some(Code::DatabaseRole), false), "{fault}");
    }
    role.database.execute(&format!("ALTER ROLE {} LOGIN", role.name)).await;
    ledger.warm(later()).await.unwrap();
    ledger.close(later()).await;
    role.drop().await;
}
