//! Moves money from one account to another.
//!
//! Shows several writes in one batch, rows in a fixed order, and an event. The result of the batch
//! is checked afterwards: a rejection rolls back all of it, including what `limits` wrote before.
//!
//! An accepted transfer takes one round trip here, and with `limits` four in total: BEGIN, the
//! statement of `limits`, the batch, the commit.

use bank::Id;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenet::{Batch, Decimal, Error, Uuid, context, params, reject};

#[derive(Deserialize, JsonSchema)]
struct Input {
    transfer_id: Id,
    from: Id,
    to: Id,
    amount: Decimal,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    transfer_id: Id,
    ledger_id: Uuid,
}

#[derive(Serialize)]
struct Posted<'a> {
    transfer_id: &'a Id,
    ledger_id: Uuid,
    from: &'a Id,
    to: &'a Id,
    amount: &'a Decimal,
}

const CHANGE: &str = "UPDATE accounts SET balance = balance + $2 WHERE id = $1 AND balance + $2 >= 0";
const POST: &str =
    "INSERT INTO ledger (id, transfer_id, payer, payee, amount, posted_at) VALUES ($1, $2, $3, $4, $5, $6)";
const BALANCE: &str = "SELECT balance FROM accounts WHERE id = $1";

#[tenet::rule]
fn transfer(Input { transfer_id, from, to, amount }: Input) -> tenet::Result<Output> {
    bank::check_payment(&amount)?;
    if from == to {
        reject!("same-account", "a transfer is between two accounts");
    }
    let ledger_id = context::uuid();
    let [first, second] = changes(&from, &to, &amount);
    let outcomes = Batch::new()
        .add(CHANGE, params![first.0, first.1])
        .add(CHANGE, params![second.0, second.1])
        .add(POST, params![ledger_id, transfer_id, from, to, amount, context::now()])
        .run()?;
    for ((account, _), outcome) in [first, second].iter().zip(outcomes) {
        if outcome.affected() == 0 {
            return Err(refusal(account, tenet::query_opt(BALANCE, params![account])?));
        }
    }
    let detail = Posted { transfer_id: &transfer_id, ledger_id, from: &from, to: &to, amount: &amount };
    tenet::publish("dsql.application", "Transfer Posted", &detail)?;
    Ok(Output { transfer_id, ledger_id })
}

/// The changes of the two balances, ordered by the accounts' ids. PostgreSQL locks a written row:
/// two opposite transfers that wrote the payer's row first would deadlock.
fn changes<'a>(from: &'a Id, to: &'a Id, amount: &Decimal) -> [(&'a Id, Decimal); 2] {
    let mut changes = [(from, -amount.clone()), (to, amount.clone())];
    changes.sort();
    changes
}

/// Why the balance of an account could not be changed, from its current value.
fn refusal(account: &Id, balance: Option<Decimal>) -> Error {
    match balance {
        None => bank::no_account(account),
        Some(balance) => tenet::reject("insufficient-funds", format!("the account {account} has less than that"))
            .with_detail("balance", balance),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn rows_are_taken_in_one_order_whichever_way_the_money_goes() {
        let (a, b, amount) = (id("a"), id("b"), Decimal::from(5));
        assert_eq!(changes(&a, &b, &amount), [(&a, Decimal::from(-5)), (&b, Decimal::from(5))]);
        assert_eq!(changes(&b, &a, &amount), [(&a, Decimal::from(5)), (&b, Decimal::from(-5))]);
    }

    #[test]
    fn an_account_that_is_there_has_too_little() {
        let refused = refusal(&id("a"), Some(Decimal::from(3)));
        assert_eq!((refused.code(), refused.detail("balance")), (Some("insufficient-funds"), Some("3")));
        assert_eq!(refusal(&id("a"), None).code(), Some("no-account"));
    }
}
