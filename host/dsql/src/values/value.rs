use std::sync::Arc;

use crate::values::jsonb::Jsonb;
use crate::values::numeric::Numeric;

/// A value of a type. Which [`Kind`](crate::values::kind::Kind) it has is known where it is used:
/// one variant holds all types with the same representation.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Float8(f64),
    Numeric(Numeric),
    /// `text`, `varchar`, `name` and `unknown`.
    Text(Arc<str>),
    /// `bpchar`, padded with blanks as its modifier says. Blanks at the end count for nothing when it
    /// is compared.
    Bpchar(Arc<str>),
    Oid(u32),
    Bytea(Arc<[u8]>),
    Uuid([u8; 16]),
    /// Days since 2000-01-01; the extremes are the infinities.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// `timestamp` and `timestamptz`: microseconds since 2000-01-01 (in UTC); the extremes are the
    /// infinities.
    Timestamp(i64),
    Interval(Interval),
    /// `json`: its text.
    Json(Arc<str>),
    Jsonb(Arc<Jsonb>),
    Array(Arc<[Value]>),
    Record(Arc<[Value]>),
}

impl Value {
    /// The bytes that it takes in memory, about. What several values share each of them has.
    pub(crate) fn bytes(&self) -> usize {
        let own = size_of::<Self>();
        own + match self {
            Self::Text(text) | Self::Bpchar(text) | Self::Json(text) => text.len(),
            Self::Bytea(bytes) => bytes.len(),
            Self::Jsonb(json) => json.bytes(),
            Self::Array(values) | Self::Record(values) => values.iter().map(Self::bytes).sum(),
            _ => 0,
        }
    }
}

/// An interval, with the parts that PostgreSQL keeps apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) months: i32,
    pub(crate) days: i32,
    pub(crate) micros: i64,
}
