//! The forms of values in text, as with `DateStyle` ISO, `IntervalStyle` postgres, the time zone UTC
//! and `bytea_output` hex.

mod array;
mod bytea;
mod character;
mod integer;

use std::sync::Arc;

pub(crate) use character::{fit, name};

use crate::sql_error::SqlError;
use crate::values::date_time;
use crate::values::float8;
use crate::values::jsonb;
use crate::values::kind::{Kind, Modifier};
use crate::values::numeric::Numeric;
use crate::values::value::Value;
use crate::values::white_space::is_space;

/// Reads a value of a type, as the type's input function does.
///
/// # Errors
/// Those of PostgreSQL: 22P02, 22003, 22007, 22008 and others, in its words.
pub(crate) fn input(text: &str, kind: Kind, modifier: Modifier) -> Result<Value, SqlError> {
    Ok(match kind {
        Kind::Unknown | Kind::Text => Value::Text(text.into()),
        Kind::Bool => Value::Bool(bool_input(text)?),
        Kind::Int2 => Value::Int2(integer::parse(text, kind)?),
        Kind::Int4 => Value::Int4(integer::parse(text, kind)?),
        Kind::Int8 => Value::Int8(integer::parse(text, kind)?),
        Kind::Oid => Value::Oid(integer::parse_oid(text)?),
        Kind::Float8 => Value::Float8(float8::parse(text)?),
        Kind::Numeric => Value::Numeric(Numeric::parse(text, modifier)?),
        Kind::Varchar => Value::Text(character::fit(text, kind, modifier, false)?),
        Kind::Bpchar => Value::Bpchar(character::fit(text, kind, modifier, false)?),
        Kind::Name => Value::Text(character::name(text).into()),
        Kind::Bytea => Value::Bytea(bytea::parse(text)?.into()),
        Kind::Uuid => Value::Uuid(uuid_input(text)?),
        Kind::Date | Kind::Time | Kind::Timestamp | Kind::Timestamptz | Kind::Interval => {
            date_time::input(text, kind, modifier)?
        }
        Kind::Json => {
            jsonb::validate(text)?;
            Value::Json(text.into())
        }
        Kind::Jsonb => Value::Jsonb(Arc::new(jsonb::parse(text)?)),
        Kind::Array(element) => Value::Array(array::parse(text, *element, modifier)?),
        Kind::Record | Kind::Void => return Err(SqlError::unsupported(format!("text as a {}", kind.name()))),
    })
}

/// Shows a value of a type, as the type's output function does. NULL has no text: it is shown as
/// nothing.
///
/// # Errors
/// Where the model does not know the form: that of records.
pub(crate) fn output(value: &Value, kind: Kind) -> Result<String, SqlError> {
    Ok(match value {
        Value::Null => String::new(),
        Value::Bool(truth) => if *truth { "t" } else { "f" }.to_owned(),
        Value::Int2(number) => number.to_string(),
        Value::Int4(number) => number.to_string(),
        Value::Int8(number) => number.to_string(),
        Value::Oid(number) => number.to_string(),
        Value::Float8(number) => float8::format(*number),
        Value::Numeric(number) => number.to_string(),
        Value::Text(text) | Value::Bpchar(text) | Value::Json(text) => text.to_string(),
        Value::Bytea(bytes) => bytea::format(bytes),
        Value::Uuid(bytes) => uuid_output(bytes),
        Value::Date(_) | Value::Time(_) | Value::Timestamp(_) | Value::Interval(_) => date_time::output(value, kind),
        Value::Jsonb(json) => json.to_string(),
        Value::Array(elements) => array::format(elements, kind.element().unwrap_or(Kind::Unknown))?,
        Value::Record(_) => return Err(SqlError::unsupported("a record as text")),
    })
}

/// The error of a text that is none of a type.
pub(crate) fn invalid(kind: Kind, text: &str) -> SqlError {
    SqlError::new("22P02", format!("invalid input syntax for type {}: \"{text}\"", kind.name()))
}

