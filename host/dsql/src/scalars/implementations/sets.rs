//! What functions that return rows do.

use crate::scalars::implementations::json::{as_text, json, json_at};
use crate::scalars::implementations::json_texts::{self, Whole};
use crate::scalars::implementations::texts::{parameter_error, parts};
use crate::scalars::implementations::{int_at, mismatch, numerics, text, text_at, times};
use crate::sql_error::SqlError;
use crate::values::jsonb::Jsonb;
use crate::values::kind::Kind;
use crate::values::numeric::Numeric;
use crate::values::value::Value;

type Rows = Vec<Vec<Value>>;
pub(crate) type Call = fn(&[Kind], &[Value]) -> Result<Rows, SqlError>;

/// The rows of one series that the model makes at the most: all are in memory.
const MAX_ROWS: usize = 1_000_000;

fn column(values: impl IntoIterator<Item = Value>) -> Rows {
    values.into_iter().map(|value| vec![value]).collect()
}

/// The values from a start to an end, both included.
fn series<T: Clone>(
    start: T,
    is_within: impl Fn(&T) -> bool,
    next: impl Fn(&T) -> Result<Option<T>, SqlError>,
    value: impl Fn(T) -> Value,
) -> Result<Rows, SqlError> {
    let mut rows = Vec::new();
    let mut at = Some(start).filter(&is_within);
    while let Some(own) = at {
        if rows.len() == MAX_ROWS {
            return Err(SqlError::unsupported(format_args!("a series of more than {MAX_ROWS} rows")));
        }
        at = next(&own)?.filter(&is_within);
        rows.push(vec![value(own)]);
    }
    Ok(rows)
}

fn zero_step() -> SqlError {
    parameter_error("step size cannot equal zero")
}

fn integers(values: &[Value], value: fn(i128) -> Value, bounds: (i128, i128)) -> Result<Rows, SqlError> {
    let (start, stop) = (int_at(values, 0)?, int_at(values, 1)?);
    let step = if values.len() > 2 { int_at(values, 2)? } else { 1 };
    if step == 0 {
        return Err(zero_step());
    }
    let is_within = |at: &i128| if step > 0 { *at <= stop } else { *at >= stop };
    // The series ends where the type does.
    let next = |at: &i128| Ok(Some(at + step).filter(|at| (bounds.0..=bounds.1).contains(at)));
    series(start, is_within, next, value)
}

fn numeric_series(values: &[Value]) -> Result<Rows, SqlError> {
    let one = Numeric::from(1_i64);
    let (start, stop) = (numerics::number(values, 0)?, numerics::number(values, 1)?);
    let step = if values.len() > 2 { numerics::number(values, 2)? } else { &one };
    for (number, name) in [(start, "start"), (stop, "stop"), (step, "step size")] {
        if number.parts().is_none() {
            let what = if number.is_nan() { "NaN" } else { "infinity" };
            return Err(parameter_error(format!("{name} value cannot be {what}").replace("size value", "size")));
        }
    }
    let sign = step.signum().unwrap_or(0);
    if sign == 0 {
        return Err(zero_step());
    }
    let is_within = |at: &Numeric| if sign > 0 { at.compare(stop).is_le() } else { at.compare(stop).is_ge() };
    series(start.clone(), is_within, |at| at.add(step).map(Some), Value::Numeric)
}

fn moments(values: &[Value]) -> Result<Rows, SqlError> {
    let (start, stop) = (times::timestamp_at(values, 0)?, times::timestamp_at(values, 1)?);
    let step = times::interval_at(values, 2)?;
    let span = step.span();
    if span == 0 {
        return Err(zero_step());
    }
    let is_within = |at: &i64| if span > 0 { *at <= stop } else { *at >= stop };
    if !times::is_finite(start) {
        return Err(SqlError::unsupported("a series from an infinite timestamp"));
    }
    series(start, is_within, |at| times::plus(*at, step).map(Some), Value::Timestamp)
}

fn subscripts(values: &[Value]) -> Result<Rows, SqlError> {
    let Some(Value::Array(elements)) = values.first() else {
        return Err(mismatch());
    };
    if int_at(values, 1)? != 1 {
        return Ok(Vec::new());
    }
    let is_reverse = matches!(values.get(2), Some(Value::Bool(true)));
    let count = i32::try_from(elements.len()).map_err(|_| mismatch())?;
    let places = 1..=count;
    Ok(if is_reverse { column(places.rev().map(Value::Int4)) } else { column(places.map(Value::Int4)) })
}

fn elements(values: &[Value], of: fn(&Jsonb) -> Value) -> Result<Rows, SqlError> {
    match json_at(values, 0)? {
        Jsonb::Array(elements) => Ok(column(elements.iter().map(of))),
        Jsonb::Object(_) => Err(parameter_error("cannot extract elements from an object")),
        _ => Err(parameter_error("cannot extract elements from a scalar")),
    }
}

