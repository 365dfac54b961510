//! Functions of arrays, which have one dimension, counted from 1.

use crate::scalars::Call;
use crate::scalars::implementations::comparisons::is_ordered;
use crate::scalars::implementations::{int_at, is_null, mismatch, text, text_at};
use crate::sql_error::SqlError;
use crate::values::kind::Kind;
use crate::values::order;
use crate::values::text_format;
use crate::values::value::Value;

fn array_at(values: &[Value], place: usize) -> Result<&[Value], SqlError> {
    match values.get(place) {
        Some(Value::Array(elements)) => Ok(elements),
        _ => Err(mismatch()),
    }
}

fn array(elements: Vec<Value>) -> Value {
    Value::Array(elements.into())
}

fn count(length: usize) -> Value {
    Value::Int4(i32::try_from(length).unwrap_or(i32::MAX))
}

/// An array, or the empty one for NULL.
fn or_empty(values: &[Value], place: usize) -> Result<&[Value], SqlError> {
    if is_null(values, place) { Ok(&[]) } else { array_at(values, place) }
}

fn append(values: &[Value]) -> Result<Value, SqlError> {
    let element = values.get(1).ok_or_else(mismatch)?;
    Ok(array([or_empty(values, 0)?, std::slice::from_ref(element)].concat()))
}

fn prepend(values: &[Value]) -> Result<Value, SqlError> {
    let element = values.first().ok_or_else(mismatch)?;
    Ok(array([std::slice::from_ref(element), or_empty(values, 1)?].concat()))
}

fn concatenate(values: &[Value]) -> Result<Value, SqlError> {
    if is_null(values, 0) && is_null(values, 1) {
        return Ok(Value::Null);
    }
    Ok(array([or_empty(values, 0)?, or_empty(values, 1)?].concat()))
}

/// The length of the dimension asked for, if the array has it.
fn dimension(values: &[Value]) -> Result<Option<usize>, SqlError> {
    let elements = array_at(values, 0)?;
    Ok((int_at(values, 1)? == 1 && !elements.is_empty()).then_some(elements.len()))
}

fn refuse_unordered(kinds: &[Kind]) -> Result<(), SqlError> {
    match kinds.first() {
        Some(Kind::Array(element)) if !is_ordered(**element) => {
            let message = format!("could not identify an equality operator for type {}", element.name());
            Err(SqlError::new("42883", message))
        }
        _ => Ok(()),
    }
}

/// Whether two elements are equal, and two NULLs as well.
fn is_same(one: &Value, other: &Value) -> bool {
    order::compare(one, other).is_eq()
}

/// Whether one element of one is an element of the other; NULLs are equal to nothing.
fn has(elements: &[Value], wanted: &Value) -> bool {
    !matches!(wanted, Value::Null) && elements.iter().any(|one| !matches!(one, Value::Null) && is_same(one, wanted))
}

fn places(values: &[Value], start: i128) -> Result<Vec<usize>, SqlError> {
    let wanted = values.get(1).ok_or_else(mismatch)?;
    let start = usize::try_from(start.max(1)).unwrap_or(usize::MAX);
    let elements = array_at(values, 0)?.iter().enumerate();
    Ok(elements
        .map(|(place, one)| (place + 1, one))
        .filter(|(place, one)| *place >= start && is_same(one, wanted))
        .map(|(place, _)| place)
        .collect())
}

fn position(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    if is_null(values, 0) {
        return Ok(Value::Null);
    }
    if values.len() > 2 && is_null(values, 2) {
        return Err(SqlError::new("22004", "initial position must not be null"));
    }
    refuse_unordered(kinds)?;
    let start = if values.len() > 2 { int_at(values, 2)? } else { 1 };
    Ok(places(values, start)?.first().map_or(Value::Null, |place| count(*place)))
}

