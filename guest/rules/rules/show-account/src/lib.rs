//! Shows an account.
//!
//! Shows a rule of a read-only operation: one query, whose row is the output.

use bank::Id;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenet::{Decimal, context, params};

#[derive(Deserialize, JsonSchema)]
struct Input {
    account: Id,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Account {
    account: String,
    balance: Decimal,
    daily_ceiling: Decimal,
    paid_today: Decimal,
}

const ACCOUNT: &str = "SELECT id AS account, balance, daily_ceiling, coalesce(paid, 0.00) AS paid_today \
     FROM accounts LEFT JOIN daily_totals ON account_id = id AND day = $2 WHERE id = $1";

#[tenet::rule]
fn show_account(Input { account }: Input) -> tenet::Result<Account> {
    let today = context::now().utc().date();
    let shown = tenet::query_opt(ACCOUNT, params![account, today])?;
    shown.ok_or_else(|| bank::no_account(&account))
}
