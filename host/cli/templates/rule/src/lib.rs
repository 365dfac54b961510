//! Gives a customer points, or takes some back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenet::{params, reject};

#[derive(Deserialize, JsonSchema)]
struct Input {
    /// The idempotency key, as `tenet.toml` says: the same id is the same request.
    id: String,
    customer: String,
    /// Below zero where they are taken back.
    points: i64,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    customer: String,
    balance: i64,
}

#[derive(Serialize)]
struct BalanceChanged<'a> {
    id: &'a str,
    customer: &'a str,
    points: i64,
    balance: i64,
}

#[tenet::rule]
fn {{function}}(input: Input) -> tenet::Result<Output> {
    if !(1..=255).contains(&input.customer.len()) {
        reject!("invalid-customer", "a name has 1 to 255 bytes");
    }
    let sql = "SELECT balance FROM {{table}} WHERE customer = $1";
    let before: i64 = tenet::query_opt(sql, params![input.customer])?.unwrap_or(0);
    let Some(balance) = input.balance_after(before) else {
        reject!("not-possible", "a balance of {before} has no room for it");
    };
    // Two attempts that change this row at once conflict, and one of them runs again.
    let sql = "INSERT INTO {{table}} (customer, balance) VALUES ($1, $2) \
               ON CONFLICT (customer) DO UPDATE SET balance = excluded.balance";
    tenet::execute(sql, params![input.customer, balance])?;
    let event = BalanceChanged {
        id: &input.id,
        customer: &input.customer,
        points: input.points,
        balance,
    };
    tenet::publish("{{rule}}", "Balance Changed", &event)?;
    let customer = input.customer;
    Ok(Output { customer, balance })
}

impl Input {
    /// The balance that it leads to; none where that is below zero or too great to be counted.
    fn balance_after(&self, before: i64) -> Option<i64> {
        before.checked_add(self.points).filter(|after| *after >= 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(points: i64) -> Input {
        let (id, customer) = ("1".to_owned(), "ada".to_owned());
        Input {
            id,
            customer,
            points,
        }
    }

    #[test]
    fn points_are_added_and_taken_back() {
        assert_eq!(input(5).balance_after(2), Some(7));
        assert_eq!(input(-2).balance_after(2), Some(0));
    }

    #[test]
    fn a_balance_stays_within_its_bounds() {
        assert_eq!(input(-3).balance_after(2), None);
        assert_eq!(input(i64::MAX).balance_after(1), None);
    }
}