fn members(values: &[Value], name: &str, of: fn(&Jsonb) -> Value) -> Result<Rows, SqlError> {
    match json_at(values, 0)? {
        Jsonb::Object(members) => {
            Ok(members.iter().map(|(key, value)| vec![Value::Text(key.clone()), of(value)]).collect())
        }
        _ => Err(parameter_error(format!("cannot call {name} on a non-object"))),
    }
}

fn keys(values: &[Value]) -> Result<Rows, SqlError> {
    match json_at(values, 0)? {
        Jsonb::Object(members) => Ok(column(members.iter().map(|(key, _)| Value::Text(key.clone())))),
        Jsonb::Array(_) => Err(parameter_error("cannot call jsonb_object_keys on an array")),
        _ => Err(parameter_error("cannot call jsonb_object_keys on a scalar")),
    }
}

fn text_elements(values: &[Value], name: &str, of: fn(&str) -> Result<Value, SqlError>) -> Result<Rows, SqlError> {
    match json_texts::read(text_at(values, 0)?)? {
        Whole::Array(elements) => elements.into_iter().map(|element| Ok(vec![of(element)?])).collect(),
        Whole::Object(_) => Err(parameter_error(format!("cannot call {name} on a non-array"))),
        Whole::Scalar(_) => Err(parameter_error(format!("cannot call {name} on a scalar"))),
    }
}

fn text_members(values: &[Value], of: fn(&str) -> Result<Value, SqlError>) -> Result<Rows, SqlError> {
    match json_texts::read(text_at(values, 0)?)? {
        Whole::Object(members) => members.into_iter().map(|(key, value)| Ok(vec![text(key), of(value)?])).collect(),
        Whole::Array(_) => Err(parameter_error("cannot deconstruct an array as an object")),
        Whole::Scalar(_) => Err(parameter_error("cannot deconstruct a scalar")),
    }
}

fn text_keys(values: &[Value]) -> Result<Rows, SqlError> {
    match json_texts::read(text_at(values, 0)?)? {
        Whole::Object(members) => Ok(column(members.into_iter().map(|(key, _)| text(key)))),
        Whole::Array(_) => Err(parameter_error("cannot call json_object_keys on an array")),
        Whole::Scalar(_) => Err(parameter_error("cannot call json_object_keys on a scalar")),
    }
}

fn plain(own: &str) -> Result<Value, SqlError> {
    Ok(json_texts::json(own))
}

/// The columns of a function that names them.
pub(crate) fn columns(source: &str) -> Option<Vec<(&'static str, Kind)>> {
    Some(match source {
        "json_array_elements" => vec![("value", Kind::Json)],
        "jsonb_array_elements" => vec![("value", Kind::Jsonb)],
        "json_array_elements_text" | "jsonb_array_elements_text" => vec![("value", Kind::Text)],
        "json_each" => vec![("key", Kind::Text), ("value", Kind::Json)],
        "jsonb_each" => vec![("key", Kind::Text), ("value", Kind::Jsonb)],
        "json_each_text" | "jsonb_each_text" => vec![("key", Kind::Text), ("value", Kind::Text)],
        _ => return None,
    })
}

/// What does the work of PostgreSQL's function with this name; none if the model cannot.
pub(crate) fn find(source: &str) -> Option<Call> {
    Some(match source {
        "generate_series_int4" | "generate_series_step_int4" => |_, values| {
            let value = |at| i32::try_from(at).map_or(Value::Null, Value::Int4);
            integers(values, value, (i32::MIN.into(), i32::MAX.into()))
        },
        "generate_series_int8" | "generate_series_step_int8" => |_, values| {
            let value = |at| i64::try_from(at).map_or(Value::Null, Value::Int8);
            integers(values, value, (i64::MIN.into(), i64::MAX.into()))
        },
        "generate_series_numeric" | "generate_series_step_numeric" => |_, values| numeric_series(values),
        "generate_series_timestamp" | "generate_series_timestamptz" => |_, values| moments(values),
        "generate_subscripts" | "generate_subscripts_nodir" => |_, values| subscripts(values),
        "array_unnest" => |_, values| match values {
            [Value::Array(elements)] => Ok(column(elements.iter().cloned())),
            _ => Err(mismatch()),
        },
        "text_to_table" | "text_to_table_null" => |_, values| Ok(column(parts(values)?.unwrap_or_default())),
        "jsonb_array_elements" => |_, values| elements(values, |element| json(element.clone())),
        "jsonb_array_elements_text" => |_, values| elements(values, as_text),
        "jsonb_each" => |_, values| members(values, "jsonb_each", |value| json(value.clone())),
        "jsonb_each_text" => |_, values| members(values, "jsonb_each_text", as_text),
        "jsonb_object_keys" => |_, values| keys(values),
        "json_array_elements" => |_, values| text_elements(values, "json_array_elements", plain),
        "json_array_elements_text" => {
            |_, values| text_elements(values, "json_array_elements_text", json_texts::as_text)
        }
        "json_each" => |_, values| text_members(values, plain),
        "json_each_text" => |_, values| text_members(values, json_texts::as_text),
        "json_object_keys" => |_, values| text_keys(values),
        _ => return None,
    })
}
