//! The forms of values in bytes, as the protocol has them.

use std::sync::Arc;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::num_traits::{Signed, Zero};
use bytes::{BufMut, BytesMut};

use crate::sql_error::SqlError;
use crate::values::date_time::{self, calendar::MICROS_PER_DAY};
use crate::values::jsonb;
use crate::values::kind::Kind;
use crate::values::numeric::{DECIMALS_PER_DIGIT, Numeric, power_of_ten};
use crate::values::value::{Interval, Value};
use crate::values::{text_format, utf8};

const NUMERIC_POSITIVE: u16 = 0x0000;
const NUMERIC_NEGATIVE: u16 = 0x4000;
const NUMERIC_NAN: u16 = 0xc000;
const NUMERIC_INFINITY: u16 = 0xd000;
const NUMERIC_NEGATIVE_INFINITY: u16 = 0xf000;
/// The scale that PostgreSQL sends with the infinities.
const INFINITY_SCALE: i64 = 32;
const MAX_NUMERIC_SCALE: u16 = 0x3fff;
/// The most elements of an array.
const MAX_ELEMENTS: i32 = 134_217_727;
/// The most dimensions of an array.
const MAX_DIMENSIONS: i32 = 6;
const JSONB_VERSION: u8 = 1;

/// Reads a value of a type. `Void` and `Record` have no form that the model reads.
///
/// # Errors
/// Those of PostgreSQL. Bytes that are left over are 22P03, which the session reports with the number
/// of the parameter.
pub(crate) fn receive(bytes: &[u8], kind: Kind) -> Result<Value, SqlError> {
    let mut reader = Reader(bytes);
    let value = reader.value(kind)?;
    if reader.0.is_empty() { Ok(value) } else { Err(SqlError::new("22P03", "incorrect binary data format")) }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], SqlError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or_else(insufficient)?;
        self.0 = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, SqlError> {
        let (byte, rest) = self.0.split_first().ok_or_else(|| SqlError::new("08P01", "no data left in message"))?;
        self.0 = rest;
        Ok(*byte)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], SqlError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(insufficient)?;
        self.0 = rest;
        Ok(head)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn text(&mut self) -> Result<&'a str, SqlError> {
        utf8::check(self.rest())
    }

    fn i16(&mut self) -> Result<i16, SqlError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, SqlError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn i32(&mut self) -> Result<i32, SqlError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64, SqlError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    fn value(&mut self, kind: Kind) -> Result<Value, SqlError> {
        Ok(match kind {
            Kind::Bool => Value::Bool(self.byte()? != 0),
            Kind::Int2 => Value::Int2(self.i16()?),
            Kind::Int4 => Value::Int4(self.i32()?),
            Kind::Int8 => Value::Int8(self.i64()?),
            Kind::Oid => Value::Oid(u32::from_be_bytes(self.array()?)),
            Kind::Float8 => Value::Float8(f64::from_be_bytes(self.array()?)),
            Kind::Numeric => Value::Numeric(self.numeric()?),
            Kind::Unknown | Kind::Text | Kind::Varchar => Value::Text(self.text()?.into()),
            Kind::Bpchar => Value::Bpchar(self.text()?.into()),
            Kind::Name => Value::Text(self.name()?.into()),
            Kind::Bytea => Value::Bytea(self.rest().into()),
            Kind::Uuid => Value::Uuid(self.array()?),
            Kind::Date => Value::Date(self.date()?),
            Kind::Time => Value::Time(self.time()?),
            Kind::Timestamp | Kind::Timestamptz => Value::Timestamp(self.timestamp()?),
            Kind::Interval => {
                let (micros, days, months) = (self.i64()?, self.i32()?, self.i32()?);
                Value::Interval(Interval { months, days, micros })
            }
            Kind::Json => text_format::input(self.text()?, kind, -1)?,
            Kind::Jsonb => {
                let [version] = self.array()?;
                if version != JSONB_VERSION {
                    return Err(SqlError::new("XX000", format!("unsupported jsonb version number {version}")));
                }
                Value::Jsonb(Arc::new(jsonb::parse(self.text()?)?))
            }
            Kind::Array(element) => Value::Array(self.elements(*element)?),
            Kind::Record | Kind::Void => return Err(SqlError::unsupported(format!("{} in binary", kind.name()))),
        })
    }

    fn name(&mut self) -> Result<&'a str, SqlError> {
        let text = self.text()?;
        if text.len() > 63 {
            return Err(SqlError::new("42622", "identifier too long")
                .with_detail("Identifier must be less than 64 characters."));
        }
        Ok(text)
    }

    fn date(&mut self) -> Result<i32, SqlError> {
        let days = self.i32()?;
        let is_valid = matches!(days, i32::MIN | i32::MAX) || date_time::is_date(days);
        if is_valid { Ok(days) } else { Err(SqlError::new("22008", "date out of range")) }
    }

    fn time(&mut self) -> Result<i64, SqlError> {
        let micros = self.i64()?;
        let is_valid = (0..=MICROS_PER_DAY).contains(&micros);
        if is_valid { Ok(micros) } else { Err(SqlError::new("22008", "time out of range")) }
    }

    fn timestamp(&mut self) -> Result<i64, SqlError> {
        let micros = self.i64()?;
        let is_valid = matches!(micros, i64::MIN | i64::MAX) || date_time::is_timestamp(micros);
        if is_valid { Ok(micros) } else { Err(SqlError::new("22008", "timestamp out of range")) }
    }

    fn numeric(&mut self) -> Result<Numeric, SqlError> {
        let invalid = |part: &str| SqlError::new("22P03", format!("invalid {part} in external \"numeric\" value"));
        let length = self.u16()?;
        let weight = i64::from(self.i16()?);
        let sign = self.u16()?;
        let scale = self.u16()?;
        let special = match sign {
            NUMERIC_POSITIVE | NUMERIC_NEGATIVE => None,
            NUMERIC_NAN => Some(Numeric::NaN),
            NUMERIC_INFINITY => Some(Numeric::Infinity),
            NUMERIC_NEGATIVE_INFINITY => Some(Numeric::NegativeInfinity),
            _ => return Err(invalid("sign")),
        };
        if scale > MAX_NUMERIC_SCALE {
            return Err(invalid("scale"));
        }
        let mut decimals = String::with_capacity(usize::from(length) * 4);
        for _ in 0..length {
            let digit = self.i16()?;
            if !(0..10_000).contains(&digit) {
                return Err(invalid("digit"));
            }
            decimals.push_str(&format!("{digit:04}"));
        }
        if let Some(special) = special {
            return Ok(special);
        }
        let digits = decimals.parse::<BigInt>().unwrap_or_default();
        let digits = if sign == NUMERIC_NEGATIVE { -digits } else { digits };
        // The digits after the point that the groups stand for; what is behind the scale is cut.
        let written = (i64::from(length) - 1 - weight) * DECIMALS_PER_DIGIT;
        let scale = i64::from(scale);
        let digits = if written > scale {
            digits / power_of_ten(written - scale)
        } else {
            digits * power_of_ten(scale - written)
        };
        Numeric::from_parts(digits, scale)
    }

    fn elements(&mut self, element: Kind) -> Result<Arc<[Value]>, SqlError> {
        let dimensions = self.i32()?;
        let flags = self.i32()?;
        let oid = u32::from_be_bytes(self.array()?);
        if dimensions < 0 {
            return Err(SqlError::new("22P03", format!("invalid number of dimensions: {dimensions}")));
        }
        if dimensions > MAX_DIMENSIONS {
            return Err(SqlError::new(
                "54000",
                format!("number of array dimensions ({dimensions}) exceeds the maximum allowed ({MAX_DIMENSIONS})"),
            ));
        }
        if !matches!(flags, 0 | 1) {
            return Err(SqlError::new("22P03", "invalid array flags"));
        }
        if oid != element.oid() {
            return Err(wrong_element(oid, element));
        }
        if dimensions > 1 {
            return Err(SqlError::unsupported("an array of more than one dimension"));
        }
        if dimensions == 0 {
            return Ok(Arc::new([]));
        }
        let length = self.i32()?;
        let first = self.i32()?;
        if !(0..=MAX_ELEMENTS).contains(&length) {
            return Err(SqlError::new("54000", format!("array size exceeds the maximum allowed ({MAX_ELEMENTS})")));
        }
        if length > 0 && first != 1 {
            return Err(SqlError::unsupported("an array with given bounds"));
        }
        let mut elements = Vec::new();
        for number in 1..=length {
            let size = self.i32()?;
            if size == -1 {
                elements.push(Value::Null);
                continue;
            }
            let bytes = usize::try_from(size).ok().and_then(|size| self.take(size).ok());
            let bytes = bytes.ok_or_else(|| SqlError::new("22P03", "insufficient data left in message"))?;
            let mut reader = Reader(bytes);
            elements.push(reader.value(element)?);
            if !reader.0.is_empty() {
                return Err(SqlError::new("22P03", format!("improper binary format in array element {number}")));
            }
        }
        Ok(elements.into())
    }
}

