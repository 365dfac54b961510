//! What the catalogue is read with.

use crate::scalars::Call;
use crate::scalars::implementations::{mismatch, text, text_at};
use crate::sql_error::SqlError;
use crate::values::kind::Kind;
use crate::values::value::Value;

/// The name of a type with its modifier. A modifier of -1 is none, as it is for a column; NULL is not
/// known.
fn format_type(values: &[Value]) -> Result<Value, SqlError> {
    let (oid, modifier) = match values {
        [Value::Null, _] => return Ok(Value::Null),
        [Value::Oid(oid), Value::Int4(modifier)] => (*oid, Some(*modifier)),
        [Value::Oid(oid), Value::Null] => (*oid, None),
        _ => return Err(mismatch()),
    };
    let Some(kind) = Kind::from_oid(oid) else {
        return Err(SqlError::unsupported(format_args!("the type with the OID {oid}")));
    };
    // Without a modifier `character` is the type of SQL, which has one.
    Ok(text(modifier.map_or_else(|| kind.name().to_owned(), |modifier| kind.formatted(modifier))))
}

pub(super) fn find(source: &str) -> Option<Call> {
    Some(match source {
        "format_type" => Call::Plain(format_type),
        // The model keeps an expression as its text.
        "pg_get_expr" | "pg_get_expr_ext" => Call::Plain(|values| Ok(text(text_at(values, 0)?))),
        _ => return None,
    })
}
