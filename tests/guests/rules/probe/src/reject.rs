//! Rejects with the payload's code and message, after a write if requested.

use serde::Deserialize;
use tenet::params;

#[derive(Deserialize)]
pub(crate) struct Input {
    code: String,
    message: String,
    /// The counter to insert before.
    write: Option<i32>,
}

pub(crate) fn run(input: Input) -> tenet::Result<()> {
    if let Some(id) = input.write {
        tenet::execute("INSERT INTO counters (id, value) VALUES ($1, 0)", params![id])?;
    }
    Err(tenet::reject(input.code, input.message))
}
