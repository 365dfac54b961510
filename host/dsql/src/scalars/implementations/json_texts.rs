//! Functions of `json`, which is kept as its text. The text is known to be JSON.

use crate::scalars::Call;
use crate::scalars::implementations::json::{self, index_of, place};
use crate::scalars::implementations::{int_at, mismatch, text, text_at};
use crate::sql_error::SqlError;
use crate::values::jsonb::{self, Jsonb};
use crate::values::value::Value;

const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// A value of the text: what is in it, by their texts.
pub(super) enum Whole<'a> {
    /// With the texts of the keys, in the order and as often as they are written.
    Object(Vec<(String, &'a str)>),
    Array(Vec<&'a str>),
    Scalar(&'a str),
}

/// Reads the outer level of a text.
pub(super) fn read(whole: &str) -> Result<Whole<'_>, SqlError> {
    let trimmed = whole.trim_matches(BLANKS);
    let inner = |open: char, close: char| trimmed.strip_prefix(open)?.strip_suffix(close);
    if let Some(inner) = inner('{', '}') {
        let mut members = Vec::new();
        for part in parts(inner) {
            let end = string_end(part);
            let (key, value) = (part.get(..end), part.get(end..));
            let (Some(key), Some(value)) = (key, value) else {
                return Err(mismatch());
            };
            let value = value.trim_start_matches(BLANKS).strip_prefix(':').ok_or_else(mismatch)?;
            members.push((string(key)?, value.trim_matches(BLANKS)));
        }
        return Ok(Whole::Object(members));
    }
    Ok(match inner('[', ']') {
        Some(inner) => Whole::Array(parts(inner)),
        None => Whole::Scalar(trimmed),
    })
}

/// The place behind the string that a text begins with.
fn string_end(text: &str) -> usize {
    let mut is_escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// The parts between the commas of this level.
fn parts(inner: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut depth, mut start, mut is_string, mut is_escaped) = (0_usize, 0, false, false);
    for (place, byte) in inner.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            _ if is_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                out.extend(inner.get(start..place));
                start = place + 1;
            }
            _ => {}
        }
    }
    out.extend(inner.get(start..));
    let parts: Vec<&str> = out.into_iter().map(|part: &str| part.trim_matches(BLANKS)).collect();
    if parts == [""] { Vec::new() } else { parts }
}

/// The characters that a string stands for.
fn string(quoted: &str) -> Result<String, SqlError> {
    match jsonb::parse(quoted)? {
        Jsonb::String(own) => Ok(own.to_string()),
        _ => Err(mismatch()),
    }
}

pub(super) fn json(own: &str) -> Value {
    Value::Json(own.into())
}

/// A value as `->>` shows it.
pub(super) fn as_text(own: &str) -> Result<Value, SqlError> {
    if own == "null" {
        return Ok(Value::Null);
    }
    if own.starts_with('"') { string(own).map(text) } else { Ok(text(own)) }
}

fn member<'a>(whole: &'a str, key: &str) -> Result<Option<&'a str>, SqlError> {
    Ok(match read(whole)? {
        // Of members with the same key the last one counts.
        Whole::Object(members) => members.into_iter().rfind(|(own, _)| own == key).map(|(_, value)| value),
        _ => None,
    })
}

fn element(whole: &str, index: i128) -> Result<Option<&str>, SqlError> {
    Ok(match read(whole)? {
        Whole::Array(elements) => place(index, elements.len()).and_then(|place| elements.get(place).copied()),
        _ => None,
    })
}

fn extract(values: &[Value]) -> Result<Option<&str>, SqlError> {
    let path = json::path(values)?;
    let mut own = text_at(values, 0)?.trim_end_matches(BLANKS);
    if path.iter().any(Option::is_none) {
        return Ok(None);
    }
    for step in path.iter().flatten() {
        let found = match (read(own)?, index_of(step)) {
            (Whole::Object(_), _) => member(own, step)?,
            (Whole::Array(_), Some(index)) => element(own, index)?,
            _ => None,
        };
        match found {
            Some(found) => own = found,
            None => return Ok(None),
        }
    }
    // A scalar keeps the blanks before it.
    Ok(Some(if matches!(read(own)?, Whole::Scalar(_)) { own } else { own.trim_start_matches(BLANKS) }))
}

fn shown(found: Option<&str>) -> Result<Value, SqlError> {
    Ok(found.map_or(Value::Null, json))
}

fn shown_text(found: Option<&str>) -> Result<Value, SqlError> {
    // Only a whole value can have blanks before it.
    found.map_or(Ok(Value::Null), |found| {
        let own = found.trim_start_matches(BLANKS);
        if own.starts_with('"') || own == "null" { as_text(own) } else { Ok(text(found)) }
    })
}

fn without_nulls(whole: &str) -> Result<String, SqlError> {
    Ok(match read(whole)? {
        Whole::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| *value != "null");
            let one = |(key, value): (String, &str)| Ok(format!("{}:{}", jsonb::quoted(&key), without_nulls(value)?));
            format!("{{{}}}", kept.map(one).collect::<Result<Vec<_>, SqlError>>()?.join(","))
        }
        Whole::Array(elements) => {
            format!("[{}]", elements.into_iter().map(without_nulls).collect::<Result<Vec<_>, _>>()?.join(","))
        }
        Whole::Scalar(own) if own.starts_with('"') => jsonb::quoted(&string(own)?),
        Whole::Scalar(own) => own.to_owned(),
    })
}

fn type_name(whole: &str) -> &'static str {
    match whole.trim_start_matches(BLANKS).as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

pub(super) fn find(source: &str) -> Option<Call> {
    Some(Call::Plain(match source {
        "json_object_field" => |values| shown(member(text_at(values, 0)?, text_at(values, 1)?)?),
        "json_object_field_text" => |values| shown_text(member(text_at(values, 0)?, text_at(values, 1)?)?),
        "json_array_element" => |values| shown(element(text_at(values, 0)?, int_at(values, 1)?)?),
        "json_array_element_text" => |values| shown_text(element(text_at(values, 0)?, int_at(values, 1)?)?),
        "json_extract_path" => |values| shown(extract(values)?),
        "json_extract_path_text" => |values| shown_text(extract(values)?),
        "json_strip_nulls" => |values| Ok(json(&without_nulls(text_at(values, 0)?)?)),
        "json_typeof" => |values| Ok(text(type_name(text_at(values, 0)?))),
        "json_array_length" => |values| match read(text_at(values, 0)?)? {
            Whole::Array(elements) => Ok(Value::Int4(i32::try_from(elements.len()).unwrap_or(i32::MAX))),
            Whole::Object(_) => Err(json::length_error(false)),
            Whole::Scalar(_) => Err(json::length_error(true)),
        },
        _ => return None,
    }))
}
