//! Takes from one of two counters if both together have enough.
//!
//! It is wrong on purpose: it checks the sum of two rows and writes one. Two concurrent calls that
//! write different rows both pass, and together take more than there is. Tests of the tools that
//! detect this use it.

use schemars::JsonSchema;
use serde::Deserialize;
use tenet::{params, reject};

#[derive(Deserialize, JsonSchema)]
struct Input {
    counter: i32,
    amount: i64,
}

#[tenet::rule]
fn skewed(Input { counter, amount }: Input) -> tenet::Result<()> {
    let sum: Option<i64> = tenet::query_one("SELECT sum(value)::bigint FROM counters WHERE id IN (1, 2)", params![])?;
    if sum.unwrap_or(0) < amount {
        reject!("too-little", "the two counters do not have that");
    }
    tenet::execute("UPDATE counters SET value = value - $2 WHERE id = $1", params![counter, amount])?;
    Ok(())
}
