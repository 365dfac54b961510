//! Reads this many accounts with five typed columns and sums up the open ones: the rule that the
//! benchmarks measure.

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
    #[serde(default)]
    r#as: Form,
}

/// How the rows are processed. If they are only counted in the form that the host returns, the
/// remaining cost is that of the boundary.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Form {
    #[default]
    Structs,
    Columns,
    Packed,
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
    let untouched = match input.r#as {
        Form::Structs => None,
        Form::Columns => Some(database::query(ACCOUNTS, params).map(|set| set.rows)),
        Form::Packed => Some(database::query_packed(ACCOUNTS, params).map(|packed| packed.rows.rows)),
    };
    if let Some(rows) = untouched {
        let Ok(rows) = rows else { tenet::reject!("no-rows", "the query failed") };
        return Ok(Output { rows: rows as usize, sum: 0 });
    }
    let accounts: Vec<Account> = tenet::query(ACCOUNTS, params)?;
    let counts = |account: &&Account| {
        account.active && account.opened.micros() > 0 && !account.balance.is_zero() && !account.owner.is_empty()
    };
    Ok(Output { rows: accounts.len(), sum: accounts.iter().filter(counts).map(|account| account.id).sum() })
}
