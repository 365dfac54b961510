//! Functions of `jsonb`.

use std::sync::Arc;

use crate::scalars::Call;
use crate::scalars::implementations::texts::{parameter_error, texts};
use crate::scalars::implementations::{int_at, is_null, mismatch, text, text_at};
use crate::sql_error::SqlError;
use crate::values::jsonb::{self, Jsonb};
use crate::values::value::Value;

pub(super) fn json_at(values: &[Value], place: usize) -> Result<&Jsonb, SqlError> {
    match values.get(place) {
        Some(Value::Jsonb(json)) => Ok(json),
        _ => Err(mismatch()),
    }
}

pub(super) fn json(json: Jsonb) -> Value {
    Value::Jsonb(Arc::new(json))
}

fn found(value: Option<&Jsonb>) -> Value {
    value.map_or(Value::Null, |value| json(value.clone()))
}

/// A value as `->>` shows it: a string without its quotes, NULL for null.
pub(super) fn as_text(value: &Jsonb) -> Value {
    match value {
        Jsonb::Null => Value::Null,
        Jsonb::String(own) => Value::Text(own.clone()),
        other => text(other.to_string()),
    }
}

/// The place in a list that an index means, which counts from the end if it is negative.
pub(super) fn place(index: i128, count: usize) -> Option<usize> {
    let count_wide = i128::try_from(count).ok()?;
    let index = if index < 0 { index + count_wide } else { index };
    usize::try_from(index).ok().filter(|index| *index < count)
}

/// The element of an array. PostgreSQL keeps a scalar as an array of one.
fn element(whole: &Jsonb, index: i128) -> Option<&Jsonb> {
    match whole {
        Jsonb::Array(elements) => elements.get(place(index, elements.len())?),
        Jsonb::Object(_) => None,
        scalar => place(index, 1).map(|_| scalar),
    }
}

/// The index that a text of a path is.
pub(super) fn index_of(text: &str) -> Option<i128> {
    let trimmed = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let digits = trimmed.strip_prefix('+').unwrap_or(trimmed);
    digits.parse::<i32>().ok().map(i128::from)
}

fn at_path(whole: &Jsonb, path: &[Option<Arc<str>>]) -> Option<Jsonb> {
    let mut own = whole;
    for step in path {
        let step = step.as_deref()?;
        own = match own {
            Jsonb::Object(_) => own.member(step)?,
            Jsonb::Array(elements) => elements.get(place(index_of(step)?, elements.len())?)?,
            _ => return None,
        };
    }
    Some(own.clone())
}

/// The path of a call: an array, or all arguments from the second.
pub(super) fn path(values: &[Value]) -> Result<Vec<Option<Arc<str>>>, SqlError> {
    if let Some(Value::Array(_)) = values.get(1) {
        return values.get(1).map_or(Err(mismatch()), texts);
    }
    let one = |place: usize| {
        if is_null(values, place) { Ok(None) } else { text_at(values, place).map(|one| Some(one.into())) }
    };
    (1..values.len()).map(one).collect()
}

fn extract(values: &[Value]) -> Result<Option<Jsonb>, SqlError> {
    Ok(at_path(json_at(values, 0)?, &path(values)?))
}

fn has(whole: &Jsonb, key: &str) -> bool {
    match whole {
        Jsonb::Object(_) => whole.member(key).is_some(),
        Jsonb::Array(elements) => elements.iter().any(|one| matches!(one, Jsonb::String(own) if **own == *key)),
        Jsonb::String(own) => **own == *key,
        _ => false,
    }
}

fn is_scalar(value: &Jsonb) -> bool {
    !matches!(value, Jsonb::Array(_) | Jsonb::Object(_))
}

fn contains(whole: &Jsonb, part: &Jsonb) -> bool {
    match (whole, part) {
        (Jsonb::Array(elements), part) if is_scalar(part) => {
            elements.iter().any(|one| is_scalar(one) && jsonb::compare(one, part).is_eq())
        }
        (whole, part) if is_scalar(whole) && is_scalar(part) => jsonb::compare(whole, part).is_eq(),
        _ => contains_within(whole, part),
    }
}

fn contains_within(whole: &Jsonb, part: &Jsonb) -> bool {
    match (whole, part) {
        (Jsonb::Object(_), Jsonb::Object(members)) => {
            members.iter().all(|(key, part)| whole.member(key).is_some_and(|own| contains_within(own, part)))
        }
        (Jsonb::Array(elements), Jsonb::Array(parts)) => {
            parts.iter().all(|part| elements.iter().any(|own| contains_within(own, part)))
        }
        (whole, part) => is_scalar(whole) && is_scalar(part) && jsonb::compare(whole, part).is_eq(),
    }
}

fn concatenate(left: &Jsonb, right: &Jsonb) -> Jsonb {
    match (left, right) {
        (Jsonb::Object(left), Jsonb::Object(right)) => Jsonb::object(left.iter().chain(right).cloned()),
        _ => {
            let elements = |one: &Jsonb| match one {
                Jsonb::Array(elements) => elements.clone(),
                other => vec![other.clone()],
            };
            Jsonb::Array([elements(left), elements(right)].concat())
        }
    }
}

