use std::error::Error;
use std::fmt;
use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use tenet_core::{Fault, Interval, SqlError, SqlState, Statement, Value, ValueType};
use tenet_policy::StatementCache;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use crate::statements::numeric;

/// 1970-01-01 in days since 2000-01-01, the epoch of dates on the wire.
pub(crate) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds, for timestamps.
pub(crate) const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The most parameters: the driver's message counts them in a signed 16-bit field.
const MOST_PARAMETERS: usize = 32_767;

/// Caches whether a statement's text is read-only: the same few texts come with every request.
///
/// The cache is global and not per database: the answer depends on the text alone, and the encoder
/// does not know which rule sends it. So rules share it. A rule that sends a new text with each
/// request evicts texts that are used less than once in 500 of these. Parsing an evicted text again
/// costs some microseconds.
static READS: LazyLock<StatementCache<bool>> = LazyLock::new(StatementCache::default);

/// A statement ready to be sent. All checks that need no server have passed.
pub(crate) struct Encoded {
    pub(crate) sql: Arc<str>,
    pub(crate) parameters: Vec<(Parameter, Type)>,
    /// Whether it is certain to write nothing.
    pub(crate) only_reads: bool,
}

/// A value in the binary form of its type.
pub(crate) struct Parameter(Option<Vec<u8>>);

impl Encoded {
    pub(crate) fn new(statement: Statement) -> Result<Self, Box<SqlError>> {
        let Statement { sql, parameters, canonical } = statement;
        let is_of_a_rule = canonical.is_some();
        // By its own text, since the canonical one, which is of the same tree, may be too long to be read again.
        let only_reads = READS.of(&sql, || tenet_policy::only_reads(&sql));
        let sql = canonical.unwrap_or(sql);
        if sql.contains('\0') {
            return Err(error("42601", "a statement may not contain U+0000".to_owned()));
        }
        if parameters.len() > MOST_PARAMETERS {
            let text =
                format!("a statement has at most {MOST_PARAMETERS} parameters; this one has {}", parameters.len());
            return Err(error("42601", text));
        }
        let texts = parameters.iter().enumerate().filter_map(|(number, value)| match value {
            Value::Text(text) => Some((number + 1, text.as_str())),
            _ => None,
        });
        if let Some((number, word)) = tenet_policy::moment_in_parameters(&sql, texts.filter(|_| is_of_a_rule)) {
            let what = format!(
                "the text of ${number} is made a date or a time, and '{word}' in it is the time of the database"
            );
            return Err(error("22007", what));
        }
        let parameters = parameters.into_iter().enumerate().map(|(at, value)| encode(at + 1, value));
        Ok(Self { sql, parameters: parameters.collect::<Result<_, _>>()?, only_reads })
    }

    /// A statement of the host's own, whose errors rules never see.
    pub(crate) fn of_host(sql: &str, parameters: Vec<Value>) -> Result<Self, Fault> {
        let statement = Self::new(Statement::new(sql, parameters));
        statement.map_err(|error| Fault::other(Some(error.sqlstate), error.to_string()))
    }
}

fn error(code: &str, message: String) -> Box<SqlError> {
    Box::new(SqlError::new(SqlState::new(code).unwrap_or(SqlState::FEATURE_NOT_SUPPORTED), message))
}

fn encode(number: usize, value: Value) -> Result<(Parameter, Type), Box<SqlError>> {
    let out_of_range = || error("22008", format!("the date or time in ${number} is out of range"));
    let (kind, bytes) = match value {
        // Without a type the server chooses one, as for an untyped NULL in a statement's text.
        Value::Null(of) => return Ok((Parameter(None), of.map_or(Type::UNKNOWN, type_of))),
        Value::Bool(value) => (Type::BOOL, vec![u8::from(value)]),
        Value::Int2(value) => (Type::INT2, value.to_be_bytes().to_vec()),
        Value::Int4(value) => (Type::INT4, value.to_be_bytes().to_vec()),
        Value::Int8(value) => (Type::INT8, value.to_be_bytes().to_vec()),
        Value::Float8(value) => (Type::FLOAT8, canonical(value).to_be_bytes().to_vec()),
        Value::Numeric(value) => (Type::NUMERIC, numeric::encode(&value)),
        Value::Text(value) => (Type::TEXT, value.into_bytes()),
        Value::Bytea(value) => (Type::BYTEA, value),
        Value::Uuid(value) => (Type::UUID, value.to_vec()),
        Value::Date(days) => {
            let days = match days {
                i32::MAX | i32::MIN => days,
                _ => days.checked_sub(EPOCH_DAYS).filter(|days| *days != i32::MIN).ok_or_else(out_of_range)?,
            };
            (Type::DATE, days.to_be_bytes().to_vec())
        }
        Value::Time(micros) => (Type::TIME, micros.to_be_bytes().to_vec()),
        Value::Timestamp(micros) => (Type::TIMESTAMP, moment(micros).ok_or_else(out_of_range)?),
        Value::Timestamptz(micros) => (Type::TIMESTAMPTZ, moment(micros).ok_or_else(out_of_range)?),
        Value::Interval(Interval { months, days, microseconds }) => {
            let parts = [&microseconds.to_be_bytes()[..], &days.to_be_bytes(), &months.to_be_bytes()];
            (Type::INTERVAL, parts.concat())
        }
        Value::Json(text) => {
            // The version of the binary form.
            (Type::JSONB, [&[1], text.as_bytes()].concat())
        }
    };
    Ok((Parameter(Some(bytes)), kind))
}