fn bool_input(text: &str) -> Result<bool, SqlError> {
    let word = text.trim_matches(is_space).to_ascii_lowercase();
    let starts = |whole: &str| !word.is_empty() && whole.starts_with(&word);
    if starts("true") || starts("yes") || word == "on" || word == "1" {
        return Ok(true);
    }
    // `o` could be both.
    if starts("false") || starts("no") || (starts("off") && word.len() > 1) || word == "0" {
        return Ok(false);
    }
    Err(invalid(Kind::Bool, text))
}

fn uuid_input(text: &str) -> Result<[u8; 16], SqlError> {
    let bare = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(|| invalid(Kind::Uuid, text))?,
        None => text,
    };
    let mut rest = bare.as_bytes();
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let Some((&[high, low], after)) = rest.split_first_chunk::<2>() else { return Err(invalid(Kind::Uuid, text)) };
        let (Some(high), Some(low)) = (hex_digit(high), hex_digit(low)) else { return Err(invalid(Kind::Uuid, text)) };
        *byte = high << 4 | low;
        // A hyphen may follow each four digits.
        rest = match after.strip_prefix(b"-") {
            Some(after) if at % 2 == 1 && at < 15 => after,
            _ => after,
        };
    }
    if rest.is_empty() { Ok(bytes) } else { Err(invalid(Kind::Uuid, text)) }
}

fn uuid_output(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More is compared with a real PostgreSQL by the system tests (`model_values`).
    #[test]
    fn a_text_becomes_a_value_and_the_value_its_text() {
        let texts = [
            (Kind::Bool, " TRUE ", "t"),
            (Kind::Int4, " -42 ", "-42"),
            (Kind::Float8, "1e23", "9.999999999999999e+22"),
            (Kind::Numeric, "1.50e1", "15.0"),
            (Kind::Bytea, "a\\000", "\\x6100"),
            (Kind::Uuid, "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            (Kind::Date, "January 8, 99 BC", "0099-01-08 BC"),
            (Kind::Time, "04:05 PM", "16:05:00"),
            (Kind::Timestamptz, "2024-01-02T03:04:05.5+02:30", "2024-01-02 00:34:05.5+00"),
            (Kind::Interval, "1 mon -2 days", "1 mon -2 days"),
            (Kind::Interval, "P1DT2H", "1 day 02:00:00"),
            (Kind::Jsonb, "{\"b\":1.10,\"a\":[],\"b\":2}", "{\"a\": [], \"b\": 2}"),
            (Kind::Array(&Kind::Text), "{a, NULL ,\"b c\"}", "{a,NULL,\"b c\"}"),
        ];
        for (kind, text, shown) in texts {
            assert_eq!(output(&input(text, kind, -1).unwrap(), kind).unwrap(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused_in_the_words_of_postgresql() {
        let errors = [
            (Kind::Int4, "x", "22P02", "invalid input syntax for type integer: \"x\""),
            (Kind::Int4, "99999999999", "22003", "value \"99999999999\" is out of range for type integer"),
            (Kind::Date, "2023-02-29", "22008", "date/time field value out of range: \"2023-02-29\""),
            (Kind::Jsonb, "\"\\u0000\"", "22P05", "unsupported Unicode escape sequence"),
            (
                Kind::Timestamptz,
                "2024-01-02 03:04 CET",
                "0A000",
                "the time zone \"cet\" is not supported by this model of Aurora DSQL",
            ),
            (
                Kind::Int4,
                "0x1F",
                "0A000",
                "\"0x1F\" as a value of type integer is not supported by this model of Aurora DSQL",
            ),
        ];
        for (kind, text, sqlstate, message) in errors {
            let error = input(text, kind, -1).unwrap_err();
            assert_eq!((error.sqlstate, error.message.as_str()), (sqlstate, message));
        }
    }
}
