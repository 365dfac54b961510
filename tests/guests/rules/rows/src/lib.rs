//! Reads so many accounts of five typed columns and sums up the open ones: the rule that
//! the benchmarks measure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenet::bindings::tenet::rule::database;
use tenet::{Decimal, TimestampTz, params};

/// Needs no table, so that it runs on any database.
const ACCOUNTS: &str = "SELECT n AS id, 'owner ' || n AS owner, n * 1.25 AS balance, \
     timestamptz '2026-01-31 00:00:00+00' + n * interval '1 hour' AS opened, n % 2 = 0 AS active \
     FROM generate_series(1::bigint, $1::bigint) AS n";

#[derive(Deserialize, JsonSchema)]
struct Input {
    rows: i64,
    /// Whether to leave the rows as the host gives them, and only count them: what is left
    /// is the price of the boundary alone.
    #[serde(default)]
    columns: bool,
}

#[derive(Deserialize)]
struct Account {
    id: i64,
    owner: String,
    balance: Decimal,
    opened: TimestampTz,
    active: bool,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    rows: usize,
    sum: i64,
}

#[tenet::rule]
fn rows(input: Input) -> tenet::Result<Output> {
    let params = params![input.rows];
    if input.columns {
        let Ok(set) = database::query(ACCOUNTS, params) else { tenet::reject!("no-rows", "the query failed") };
        return Ok(Output { rows: set.rows as usize, sum: 0 });
    }
    let accounts: Vec<Account> = tenet::query(ACCOUNTS, params)?;
    let counts = |account: &&Account| {
        account.active && account.opened.micros() > 0 && !account.balance.is_zero() && !account.owner.is_empty()
    };
    Ok(Output { rows: accounts.len(), sum: accounts.iter().filter(counts).map(|account| account.id).sum() })
}