fn to_text(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    if is_null(values, 0) || is_null(values, 1) {
        return Ok(Value::Null);
    }
    let Some(Kind::Array(element)) = kinds.first() else {
        return Err(mismatch());
    };
    let null = if values.len() > 2 && !is_null(values, 2) { Some(text_at(values, 2)?) } else { None };
    let mut parts = Vec::new();
    for one in array_at(values, 0)? {
        match one {
            Value::Null => parts.extend(null.map(str::to_owned)),
            one => parts.push(text_format::output(one, **element)?),
        }
    }
    Ok(text(parts.join(text_at(values, 1)?)))
}

fn with_equality(
    kinds: &[Kind],
    values: &[Value],
    of: fn(&[Value]) -> Result<Value, SqlError>,
) -> Result<Value, SqlError> {
    if is_null(values, 0) {
        return Ok(Value::Null);
    }
    refuse_unordered(kinds)?;
    of(values)
}

fn trim(values: &[Value]) -> Result<Value, SqlError> {
    let elements = array_at(values, 0)?;
    let cut = usize::try_from(int_at(values, 1)?).ok().filter(|cut| *cut <= elements.len());
    match cut.and_then(|cut| elements.get(..elements.len() - cut)) {
        Some(kept) => Ok(array(kept.to_vec())),
        None => {
            let message = format!("number of elements to trim must be between 0 and {}", elements.len());
            Err(SqlError::new("2202E", message))
        }
    }
}

pub(super) fn find(source: &str) -> Option<Call> {
    let plain: fn(&[Value]) -> Result<Value, SqlError> = match source {
        "array_append" => append,
        "array_prepend" => prepend,
        "array_cat" => concatenate,
        "array_length" | "array_upper" => |values| Ok(dimension(values)?.map_or(Value::Null, count)),
        "array_lower" => |values| Ok(dimension(values)?.map_or(Value::Null, |_| Value::Int4(1))),
        "array_ndims" => |values| Ok(if array_at(values, 0)?.is_empty() { Value::Null } else { Value::Int4(1) }),
        "array_cardinality" => |values| Ok(count(array_at(values, 0)?.len())),
        "trim_array" => trim,
        _ => {
            return Some(Call::Kinds(match source {
                "array_position" | "array_position_start" => position,
                "array_positions" => |kinds, values| {
                    with_equality(kinds, values, |values| {
                        Ok(array(places(values, 1)?.into_iter().map(count).collect()))
                    })
                },
                "array_remove" => |kinds, values| {
                    with_equality(kinds, values, |values| {
                        let wanted = values.get(1).ok_or_else(mismatch)?;
                        Ok(array(array_at(values, 0)?.iter().filter(|one| !is_same(one, wanted)).cloned().collect()))
                    })
                },
                "array_replace" => |kinds, values| {
                    with_equality(kinds, values, |values| {
                        let (Some(wanted), Some(new)) = (values.get(1), values.get(2)) else {
                            return Err(mismatch());
                        };
                        let one = |one: &Value| if is_same(one, wanted) { new.clone() } else { one.clone() };
                        Ok(array(array_at(values, 0)?.iter().map(one).collect()))
                    })
                },
                "array_to_text" | "array_to_text_null" => to_text,
                "arrayoverlap" => |kinds, values| {
                    with_equality(kinds, values, |values| {
                        let (left, right) = (array_at(values, 0)?, array_at(values, 1)?);
                        Ok(Value::Bool(left.iter().any(|one| has(right, one))))
                    })
                },
                "arraycontains" => |kinds, values| {
                    with_equality(kinds, values, |values| {
                        let (left, right) = (array_at(values, 0)?, array_at(values, 1)?);
                        Ok(Value::Bool(right.iter().all(|one| has(left, one))))
                    })
                },
                "arraycontained" => |kinds, values| {
                    with_equality(kinds, values, |values| {
                        let (left, right) = (array_at(values, 0)?, array_at(values, 1)?);
                        Ok(Value::Bool(left.iter().all(|one| has(right, one))))
                    })
                },
                _ => return None,
            }));
        }
    };
    Some(Call::Plain(plain))
}
