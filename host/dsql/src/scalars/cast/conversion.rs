//! The functions behind the casts of `pg_cast`.

use crate::sql_error::SqlError;
use crate::values::date_time::{self, calendar::MICROS_PER_DAY};
use crate::values::jsonb::Jsonb;
use crate::values::kind::Kind;
use crate::values::numeric::Numeric;
use crate::values::text_format;
use crate::values::value::{Interval, Value};

/// Casts a value that is not NULL between two types that `pg_cast` has a cast for.
pub(super) fn convert(value: &Value, from: Kind, to: Kind) -> Result<Value, SqlError> {
    match value {
        Value::Bool(truth) => Ok(match to {
            Kind::Int4 => Value::Int4(i32::from(*truth)),
            _ => text(&truth.to_string(), to),
        }),
        Value::Int2(number) => from_integer(i64::from(*number), to),
        Value::Int4(number) => from_integer(i64::from(*number), to),
        Value::Int8(number) => from_integer_of_8(*number, to),
        Value::Oid(number) if to == Kind::Int4 => Ok(Value::Int4(number.cast_signed())),
        Value::Oid(number) => from_integer(i64::from(*number), to),
        Value::Float8(number) => from_float(*number, to),
        Value::Numeric(number) => from_numeric(number, to),
        Value::Text(words) => Ok(text(words, to)),
        Value::Bpchar(words) if to == Kind::Name => {
            Ok(Value::Text(text_format::name(words).trim_end_matches(' ').into()))
        }
        Value::Bpchar(words) => Ok(text(words.trim_end_matches(' '), to)),
        Value::Date(days) => date_time::timestamp_of_date(*days).map(Value::Timestamp),
        Value::Time(micros) => Ok(Value::Interval(Interval { micros: *micros, ..Interval::default() })),
        Value::Timestamp(micros) => Ok(from_timestamp(*micros, to)),
        Value::Interval(interval) => Ok(Value::Time(interval.micros.rem_euclid(MICROS_PER_DAY))),
        Value::Jsonb(json) => from_jsonb(json, to),
        _ => Err(SqlError::unsupported(format!("a cast from {} to {}", from.name(), to.name()))),
    }
}

fn text(words: &str, to: Kind) -> Value {
    match to {
        Kind::Bpchar => Value::Bpchar(words.into()),
        Kind::Name => Value::Text(text_format::name(words).into()),
        _ => Value::Text(words.into()),
    }
}

fn out_of_range(kind: Kind) -> SqlError {
    SqlError::new("22003", format!("{} out of range", kind.name()))
}

/// A number of at most 32 bits: as an `oid` it keeps its bits.
fn from_integer(number: i64, to: Kind) -> Result<Value, SqlError> {
    match (to, i32::try_from(number)) {
        (Kind::Oid, Ok(number)) => Ok(Value::Oid(number.cast_unsigned())),
        _ => from_integer_of_8(number, to),
    }
}

fn from_integer_of_8(number: i64, to: Kind) -> Result<Value, SqlError> {
    Ok(match to {
        Kind::Bool => Value::Bool(number != 0),
        Kind::Int2 => Value::Int2(i16::try_from(number).map_err(|_| out_of_range(to))?),
        Kind::Int4 => Value::Int4(i32::try_from(number).map_err(|_| out_of_range(to))?),
        Kind::Float8 => {
            #[expect(clippy::cast_precision_loss, reason = "the cast rounds, as PostgreSQL's does")]
            let number = number as f64;
            Value::Float8(number)
        }
        Kind::Numeric => Value::Numeric(Numeric::from(number)),
        Kind::Oid => Value::Oid(u32::try_from(number).map_err(|_| SqlError::new("22003", "OID out of range"))?),
        _ => Value::Int8(number),
    })
}

fn from_float(number: f64, to: Kind) -> Result<Value, SqlError> {
    if to == Kind::Numeric {
        return Numeric::from_f64(number).map(Value::Numeric);
    }
    let rounded = number.round_ties_even();
    // The bound is the first number beyond those of 64 bits; NaN is within none.
    let bound = 9_223_372_036_854_775_808.0_f64;
    if !(rounded >= -bound && rounded < bound) {
        return Err(out_of_range(to));
    }
    #[expect(clippy::cast_possible_truncation, reason = "an integer within the bounds")]
    let integer = rounded as i64;
    from_integer_of_8(integer, to)
}

fn from_numeric(number: &Numeric, to: Kind) -> Result<Value, SqlError> {
    if to == Kind::Float8 {
        return number.to_f64().map(Value::Float8);
    }
    from_integer_of_8(number.to_i64(to.name())?, to)
}

fn from_timestamp(micros: i64, to: Kind) -> Value {
    let is_infinite = matches!(micros, i64::MIN | i64::MAX);
    match to {
        Kind::Date => Value::Date(date_time::date_of_timestamp(micros)),
        // The infinities have no time of day.
        Kind::Time if is_infinite => Value::Null,
        Kind::Time => Value::Time(micros.rem_euclid(MICROS_PER_DAY)),
        _ => Value::Timestamp(micros),
    }
}

fn from_jsonb(json: &Jsonb, to: Kind) -> Result<Value, SqlError> {
    let found = match (json, to) {
        (Jsonb::Bool(truth), Kind::Bool) => return Ok(Value::Bool(*truth)),
        (Jsonb::Number(number), Kind::Numeric) => return Ok(Value::Numeric(number.clone())),
        (Jsonb::Number(number), Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Float8) => {
            return from_numeric(number, to);
        }
        (Jsonb::Null, _) => "null",
        (Jsonb::Bool(_), _) => "boolean",
        (Jsonb::Number(_), _) => "numeric",
        (Jsonb::String(_), _) => "string",
        (Jsonb::Array(_), _) => "array",
        (Jsonb::Object(_), _) => "object",
    };
    Err(SqlError::new("22023", format!("cannot cast jsonb {found} to type {}", to.name())))
}
