//! Conversions between the types of version 1 of the contract and the host's own.

use tenet_core::{
    Column, ColumnValues, Decimal, Interval, Outcome, RowSet, SqlError, SqlState, Statement, Value, ValueType,
};
use uuid::Uuid;

use super::bindings::tenet::rule::types as wit;
use crate::guest_stop::GuestStop;

/// An error of a statement in a batch, with the statement's number.
pub(super) fn in_batch(statement: usize, mut error: SqlError) -> SqlError {
    error.details.push(("statement".to_owned(), statement.to_string()));
    error
}

impl TryFrom<wit::Statement> for Statement {
    /// The error that PostgreSQL would give for a parameter of the wrong type.
    type Error = SqlError;

    fn try_from(statement: wit::Statement) -> Result<Self, SqlError> {
        let mut parameters = Vec::with_capacity(statement.parameters.len());
        for (number, value) in (1..).zip(statement.parameters) {
            let refuse = |what: String| SqlError::new(SqlState::INVALID_TEXT, format!("parameter ${number}: {what}"));
            parameters.push(Value::try_from(value).map_err(refuse)?);
        }
        Ok(Self::new(statement.sql, parameters))
    }
}

impl TryFrom<wit::Value> for Value {
    /// The problem, without the value, which may be secret.
    type Error = String;

    fn try_from(value: wit::Value) -> Result<Self, String> {
        Ok(match value {
            wit::Value::Null(of) => Self::Null(of.map(Into::into)),
            wit::Value::Boolean(value) => Self::Bool(value),
            wit::Value::Int2(value) => Self::Int2(value),
            wit::Value::Int4(value) => Self::Int4(value),
            wit::Value::Int8(value) => Self::Int8(value),
            wit::Value::Float8(value) => Self::Float8(value),
            wit::Value::Numeric(text) => Self::Numeric(Decimal::parse(&text).map_err(|error| error.to_string())?),
            wit::Value::Text(value) => Self::Text(value),
            wit::Value::Bytea(value) => Self::Bytea(value),
            wit::Value::Uuid(text) => Self::Uuid(uuid(&text)?),
            wit::Value::Date(value) => Self::Date(value),
            wit::Value::Time(value) => Self::Time(value),
            wit::Value::Timestamp(value) => Self::Timestamp(value),
            wit::Value::Timestamptz(value) => Self::Timestamptz(value),
            wit::Value::Interval(value) => Self::Interval(value.into()),
            wit::Value::Json(value) => Self::Json(value),
        })
    }
}

impl From<wit::ValueType> for ValueType {
    fn from(of: wit::ValueType) -> Self {
        match of {
            wit::ValueType::Boolean => Self::Bool,
            wit::ValueType::Int2 => Self::Int2,
            wit::ValueType::Int4 => Self::Int4,
            wit::ValueType::Int8 => Self::Int8,
            wit::ValueType::Float8 => Self::Float8,
            wit::ValueType::Numeric => Self::Numeric,
            wit::ValueType::Text => Self::Text,
            wit::ValueType::Bytea => Self::Bytea,
            wit::ValueType::Uuid => Self::Uuid,
            wit::ValueType::Date => Self::Date,
            wit::ValueType::Time => Self::Time,
            wit::ValueType::Timestamp => Self::Timestamp,
            wit::ValueType::Timestamptz => Self::Timestamptz,
            wit::ValueType::Interval => Self::Interval,
            wit::ValueType::Json => Self::Json,
        }
    }
}

/// Accepts only the form of the contract; the crate's parser accepts several.
fn uuid(text: &str) -> Result<[u8; 16], String> {
    match Uuid::try_parse(text) {
        Ok(uuid) if text.len() == 36 => Ok(uuid.into_bytes()),
        _ => Err("a uuid is written as 32 hexadecimal digits and 4 hyphens".to_owned()),
    }
}

fn uuid_text(bytes: [u8; 16]) -> String {
    Uuid::from_bytes(bytes).hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
}

impl From<wit::Interval> for Interval {
    fn from(wit::Interval { months, days, microseconds }: wit::Interval) -> Self {
        Self { months, days, microseconds }
    }
}

impl From<Interval> for wit::Interval {
    fn from(Interval { months, days, microseconds }: Interval) -> Self {
        Self { months, days, microseconds }
    }
}

impl From<ColumnValues> for wit::ColumnValues {
    fn from(values: ColumnValues) -> Self {
        match values {
            ColumnValues::Bool(values) => Self::Boolean(values),
            ColumnValues::Int2(values) => Self::Int2(values),
            ColumnValues::Int4(values) => Self::Int4(values),
            ColumnValues::Int8(values) => Self::Int8(values),
            ColumnValues::Float8(values) => Self::Float8(values),
            ColumnValues::Numeric(values) => Self::Numeric(values.into_iter().map(Decimal::into_text).collect()),
            ColumnValues::Text(values) => Self::Text(values),
            ColumnValues::Bytea(values) => Self::Bytea(values),
            ColumnValues::Uuid(values) => Self::Uuid(values.into_iter().map(uuid_text).collect()),
            ColumnValues::Date(values) => Self::Date(values),
            ColumnValues::Time(values) => Self::Time(values),
            ColumnValues::Timestamp(values) => Self::Timestamp(values),
            ColumnValues::Timestamptz(values) => Self::Timestamptz(values),
            ColumnValues::Interval(values) => Self::Interval(values.into_iter().map(Into::into).collect()),
            ColumnValues::Json(values) => Self::Json(values),
        }
    }
}

impl From<Column> for wit::Column {
    fn from(Column { name, values, nulls }: Column) -> Self {
        Self { name, values: values.into(), nulls }
    }
}

impl From<RowSet> for wit::RowSet {
    fn from(RowSet { columns, rows, bytes: _ }: RowSet) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows }
    }
}

