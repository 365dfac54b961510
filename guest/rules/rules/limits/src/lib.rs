//! Lets an account pay up to its daily ceiling.
//!
//! Shows a rule that runs before another one in the same transaction, and how to guard a sum: write
//! the one row that holds it. Of two concurrent payments that write this row, one has to retry and
//! then sees the other. If the row is only read both can pass, on PostgreSQL also if it is locked. So the
//! payment is added first and checked afterwards: the addition is rolled back when this rule, or
//! `transfer` after it, rejects.
//!
//! One statement, one round trip.

use bank::Id;
use schemars::JsonSchema;
use serde::Deserialize;
use tenet::{Decimal, context, params};

#[derive(Deserialize, JsonSchema)]
struct Input {
    from: Id,
    amount: Decimal,
}

/// What an account has paid on a day, including this payment, and may pay.
#[derive(Deserialize)]
struct Day {
    paid: Decimal,
    ceiling: Decimal,
}

const PAY: &str = "INSERT INTO daily_totals (account_id, day, paid) \
     SELECT id, $2, $3 FROM accounts WHERE id = $1 \
     ON CONFLICT (account_id, day) DO UPDATE SET paid = daily_totals.paid + excluded.paid \
     RETURNING paid, (SELECT daily_ceiling FROM accounts WHERE id = $1) AS ceiling";

#[tenet::rule]
fn limits(Input { from, amount }: Input) -> tenet::Result<()> {
    bank::check_payment(&amount)?;
    // The day of the request, not of the database: it is the same on every attempt and in both
    // regions.
    let today = context::now().utc().date();
    match tenet::query_opt(PAY, params![from, today, amount])? {
        Some(day) => judge(&day, &amount),
        None => Err(bank::no_account(&from)),
    }
}

fn judge(day: &Day, amount: &Decimal) -> tenet::Result<()> {
    if day.paid <= day.ceiling {
        return Ok(());
    }
    let before = day.paid.try_sub(amount)?;
    let left = day.ceiling.try_sub(&before)?;
    Err(tenet::reject("daily-limit", format!("the account may pay {left} more on this day"))
        .with_detail("ceiling", &day.ceiling)
        .with_detail("left", left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(paid: &str, amount: &str) -> tenet::Result<()> {
        judge(&Day { paid: paid.parse()?, ceiling: "100.00".parse()? }, &amount.parse()?)
    }

    #[test]
    fn an_account_may_pay_its_whole_ceiling() {
        assert!(judged("100.00", "100").is_ok() && judged("99.99", "0.01").is_ok());
    }

    #[test]
    fn one_cent_more_is_rejected_and_what_is_left_is_told() {
        let error = judged("100.01", "30.01").unwrap_err();
        assert_eq!(error.code(), Some("daily-limit"));
        assert_eq!((error.detail("ceiling"), error.detail("left")), (Some("100.00"), Some("30.00")));
    }
}
