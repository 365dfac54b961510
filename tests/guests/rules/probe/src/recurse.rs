//! Calls itself without end.

use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Input {
    #[serde(default)]
    from: u64,
}

pub(crate) fn run(input: Input) -> tenet::Result<u64> {
    Ok(deeper(input.from))
}

/// Two operations on what the call gives, so that it cannot become a loop; nothing in
/// memory, so that the call stack ends before the stack in linear memory does.
#[inline(never)]
fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX { 0 } else { deeper(depth + 1).wrapping_mul(31) ^ depth }
}
