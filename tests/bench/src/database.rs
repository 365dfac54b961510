use std::time::{Duration, Instant};

use anyhow::Context;
use tenet_database::{Endpoint, Schema};

use crate::place;

/// Creates a database with this name and the schema of the example rules, replacing an existing one. Returns its URL.
/// `server` is the URL of another database of the server.
///
/// # Errors
/// Fails if the server does.
pub async fn new_database(server: &str, name: &str) -> anyhow::Result<String> {
    let (client, driver) = tokio_postgres::connect(server, tokio_postgres::NoTls).await?;
    tokio::spawn(driver);
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
    let (server, _) = server.rsplit_once('/').context("the server's URL names no database")?;
    let url = format!("{server}/{name}");
    let (folder, index) = place::rules()?;
    let read = |file: &tenet_core::bundle::File| {
        let sql = std::fs::read_to_string(folder.join(&file.path))?;
        anyhow::Ok((file.path.clone(), sql))
    };
    let steps = index.schema.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    Schema::apply(&Endpoint::parse(&url)?, &steps, Instant::now() + Duration::from_secs(60)).await?;
    Ok(url)
}
