//! Arithmetic of `double precision`.

use std::f64::consts::PI;

use crate::scalars::Call;
use crate::scalars::implementations::mismatch;
use crate::sql_error::SqlError;
use crate::values::value::Value;

const RADIANS_PER_DEGREE: f64 = PI / 180.0;

pub(super) fn float(value: Option<&Value>) -> Result<f64, SqlError> {
    match value {
        Some(Value::Float8(number)) => Ok(*number),
        _ => Err(mismatch()),
    }
}

fn pair(values: &[Value]) -> Result<(f64, f64), SqlError> {
    Ok((float(values.first())?, float(values.get(1))?))
}

pub(super) fn overflow() -> SqlError {
    SqlError::new("22003", "value out of range: overflow")
}

fn underflow() -> SqlError {
    SqlError::new("22003", "value out of range: underflow")
}

/// Refuses a number that became infinite.
pub(super) fn finite(result: f64, was_infinite: bool) -> Result<f64, SqlError> {
    if result.is_infinite() && !was_infinite { Err(overflow()) } else { Ok(result) }
}

/// Refuses a number that became infinite or zero.
fn within(result: f64, may_be_infinite: bool, may_be_zero: bool) -> Result<f64, SqlError> {
    let result = finite(result, may_be_infinite)?;
    if result == 0.0 && !may_be_zero { Err(underflow()) } else { Ok(result) }
}

pub(super) fn multiply(left: f64, right: f64) -> Result<f64, SqlError> {
    within(left * right, left.is_infinite() || right.is_infinite(), left == 0.0 || right == 0.0)
}

pub(super) fn divide(left: f64, right: f64) -> Result<f64, SqlError> {
    if right == 0.0 && !left.is_nan() {
        return Err(super::integers::division_by_zero());
    }
    within(left / right, left.is_infinite(), left == 0.0 || right.is_infinite())
}

fn power(base: f64, exponent: f64) -> Result<f64, SqlError> {
    let refused = |message: &str| Err(SqlError::new("2201F", message));
    if base.is_nan() {
        return Ok(if exponent == 0.0 { 1.0 } else { f64::NAN });
    }
    if exponent.is_nan() {
        return Ok(if base == 1.0 { 1.0 } else { f64::NAN });
    }
    if base == 0.0 && exponent < 0.0 {
        return refused("zero raised to a negative power is undefined");
    }
    if base < 0.0 && exponent.floor() != exponent {
        return refused("a negative number raised to a non-integer power yields a complex result");
    }
    let result = base.powf(exponent);
    if base.is_infinite() || exponent.is_infinite() { Ok(result) } else { within(result, false, base == 0.0) }
}

fn logarithm(values: &[Value], of: fn(f64) -> f64) -> Result<Value, SqlError> {
    let number = float(values.first())?;
    let refused = |message: &str| Err(SqlError::new("2201E", message));
    if number == 0.0 {
        return refused("cannot take logarithm of zero");
    }
    if number < 0.0 {
        return refused("cannot take logarithm of a negative number");
    }
    within(of(number), number.is_infinite(), number == 1.0).map(Value::Float8)
}

fn root(number: f64) -> Result<f64, SqlError> {
    if number < 0.0 {
        return Err(SqlError::new("2201F", "cannot take square root of a negative number"));
    }
    within(number.sqrt(), number.is_infinite(), number == 0.0)
}

fn exponential(number: f64) -> Result<f64, SqlError> {
    if number.is_nan() || number.is_infinite() {
        return Ok(number.exp());
    }
    within(number.exp(), false, false)
}

fn one(values: &[Value], of: impl Fn(f64) -> Result<f64, SqlError>) -> Result<Value, SqlError> {
    of(float(values.first())?).map(Value::Float8)
}

fn two(values: &[Value], of: impl Fn(f64, f64) -> Result<f64, SqlError>) -> Result<Value, SqlError> {
    let (left, right) = pair(values)?;
    of(left, right).map(Value::Float8)
}

pub(super) fn sum(left: f64, right: f64) -> Result<f64, SqlError> {
    finite(left + right, left.is_infinite() || right.is_infinite())
}

pub(super) fn find(source: &str) -> Option<Call> {
    Some(Call::Plain(match source {
        "float8pl" => |values| two(values, sum),
        "float8mi" => |values| two(values, |left, right| sum(left, -right)),
        "float8mul" => |values| two(values, multiply),
        "float8div" => |values| two(values, divide),
        "dpow" => |values| two(values, power),
        "float8um" => |values| one(values, |number| Ok(-number)),
        "float8up" => |values| one(values, Ok),
        "float8abs" => |values| one(values, |number| Ok(number.abs())),
        "dround" => |values| one(values, |number| Ok(number.round_ties_even())),
        "dceil" => |values| one(values, |number| Ok(number.ceil())),
        "dfloor" => |values| one(values, |number| Ok(number.floor())),
        "dtrunc" => |values| one(values, |number| Ok(number.trunc())),
        "dsign" => |values| {
            one(values, |number| {
                Ok(if number > 0.0 {
                    1.0
                } else if number < 0.0 {
                    -1.0
                } else {
                    0.0
                })
            })
        },
        "dsqrt" => |values| one(values, root),
        "dexp" => |values| one(values, exponential),
        "dlog1" => |values| logarithm(values, f64::ln),
        "dlog10" => |values| logarithm(values, f64::log10),
        "degrees" => |values| one(values, |number| divide(number, RADIANS_PER_DEGREE)),
        "radians" => |values| one(values, |number| multiply(number, RADIANS_PER_DEGREE)),
        "dpi" => |_| Ok(Value::Float8(PI)),
        "width_bucket_float8" => width_bucket,
        _ => return None,
    }))
}

/// The number of the part between two bounds that a number is in.
fn width_bucket(values: &[Value]) -> Result<Value, SqlError> {
    let (number, low) = pair(values)?;
    let high = float(values.get(2))?;
    let count = super::integers::integer(values.get(3))?;
    let refused = |message: &str| Err(SqlError::new("2201G", message));
    if count <= 0 {
        return refused("count must be greater than zero");
    }
    if number.is_nan() || low.is_nan() || high.is_nan() {
        return refused("operand, lower bound, and upper bound cannot be NaN");
    }
    if low.is_infinite() || high.is_infinite() {
        return refused("lower and upper bounds must be finite");
    }
    if low == high {
        return refused("lower bound cannot equal upper bound");
    }
    let (start, position, width) = if low < high {
        (number < low, number >= high, high - low)
    } else {
        (number > low, number <= high, low - high)
    };
    let bucket = if start {
        0
    } else if position {
        count + 1
    } else {
        if width.is_infinite() {
            // PostgreSQL halves all of them then.
            return Err(SqlError::unsupported("width_bucket with bounds that far apart"));
        }
        let distance = if low < high { number - low } else { low - number };
        let part = (count as f64 * (distance / width)) as i128;
        if part >= count {
            return Err(SqlError::unsupported("width_bucket with a number that close to the bound"));
        }
        part + 1
    };
    let bucket = i32::try_from(bucket).map_err(|_| SqlError::new("22003", "integer out of range"))?;
    Ok(Value::Int4(bucket))
}
