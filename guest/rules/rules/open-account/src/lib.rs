//! Opens an account.
//!
//! Shows how a rule handles an existing row without an error of the database, after which it could
//! only reject. The account's id prevents opening it twice, so the operation needs no separate key.

use bank::Id;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenet::{Decimal, context, params, reject};

#[derive(Deserialize, JsonSchema)]
struct Input {
    account: Id,
    opening_balance: Decimal,
    daily_ceiling: Decimal,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    account: Id,
}

const OPEN: &str = "INSERT INTO accounts (id, balance, daily_ceiling, opened_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (id) DO NOTHING";

#[tenet::rule]
fn open_account(Input { account, opening_balance, daily_ceiling }: Input) -> tenet::Result<Output> {
    bank::check_money(&opening_balance)?;
    bank::check_money(&daily_ceiling)?;
    let opened = tenet::execute(OPEN, params![account, opening_balance, daily_ceiling, context::now()])?;
    if opened == 0 {
        reject!("account-exists", "there is an account {account} already");
    }
    Ok(Output { account })
}
