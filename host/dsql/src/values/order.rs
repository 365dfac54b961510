//! The order of values, as the btree indexes of PostgreSQL have it in the collation C.

use std::cmp::Ordering;

use crate::values::jsonb;
use crate::values::value::Value;

/// The order of two values of one type. NULL is above all others, and equal to itself: SQL does not
/// compare it, sorting does.
pub(crate) fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Float8(left), Value::Float8(right)) => compare_floats(*left, *right),
        (Value::Numeric(left), Value::Numeric(right)) => left.compare(right),
        (Value::Text(left), Value::Text(right)) | (Value::Json(left), Value::Json(right)) => left.cmp(right),
        (Value::Bpchar(left), Value::Bpchar(right)) => without_blanks(left).cmp(without_blanks(right)),
        (Value::Oid(left), Value::Oid(right)) => left.cmp(right),
        (Value::Bytea(left), Value::Bytea(right)) => left.cmp(right),
        (Value::Uuid(left), Value::Uuid(right)) => left.cmp(right),
        (Value::Date(left), Value::Date(right)) => left.cmp(right),
        (Value::Time(left), Value::Time(right)) | (Value::Timestamp(left), Value::Timestamp(right)) => left.cmp(right),
        (Value::Interval(left), Value::Interval(right)) => left.span().cmp(&right.span()),
        (Value::Jsonb(left), Value::Jsonb(right)) => jsonb::compare(left, right),
        (Value::Array(left), Value::Array(right)) | (Value::Record(left), Value::Record(right)) => {
            compare_all(left, right)
        }
        // Integers of different sizes are of different types, but lead to no other answer.
        _ => match (integer(left), integer(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => rank(left).cmp(&rank(right)),
        },
    }
}

/// What of a `bpchar` counts.
fn without_blanks(text: &str) -> &str {
    text.trim_end_matches(' ')
}

/// NaN is equal to itself and above all others; the two zeros are equal.
fn compare_floats(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

fn compare_all(left: &[Value], right: &[Value]) -> Ordering {
    let unequal = left.iter().zip(right).map(|(left, right)| compare(left, right)).find(|order| order.is_ne());
    unequal.unwrap_or_else(|| left.len().cmp(&right.len()))
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int2(number) => Some(i64::from(*number)),
        Value::Int4(number) => Some(i64::from(*number)),
        Value::Int8(number) => Some(*number),
        _ => None,
    }
}

/// Keeps the order total over values of different types, which SQL never compares.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => 0,
        Value::Int2(_) | Value::Int4(_) | Value::Int8(_) => 1,
        Value::Float8(_) => 2,
        Value::Numeric(_) => 3,
        Value::Text(_) => 4,
        Value::Oid(_) => 5,
        Value::Bytea(_) => 6,
        Value::Uuid(_) => 7,
        Value::Date(_) => 8,
        Value::Time(_) => 9,
        Value::Timestamp(_) => 10,
        Value::Interval(_) => 11,
        Value::Json(_) => 12,
        Value::Jsonb(_) => 13,
        Value::Array(_) => 14,
        Value::Record(_) => 15,
        Value::Bpchar(_) => 16,
        Value::Null => 17,
    }
}

/// Values as the key of a map: equal where a unique index takes them for equal, NULL last, and equal
/// to itself. An index in which NULLs are apart does not look them up.
#[derive(Clone, Debug)]
pub(crate) struct Key(Box<[Value]>);

impl Key {
    /// The key of these values.
    pub(crate) fn new(values: impl IntoIterator<Item = Value>) -> Self {
        Self(values.into_iter().collect())
    }

    pub(crate) fn values(&self) -> &[Value] {
        &self.0
    }

    /// Whether one of the values is NULL.
    pub(crate) fn has_null(&self) -> bool {
        self.0.iter().any(|value| matches!(value, Value::Null))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_all(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::kind::Kind;
    use crate::values::text_format::input;

    fn key(text: &str, kind: Kind) -> Key {
        Key::new([input(text, kind, -1).unwrap()])
    }

    #[test]
    fn keys_are_equal_where_a_unique_index_takes_them_for_equal() {
        let equal = [
            ("1.0", "1.00", Kind::Numeric),
            ("NaN", "nan", Kind::Numeric),
            ("-0", "0", Kind::Float8),
            ("NaN", "-nan", Kind::Float8),
            ("a", "a  ", Kind::Bpchar),
            ("1 mon", "30 days", Kind::Interval),
            ("{\"b\":1,\"a\":2}", "{\"a\":2, \"b\":1.0}", Kind::Jsonb),
        ];
        for (left, right, kind) in equal {
            assert_eq!(key(left, kind), key(right, kind), "{left} {right}");
        }
        assert_ne!(key("a", Kind::Text), key("a  ", Kind::Text));
    }

    #[test]
    fn null_is_above_all_values() {
        assert!(Key::new([Value::Null]) > key("NaN", Kind::Float8));
        assert!(Key::new([Value::Null]).has_null());
        assert_eq!(Key::new([Value::Null]), Key::new([Value::Null]));
    }
}
