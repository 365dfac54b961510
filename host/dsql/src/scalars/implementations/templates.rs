//! `to_char`: moments and numbers by a template (`src/backend/utils/adt/formatting.c`), in the locale C.

mod moment;
mod number;

use crate::scalars::Call;
use crate::scalars::implementations::text_at;
use crate::scalars::implementations::times::timestamp_at;
use crate::sql_error::SqlError;
use crate::values::value::Value;

/// A part of a template.
#[derive(Debug)]
enum Part<K> {
    Pattern(K),
    Literal(char),
}

/// Cuts a template into its parts. `pattern` reads the pattern that a text begins with, which may be none, and
/// says how many of its bytes are read.
fn parts<K>(
    template: &str,
    mut pattern: impl FnMut(&str) -> Result<(usize, Option<K>), SqlError>,
) -> Result<Vec<Part<K>>, SqlError> {
    let mut parts = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        let (read, found) = pattern(rest)?;
        rest = rest.get(read..).unwrap_or_default();
        if let Some(found) = found {
            parts.push(Part::Pattern(found));
            continue;
        }
        let mut letters = rest.chars();
        match letters.next() {
            None => break,
            Some('"') => {
                while let Some(letter) = letters.next() {
                    match letter {
                        '"' => break,
                        // A backslash quotes what follows it.
                        '\\' => parts.push(Part::Literal(letters.next().unwrap_or('\\'))),
                        letter => parts.push(Part::Literal(letter)),
                    }
                }
            }
            // Outside of quotes it is special only there.
            Some('\\') if letters.as_str().starts_with('"') => {
                letters.next();
                parts.push(Part::Literal('"'));
            }
            Some(letter) => parts.push(Part::Literal(letter)),
        }
        rest = letters.as_str();
    }
    Ok(parts)
}

/// The ending of an ordinal number: `st`, `nd`, `rd` or `th`.
fn ordinal(number: &str) -> Result<&'static str, SqlError> {
    let mut digits = number.bytes().rev();
    let last = digits.next().filter(u8::is_ascii_digit);
    let last = last.ok_or_else(|| SqlError::new("22P02", format!("\"{number}\" is not a number")))?;
    Ok(match (last, digits.next()) {
        (_, Some(b'1')) => "th",
        (b'1', _) => "st",
        (b'2', _) => "nd",
        (b'3', _) => "rd",
        _ => "th",
    })
}

fn of_moment(values: &[Value], is_zoned: bool) -> Result<Value, SqlError> {
    let shown = moment::show(timestamp_at(values, 0)?, text_at(values, 1)?, is_zoned)?;
    Ok(shown.map_or(Value::Null, |shown| Value::Text(shown.into())))
}

fn of_number(values: &[Value]) -> Result<Value, SqlError> {
    let template = text_at(values, 1)?;
    let number = values.first().unwrap_or(&Value::Null);
    Ok(Value::Text(number::show(number, template)?.into()))
}

pub(super) fn find(source: &str) -> Option<Call> {
    Some(match source {
        "timestamp_to_char" => Call::Plain(|values| of_moment(values, false)),
        "timestamptz_to_char" => Call::Plain(|values| of_moment(values, true)),
        "numeric_to_char" | "int4_to_char" | "int8_to_char" | "float8_to_char" => Call::Plain(of_number),
        _ => return None,
    })
}
