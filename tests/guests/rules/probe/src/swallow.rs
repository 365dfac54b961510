//! Ignores an error of the database and accepts.

use serde::Deserialize;
use tenet::params;

/// Fails with 23505 on every database: the same key twice in one statement.
pub(crate) const FAILS: &str = "INSERT INTO counters (id, value) VALUES (-1, 0), (-1, 0)";

#[derive(Deserialize)]
pub(crate) struct Input {
    sql: Option<String>,
}

pub(crate) fn run(input: Input) -> tenet::Result<&'static str> {
    let outcome = tenet::execute(input.sql.as_deref().unwrap_or(FAILS), params![]);
    Ok(if outcome.is_err() { "swallowed" } else { "nothing to swallow" })
}
