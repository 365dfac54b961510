//! Values as JSON.

use std::sync::Arc;

use crate::scalars::Call;
use crate::scalars::implementations::json::json;
use crate::scalars::implementations::texts::{parameter_error, texts};
use crate::scalars::implementations::{is_null, mismatch};
use crate::sql_error::SqlError;
use crate::values::jsonb::{self, Jsonb};
use crate::values::kind::Kind;
use crate::values::numeric::Numeric;
use crate::values::text_format;
use crate::values::value::Value;

/// A moment as ISO 8601 writes it.
fn moment(value: &Value, kind: Kind) -> Result<String, SqlError> {
    let shown = text_format::output(value, kind)?;
    Ok(match kind {
        Kind::Date => shown,
        Kind::Timestamptz => shown.replacen(' ', "T", 1).replacen("+00", "+00:00", 1),
        _ => shown.replacen(' ', "T", 1),
    })
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Float8 | Kind::Numeric)
}

/// The text of a value that is neither a number nor nested.
fn scalar(value: &Value, kind: Kind) -> Result<String, SqlError> {
    match kind {
        Kind::Date | Kind::Timestamp | Kind::Timestamptz => moment(value, kind),
        Kind::Record => Err(SqlError::unsupported("a record as JSON")),
        _ => text_format::output(value, kind),
    }
}

/// A value as the text of a `json`.
pub(super) fn to_json(value: &Value, kind: Kind) -> Result<String, SqlError> {
    Ok(match (value, kind) {
        (Value::Null, _) => "null".to_owned(),
        (Value::Bool(own), _) => own.to_string(),
        (Value::Json(own), _) => own.to_string(),
        (Value::Jsonb(own), _) => own.to_string(),
        (Value::Array(elements), Kind::Array(element)) => {
            let parts: Vec<String> = elements.iter().map(|one| to_json(one, *element)).collect::<Result<_, _>>()?;
            format!("[{}]", parts.join(","))
        }
        (value, kind) if is_number(kind) => {
            let shown = text_format::output(value, kind)?;
            // Infinities and NaN are no numbers of JSON.
            if shown.bytes().any(|byte| byte.is_ascii_digit()) { shown } else { jsonb::quoted(&shown) }
        }
        (value, kind) => jsonb::quoted(&scalar(value, kind)?),
    })
}

/// A value as a `jsonb`.
pub(super) fn to_jsonb(value: &Value, kind: Kind) -> Result<Jsonb, SqlError> {
    Ok(match (value, kind) {
        (Value::Null, _) => Jsonb::Null,
        (Value::Bool(own), _) => Jsonb::Bool(*own),
        (Value::Json(own), _) => jsonb::parse(own)?,
        (Value::Jsonb(own), _) => (**own).clone(),
        (Value::Array(elements), Kind::Array(element)) => {
            Jsonb::Array(elements.iter().map(|one| to_jsonb(one, *element)).collect::<Result<_, _>>()?)
        }
        (value, kind) if is_number(kind) => {
            let shown = text_format::output(value, kind)?;
            if shown.bytes().any(|byte| byte.is_ascii_digit()) {
                Jsonb::Number(Numeric::parse(&shown, -1)?)
            } else {
                Jsonb::String(shown.into())
            }
        }
        (value, kind) => Jsonb::String(scalar(value, kind)?.into()),
    })
}

/// A value as the key of an object.
pub(super) fn key(value: &Value, kind: Kind) -> Result<String, SqlError> {
    match (value, kind) {
        (_, Kind::Array(_) | Kind::Record | Kind::Json | Kind::Jsonb) => {
            Err(parameter_error("key value must be scalar, not array, composite, or json"))
        }
        (Value::Bool(own), _) => Ok(own.to_string()),
        _ => scalar(value, kind),
    }
}

fn pairs<'a>(
    name: &str,
    kinds: &'a [Kind],
    values: &'a [Value],
) -> Result<impl Iterator<Item = (&'a [Kind], &'a [Value])>, SqlError> {
    if !values.len().is_multiple_of(2) {
        return Err(parameter_error("argument list must have even number of elements")
            .with_hint(format!("The arguments of {name}() must consist of alternating keys and values.")));
    }
    Ok(kinds.chunks(2).zip(values.chunks(2)))
}

fn build_object(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    let mut members = Vec::new();
    for pair in pairs("json_build_object", kinds, values)? {
        let ([key_kind, kind], [name, value]) = pair else {
            return Err(mismatch());
        };
        if matches!(name, Value::Null) {
            return Err(null_key());
        }
        members.push(format!("{} : {}", jsonb::quoted(&key(name, *key_kind)?), to_json(value, *kind)?));
    }
    Ok(Value::Json(format!("{{{}}}", members.join(", ")).into()))
}