/// The error of an array whose elements are of another type.
fn wrong_element(oid: u32, element: Kind) -> SqlError {
    let Some(found) = Kind::from_oid(oid) else {
        return SqlError::unsupported(format!("an array of elements of the type {oid}"));
    };
    let (found, name, expected) = (found.name(), element.name(), element.oid());
    SqlError::new(
        "42804",
        format!("binary data has array element type {oid} ({found}) instead of expected {expected} ({name})"),
    )
}

fn insufficient() -> SqlError {
    SqlError::new("08P01", "insufficient data left in message")
}

/// Writes a value of a type; of NULL, which the message tells by its length, nothing.
///
/// # Errors
/// Where the model does not know the form: that of records.
pub(crate) fn send(value: &Value, kind: Kind, out: &mut BytesMut) -> Result<(), SqlError> {
    match value {
        Value::Null => {}
        Value::Bool(truth) => out.put_u8(u8::from(*truth)),
        Value::Int2(number) => out.put_i16(*number),
        Value::Int4(number) => out.put_i32(*number),
        Value::Int8(number) => out.put_i64(*number),
        Value::Float8(number) => out.put_f64(*number),
        Value::Numeric(number) => send_numeric(number, out),
        Value::Text(text) | Value::Bpchar(text) | Value::Json(text) => out.put_slice(text.as_bytes()),
        Value::Oid(number) => out.put_u32(*number),
        Value::Bytea(bytes) => out.put_slice(bytes),
        Value::Uuid(bytes) => out.put_slice(bytes),
        Value::Date(days) => out.put_i32(*days),
        Value::Time(micros) | Value::Timestamp(micros) => out.put_i64(*micros),
        Value::Interval(interval) => {
            out.put_i64(interval.micros);
            out.put_i32(interval.days);
            out.put_i32(interval.months);
        }
        Value::Jsonb(json) => {
            out.put_u8(JSONB_VERSION);
            out.put_slice(json.to_string().as_bytes());
        }
        Value::Array(elements) => return send_elements(elements, kind.element().unwrap_or(Kind::Unknown), out),
        Value::Record(_) => return Err(SqlError::unsupported("a record in binary")),
    }
    Ok(())
}

