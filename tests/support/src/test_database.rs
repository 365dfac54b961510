use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tokio_postgres::{Client, Config, Error, NoTls};

/// A database of one test's own. It is deleted when this is dropped.
pub struct TestDatabase {
    server: String,
    name: String,
    url: String,
}

impl TestDatabase {
    /// Copies the database `template`. `server` is the URL of any other database of the server.
    pub async fn create(server: &str, template: &str) -> Result<Self, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let client = connect(server).await?;
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        let url = format!("{}/{name}", server.rsplit_once('/').expect("a URL names its database").0);
        Ok(Self { server: server.to_owned(), name, url })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, drop) = (self.server.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        // The test's own runtime may be shutting down and accept no more work.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { connect(&server).await?.batch_execute(&drop).await })
        });
        let dropped = dropping.join().is_ok_and(|dropped| dropped.is_ok());
        assert!(dropped || thread::panicking(), "the database {} could not be dropped", self.name);
    }
}

/// A session with the database of this URL. Its task ends with the session.
pub async fn connect(url: &str) -> Result<Client, Error> {
    let (client, driver) = Config::from_str(url)?.connect(NoTls).await?;
    tokio::spawn(driver);
    Ok(client)
}
