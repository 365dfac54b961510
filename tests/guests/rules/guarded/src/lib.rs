//! Takes from one of two counters as long as both together have it: what `skewed` gets wrong.
//!
//! The sum has a row of its own, which each of two at once changes, so that one of them conflicts
//! and is run again after the other.

use schemars::JsonSchema;
use serde::Deserialize;
use tenet::{params, reject};

#[derive(Deserialize, JsonSchema)]
struct Input {
    counter: i32,
    amount: i64,
}

#[tenet::rule]
fn guarded(Input { counter, amount }: Input) -> tenet::Result<()> {
    let guard = "UPDATE counters SET value = value - $1 WHERE id = 0 AND value >= $1";
    if tenet::execute(guard, params![amount])? == 0 {
        reject!("too-little", "the two counters do not have that");
    }
    tenet::execute("UPDATE counters SET value = value - $2 WHERE id = $1", params![counter, amount])?;
    Ok(())
}