fn send_elements(elements: &[Value], element: Kind, out: &mut BytesMut) -> Result<(), SqlError> {
    let is_null = |value: &Value| matches!(value, Value::Null);
    out.put_i32(i32::from(!elements.is_empty()));
    out.put_i32(i32::from(elements.iter().any(is_null)));
    out.put_u32(element.oid());
    if elements.is_empty() {
        return Ok(());
    }
    let too_large = |_| SqlError::new("54000", "array size exceeds the maximum allowed");
    out.put_i32(i32::try_from(elements.len()).map_err(too_large)?);
    out.put_i32(1);
    for value in elements {
        if is_null(value) {
            out.put_i32(-1);
            continue;
        }
        let mut bytes = BytesMut::new();
        send(value, element, &mut bytes)?;
        out.put_i32(i32::try_from(bytes.len()).map_err(too_large)?);
        out.put_slice(&bytes);
    }
    Ok(())
}

fn send_numeric(number: &Numeric, out: &mut BytesMut) {
    let (sign, weight, scale, groups) = match number {
        Numeric::NaN => (NUMERIC_NAN, 0, 0, Vec::new()),
        Numeric::Infinity => (NUMERIC_INFINITY, 0, INFINITY_SCALE, Vec::new()),
        Numeric::NegativeInfinity => (NUMERIC_NEGATIVE_INFINITY, 0, INFINITY_SCALE, Vec::new()),
        Numeric::Finite(decimal) => {
            let (digits, scale) = decimal.as_bigint_and_exponent();
            let sign = if digits.is_negative() { NUMERIC_NEGATIVE } else { NUMERIC_POSITIVE };
            let (weight, groups) = groups(&digits, scale);
            (sign, weight, scale, groups)
        }
    };
    // The bounds of `numeric` are within those of its form.
    out.put_u16(u16::try_from(groups.len()).unwrap_or(u16::MAX));
    out.put_i16(i16::try_from(weight).unwrap_or(i16::MAX));
    out.put_u16(sign);
    out.put_u16(u16::try_from(scale).unwrap_or(u16::MAX));
    for group in groups {
        out.put_i16(group);
    }
}

/// The digits to the base 10,000, without zeros at both ends, and the weight of the first one.
fn groups(digits: &BigInt, scale: i64) -> (i64, Vec<i16>) {
    if digits.is_zero() {
        return (0, Vec::new());
    }
    // As many decimals after the point as fill groups.
    let filled = scale + (-scale).rem_euclid(DECIMALS_PER_DIGIT);
    let decimals = (digits.abs() * power_of_ten(filled - scale)).to_string();
    let missing = decimals.len().next_multiple_of(4) - decimals.len();
    let decimals = format!("{}{decimals}", "0".repeat(missing));
    let mut groups: Vec<i16> = decimals
        .as_bytes()
        .chunks(4)
        .map(|group| group.iter().fold(0, |number, digit| number * 10 + i16::from(digit - b'0')))
        .collect();
    let count = i64::try_from(groups.len()).unwrap_or(i64::MAX);
    let weight = count - 1 - filled / DECIMALS_PER_DIGIT;
    let last = groups.iter().rposition(|group| *group != 0).map_or(0, |at| at + 1);
    groups.truncate(last);
    (weight, groups)
}
