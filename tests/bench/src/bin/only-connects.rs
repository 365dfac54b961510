//! A minimal function that answers from a database: it connects during its initialization and runs
//! each event's statement in a read-only transaction, with as many round trips as the host.

use std::str::FromStr;

use anyhow::Context;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::{Client, Config, NoTls};

#[derive(Deserialize)]
struct Event {
    sql: String,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::var("BENCH_DATABASE_URL").context("BENCH_DATABASE_URL is not set")?;
    let (client, connection) = Config::from_str(&url)?.connect(NoTls).await?;
    tokio::spawn(connection);
    let client = &client;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| answer(client, event.payload))).await
}

async fn answer(client: &Client, event: Event) -> Result<Value, Error> {
    let begin = client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    let query = client.query_typed(&event.sql, &[]);
    let (begun, rows) = tokio::join!(begin, query);
    begun?;
    let count = rows?.len();
    client.batch_execute("COMMIT").await?;
    Ok(json!({"statusCode": 200, "body": json!({"rows": count}).to_string()}))
}
