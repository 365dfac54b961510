//! Functions that return rows, by name.

use crate::scalars::catalog::Class;
use crate::scalars::function;
use crate::scalars::implementations::sets;
use crate::sql_error::SqlError;
use crate::values::kind::Kind;
use crate::values::value::Value;

/// A function that returns rows, and the kinds that its arguments become first.
#[derive(Clone, Debug)]
pub(crate) struct SetFunction {
    pub(crate) arguments: Vec<Kind>,
    /// The name and the kind of each column. The only column of a function without names for its
    /// columns has the function's name, which an alias of the table replaces.
    pub(crate) columns: Vec<(String, Kind)>,
    /// Whether the columns have names of their own.
    pub(crate) has_names: bool,
    is_strict: bool,
    call: sets::Call,
}

impl SetFunction {
    /// Its rows for arguments of its kinds.
    ///
    /// # Errors
    /// Those of the function.
    pub(crate) fn call(&self, values: &[Value]) -> Result<Vec<Vec<Value>>, SqlError> {
        if self.is_strict && values.iter().any(|value| matches!(value, Value::Null)) {
            return Ok(Vec::new());
        }
        (self.call)(&self.arguments, values)
    }
}

/// The function with this name for arguments of these kinds.
///
/// # Errors
/// 42883, 42725 and 42804 as PostgreSQL; 0A000 for one that the model cannot run.
pub(crate) fn resolve(name: &str, kinds: &[Kind]) -> Result<SetFunction, SqlError> {
    let found = function::find(name, kinds, Class::Set)?;
    let call = sets::find(found.row.source).ok_or_else(|| found.unsupported(name))?;
    let (arguments, result) = found.kinds(name)?;
    let own = sets::columns(found.row.source);
    let has_names = own.is_some();
    let columns = own.unwrap_or_else(|| vec![(name, result)]);
    let columns = columns.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
    Ok(SetFunction { arguments, columns, has_names, is_strict: found.row.is_strict, call })
}