/// Rows in packed form: the texts of a column are concatenated.
pub(super) fn packed(RowSet { columns, rows, bytes: _ }: RowSet) -> Result<wit::PackedRows, GuestStop> {
    let mut all = Vec::new();
    let mut packed = Vec::with_capacity(columns.len());
    for Column { name, values, nulls } in columns {
        let values = match values {
            ColumnValues::Numeric(values) => {
                all.push(texts(values.iter().map(Decimal::as_str))?);
                wit::ColumnValues::Numeric(Vec::new())
            }
            ColumnValues::Text(values) => {
                all.push(texts(values.iter())?);
                wit::ColumnValues::Text(Vec::new())
            }
            ColumnValues::Uuid(values) => {
                let values: Vec<String> = values.into_iter().map(uuid_text).collect();
                all.push(texts(values.iter())?);
                wit::ColumnValues::Uuid(Vec::new())
            }
            ColumnValues::Json(values) => {
                all.push(texts(values.iter())?);
                wit::ColumnValues::Json(Vec::new())
            }
            other => other.into(),
        };
        packed.push(wit::Column { name, values, nulls });
    }
    Ok(wit::PackedRows { rows: wit::RowSet { columns: packed, rows }, texts: all })
}

fn texts<T: AsRef<str>>(values: impl ExactSizeIterator<Item = T> + Clone) -> Result<wit::Texts, GuestStop> {
    let bytes = values.clone().map(|value| value.as_ref().len()).sum();
    let mut texts = wit::Texts { all: String::with_capacity(bytes), ends: Vec::with_capacity(values.len()) };
    for value in values {
        texts.all.push_str(value.as_ref());
        let end = u32::try_from(texts.all.len());
        texts.ends.push(end.map_err(|_| GuestStop::Host("a column of texts has more than 4 GiB"))?);
    }
    Ok(texts)
}

impl From<Outcome> for wit::Outcome {
    fn from(Outcome { rows, affected, .. }: Outcome) -> Self {
        Self { rows: rows.into(), affected }
    }
}

impl From<SqlError> for wit::DatabaseError {
    fn from(SqlError { sqlstate, message, constraint, table, column, details }: SqlError) -> Self {
        Self { sqlstate: sqlstate.to_string(), message, constraint, table, column, details }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    #[test]
    fn exact_values_arrive_exactly() {
        let numeric = Value::try_from(wit::Value::Numeric("-100.50".into())).unwrap();
        assert_eq!(numeric, Value::Numeric(Decimal::parse("-100.50").unwrap()));
        let upper = Value::try_from(wit::Value::Uuid(UUID.to_uppercase())).unwrap();
        let Value::Uuid(bytes) = upper else { panic!("{upper:?}") };
        let wit::ColumnValues::Uuid(given) = ColumnValues::Uuid(vec![bytes]).into() else { panic!() };
        assert_eq!(given, [UUID]);
        let wit::ColumnValues::Numeric(given) = ColumnValues::Numeric(vec![Decimal::parse("1.00").unwrap()]).into()
        else {
            panic!()
        };
        assert_eq!(given, ["1.00"]);
    }

    #[test]
    fn packed_texts_are_cut_where_they_end() {
        let column = |name: &str, values, nulls| Column { name: name.into(), values, nulls };
        let bytes = [7; 16];
        let set = RowSet {
            columns: vec![
                column("t", ColumnValues::Text(vec!["über".into(), String::new(), "x".into()]), vec![1]),
                column("i", ColumnValues::Int8(vec![1, 2, 3]), vec![]),
                column("n", ColumnValues::Numeric(vec![Decimal::parse("1.50").unwrap(); 3]), vec![]),
                column("u", ColumnValues::Uuid(vec![bytes; 3]), vec![]),
            ],
            rows: 3,
            bytes: 0,
        };
        let packed = packed(set).unwrap();
        assert_eq!(packed.rows.rows, 3);
        let [t, i, n, u] = &packed.rows.columns[..] else { panic!("four columns") };
        assert!(matches!(&t.values, wit::ColumnValues::Text(values) if values.is_empty()));
        assert_eq!(t.nulls, [1]);
        assert!(matches!(&i.values, wit::ColumnValues::Int8(values) if *values == [1, 2, 3]));
        assert!(matches!((&n.values, &u.values), (wit::ColumnValues::Numeric(_), wit::ColumnValues::Uuid(_))));
        let [t, n, u] = &packed.texts[..] else { panic!("three columns of texts") };
        assert_eq!((t.all.as_str(), &t.ends[..]), ("überx", &[5, 5, 6][..]));
        assert_eq!((n.all.as_str(), &n.ends[..]), ("1.501.501.50", &[4, 8, 12][..]));
        assert_eq!((u.all.len(), &u.ends[..]), (108, &[36, 72, 108][..]));
    }

    #[test]
    fn a_parameter_that_is_not_of_its_type_is_an_error_that_the_rule_sees() {
        for value in [
            wit::Value::Numeric("1e3".into()),
            wit::Value::Numeric("NaN".into()),
            wit::Value::Uuid(UUID.replace('-', "")),
            wit::Value::Uuid(format!("{{{UUID}}}")),
            wit::Value::Uuid("secret".into()),
        ] {
            let statement =
                wit::Statement { sql: "select $1, $2".into(), parameters: vec![wit::Value::Null(None), value] };
            let error = in_batch(3, Statement::try_from(statement).unwrap_err());
            assert_eq!(error.sqlstate.as_str(), "22P02");
            assert!(error.message.starts_with("parameter $2: "), "{}", error.message);
            assert!(!error.message.contains("secret"));
            assert_eq!(error.details, [("statement".to_owned(), "3".to_owned())]);
        }
    }
}
