//! Comparison of two values, other than two integers.

use std::cmp::Ordering;

use crate::scalars::Call;
use crate::scalars::implementations::mismatch;
use crate::sql_error::SqlError;
use crate::values::date_time::calendar::MICROS_PER_DAY;
use crate::values::kind::Kind;
use crate::values::order;
use crate::values::value::Value;

type Comparison = fn(&[Kind], &[Value]) -> Result<Value, SqlError>;

fn is<const LESS: bool, const EQUAL: bool, const GREATER: bool>(
    kinds: &[Kind],
    values: &[Value],
) -> Result<Value, SqlError> {
    let is_equality = LESS == GREATER;
    if let Some(Kind::Array(element)) = kinds.first()
        && !is_ordered(**element)
    {
        let what = if is_equality { "an equality operator" } else { "a comparison function" };
        return Err(SqlError::new("42883", format!("could not identify {what} for type {}", element.name())));
    }
    let [left, right] = values else {
        return Err(mismatch());
    };
    Ok(holds::<LESS, EQUAL, GREATER>(order::compare(left, right)))
}

/// Whether values of a kind have an order.
pub(super) fn is_ordered(kind: Kind) -> bool {
    match kind {
        Kind::Json => false,
        Kind::Array(element) => is_ordered(*element),
        _ => true,
    }
}

fn holds<const LESS: bool, const EQUAL: bool, const GREATER: bool>(order: Ordering) -> Value {
    Value::Bool(match order {
        Ordering::Less => LESS,
        Ordering::Equal => EQUAL,
        Ordering::Greater => GREATER,
    })
}

/// A day, or a moment of it, in UTC.
fn moments<const LESS: bool, const EQUAL: bool, const GREATER: bool>(
    _kinds: &[Kind],
    values: &[Value],
) -> Result<Value, SqlError> {
    let moment = |value: &Value| match value {
        Value::Date(i32::MIN) | Value::Timestamp(i64::MIN) => Ok(i128::MIN),
        Value::Date(i32::MAX) | Value::Timestamp(i64::MAX) => Ok(i128::MAX),
        Value::Date(days) => Ok(i128::from(*days) * i128::from(MICROS_PER_DAY)),
        Value::Timestamp(micros) => Ok(i128::from(*micros)),
        _ => Err(mismatch()),
    };
    let [left, right] = values else {
        return Err(mismatch());
    };
    Ok(holds::<LESS, EQUAL, GREATER>(moment(left)?.cmp(&moment(right)?)))
}

const PREFIXES: &[&str] = &[
    "bool",
    "oid",
    "float8",
    "numeric_",
    "text_",
    "text",
    "name",
    "bpchar",
    "bytea",
    "uuid_",
    "date_",
    "time_",
    "timestamp_",
    "timestamptz_",
    "interval_",
    "jsonb_",
    "array_",
    "text_pattern_",
    "bpchar_pattern_",
];

/// The comparison of this name: `date_lt`, `date_lt_timestamp`, `texteqname`.
pub(super) fn find(source: &str) -> Option<Call> {
    let is_named = |rest: &str| rest.len() == 2;
    let rest = PREFIXES.iter().filter_map(|prefix| source.strip_prefix(prefix)).find(|rest| is_named(rest));
    if let Some(word) = rest {
        // A pattern compares bytes, which is what the collation C does.
        return own(word).map(Call::Kinds);
    }
    let between = |rest: &'static [&str]| {
        let (first, last) = (rest.first()?, rest.get(1)?);
        source.strip_prefix(first)?.strip_suffix(last).filter(|word| word.len() == 2)
    };
    for texts in [&["name", "text"], &["text", "name"]] {
        if let Some(word) = between(texts) {
            return own(word).map(Call::Kinds);
        }
    }
    for times in [
        &["date_", "_timestamp"],
        &["date_", "_timestamptz"],
        &["timestamp_", "_date"],
        &["timestamp_", "_timestamptz"],
        &["timestamptz_", "_date"],
        &["timestamptz_", "_timestamp"],
    ] {
        if let Some(word) = between(times) {
            return of_moments(word).map(Call::Kinds);
        }
    }
    None
}

fn own(word: &str) -> Option<Comparison> {
    Some(match word {
        "lt" => is::<true, false, false>,
        "le" => is::<true, true, false>,
        "eq" => is::<false, true, false>,
        "ne" => is::<true, false, true>,
        "ge" => is::<false, true, true>,
        "gt" => is::<false, false, true>,
        _ => return None,
    })
}

fn of_moments(word: &str) -> Option<Comparison> {
    Some(match word {
        "lt" => moments::<true, false, false>,
        "le" => moments::<true, true, false>,
        "eq" => moments::<false, true, false>,
        "ne" => moments::<true, false, true>,
        "ge" => moments::<false, true, true>,
        "gt" => moments::<false, false, true>,
        _ => return None,
    })
}