/// The type with which a value is sent.
fn type_of(value: ValueType) -> Type {
    match value {
        ValueType::Bool => Type::BOOL,
        ValueType::Int2 => Type::INT2,
        ValueType::Int4 => Type::INT4,
        ValueType::Int8 => Type::INT8,
        ValueType::Float8 => Type::FLOAT8,
        ValueType::Numeric => Type::NUMERIC,
        ValueType::Text => Type::TEXT,
        ValueType::Bytea => Type::BYTEA,
        ValueType::Uuid => Type::UUID,
        ValueType::Date => Type::DATE,
        ValueType::Time => Type::TIME,
        ValueType::Timestamp => Type::TIMESTAMP,
        ValueType::Timestamptz => Type::TIMESTAMPTZ,
        ValueType::Interval => Type::INTERVAL,
        ValueType::Json => Type::JSONB,
    }
}

fn moment(micros: i64) -> Option<Vec<u8>> {
    let micros = match micros {
        i64::MAX | i64::MIN => micros,
        _ => micros.checked_sub(EPOCH_MICROS).filter(|micros| *micros != i64::MIN)?,
    };
    Some(micros.to_be_bytes().to_vec())
}

/// One bit pattern for every NaN, so that results do not depend on it.
pub(crate) fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { value }
}

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            Some(bytes) => {
                out.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    to_sql_checked!();
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are never shown.
        f.write_str("Parameter(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(sql: &str, parameters: Vec<Value>) -> Option<String> {
        let statement = Statement::new(sql, parameters);
        Encoded::new(statement).err().map(|error| error.sqlstate.to_string())
    }

    #[test]
    fn what_no_server_could_take_is_an_error_that_the_rule_sees() {
        for value in [
            Value::Date(i32::MIN + 1),
            Value::Date(i32::MIN + EPOCH_DAYS),
            Value::Timestamp(i64::MIN + 1),
            Value::Timestamptz(i64::MIN + EPOCH_MICROS),
        ] {
            assert_eq!(code("SELECT $1", vec![value.clone()]).as_deref(), Some("22008"), "{value:?}");
        }
        assert_eq!(code("SELECT '\0'", vec![]).as_deref(), Some("42601"));
        assert_eq!(code("SELECT 1", vec![Value::Null(None); 40_000]).as_deref(), Some("42601"));
    }

    #[test]
    fn a_text_that_only_reads_does_so_however_long_it_is_when_it_is_sent() {
        let terms = vec!["g > 0"; 4_000].join(" OR ");
        let sql = format!("SELECT g FROM generate_series(1, 9) AS g WHERE {terms}");
        let canonical = format!("{sql}{}", " ".repeat(200 << 10));
        let encoded =
            Encoded::new(Statement { canonical: Some(canonical.as_str().into()), ..Statement::new(sql, vec![]) });
        assert!(encoded.is_ok_and(|encoded| encoded.only_reads));
    }

    #[test]
    fn a_text_that_would_be_the_time_of_the_database_is_not_sent() {
        let code = |canonical: &str, text: &str| {
            let statement = Statement::new("SELECT 1", vec![Value::Null(None), Value::Text(text.to_owned())]);
            let encoded = Encoded::new(Statement { canonical: Some(canonical.into()), ..statement });
            encoded.err().map(|error| error.sqlstate.to_string())
        };
        assert_eq!(code("SELECT $2::TIMESTAMPTZ", " Now ").as_deref(), Some("22007"));
        assert_eq!(code("SELECT CAST( $2 AS DATE)", "tomorrow").as_deref(), Some("22007"));
        assert_eq!(code("SELECT $2::DATE", "2026-01-31"), None);
        assert_eq!(code("SELECT $2, $1::DATE", "today"), None);
    }

    #[test]
    fn infinities_keep_their_numbers() {
        let encoded =
            Encoded::of_host("SELECT $1, $2", vec![Value::Date(i32::MAX), Value::Timestamp(i64::MIN)]).unwrap();
        let bytes: Vec<_> = encoded.parameters.iter().map(|(parameter, _)| parameter.0.clone().unwrap()).collect();
        assert_eq!(bytes, [i32::MAX.to_be_bytes().to_vec(), i64::MIN.to_be_bytes().to_vec()]);
    }

    #[test]
    fn a_value_is_never_shown() {
        let (parameter, _) = encode(1, Value::Text("secret".into())).unwrap();
        assert!(!format!("{parameter:?}").contains("secret"));
    }
}
