//! The second rule of a pair: rejects if the payload says so, and otherwise returns what it sees of
//! the first rule's writes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenet::params;

#[derive(Deserialize, JsonSchema)]
struct Input {
    #[serde(default)]
    veto: bool,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    second: Option<i64>,
}

#[tenet::rule]
fn veto(input: Input) -> tenet::Result<Output> {
    if input.veto {
        tenet::reject!("veto", "the second rule says no");
    }
    Ok(Output { second: tenet::query_opt("SELECT value FROM counters WHERE id = $1", params![1])? })
}
