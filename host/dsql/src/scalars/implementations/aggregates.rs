//! What aggregates do.

use std::sync::Arc;

use crate::scalars::accumulator::Accumulator;
use crate::scalars::implementations::json_building::{key, null_key, to_json, to_jsonb};
use crate::scalars::implementations::texts::parameter_error;
use crate::scalars::implementations::{comparisons, floats, integers, mismatch, numerics, text, times};
use crate::sql_error::SqlError;
use crate::values::jsonb::{self, Jsonb};
use crate::values::kind::Kind;
use crate::values::numeric::Numeric;
use crate::values::order;
use crate::values::value::Value;

/// Begins an aggregate for arguments of these kinds.
pub(crate) type Start = fn(&[Kind]) -> Box<dyn Accumulator>;

/// Counts rows, or those whose value is not NULL.
#[derive(Debug, Default)]
struct Count(i64);

impl Accumulator for Count {
    fn add(&mut self, values: &[Value]) -> Result<(), SqlError> {
        if !matches!(values.first(), Some(Value::Null)) {
            self.0 += 1;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Value, SqlError> {
        Ok(Value::Int8(self.0))
    }
}

/// Combines the values that are not NULL, two at a time; the first one is the start.
#[derive(Debug)]
struct Fold {
    combine: fn(Value, &Value) -> Result<Value, SqlError>,
    so_far: Value,
}

impl Fold {
    fn start(combine: fn(Value, &Value) -> Result<Value, SqlError>) -> Box<dyn Accumulator> {
        Box::new(Self { combine, so_far: Value::Null })
    }
}

impl Accumulator for Fold {
    fn add(&mut self, values: &[Value]) -> Result<(), SqlError> {
        match (values.first(), std::mem::replace(&mut self.so_far, Value::Null)) {
            (Some(Value::Null), so_far) => self.so_far = so_far,
            (Some(value), Value::Null) => self.so_far = value.clone(),
            (Some(value), so_far) => self.so_far = (self.combine)(so_far, value)?,
            (None, _) => return Err(mismatch()),
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Value, SqlError> {
        Ok(self.so_far)
    }
}

/// The greater of two values. Of equal ones `bpchar` keeps the first, other types the last one.
fn greater(so_far: Value, value: &Value) -> Result<Value, SqlError> {
    let order = order::compare(&so_far, value);
    let stays = order.is_gt() || (order.is_eq() && matches!(so_far, Value::Bpchar(_)));
    Ok(if stays { so_far } else { value.clone() })
}

/// The lesser of two values.
fn lesser(so_far: Value, value: &Value) -> Result<Value, SqlError> {
    let order = order::compare(&so_far, value);
    let stays = order.is_lt() || (order.is_eq() && matches!(so_far, Value::Bpchar(_)));
    Ok(if stays { so_far } else { value.clone() })
}

fn both(so_far: Value, value: &Value) -> Result<Value, SqlError> {
    match (so_far, value) {
        (Value::Bool(left), Value::Bool(right)) => Ok(Value::Bool(left && *right)),
        _ => Err(mismatch()),
    }
}

fn either(so_far: Value, value: &Value) -> Result<Value, SqlError> {
    match (so_far, value) {
        (Value::Bool(left), Value::Bool(right)) => Ok(Value::Bool(left || *right)),
        _ => Err(mismatch()),
    }
}

fn bits(so_far: Value, value: &Value, of: fn(i64, i64) -> i64) -> Result<Value, SqlError> {
    match (so_far, value) {
        (Value::Int2(left), Value::Int2(right)) => Ok(Value::Int2(of(left.into(), (*right).into()) as i16)),
        (Value::Int4(left), Value::Int4(right)) => Ok(Value::Int4(of(left.into(), (*right).into()) as i32)),
        (Value::Int8(left), Value::Int8(right)) => Ok(Value::Int8(of(left, *right))),
        _ => Err(mismatch()),
    }
}

/// What a sum or an average has added up.
#[derive(Debug)]
enum Total {
    Integer(i128),
    Numeric(Numeric),
    Float(f64),
    /// An average looks at the squares too, which can overflow.
    Squares(FloatSquares),
    Interval(crate::values::value::Interval),
}

/// What becomes of the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Sum,
    Average,
}

/// The sum or the average of the values that are not NULL.
#[derive(Debug)]
struct Sum {
    kind: Kind,
    wanted: Wanted,
    count: i64,
    total: Total,
}

impl Sum {
    fn start(kinds: &[Kind], wanted: Wanted) -> Box<dyn Accumulator> {
        let kind = kinds.first().copied().unwrap_or(Kind::Unknown);
        let total = match kind {
            Kind::Numeric => Total::Numeric(Numeric::zero()),
            Kind::Float8 if wanted == Wanted::Average => Total::Squares(FloatSquares::default()),
            Kind::Float8 => Total::Float(0.0),
            Kind::Interval => Total::Interval(crate::values::value::Interval::default()),
            _ => Total::Integer(0),
        };
        Box::new(Self { kind, wanted, count: 0, total })
    }
}

impl Accumulator for Sum {
    fn add(&mut self, values: &[Value]) -> Result<(), SqlError> {
        let value = values.first().ok_or_else(mismatch)?;
        if matches!(value, Value::Null) {
            return Ok(());
        }
        match (&mut self.total, value) {
            (Total::Integer(total), value) => *total += integers::integer(Some(value))?,
            (Total::Numeric(total), Value::Numeric(value)) => *total = total.add(value)?,
            // The first value stays as it is: 0 would turn -0 around.
            (Total::Float(total), Value::Float8(value)) if self.count == 0 => *total = *value,
            (Total::Squares(total), Value::Float8(value)) => total.add(*value)?,
            (Total::Float(total), Value::Float8(value)) => *total = floats::sum(*total, *value)?,
            (Total::Interval(total), Value::Interval(value)) => *total = times::sum(*total, *value)?,
            _ => return Err(mismatch()),
        }
        self.count += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Value, SqlError> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        let number = |total: i128| Numeric::from_parts(total.into(), 0);
        let count = || Numeric::from(self.count);
        match (self.total, self.wanted) {
            (Total::Integer(total), Wanted::Sum) if self.kind == Kind::Int8 => number(total).map(Value::Numeric),
            (Total::Integer(total), Wanted::Sum) => {
                let total = i64::try_from(total).map_err(|_| SqlError::new("22003", "bigint out of range"))?;
                Ok(Value::Int8(total))
            }
            (Total::Integer(total), Wanted::Average) => number(total)?.div(&count()).map(Value::Numeric),
            (Total::Numeric(total), Wanted::Sum) => Ok(Value::Numeric(total)),
            (Total::Numeric(total), Wanted::Average) => total.div(&count()).map(Value::Numeric),
            (Total::Float(total), _) => Ok(Value::Float8(total)),
            (Total::Squares(total), _) => Ok(Value::Float8(total.sum / total.count)),
            (Total::Interval(total), Wanted::Sum) => Ok(Value::Interval(total)),
            (Total::Interval(total), Wanted::Average) => times::divided(total, self.count as f64).map(Value::Interval),
        }
    }
}

/// The variance or the standard deviation of a sample or of all.
#[derive(Debug)]
struct Spread {
    is_sample: bool,
    is_root: bool,
    count: i64,
    total: Spreading,
}

#[derive(Debug)]
enum Spreading {
    /// The sum, and the sum of the squares.
    Exact(Numeric, Numeric),
    /// The same in floating point.
    Float(FloatSquares),
}

/// The sum of numbers, and of the squares of their differences from their average, as PostgreSQL
/// adds them up (Youngs and Cramer).
#[derive(Debug, Default)]
struct FloatSquares {
    count: f64,
    sum: f64,
    squares: f64,
}

impl FloatSquares {
    fn add(&mut self, value: f64) -> Result<(), SqlError> {
        let (old_count, old_sum) = (self.count, self.sum);
        self.count += 1.0;
        self.sum += value;
        if old_count > 0.0 {
            let distance = value * self.count - self.sum;
            self.squares += distance * distance / (self.count * old_count);
            if self.sum.is_infinite() || self.squares.is_infinite() {
                if !old_sum.is_infinite() && !value.is_infinite() {
                    return Err(floats::overflow());
                }
                self.squares = f64::NAN;
            }
        } else if !value.is_finite() {
            self.squares = f64::NAN;
        }
        Ok(())
    }
}

impl Spread {
    fn start(kinds: &[Kind], is_sample: bool, is_root: bool) -> Box<dyn Accumulator> {
        let total = match kinds.first() {
            Some(Kind::Float8) => Spreading::Float(FloatSquares::default()),
            _ => Spreading::Exact(Numeric::zero(), Numeric::zero()),
        };
        Box::new(Self { is_sample, is_root, count: 0, total })
    }
}

impl Accumulator for Spread {
    fn add(&mut self, values: &[Value]) -> Result<(), SqlError> {
        let value = values.first().ok_or_else(mismatch)?;
        if matches!(value, Value::Null) {
            return Ok(());
        }
        match (&mut self.total, value) {
            (Spreading::Float(total), value) => total.add(floats::float(Some(value))?)?,
            (Spreading::Exact(sum, squares), value) => {
                let value = match value {
                    Value::Numeric(value) => value.clone(),
                    value => Numeric::from_parts(integers::integer(Some(value))?.into(), 0)?,
                };
                *sum = sum.add(&value)?;
                *squares = squares.add(&value.mul(&value)?)?;
            }
        }
        self.count += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Value, SqlError> {
        let divisor = if self.is_sample { self.count - 1 } else { self.count };
        if self.count == 0 || divisor == 0 {
            return Ok(Value::Null);
        }
        match self.total {
            Spreading::Float(total) => {
                let variance = total.squares / divisor as f64;
                Ok(Value::Float8(if self.is_root { variance.sqrt() } else { variance }))
            }
            Spreading::Exact(sum, _) if sum.parts().is_none() => Ok(Value::Numeric(Numeric::NaN)),
            Spreading::Exact(sum, squares) => {
                let count = Numeric::from(self.count);
                let spread = count.mul(&squares)?.sub(&sum.mul(&sum)?)?;
                if spread.signum() != Some(1) {
                    return Ok(Value::Numeric(Numeric::zero()));
                }
                let variance = spread.div(&count.mul(&Numeric::from(divisor))?)?;
                let scale = variance.scale().unwrap_or(0);
                Ok(Value::Numeric(if self.is_root { numerics::root(&variance, scale)? } else { variance }))
            }
        }
    }
}

/// Joins texts or bytes, each but the first behind its separator.
#[derive(Debug, Default)]
enum Joined {
    #[default]
    Nothing,
    Text(String),
    Bytes(Vec<u8>),
}

impl Accumulator for Joined {
    fn add(&mut self, values: &[Value]) -> Result<(), SqlError> {
        match (&mut *self, values) {
            (_, [Value::Null, _]) => {}
            (Self::Nothing, [Value::Text(value), _]) => *self = Self::Text(value.as_ref().to_owned()),
            (Self::Nothing, [Value::Bytea(value), _]) => *self = Self::Bytes(value.to_vec()),
            (Self::Text(so_far), [Value::Text(value), separator]) => {
                match separator {
                    Value::Null => {}
                    Value::Text(separator) => so_far.push_str(separator),
                    _ => return Err(mismatch()),
                }
                so_far.push_str(value);
            }
            (Self::Bytes(so_far), [Value::Bytea(value), separator]) => {
                match separator {
                    Value::Null => {}
                    Value::Bytea(separator) => so_far.extend_from_slice(separator),
                    _ => return Err(mismatch()),
                }
                so_far.extend_from_slice(value);
            }
            _ => return Err(mismatch()),
        }
        Ok(())
    }

    fn keeps_values(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Value, SqlError> {
        Ok(match *self {
            Self::Nothing => Value::Null,
            Self::Text(joined) => text(joined),
            Self::Bytes(joined) => Value::Bytea(joined.into()),
        })
    }
}

/// All values, NULLs too, in an array.
#[derive(Debug, Default)]
struct Listed(Vec<Value>);

impl Accumulator for Listed {
    fn add(&mut self, values: &[Value]) -> Result<(), SqlError> {
        self.0.push(values.first().cloned().ok_or_else(mismatch)?);
        Ok(())
    }

    fn keeps_values(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Value, SqlError> {
        Ok(if self.0.is_empty() { Value::Null } else { Value::Array(self.0.into()) })
    }
}

/// All values in a `json` array, or pairs in an object.
#[derive(Debug)]
struct JsonText {
    kinds: Vec<Kind>,
    parts: String,
    is_object: bool,
}

impl JsonText {
    fn start(kinds: &[Kind], is_object: bool) -> Box<dyn Accumulator> {
        Box::new(Self { kinds: kinds.to_vec(), parts: String::new(), is_object })
    }
}

impl Accumulator for JsonText {
    fn add(&mut self, values: &[Value]) -> Result<(), SqlError> {
        let is_first = self.parts.is_empty();
        let part = match (values, self.kinds.as_slice()) {
            ([name, value], [key_kind, kind]) => {
                if matches!(name, Value::Null) {
                    return Err(null_key());
                }
                format!("{} : {}", jsonb::quoted(&key(name, *key_kind)?), to_json(value, *kind)?)
            }
            ([value], [kind]) => {
                // A nested array begins a line.
                let is_nested = !is_first && !matches!(value, Value::Null) && matches!(kind, Kind::Array(_));
                format!("{}{}", if is_nested { "\n " } else { "" }, to_json(value, *kind)?)
            }
            _ => return Err(mismatch()),
        };
        self.parts.push_str(if is_first { "" } else { ", " });
        self.parts.push_str(&part);
        Ok(())
    }

    fn keeps_values(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Value, SqlError> {
        if self.parts.is_empty() {
            return Ok(Value::Null);
        }
        let whole = if self.is_object { format!("{{ {} }}", self.parts) } else { format!("[{}]", self.parts) };
        Ok(Value::Json(whole.into()))
    }
}

/// All values in a `jsonb` array.
#[derive(Debug)]
struct JsonbArray {
    kind: Kind,
    elements: Vec<Jsonb>,
}

impl Accumulator for JsonbArray {
    fn add(&mut self, values: &[Value]) -> Result<(), SqlError> {
        self.elements.push(to_jsonb(values.first().ok_or_else(mismatch)?, self.kind)?);
        Ok(())
    }

    fn keeps_values(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Value, SqlError> {
        if self.elements.is_empty() {
            return Ok(Value::Null);
        }
        Ok(Value::Jsonb(Arc::new(Jsonb::Array(self.elements))))
    }
}

/// All pairs in a `jsonb` object.
#[derive(Debug)]
struct JsonbObject {
    kinds: Vec<Kind>,
    members: Vec<(Arc<str>, Jsonb)>,
}

impl Accumulator for JsonbObject {
    fn add(&mut self, values: &[Value]) -> Result<(), SqlError> {
        let ([name, value], [key_kind, kind]) = (values, self.kinds.as_slice()) else {
            return Err(mismatch());
        };
        if matches!(name, Value::Null) {
            return Err(parameter_error("field name must not be null"));
        }
        self.members.push((key(name, *key_kind)?.into(), to_jsonb(value, *kind)?));
        Ok(())
    }

    fn keeps_values(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Value, SqlError> {
        if self.members.is_empty() {
            return Ok(Value::Null);
        }
        Ok(Value::Jsonb(Arc::new(Jsonb::object(self.members))))
    }
}

/// What runs the aggregate with this name for arguments of these kinds; none if the model cannot.
pub(crate) fn find(name: &str, kinds: &[Kind]) -> Option<Start> {
    let is_of = |wanted: &[Kind]| kinds.first().is_some_and(|kind| wanted.contains(kind));
    let is_integer = is_of(&[Kind::Int2, Kind::Int4, Kind::Int8]);
    let is_number = is_integer || is_of(&[Kind::Numeric, Kind::Float8]);
    let is_nested = matches!(kinds.first(), Some(Kind::Array(_)));
    let is_ordered = kinds.first().is_some_and(|kind| comparisons::is_ordered(*kind));
    Some(match name {
        "count" => |_| Box::new(Count::default()),
        "sum" if is_integer || is_of(&[Kind::Numeric, Kind::Float8, Kind::Interval]) => {
            |kinds| Sum::start(kinds, Wanted::Sum)
        }
        "avg" if is_integer || is_of(&[Kind::Numeric, Kind::Float8, Kind::Interval]) => {
            |kinds| Sum::start(kinds, Wanted::Average)
        }
        "variance" | "var_samp" if is_number => |kinds| Spread::start(kinds, true, false),
        "var_pop" if is_number => |kinds| Spread::start(kinds, false, false),
        "stddev" | "stddev_samp" if is_number => |kinds| Spread::start(kinds, true, true),
        "stddev_pop" if is_number => |kinds| Spread::start(kinds, false, true),
        "max" if is_ordered => |_| Fold::start(greater),
        "min" if is_ordered => |_| Fold::start(lesser),
        "bool_and" | "every" => |_| Fold::start(both),
        "bool_or" => |_| Fold::start(either),
        "bit_and" if is_integer => |_| Fold::start(|so_far, value| bits(so_far, value, |left, right| left & right)),
        "bit_or" if is_integer => |_| Fold::start(|so_far, value| bits(so_far, value, |left, right| left | right)),
        "bit_xor" if is_integer => |_| Fold::start(|so_far, value| bits(so_far, value, |left, right| left ^ right)),
        "string_agg" => |_| Box::new(Joined::default()),
        "array_agg" if !is_nested => |_| Box::new(Listed::default()),
        "json_agg" => |kinds| JsonText::start(kinds, false),
        "json_object_agg" => |kinds| JsonText::start(kinds, true),
        "jsonb_agg" => {
            |kinds| Box::new(JsonbArray { kind: kinds.first().copied().unwrap_or(Kind::Unknown), elements: Vec::new() })
        }
        "jsonb_object_agg" => |kinds| Box::new(JsonbObject { kinds: kinds.to_vec(), members: Vec::new() }),
        _ => return None,
    })
}
