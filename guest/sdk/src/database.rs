use serde::de::DeserializeOwned;

use crate::bindings::tenet::rule::database as host;
use crate::row::packed_rows;
use crate::sendable::check;
use crate::{Error, Result, Value};

/// Runs one statement and returns its rows. One round trip.
///
/// `T` is a type that serde can deserialise from a row: a struct whose fields have the names of columns, a tuple of all
/// columns in order, or the type of the only column. Columns without a field are ignored. A value of another type than
/// its field, or NULL in a field that is not an [`Option`], is an error that names the column.
///
/// The integer types read every integer column whose value fits, [`String`] every type that the contract represents as
/// text (`text`, `uuid`, `numeric`, `json`), `Vec<u8>` reads `bytea`, `f64` only `double precision` and `real`. Other
/// types have their own: [`Decimal`](crate::Decimal), [`Uuid`](crate::Uuid), [`Date`](crate::Date),
/// [`Time`](crate::Time), [`Timestamp`](crate::Timestamp), [`TimestampTz`](crate::TimestampTz),
/// [`Interval`](crate::Interval), [`Json`](crate::Json). An enum of serde reads its variant's name from `text`.
///
/// ```no_run
/// # use serde::Deserialize;
/// # use tenet::{Decimal, params};
/// #[derive(Deserialize)]
/// struct Account {
///     id: i64,
///     balance: Decimal,
/// }
///
/// # fn main() -> tenet::Result<()> {
/// let accounts: Vec<Account> = tenet::query("SELECT id, balance FROM accounts WHERE owner = $1", params!["ann"])?;
/// let pairs: Vec<(i64, String)> = tenet::query("SELECT id, owner FROM accounts", params![])?;
/// let ids: Vec<i64> = tenet::query("SELECT id FROM accounts", params![])?;
/// # Ok(())
/// # }
/// ```
pub fn query<T: DeserializeOwned>(sql: &str, params: &[Value]) -> Result<Vec<T>> {
    check(params)?;
    packed_rows(host::query_packed(sql, params).map_err(Error::database)?)
}

/// Runs one statement that returns exactly one row; any other number is a bug of the rule. One round trip.
///
/// ```no_run
/// # fn main() -> tenet::Result<()> {
/// let accounts: i64 = tenet::query_one("SELECT count(*) FROM accounts", tenet::params![])?;
/// # Ok(())
/// # }
/// ```
pub fn query_one<T: DeserializeOwned>(sql: &str, params: &[Value]) -> Result<T> {
    exactly_one(query(sql, params)?)
}

/// Runs one statement that returns at most one row; more are a bug of the rule. One round trip.
///
/// ```no_run
/// # use tenet::{Decimal, params};
/// # fn main() -> tenet::Result<()> {
/// let balance: Option<Decimal> = tenet::query_opt("SELECT balance FROM accounts WHERE id = $1", params!["ann"])?;
/// let Some(balance) = balance else {
///     tenet::reject!("no-account", "there is no such account");
/// };
/// # Ok(())
/// # }
/// ```
pub fn query_opt<T: DeserializeOwned>(sql: &str, params: &[Value]) -> Result<Option<T>> {
    at_most_one(query(sql, params)?)
}

/// Runs one statement and returns the number of affected rows. One round trip.
///
/// ```no_run
/// # use tenet::params;
/// # fn main() -> tenet::Result<()> {
/// let sql = "INSERT INTO accounts (id) VALUES ($1) ON CONFLICT (id) DO NOTHING";
/// if tenet::execute(sql, params!["ann"])? == 0 {
///     tenet::reject!("account-exists", "the account exists");
/// }
/// # Ok(())
/// # }
/// ```
pub fn execute(sql: &str, params: &[Value]) -> Result<u64> {
    check(params)?;
    host::execute(sql, params).map_err(Error::database)
}

fn at_most_one<T>(mut rows: Vec<T>) -> Result<Option<T>> {
    match rows.len() {
        0 | 1 => Ok(rows.pop()),
        several => Err(Error::bug(format!("the query gave {several} rows, and one at most was expected"))),
    }
}

fn exactly_one<T>(rows: Vec<T>) -> Result<T> {
    at_most_one(rows)?.ok_or_else(|| Error::bug("the query gave no row, and one was expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_rows_is_checked() {
        assert_eq!(exactly_one(vec![7]).unwrap(), 7);
        assert!(exactly_one(Vec::<i32>::new()).unwrap_err().to_string().contains("no row"));
        assert!(exactly_one(vec![1, 2]).unwrap_err().to_string().contains("2 rows"));
        assert_eq!(at_most_one(Vec::<i32>::new()).unwrap(), None);
        assert_eq!(at_most_one(vec![7]).unwrap(), Some(7));
        assert!(at_most_one(vec![1, 2, 3]).is_err());
    }
}
