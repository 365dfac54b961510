//! Writes before it has read anything.

use serde::{Deserialize, Serialize};
use tenet::params;

#[derive(Deserialize)]
pub(crate) struct Input {
    id: i32,
    #[serde(default)]
    value: i64,
}

#[derive(Serialize)]
pub(crate) struct Output {
    affected: u64,
}

pub(crate) fn run(Input { id, value }: Input) -> tenet::Result<Output> {
    Ok(Output { affected: tenet::execute("INSERT INTO counters (id, value) VALUES ($1, $2)", params![id, value])? })
}
