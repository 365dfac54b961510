//! The accounts between which clients transfer money.

use fastrand::Rng;
use serde_json::{Value, json};
use tokio_postgres::Client;

/// The initial balance of each account, in cents.
pub const START: i64 = 100_000;

/// Few enough that clients compete for them.
pub const ACCOUNTS: usize = 10;

/// The daily ceiling of an account, in cents: some are reached soon, others never.
fn ceiling(account: usize) -> i64 {
    if account.is_multiple_of(4) { 30_000 } else { 1_000_000_000 }
}

/// The id of an account.
pub fn name(account: usize) -> String {
    format!("account-{account}")
}

/// The payload of a transfer with this id between two accounts: usually a small one.
pub fn payment(id: &str, random: &mut Rng) -> Value {
    let from = random.usize(0..ACCOUNTS);
    let to = (from + random.usize(1..ACCOUNTS)) % ACCOUNTS;
    let cents = if random.u32(0..12) == 0 { random.u64(50_000..200_000) } else { random.u64(1..1000) };
    let amount = cents as f64 / 100.0;
    json!({ "transfer_id": id, "from": name(from), "to": name(to), "amount": amount })
}

/// Opens the accounts.
pub async fn open(client: &Client) -> anyhow::Result<()> {
    for account in 0..ACCOUNTS {
        let sql = "INSERT INTO accounts (id, balance, daily_ceiling, opened_at) \
                   VALUES ($1, $2::bigint / 100.0, $3::bigint / 100.0, now())";
        client.execute(sql, &[&name(account), &START, &ceiling(account)]).await?;
    }
    Ok(())
}