/// The words of PostgreSQL 16; those of 15 are others.
pub(super) fn null_key() -> SqlError {
    SqlError::new("22004", "null value not allowed for object key")
}

fn build_object_b(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    let mut members: Vec<(Arc<str>, Jsonb)> = Vec::new();
    for (place, pair) in pairs("jsonb_build_object", kinds, values)?.enumerate() {
        let ([key_kind, kind], [name, value]) = pair else {
            return Err(mismatch());
        };
        if matches!(name, Value::Null) {
            return Err(parameter_error(format!("argument {}: key must not be null", place * 2 + 1)));
        }
        members.push((key(name, *key_kind)?.into(), to_jsonb(value, *kind)?));
    }
    Ok(json(Jsonb::object(members)))
}

fn build_array(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    let parts: Vec<String> =
        values.iter().zip(kinds).map(|(value, kind)| to_json(value, *kind)).collect::<Result<_, _>>()?;
    Ok(Value::Json(format!("[{}]", parts.join(", ")).into()))
}

fn build_array_b(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    let elements = values.iter().zip(kinds).map(|(value, kind)| to_jsonb(value, *kind)).collect::<Result<_, _>>()?;
    Ok(json(Jsonb::Array(elements)))
}

/// A key and its value, or NULL.
type TextMember = (Arc<str>, Option<Arc<str>>);

/// The members that an array of keys and values, or an array of each, means.
fn members(values: &[Value]) -> Result<Vec<TextMember>, SqlError> {
    let first = values.first().map_or(Err(mismatch()), texts)?;
    let null = || SqlError::new("22004", "null value not allowed for object key");
    match values.get(1) {
        Some(second) => {
            let second = texts(second)?;
            if first.is_empty() != second.is_empty() {
                return Err(SqlError::new("2202E", "wrong number of array subscripts"));
            }
            if first.len() != second.len() {
                return Err(SqlError::new("2202E", "mismatched array dimensions"));
            }
            first.into_iter().zip(second).map(|(key, value)| Ok((key.ok_or_else(null)?, value))).collect()
        }
        None => {
            if !first.len().is_multiple_of(2) {
                return Err(SqlError::new("2202E", "array must have even number of elements"));
            }
            let pair = |pair: &[Option<Arc<str>>]| match pair {
                [Some(key), value] => Ok((key.clone(), value.clone())),
                _ => Err(null()),
            };
            first.chunks(2).map(pair).collect()
        }
    }
}

fn object(values: &[Value]) -> Result<Value, SqlError> {
    let one = |(key, value): (Arc<str>, Option<Arc<str>>)| {
        format!("{} : {}", jsonb::quoted(&key), value.map_or("null".to_owned(), |value| jsonb::quoted(&value)))
    };
    let parts: Vec<String> = members(values)?.into_iter().map(one).collect();
    Ok(Value::Json(format!("{{{}}}", parts.join(", ")).into()))
}

fn object_b(values: &[Value]) -> Result<Value, SqlError> {
    let one = |(key, value): (Arc<str>, Option<Arc<str>>)| (key, value.map_or(Jsonb::Null, Jsonb::String));
    Ok(json(Jsonb::object(members(values)?.into_iter().map(one))))
}

fn only<'a>(kinds: &[Kind], values: &'a [Value]) -> Result<(&'a Value, Kind), SqlError> {
    values.first().zip(kinds.first().copied()).ok_or_else(mismatch)
}

pub(super) fn find(source: &str) -> Option<Call> {
    if let "json_object" | "json_object_two_arg" = source {
        return Some(Call::Plain(object));
    }
    if let "jsonb_object" | "jsonb_object_two_arg" = source {
        return Some(Call::Plain(object_b));
    }
    Some(Call::Kinds(match source {
        "to_json" | "array_to_json" => |kinds, values| {
            let (value, kind) = only(kinds, values)?;
            Ok(Value::Json(to_json(value, kind)?.into()))
        },
        "to_jsonb" => |kinds, values| {
            let (value, kind) = only(kinds, values)?;
            to_jsonb(value, kind).map(json)
        },
        "json_build_object" | "json_build_object_noargs" => build_object,
        "jsonb_build_object" | "jsonb_build_object_noargs" => build_object_b,
        "json_build_array" | "json_build_array_noargs" => build_array,
        "jsonb_build_array" | "jsonb_build_array_noargs" => build_array_b,
        "pg_num_nulls" => |_, values| Ok(Value::Int4(count(values, true))),
        "pg_num_nonnulls" => |_, values| Ok(Value::Int4(count(values, false))),
        _ => return None,
    }))
}

fn count(values: &[Value], wants_null: bool) -> i32 {
    let count = (0..values.len()).filter(|place| is_null(values, *place) == wants_null).count();
    i32::try_from(count).unwrap_or(i32::MAX)
}
