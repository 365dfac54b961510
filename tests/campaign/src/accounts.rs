use tokio_postgres::Client;

/// What each account has to begin with, in cents.
pub(crate) const START: i64 = 100_000;

/// Few enough that clients meet in them.
pub(crate) const ACCOUNTS: usize = 10;

/// What an account may pay a day, in cents: some soon reach it, and others never do.
fn ceiling(account: usize) -> i64 {
    if account.is_multiple_of(4) { 30_000 } else { 1_000_000_000 }
}

pub(crate) fn name(account: usize) -> String {
    format!("account-{account}")
}

/// Opens the accounts.
pub(crate) async fn open(client: &Client) -> anyhow::Result<()> {
    for account in 0..ACCOUNTS {
        let sql = "INSERT INTO accounts (id, balance, daily_ceiling, opened_at) \
                   VALUES ($1, $2::bigint / 100.0, $3::bigint / 100.0, now())";
        client.execute(sql, &[&name(account), &START, &ceiling(account)]).await?;
    }
    Ok(())
}
