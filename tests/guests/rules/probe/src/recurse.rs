//! Calls itself endlessly.

use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Input {
    #[serde(default)]
    from: u64,
}

pub(crate) fn run(input: Input) -> tenet::Result<u64> {
    Ok(deeper(input.from))
}

/// Uses the result of the call twice, so that the compiler cannot make it a loop. Keeps nothing in
/// memory, so that the call stack overflows before the stack in linear memory does.
#[inline(never)]
fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX { 0 } else { deeper(depth + 1).wrapping_mul(31) ^ depth }
}
