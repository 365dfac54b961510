//! Counts the transactions, from whichever region.

use serde::Serialize;
use serde::de::IgnoredAny;
use tenet::{context, params};

#[derive(Serialize)]
struct Output {
    transaction_count: i64,
    region: String,
}

#[tenet::rule]
fn count_transactions(_: IgnoredAny) -> tenet::Result<Output> {
    let transaction_count = tenet::query_one("SELECT count(*) FROM transactions", params![])?;
    Ok(Output { transaction_count, region: context::region() })
}
