//! Operators by name.

use crate::scalars::catalog::{self, Oid, OperatorRow, catalog};
use crate::scalars::resolution::{self, Choice};
use crate::scalars::{Call, Moment, implementations};
use crate::sql_error::SqlError;
use crate::values::kind::Kind;
use crate::values::value::Value;

/// An operator, and the kinds that its operands become first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator {
    /// None for a prefix.
    pub(crate) left: Option<Kind>,
    pub(crate) right: Kind,
    pub(crate) result: Kind,
    is_strict: bool,
    call: Call,
}

impl Operator {
    /// Its result for operands of its kinds: the left one, if it has one, then the right one.
    ///
    /// # Errors
    /// Those of the operator.
    pub(crate) fn call(&self, moment: &Moment, values: &[Value]) -> Result<Value, SqlError> {
        match self.left {
            Some(left) => self.call.run(self.is_strict, moment, &[left, self.right], values),
            None => self.call.run(self.is_strict, moment, &[self.right], values),
        }
    }
}

/// The operator with this name (`=`, `~~` for LIKE, `<>` for both of its names) for operands of
/// these kinds, where [`Kind::Unknown`] is a string or a parameter without a type. A prefix has no
/// left one.
///
/// # Errors
/// 42883, 42725 and 42804 as PostgreSQL; 0A000 for one that the model cannot run.
pub(crate) fn resolve(name: &str, left: Option<Kind>, right: Kind) -> Result<Operator, SqlError> {
    let name = if name == "!=" { "<>" } else { name };
    let rows: Vec<&OperatorRow> =
        catalog().operators(name).iter().filter(|row| row.left.is_some() == left.is_some()).collect();
    let right = right.oid();
    let given: Vec<Oid> = left.map(Kind::oid).into_iter().chain([right]).collect();
    let Some(row) = find(&rows, &given).map_err(|choice| missing(name, &given, choice))? else {
        return Err(missing(name, &given, Choice::None));
    };
    let taken: Vec<Oid> = row.left.into_iter().chain([row.right]).collect();
    let (taken, result) = resolution::polymorphic(&given, &taken, Some(row.result))?;
    let unsupported = || SqlError::unsupported(format_args!("operator {}", signature(name, &taken)));
    let call = implementations::find(row.source).ok_or_else(unsupported)?;
    let kinds: Vec<Kind> = taken.iter().map_while(|oid| Kind::from_oid(*oid)).collect();
    let result = Kind::from_oid(result).ok_or_else(unsupported)?;
    let (left, right) = match (row.left, kinds.as_slice()) {
        (Some(_), [left, right]) => (Some(*left), *right),
        (None, [right]) => (None, *right),
        _ => return Err(unsupported()),
    };
    Ok(Operator { left, right, result, is_strict: row.is_strict, call })
}

fn find<'a>(rows: &[&'a OperatorRow], given: &[Oid]) -> Result<Option<&'a OperatorRow>, Choice> {
    // A string without a type is tried as the type of the other operand first.
    let exact = match given {
        [catalog::UNKNOWN, right] => [Some(*right), Some(*right)],
        [left, catalog::UNKNOWN] => [Some(*left), Some(*left)],
        [left, right] => [Some(*left), Some(*right)],
        [right] => [None, Some(*right)],
        _ => return Ok(None),
    };
    if let Some(row) = rows.iter().find(|row| exact == [row.left, Some(row.right)] && row.right != catalog::UNKNOWN) {
        return Ok(Some(row));
    }
    let candidates: Vec<Vec<Oid>> = rows.iter().map(|row| row.left.into_iter().chain([row.right]).collect()).collect();
    match resolution::choose(given, &candidates) {
        Choice::One(index) => Ok(rows.get(index).copied()),
        choice => Err(choice),
    }
}

fn missing(name: &str, given: &[Oid], choice: Choice) -> SqlError {
    let signature = signature(name, given);
    match (choice, given) {
        (Choice::Several, _) => SqlError::new("42725", format!("operator is not unique: {signature}"))
            .with_hint("Could not choose a best candidate operator. You might need to add explicit type casts."),
        (_, [_]) => SqlError::new("42883", format!("operator does not exist: {signature}")).with_hint(
            "No operator matches the given name and argument type. You might need to add an explicit type cast.",
        ),
        _ => SqlError::new("42883", format!("operator does not exist: {signature}")).with_hint(
            "No operator matches the given name and argument types. You might need to add explicit type casts.",
        ),
    }
}

/// `integer + text`.
fn signature(name: &str, oids: &[Oid]) -> String {
    let formatted = |oid: &Oid| catalog().formatted(*oid);
    match oids {
        [left, right] => format!("{} {name} {}", formatted(left), formatted(right)),
        [right] => format!("{name} {}", formatted(right)),
        _ => name.to_owned(),
    }
}
