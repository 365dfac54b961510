//! Runs the payload's statement.

use serde::{Deserialize, Serialize};
use tenet::params;

#[derive(Deserialize)]
pub(crate) struct Input {
    sql: String,
}

#[derive(Serialize)]
pub(crate) struct Output {
    affected: u64,
}

pub(crate) fn run(input: Input) -> tenet::Result<Output> {
    Ok(Output { affected: tenet::execute(&input.sql, params![])? })
}
