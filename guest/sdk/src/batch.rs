use serde::de::DeserializeOwned;

use crate::bindings::tenet::rule::database as host;
use crate::bindings::tenet::rule::types::{Outcome as HostOutcome, Statement};
use crate::row::rows;
use crate::sendable::check_all;
use crate::{Error, Result, Value};

/// Several statements in one round trip.
///
/// ```no_run
/// # use tenet::{Batch, params};
/// # fn main() -> tenet::Result<()> {
/// let touched: u64 = Batch::new()
///     .add("UPDATE accounts SET balance = balance - $2 WHERE id = $1", params![1, 5])
///     .add("UPDATE accounts SET balance = balance + $2 WHERE id = $1", params![2, 5])
///     .run()?
///     .iter()
///     .map(|outcome| outcome.affected())
///     .sum();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a batch does nothing until it is run"]
pub struct Batch {
    statements: Vec<Statement>,
}

/// The result of one statement of a [`Batch`].
///
/// ```no_run
/// # use tenet::{Batch, Decimal, params};
/// # fn main() -> tenet::Result<()> {
/// let taken = "UPDATE accounts SET balance = balance - 5 WHERE id = $1 RETURNING balance";
/// for outcome in Batch::new().add(taken, params!["ann"]).run()? {
///     if outcome.affected() == 0 {
///         tenet::reject!("no-account", "there is no such account");
///     }
///     let left: Vec<Decimal> = outcome.rows()?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Outcome(HostOutcome);

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a statement at the end.
    pub fn add(mut self, sql: impl Into<String>, params: &[Value]) -> Self {
        self.statements.push(Statement { sql: sql.into(), parameters: params.to_vec() });
        self
    }

    /// Runs them in order. Returns one outcome per statement, or the first error; the error's
    /// detail `statement` is the number of the statement, counted from 0.
    pub fn run(self) -> Result<Vec<Outcome>> {
        check_all(&self.statements)?;
        let outcomes = host::batch(&self.statements).map_err(Error::database)?;
        Ok(outcomes.into_iter().map(Outcome).collect())
    }
}

impl Outcome {
    /// The number of rows that were inserted, updated, deleted or selected.
    pub fn affected(&self) -> u64 {
        self.0.affected
    }

    /// The rows of a SELECT or a RETURNING, read as [`query`](crate::query) reads them.
    pub fn rows<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        rows(self.0.rows)
    }
}
