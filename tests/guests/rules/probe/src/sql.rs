//! Runs the payload's statement, once or several times.

use serde::{Deserialize, Serialize};
use tenet::params;

#[derive(Deserialize)]
pub(crate) struct Input {
    sql: String,
    /// How often, 1 by default.
    times: Option<u32>,
}

#[derive(Serialize)]
pub(crate) struct Output {
    affected: u64,
}

pub(crate) fn run(input: Input) -> tenet::Result<Output> {
    let mut affected = 0;
    for _ in 0..input.times.unwrap_or(1) {
        affected += tenet::execute(&input.sql, params![])?;
    }
    Ok(Output { affected })
}
