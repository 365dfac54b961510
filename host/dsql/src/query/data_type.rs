//! The types that statements name.

use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, TimezoneInfo};

use crate::SqlError;
use crate::values::kind::{Kind, Modifier};

/// What a modifier of a length or a precision begins with.
const HEADER: i32 = 4;

/// The type and the modifier that a statement names.
pub(crate) fn of(data_type: &DataType) -> Result<(Kind, Modifier), SqlError> {
    let plain = |kind| Ok((kind, -1));
    match data_type {
        DataType::Bool | DataType::Boolean => plain(Kind::Bool),
        DataType::SmallInt(None) | DataType::Int2(None) => plain(Kind::Int2),
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => plain(Kind::Int4),
        DataType::BigInt(None) | DataType::Int8(None) => plain(Kind::Int8),
        DataType::DoublePrecision | DataType::Float8 | DataType::Double(ExactNumberInfo::None) => plain(Kind::Float8),
        DataType::Float(ExactNumberInfo::None) => plain(Kind::Float8),
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => Ok((Kind::Numeric, numeric(info)?)),
        DataType::Text => plain(Kind::Text),
        DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length) => {
            Ok((Kind::Varchar, characters(length.as_ref(), -1)?))
        }
        DataType::Char(length) | DataType::Character(length) => {
            Ok((Kind::Bpchar, characters(length.as_ref(), HEADER + 1)?))
        }
        DataType::Bytea => plain(Kind::Bytea),
        DataType::Uuid => plain(Kind::Uuid),
        DataType::Date => plain(Kind::Date),
        DataType::Time(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => plain(Kind::Time),
        DataType::Timestamp(precision, zone) => {
            let kind = match zone {
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => Kind::Timestamp,
                TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => Kind::Timestamptz,
            };
            match precision {
                None => plain(kind),
                Some(precision @ 0..=6) => Ok((kind, i32::try_from(*precision).unwrap_or(-1))),
                Some(_) => Err(SqlError::unsupported(format!("the type {data_type}"))),
            }
        }
        DataType::Interval { fields: None, precision: None } => plain(Kind::Interval),
        DataType::JSON => plain(Kind::Json),
        DataType::JSONB => plain(Kind::Jsonb),
        DataType::Custom(name, arguments) if arguments.is_empty() => named(&name.to_string()),
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, None)) => match of(element)? {
            (element, -1) => match element.array() {
                Some(array) => plain(array),
                None => Err(SqlError::unsupported(format!("the type {data_type}"))),
            },
            _ => Err(SqlError::unsupported(format!("the type {data_type}"))),
        },
        other => Err(SqlError::unsupported(format!("the type {other}"))),
    }
}

fn named(name: &str) -> Result<(Kind, Modifier), SqlError> {
    let lower = name.to_ascii_lowercase().replace('"', "");
    let kind = match lower.strip_prefix("pg_catalog.").unwrap_or(&lower) {
        "bool" => Kind::Bool,
        "int2" => Kind::Int2,
        "int4" => Kind::Int4,
        "int8" => Kind::Int8,
        "float8" => Kind::Float8,
        "numeric" => Kind::Numeric,
        "text" => Kind::Text,
        "varchar" => Kind::Varchar,
        "bpchar" => Kind::Bpchar,
        "name" => Kind::Name,
        "oid" => Kind::Oid,
        "bytea" => Kind::Bytea,
        "uuid" => Kind::Uuid,
        "date" => Kind::Date,
        "time" => Kind::Time,
        "timestamp" => Kind::Timestamp,
        "timestamptz" => Kind::Timestamptz,
        "interval" => Kind::Interval,
        "json" => Kind::Json,
        "jsonb" => Kind::Jsonb,
        _ => return Err(SqlError::unsupported(format!("the type {name}"))),
    };
    Ok((kind, -1))
}

/// The modifier of a numeric type, as `numerictypmodin` makes it.
fn numeric(info: &ExactNumberInfo) -> Result<Modifier, SqlError> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(-1),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    if !(1..=1000).contains(&precision) {
        let message = format!("NUMERIC precision {precision} must be between 1 and 1000");
        return Err(SqlError::new("22023", message));
    }
    if !(-1000..=1000).contains(&scale) {
        let message = format!("NUMERIC scale {scale} must be between -1000 and 1000");
        return Err(SqlError::new("22023", message));
    }
    let (precision, scale) = (i32::try_from(precision).unwrap_or(0), i32::try_from(scale).unwrap_or(0));
    Ok(((precision << 16) | (scale & 0x7ff)) + HEADER)
}

fn characters(length: Option<&CharacterLength>, otherwise: Modifier) -> Result<Modifier, SqlError> {
    match length {
        None => Ok(otherwise),
        Some(CharacterLength::IntegerLength { length, unit: None }) => match i32::try_from(*length) {
            Ok(length @ 1..=10_485_760) => Ok(length + HEADER),
            _ => Err(SqlError::new("22023", "length for type varchar must be at least 1")),
        },
        Some(other) => Err(SqlError::unsupported(format!("the length {other}"))),
    }
}
