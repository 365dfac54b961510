use tenet_core::{Column, ColumnValues, Interval, Limit, LimitExceeded, ReadCap, RowSet, RowsRead, SqlError, SqlState};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::statements::numeric;
use crate::statements::parameter::{EPOCH_DAYS, EPOCH_MICROS, canonical};
use crate::statements::unreadable::Unreadable;

/// The least bytes that a value counts: what a text takes in a rule's memory in addition to its
/// characters
/// (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md>). A
/// thousand NULL columns have no bytes on the wire.
const LEAST: u64 = 8;

/// The columns of a result while its rows arrive.
pub(crate) struct Columns {
    columns: Vec<Growing>,
    rows: u32,
    bytes: u64,
}

/// The rows and bytes that a run has read, over all its statements.
pub(crate) struct Tally {
    cap: ReadCap,
    rows: u64,
    bytes: u64,
}

/// Why reading rows has stopped.
pub(crate) enum ReadStop {
    Unreadable(Box<SqlError>),
    Limit(LimitExceeded),
}

struct Growing {
    name: String,
    /// Several types on the wire share one kind of list.
    kind: Type,
    values: ColumnValues,
    nulls: Vec<u32>,
}

/// The bytes of a value of any type.
struct Raw<'a>(Option<&'a [u8]>);

impl Tally {
    pub(crate) fn new(cap: ReadCap) -> Self {
        Self { cap, rows: 0, bytes: 0 }
    }

    /// For the host's own statements.
    pub(crate) fn unlimited() -> Self {
        Self::new(ReadCap { rows: u64::MAX, bytes: u64::MAX })
    }

    /// What it has read so far.
    pub(crate) fn read(&self) -> RowsRead {
        RowsRead { rows: self.rows, bytes: self.bytes }
    }

    fn add(&mut self, bytes: u64) -> Result<(), LimitExceeded> {
        self.rows = self.rows.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        Limit::RowsRead.check(self.cap.rows, self.rows)?;
        Limit::BytesRead.check(self.cap.bytes, self.bytes)
    }
}

impl Columns {
    /// Starts from a result's description. Fails if it has a type that rules cannot read.
    pub(crate) fn new(description: &[tokio_postgres::Column]) -> Result<Self, Box<SqlError>> {
        let columns = description.iter().map(|column| Growing::new(column.name(), column.type_()));
        Ok(Self { columns: columns.collect::<Result<_, _>>()?, rows: 0, bytes: 0 })
    }

