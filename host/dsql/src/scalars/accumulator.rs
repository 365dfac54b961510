use std::fmt::Debug;

use crate::sql_error::SqlError;
use crate::values::value::Value;

/// An aggregate that is being computed.
pub(crate) trait Accumulator: Debug + Send {
    /// Adds the values of one row, NULLs too; none for `count(*)`. DISTINCT, FILTER and ORDER BY are
    /// the caller's.
    ///
    /// # Errors
    /// Those of the aggregate.
    fn add(&mut self, values: &[Value]) -> Result<(), SqlError>;

    /// Whether the value for all rows has the values of each row in it.
    fn keeps_values(&self) -> bool {
        false
    }

    /// The value for all rows.
    ///
    /// # Errors
    /// Those of the aggregate.
    fn finish(self: Box<Self>) -> Result<Value, SqlError>;
}
