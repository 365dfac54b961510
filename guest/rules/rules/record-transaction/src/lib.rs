//! Records a transaction and publishes an event.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenet::{Decimal, context, params, reject};

#[derive(Deserialize, JsonSchema)]
struct Input {
    transaction_id: Option<String>,
    amount: Decimal,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    message: &'static str,
    transaction_id: String,
}

#[derive(Serialize)]
struct Created<'a> {
    transaction_id: &'a str,
    amount: &'a Decimal,
    region: &'a str,
}

#[tenet::rule]
fn record_transaction(Input { transaction_id, amount }: Input) -> tenet::Result<Output> {
    amount.fits(10, 2)?;
    let id = transaction_id.unwrap_or_else(|| context::uuid().to_string());
    if id.is_empty() || id.len() > 255 || id.contains('\0') {
        reject!("invalid-transaction-id", "a transaction_id has 1 to 255 bytes, and U+0000 is not among them");
    }
    let region = context::region();
    let inserted = tenet::execute(
        "INSERT INTO transactions (id, amount, timestamp, region) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
        params![id, amount, context::now().utc(), region],
    )?;
    if inserted == 0 {
        reject!("duplicate-transaction", "there is a transaction with this transaction_id already");
    }
    let detail = Created { transaction_id: &id, amount: &amount, region: &region };
    tenet::publish("dsql.application", "Transaction Created", &detail)?;
    Ok(Output { message: "Transaction created successfully", transaction_id: id })
}
