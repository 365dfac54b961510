//! A real PostgreSQL that tests compare the model with.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::sql_error::SqlError;

/// The statements that are sent at once.
const BATCH: usize = 400;

/// The settings that Aurora DSQL has.
const SETTINGS: &str = "SET timezone = 'UTC'; SET datestyle = 'ISO, MDY'; SET intervalstyle = 'postgres';
    SET extra_float_digits = 1; SET bytea_output = 'hex'; SET standard_conforming_strings = on";

/// What a statement returns: the texts of all of its rows, or an error.
pub(crate) type Answer = Result<Vec<Option<String>>, SqlError>;

/// A connection.
pub(crate) struct Oracle {
    client: Arc<Client>,
    runtime: tokio::runtime::Runtime,
}

impl Oracle {
    /// Connects to the server that the tests have.
    pub(crate) fn connect() -> Self {
        let name = "TENET_TEST_POSTGRES";
        let url = std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run `cargo xtask test`"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(SETTINGS).await.unwrap();
            Arc::new(client)
        });
        Self { client, runtime }
    }

    /// The answers to statements, in their order. Each runs by itself.
    pub(crate) fn ask(&self, statements: &[String]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(statements.len());
        for batch in statements.chunks(BATCH) {
            let batch = self.runtime.block_on(async {
                let mut waiting = JoinSet::new();
                for (place, statement) in batch.iter().enumerate() {
                    let (client, statement) = (self.client.clone(), statement.clone());
                    waiting.spawn(async move { (place, answer(&client, &statement).await) });
                }
                let mut answers = waiting.join_all().await;
                answers.sort_by_key(|(place, _)| *place);
                answers
            });
            answers.extend(batch.into_iter().map(|(_, answer)| answer));
        }
        answers
    }
}

async fn answer(client: &Client, statement: &str) -> Answer {
    match client.simple_query(statement).await {
        Ok(messages) => {
            let mut texts = Vec::new();
            for message in messages {
                if let SimpleQueryMessage::Row(row) = message {
                    texts.extend((0..row.len()).map(|place| row.get(place).map(str::to_owned)));
                }
            }
            Ok(texts)
        }
        Err(error) => {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{statement}: {error}"));
            // The model's error has a static code.
            let code: &'static str = error.code().code().to_owned().leak();
            let mut own = SqlError::new(code, error.message());
            own.detail = error.detail().map(str::to_owned);
            own.hint = error.hint().map(str::to_owned);
            Err(own)
        }
    }
}

/// A text as a constant of SQL.
pub(crate) fn literal(text: &str) -> String {
    let prefix = if text.contains('\\') { "E" } else { "" };
    format!("{prefix}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