    pub(crate) fn push(&mut self, row: &Row, tally: &mut Tally) -> Result<(), ReadStop> {
        let raws = (0..row.len()).map(|at| row.try_get::<_, Raw<'_>>(at).map_or(None, |raw| raw.0)).collect::<Vec<_>>();
        let bytes = raws.iter().map(|raw| LEAST.max(raw.map_or(0, <[u8]>::len) as u64)).sum();
        tally.add(bytes).map_err(ReadStop::Limit)?;
        for (column, raw) in self.columns.iter_mut().zip(raws) {
            column.push(self.rows, raw).map_err(|why| ReadStop::Unreadable(column.refuse(&why)))?;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.rows = self.rows.checked_add(1).ok_or(ReadStop::Limit(LimitExceeded {
            limit: Limit::RowsRead,
            allowed: Some(u64::from(u32::MAX)),
            used: Some(1 << 32),
        }))?;
        Ok(())
    }

    pub(crate) fn finish(self) -> RowSet {
        let columns = self
            .columns
            .into_iter()
            .map(|Growing { name, values, nulls, .. }| Column { name, values, nulls })
            .collect();
        RowSet { columns, rows: self.rows, bytes: self.bytes }
    }
}

impl Growing {
    fn new(name: &str, kind: &Type) -> Result<Self, Box<SqlError>> {
        let values = match *kind {
            Type::BOOL => ColumnValues::Bool(Vec::new()),
            Type::INT2 => ColumnValues::Int2(Vec::new()),
            Type::INT4 => ColumnValues::Int4(Vec::new()),
            Type::INT8 => ColumnValues::Int8(Vec::new()),
            Type::FLOAT4 | Type::FLOAT8 => ColumnValues::Float8(Vec::new()),
            Type::NUMERIC => ColumnValues::Numeric(Vec::new()),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR => ColumnValues::Text(Vec::new()),
            Type::BYTEA => ColumnValues::Bytea(Vec::new()),
            Type::UUID => ColumnValues::Uuid(Vec::new()),
            Type::DATE => ColumnValues::Date(Vec::new()),
            Type::TIME => ColumnValues::Time(Vec::new()),
            Type::TIMESTAMP => ColumnValues::Timestamp(Vec::new()),
            Type::TIMESTAMPTZ => ColumnValues::Timestamptz(Vec::new()),
            Type::INTERVAL => ColumnValues::Interval(Vec::new()),
            Type::JSON | Type::JSONB => ColumnValues::Json(Vec::new()),
            _ => {
                let text = format!("the column {name:?} has the type {}, which a rule cannot read", kind.name());
                return Err(refusal(name, SqlState::FEATURE_NOT_SUPPORTED, text));
            }
        };
        Ok(Self { name: name.to_owned(), kind: kind.clone(), values, nulls: Vec::new() })
    }

    fn push(&mut self, row: u32, raw: Option<&[u8]>) -> Result<(), Unreadable> {
        if raw.is_none() {
            self.nulls.push(row);
        }
        match &mut self.values {
            ColumnValues::Bool(list) => put(list, raw, |raw| Ok(fixed::<1>(raw)? != [0])),
            ColumnValues::Int2(list) => put(list, raw, |raw| Ok(i16::from_be_bytes(fixed(raw)?))),
            ColumnValues::Int4(list) => put(list, raw, |raw| Ok(i32::from_be_bytes(fixed(raw)?))),
            ColumnValues::Int8(list) => put(list, raw, |raw| Ok(i64::from_be_bytes(fixed(raw)?))),
            ColumnValues::Float8(list) if self.kind == Type::FLOAT4 => {
                put(list, raw, |raw| Ok(canonical(f64::from(f32::from_be_bytes(fixed(raw)?)))))
            }
            ColumnValues::Float8(list) => put(list, raw, |raw| Ok(canonical(f64::from_be_bytes(fixed(raw)?)))),
            ColumnValues::Numeric(list) => {
                // Decimals have no default; this is zero on the wire.
                list.push(numeric::decode(raw.unwrap_or(&[0; 8]))?);
                Ok(())
            }
            ColumnValues::Text(list) if self.kind == Type::CHAR => {
                // One byte; zero is the empty text.
                put(list, raw, |raw| text(raw.strip_suffix(&[0]).unwrap_or(raw)))
            }
            ColumnValues::Text(list) => put(list, raw, text),
            ColumnValues::Bytea(list) => put(list, raw, |raw| Ok(raw.to_vec())),
            ColumnValues::Uuid(list) => put(list, raw, fixed),
            ColumnValues::Date(list) => put(list, raw, |raw| match i32::from_be_bytes(fixed(raw)?) {
                infinite @ (i32::MAX | i32::MIN) => Ok(infinite),
                days => days.checked_add(EPOCH_DAYS).filter(|days| *days != i32::MAX).ok_or(Unreadable::OutOfRange),
            }),
            ColumnValues::Time(list) => put(list, raw, |raw| Ok(i64::from_be_bytes(fixed(raw)?))),
            ColumnValues::Timestamp(list) | ColumnValues::Timestamptz(list) => {
                put(list, raw, |raw| match i64::from_be_bytes(fixed(raw)?) {
                    infinite @ (i64::MAX | i64::MIN) => Ok(infinite),
                    micros => micros
                        .checked_add(EPOCH_MICROS)
                        .filter(|micros| *micros != i64::MAX)
                        .ok_or(Unreadable::OutOfRange),
                })
            }
            ColumnValues::Interval(list) => put(list, raw, interval),
            ColumnValues::Json(list) if self.kind == Type::JSONB => put(list, raw, |raw| match raw {
                [1, json @ ..] => text(json),
                _ => Err(Unreadable::Malformed),
            }),
            ColumnValues::Json(list) => put(list, raw, text),
        }
    }

    fn refuse(&self, why: &Unreadable) -> Box<SqlError> {
        let name = &self.name;
        let (sqlstate, text) = match why {
            Unreadable::Malformed => ("0A000", format!("a value of the column {name:?} has an unknown form")),
            Unreadable::NotADecimal(what) => {
                ("0A000", format!("the column {name:?} holds {what}, which is no decimal"))
            }
            Unreadable::OutOfRange => ("22008", format!("a date or time in the column {name:?} is out of range")),
            Unreadable::NotUtf8 => ("22021", format!("a text in the column {name:?} is not UTF-8")),
        };
        refusal(name, SqlState::new(sqlstate).unwrap_or(SqlState::FEATURE_NOT_SUPPORTED), text)
    }
}

fn refusal(column: &str, sqlstate: SqlState, message: String) -> Box<SqlError> {
    let mut error = SqlError::new(sqlstate, message);
    error.column = Some(column.to_owned());
    Box::new(error)
}

fn put<'a, T: Default>(
    list: &mut Vec<T>,
    raw: Option<&'a [u8]>,
    decode: impl FnOnce(&'a [u8]) -> Result<T, Unreadable>,
) -> Result<(), Unreadable> {
    list.push(raw.map(decode).transpose()?.unwrap_or_default());
    Ok(())
}

fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N], Unreadable> {
    raw.try_into().map_err(|_| Unreadable::Malformed)
}

fn text(raw: &[u8]) -> Result<String, Unreadable> {
    String::from_utf8(raw.to_vec()).map_err(|_| Unreadable::NotUtf8)
}

fn interval(raw: &[u8]) -> Result<Interval, Unreadable> {
    let (microseconds, rest) = raw.split_first_chunk::<8>().ok_or(Unreadable::Malformed)?;
    let (days, months) = rest.split_first_chunk::<4>().ok_or(Unreadable::Malformed)?;
    Ok(Interval {
        months: i32::from_be_bytes(fixed(months)?),
        days: i32::from_be_bytes(*days),
        microseconds: i64::from_be_bytes(*microseconds),
    })
}

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use tenet_core::Decimal;