fn delete_keys(whole: &Jsonb, keys: &[Option<Arc<str>>]) -> Result<Jsonb, SqlError> {
    let is_deleted = |own: &str| keys.iter().flatten().any(|key| **key == *own);
    Ok(match whole {
        Jsonb::Object(members) => Jsonb::Object(members.iter().filter(|(key, _)| !is_deleted(key)).cloned().collect()),
        Jsonb::Array(elements) => {
            let stays = |one: &&Jsonb| !matches!(one, Jsonb::String(own) if is_deleted(own));
            Jsonb::Array(elements.iter().filter(stays).cloned().collect())
        }
        _ => return Err(parameter_error("cannot delete from scalar")),
    })
}

fn delete_index(whole: &Jsonb, index: i128) -> Result<Jsonb, SqlError> {
    match whole {
        Jsonb::Array(elements) => {
            let mut elements = elements.clone();
            if let Some(place) = place(index, elements.len()) {
                elements.remove(place);
            }
            Ok(Jsonb::Array(elements))
        }
        Jsonb::Object(_) => Err(parameter_error("cannot delete from object using integer index")),
        _ => Err(parameter_error("cannot delete from scalar")),
    }
}

/// What is done at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Replaces what is there, and nothing else.
    Replace,
    /// Replaces what is there, or adds it.
    Create,
    Before,
    After,
    Delete,
}

impl Change {
    fn adds(self) -> bool {
        matches!(self, Self::Create | Self::Before | Self::After)
    }
}

fn changed(
    whole: &Jsonb,
    path: &[Option<Arc<str>>],
    level: usize,
    new: &Jsonb,
    change: Change,
) -> Result<Jsonb, SqlError> {
    let Some(step) = path.get(level) else {
        return Ok(whole.clone());
    };
    let Some(step) = step else {
        return Err(SqlError::new("22004", format!("path element at position {} is null", level + 1)));
    };
    let is_last = level + 1 == path.len();
    match whole {
        Jsonb::Object(members) => {
            let place = members.iter().position(|(key, _)| key == step);
            let mut members = members.clone();
            match place {
                Some(_) if is_last && matches!(change, Change::Before | Change::After) => {
                    return Err(parameter_error("cannot replace existing key")
                        .with_hint("Try using the function jsonb_set to replace key value."));
                }
                Some(place) if is_last && change == Change::Delete => {
                    members.remove(place);
                }
                Some(place) => {
                    if let Some((_, own)) = members.get_mut(place) {
                        *own = if is_last { new.clone() } else { changed(own, path, level + 1, new, change)? };
                    }
                }
                None if is_last && change.adds() => {
                    members.push((step.clone(), new.clone()));
                    return Ok(Jsonb::object(members));
                }
                None => {}
            }
            Ok(Jsonb::Object(members))
        }
        Jsonb::Array(elements) => {
            let index = index_of(step).ok_or_else(|| {
                let message = format!("path element at position {} is not an integer: \"{step}\"", level + 1);
                SqlError::new("22P02", message)
            })?;
            let mut elements = elements.clone();
            match place(index, elements.len()) {
                Some(place) if !is_last => {
                    if let Some(own) = elements.get_mut(place) {
                        *own = changed(own, path, level + 1, new, change)?;
                    }
                }
                Some(place) => match change {
                    Change::Replace | Change::Create => {
                        if let Some(own) = elements.get_mut(place) {
                            *own = new.clone();
                        }
                    }
                    Change::Before => elements.insert(place, new.clone()),
                    Change::After => elements.insert(place + 1, new.clone()),
                    Change::Delete => {
                        elements.remove(place);
                    }
                },
                None if is_last && change.adds() => {
                    let place = if index < 0 { 0 } else { elements.len() };
                    elements.insert(place, new.clone());
                }
                None => {}
            }
            Ok(Jsonb::Array(elements))
        }
        scalar => Ok(scalar.clone()),
    }
}

fn set(values: &[Value], change: fn(bool) -> Change) -> Result<Value, SqlError> {
    let whole = json_at(values, 0)?;
    let flag = match values.get(3) {
        Some(Value::Bool(flag)) => *flag,
        // The default: jsonb_set creates, jsonb_insert inserts before.
        _ => change(true) == Change::Create,
    };
    if is_scalar(whole) {
        return Err(parameter_error("cannot set path in scalar"));
    }
    let change = change(flag);
    if change == Change::Replace && is_empty(whole) {
        return Ok(json(whole.clone()));
    }
    let path = values.get(1).map_or(Err(mismatch()), texts)?;
    changed(whole, &path, 0, json_at(values, 2)?, change).map(json)
}

