//! Reads this many rows and counts them.

use serde::{Deserialize, Serialize};
use tenet::params;

#[derive(Deserialize)]
pub(crate) struct Input {
    count: i32,
}

#[derive(Serialize)]
pub(crate) struct Output {
    rows: usize,
}

pub(crate) fn run(input: Input) -> tenet::Result<Output> {
    let rows: Vec<i32> = tenet::query("SELECT n FROM generate_series(1, $1) AS n", params![input.count])?;
    Ok(Output { rows: rows.len() })
}