    use super::*;

    fn column(kind: Type, raws: &[Option<&[u8]>]) -> Result<Growing, Box<SqlError>> {
        let mut growing = Growing::new("c", &kind)?;
        for (row, raw) in raws.iter().enumerate() {
            growing.push(row as u32, *raw).map_err(|why| growing.refuse(&why))?;
        }
        Ok(growing)
    }

    fn code(kind: Type, raw: &[u8]) -> Option<String> {
        column(kind, &[Some(raw)]).err().map(|error| {
            assert_eq!(error.column.as_deref(), Some("c"));
            assert!(error.message.contains("\"c\""), "{error}");
            error.sqlstate.to_string()
        })
    }

    #[test]
    fn null_is_an_empty_value_and_a_row_number() {
        for kind in [Type::BOOL, Type::NUMERIC, Type::TEXT, Type::UUID, Type::INTERVAL, Type::JSONB, Type::DATE] {
            let growing = column(kind, &[None, None]).unwrap();
            assert_eq!(growing.nulls, [0, 1]);
        }
        let zero = column(Type::NUMERIC, &[None]).unwrap().values;
        assert_eq!(zero, ColumnValues::Numeric(vec![Decimal::parse("0").unwrap()]));
    }

    #[test]
    fn a_nan_has_one_form() {
        let growing = column(Type::FLOAT8, &[Some(&[0xff; 8])]).unwrap();
        let ColumnValues::Float8(values) = growing.values else { panic!("{:?}", growing.values) };
        assert_eq!(values[0].to_bits(), 0x7ff8_0000_0000_0000);
    }

    #[test]
    fn what_rules_cannot_read_names_its_column() {
        assert_eq!(code(Type::TIMETZ, &[]).as_deref(), Some("0A000"));
        assert_eq!(code(Type::INT4_ARRAY, &[]).as_deref(), Some("0A000"));
        assert_eq!(code(Type::NUMERIC, &[0, 0, 0, 0, 0xc0, 0, 0, 0]).as_deref(), Some("0A000"));
        assert_eq!(code(Type::TIMESTAMP, &(i64::MAX - 1).to_be_bytes()).as_deref(), Some("22008"));
        assert_eq!(code(Type::DATE, &(i32::MAX - EPOCH_DAYS).to_be_bytes()).as_deref(), Some("22008"));
        assert_eq!(code(Type::TEXT, &[0xff]).as_deref(), Some("22021"));
        assert_eq!(code(Type::INT4, &[1]).as_deref(), Some("0A000"));
    }
}
