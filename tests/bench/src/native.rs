//! The rule `rows` as a plain function: the same payload, rows, structs and output, without a
//! boundary or a sandbox.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tenet_core::{ColumnValues, Decimal, RowSet};

#[derive(Deserialize)]
struct Input {
    rows: i64,
}

struct Account {
    id: i64,
    owner: String,
    balance: Decimal,
    opened: i64,
    active: bool,
}

#[derive(Serialize)]
struct Output {
    rows: usize,
    sum: i64,
}

/// Returns the rule's answer to a payload.
///
/// # Errors
/// Fails if the payload or the rows have another form.
pub fn answer(payload: &str, query: impl FnOnce(i64) -> RowSet) -> anyhow::Result<String> {
    let input: Input = serde_json::from_str(payload)?;
    let accounts = accounts(query(input.rows)).context("rows of another shape")?;
    let counts = |account: &&Account| {
        account.active && account.opened > 0 && account.balance.as_str() != "0" && !account.owner.is_empty()
    };
    let sum = accounts.iter().filter(counts).map(|account| account.id).sum();
    Ok(serde_json::to_string(&Output { rows: accounts.len(), sum })?)
}

fn accounts(set: RowSet) -> Option<Vec<Account>> {
    let columns: [ColumnValues; 5] =
        set.columns.into_iter().map(|column| column.values).collect::<Vec<_>>().try_into().ok()?;
    let [
        ColumnValues::Int8(ids),
        ColumnValues::Text(owners),
        ColumnValues::Numeric(balances),
        ColumnValues::Timestamptz(opened),
        ColumnValues::Bool(active),
    ] = columns
    else {
        return None;
    };
    let rows = ids.into_iter().zip(owners).zip(balances).zip(opened).zip(active);
    Some(
        rows.map(|((((id, owner), balance), opened), active)| Account { id, owner, balance, opened, active }).collect(),
    )
}
