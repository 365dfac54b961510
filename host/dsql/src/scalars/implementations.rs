//! What operators and functions do, by the name of the function in PostgreSQL that does it.

use std::sync::Arc;

use crate::scalars::Call;
use crate::sql_error::SqlError;
use crate::values::value::Value;

pub(super) mod aggregates;
mod arrays;
mod bytes;
mod catalogs;
mod comparisons;
mod floats;
mod integers;
mod json;
mod json_building;
mod json_texts;
mod numerics;
mod patterns;
mod sessions;
pub(super) mod sets;
mod templates;
mod texts;
mod time_fields;
mod times;

/// What does the work of PostgreSQL's function with this name; none if the model cannot.
pub(super) fn find(source: &str) -> Option<Call> {
    let rooms = [
        integers::find,
        floats::find,
        numerics::find,
        comparisons::find,
        texts::find,
        patterns::find,
        bytes::find,
        times::find,
        time_fields::find,
        sessions::find,
        catalogs::find,
        json::find,
        json_texts::find,
        json_building::find,
        arrays::find,
        templates::find,
    ];
    rooms.into_iter().find_map(|find| find(source))
}

/// Values that do not have the kinds that the resolution chose: a fault of the model.
fn mismatch() -> SqlError {
    SqlError::new("XX000", "a value does not have the type that was chosen for it")
}

fn text(text: impl Into<Arc<str>>) -> Value {
    Value::Text(text.into())
}

/// The text of an argument.
fn text_at(values: &[Value], place: usize) -> Result<&str, SqlError> {
    match values.get(place) {
        Some(Value::Text(text) | Value::Bpchar(text) | Value::Json(text)) => Ok(text),
        _ => Err(mismatch()),
    }
}

fn bytes_at(values: &[Value], place: usize) -> Result<&[u8], SqlError> {
    match values.get(place) {
        Some(Value::Bytea(bytes)) => Ok(bytes),
        _ => Err(mismatch()),
    }
}

/// The integer of an argument, of any size.
fn int_at(values: &[Value], place: usize) -> Result<i128, SqlError> {
    integers::integer(values.get(place))
}

fn is_null(values: &[Value], place: usize) -> bool {
    matches!(values.get(place), None | Some(Value::Null))
}
