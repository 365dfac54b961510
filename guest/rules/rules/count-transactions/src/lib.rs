//! Counts the transactions of all regions.

use schemars::JsonSchema;
use serde::Serialize;
use tenet::{NoInput, context, params};

#[derive(Serialize, JsonSchema)]
struct Output {
    transaction_count: i64,
    region: String,
}

#[tenet::rule]
fn count_transactions(_: NoInput) -> tenet::Result<Output> {
    let transaction_count = tenet::query_one("SELECT count(*) FROM transactions", params![])?;
    Ok(Output { transaction_count, region: context::region() })
}