fn is_empty(whole: &Jsonb) -> bool {
    match whole {
        Jsonb::Array(elements) => elements.is_empty(),
        Jsonb::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn delete_path(values: &[Value]) -> Result<Value, SqlError> {
    let whole = json_at(values, 0)?;
    if is_scalar(whole) {
        return Err(parameter_error("cannot delete path in scalar"));
    }
    if is_empty(whole) {
        return Ok(json(whole.clone()));
    }
    changed(whole, &path(values)?, 0, &Jsonb::Null, Change::Delete).map(json)
}

fn without_nulls(whole: &Jsonb) -> Jsonb {
    match whole {
        Jsonb::Object(members) => Jsonb::Object(
            members
                .iter()
                .filter(|(_, own)| !matches!(own, Jsonb::Null))
                .map(|(key, own)| (key.clone(), without_nulls(own)))
                .collect(),
        ),
        Jsonb::Array(elements) => Jsonb::Array(elements.iter().map(without_nulls).collect()),
        scalar => scalar.clone(),
    }
}

pub(super) fn type_name(whole: &Jsonb) -> &'static str {
    match whole {
        Jsonb::Null => "null",
        Jsonb::Bool(_) => "boolean",
        Jsonb::Number(_) => "number",
        Jsonb::String(_) => "string",
        Jsonb::Array(_) => "array",
        Jsonb::Object(_) => "object",
    }
}

fn pretty(whole: &Jsonb, depth: usize, out: &mut String) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"    ".repeat(depth));
    };
    match whole {
        Jsonb::Object(members) => {
            out.push('{');
            for (place, (key, own)) in members.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                line(out, depth + 1);
                out.push_str(&jsonb::quoted(key));
                out.push_str(": ");
                pretty(own, depth + 1, out);
            }
            line(out, depth);
            out.push('}');
        }
        Jsonb::Array(elements) => {
            out.push('[');
            for (place, own) in elements.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                line(out, depth + 1);
                pretty(own, depth + 1, out);
            }
            line(out, depth);
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

pub(super) fn length_error(is_scalar: bool) -> SqlError {
    parameter_error(if is_scalar {
        "cannot get array length of a scalar"
    } else {
        "cannot get array length of a non-array"
    })
}

fn keys(values: &[Value]) -> Result<Vec<Arc<str>>, SqlError> {
    Ok(values.get(1).map_or(Err(mismatch()), texts)?.into_iter().flatten().collect())
}

pub(super) fn find(source: &str) -> Option<Call> {
    Some(Call::Plain(match source {
        "jsonb_object_field" => |values| Ok(found(json_at(values, 0)?.member(text_at(values, 1)?))),
        "jsonb_object_field_text" => {
            |values| Ok(json_at(values, 0)?.member(text_at(values, 1)?).map_or(Value::Null, as_text))
        }
        "jsonb_array_element" => |values| Ok(found(element(json_at(values, 0)?, int_at(values, 1)?))),
        "jsonb_array_element_text" => {
            |values| Ok(element(json_at(values, 0)?, int_at(values, 1)?).map_or(Value::Null, as_text))
        }
        "jsonb_extract_path" => |values| Ok(extract(values)?.map_or(Value::Null, json)),
        "jsonb_extract_path_text" => |values| Ok(extract(values)?.map_or(Value::Null, |own| as_text(&own))),
        "jsonb_contains" => |values| Ok(Value::Bool(contains(json_at(values, 0)?, json_at(values, 1)?))),
        "jsonb_contained" => |values| Ok(Value::Bool(contains(json_at(values, 1)?, json_at(values, 0)?))),
        "jsonb_exists" => |values| Ok(Value::Bool(has(json_at(values, 0)?, text_at(values, 1)?))),
        "jsonb_exists_any" => |values| {
            let whole = json_at(values, 0)?;
            Ok(Value::Bool(keys(values)?.iter().any(|key| has(whole, key))))
        },
        "jsonb_exists_all" => |values| {
            let whole = json_at(values, 0)?;
            Ok(Value::Bool(keys(values)?.iter().all(|key| has(whole, key))))
        },
        "jsonb_concat" => |values| Ok(json(concatenate(json_at(values, 0)?, json_at(values, 1)?))),
        "jsonb_delete" => |values| delete_keys(json_at(values, 0)?, &path(values)?).map(json),
        "jsonb_delete_array" => |values| delete_keys(json_at(values, 0)?, &path(values)?).map(json),
        "jsonb_delete_idx" => |values| delete_index(json_at(values, 0)?, int_at(values, 1)?).map(json),
        "jsonb_delete_path" => delete_path,
        "jsonb_set" => |values| set(values, |flag| if flag { Change::Create } else { Change::Replace }),
        "jsonb_insert" => |values| set(values, |flag| if flag { Change::After } else { Change::Before }),
        "jsonb_strip_nulls" => |values| Ok(json(without_nulls(json_at(values, 0)?))),
        "jsonb_typeof" => |values| Ok(text(type_name(json_at(values, 0)?))),
        "jsonb_array_length" => |values| match json_at(values, 0)? {
            Jsonb::Array(elements) => Ok(Value::Int4(i32::try_from(elements.len()).unwrap_or(i32::MAX))),
            other => Err(length_error(is_scalar(other))),
        },
        "jsonb_pretty" => |values| {
            let mut out = String::new();
            pretty(json_at(values, 0)?, 0, &mut out);
            Ok(text(out))
        },
        _ => return None,
    }))
}
