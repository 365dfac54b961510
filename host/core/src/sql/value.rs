use crate::Decimal;

/// A SQL interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Months; a year is twelve.
    pub months: i32,
    /// Days, without a fixed length.
    pub days: i32,
    /// Microseconds.
    pub microseconds: i64,
}

/// The type of a NULL parameter: the variant of [`Value`] with the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the variant of `Value` with the same name")]
pub enum ValueType {
    Bool,
    Int2,
    Int4,
    Int8,
    Float8,
    Numeric,
    Text,
    Bytea,
    Uuid,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Json,
}

/// One parameter of a statement. The variant decides its SQL type on the wire.
///
/// The largest and the smallest number of a date or timestamp represent SQL's `infinity` and
/// `-infinity`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL of this type, or of the type that the statement expects.
    Null(Option<ValueType>),
    /// `boolean`
    Bool(bool),
    /// `smallint`
    Int2(i16),
    /// `integer`
    Int4(i32),
    /// `bigint`
    Int8(i64),
    /// `double precision`
    Float8(f64),
    /// `numeric`
    Numeric(Decimal),
    /// `text` and similar types
    Text(String),
    /// `bytea`
    Bytea(Vec<u8>),
    /// `uuid`, its 16 bytes in order
    Uuid([u8; 16]),
    /// `date`, days since 1970-01-01
    Date(i32),
    /// `time`, microseconds since midnight
    Time(i64),
    /// `timestamp`, microseconds since 1970-01-01 00:00:00
    Timestamp(i64),
    /// `timestamptz`, microseconds since 1970-01-01 00:00:00 UTC
    Timestamptz(i64),
    /// `interval`
    Interval(Interval),
    /// `jsonb` as a parameter, as JSON text
    Json(String),
}

/// The values of one column: one type, one entry per row. See [`Value`] for the units.
///
/// If [`Column::nulls`] lists a row, its entry is a zero or an empty value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the variant of `Value` with the same name")]
pub enum ColumnValues {
    Bool(Vec<bool>),
    Int2(Vec<i16>),
    Int4(Vec<i32>),
    Int8(Vec<i64>),
    Float8(Vec<f64>),
    Numeric(Vec<Decimal>),
    Text(Vec<String>),
    Bytea(Vec<Vec<u8>>),
    Uuid(Vec<[u8; 16]>),
    Date(Vec<i32>),
    Time(Vec<i64>),
    Timestamp(Vec<i64>),
    Timestamptz(Vec<i64>),
    Interval(Vec<Interval>),
    Json(Vec<String>),
}

/// One column of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name or alias in the statement.
    pub name: String,
    /// One entry per row.
    pub values: ColumnValues,
    /// The rows, counted from 0 and ascending, in which the column is NULL.
    pub nulls: Vec<u32>,
}

/// The rows of one result, column by column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowSet {
    /// The columns in the statement's order, even if there are no rows.
    pub columns: Vec<Column>,
    /// The number of entries in each column.
    pub rows: u32,
    /// The size of the values on the wire in bytes, without lengths and NULLs.
    pub bytes: u64,
}
