//! Takes from one of two counters if both together have enough: a correct version of `skewed`.
//!
//! The sum has a row of its own, which every call changes. So of two concurrent calls one conflicts
//! and is repeated after the other.

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
