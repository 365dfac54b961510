//! Operators and functions: which one a name and types mean, and what each does.

use std::cell::RefCell;
use std::sync::Arc;

use crate::sql_error::SqlError;
use crate::values::kind::Kind;
use crate::values::value::Value;

mod accumulator;
pub(crate) mod aggregate;
pub(crate) mod cast;
pub(crate) mod catalog;
#[cfg(test)]
mod comparison_with_postgres;
pub(crate) mod function;
mod implementations;
pub(crate) mod operator;
pub(crate) mod resolution;
pub(crate) mod set_function;

/// What functions may use in addition to their arguments: the times of a statement, its session's
/// names, and random bytes.
#[derive(Debug)]
pub(crate) struct Moment {
    /// `now()`: microseconds since 2000-01-01.
    pub(crate) transaction: i64,
    /// `statement_timestamp()`: microseconds since 2000-01-01.
    pub(crate) statement: i64,
    /// `clock_timestamp()`: microseconds since 2000-01-01.
    pub(crate) clock: i64,
    /// `current_user`.
    pub(crate) user: Arc<str>,
    /// `current_schema()`, if a schema of the search path is there.
    pub(crate) schema: Option<Arc<str>>,
    /// `random()` and `gen_random_uuid()`.
    pub(crate) random: RefCell<fastrand::Rng>,
}

/// What runs an operator or a function. The values have the kinds that the resolution chose.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    /// By the values alone.
    Plain(fn(&[Value]) -> Result<Value, SqlError>),
    /// Also by the moment.
    Moment(fn(&Moment, &[Value]) -> Result<Value, SqlError>),
    /// Also by the kinds of the values.
    Kinds(fn(&[Kind], &[Value]) -> Result<Value, SqlError>),
}

impl Call {
    fn run(self, is_strict: bool, moment: &Moment, kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
        if is_strict && values.iter().any(|value| matches!(value, Value::Null)) {
            return Ok(Value::Null);
        }
        match self {
            Self::Plain(call) => call(values),
            Self::Moment(call) => call(moment, values),
            Self::Kinds(call) => call(kinds, values),
        }
    }
}
