//! Accepts with an output of this many bytes of JSON.

use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Input {
    bytes: usize,
}

pub(crate) fn run(input: Input) -> tenet::Result<String> {
    Ok("x".repeat(input.bytes.saturating_sub("\"\"".len())))
}
