//! Arithmetic of `numeric`.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::num_traits::{Signed, Zero};

use crate::scalars::Call;
use crate::scalars::implementations::{integers, mismatch};
use crate::sql_error::SqlError;
use crate::values::numeric::Numeric;
use crate::values::value::Value;

pub(super) fn number(values: &[Value], place: usize) -> Result<&Numeric, SqlError> {
    match values.get(place) {
        Some(Value::Numeric(number)) => Ok(number),
        _ => Err(mismatch()),
    }
}

fn digits(values: &[Value]) -> Result<i32, SqlError> {
    i32::try_from(integers::integer(values.get(1))?).map_err(|_| mismatch())
}

fn two(values: &[Value], of: fn(&Numeric, &Numeric) -> Result<Numeric, SqlError>) -> Result<Value, SqlError> {
    of(number(values, 0)?, number(values, 1)?).map(Value::Numeric)
}

fn one(values: &[Value], of: impl Fn(&Numeric) -> Result<Numeric, SqlError>) -> Result<Value, SqlError> {
    of(number(values, 0)?).map(Value::Numeric)
}

fn sign(number: &Numeric) -> Numeric {
    number.signum().map_or(Numeric::NaN, |sign| Numeric::from(i64::from(sign)))
}

/// The fewest digits after the point that a number can be shown with.
fn least_scale(number: &Numeric) -> Option<i64> {
    let (mut digits, mut scale) = number.parts()?;
    if digits.is_zero() {
        return Some(0);
    }
    while scale > 0 && (&digits % 10_i32).is_zero() {
        digits /= 10_i32;
        scale -= 1;
    }
    Some(scale)
}

fn trimmed(number: &Numeric) -> Result<Numeric, SqlError> {
    match least_scale(number).map(i32::try_from) {
        Some(Ok(scale)) => number.trunc(scale),
        _ => Ok(number.clone()),
    }
}

/// Both numbers as integers with the same count of digits after the point.
fn aligned(left: &Numeric, right: &Numeric) -> Option<(BigInt, BigInt, i64)> {
    let ((left, left_scale), (right, right_scale)) = (left.parts()?, right.parts()?);
    let scale = left_scale.max(right_scale);
    let power = crate::values::numeric::power_of_ten;
    Some((left * power(scale - left_scale), right * power(scale - right_scale), scale))
}

fn divisor(left: &BigInt, right: &BigInt) -> BigInt {
    let (mut left, mut right) = (left.abs(), right.abs());
    while !right.is_zero() {
        (left, right) = (right.clone(), left % right);
    }
    left
}

fn common_divisor(left: &Numeric, right: &Numeric) -> Result<Numeric, SqlError> {
    match aligned(left, right) {
        Some((left, right, scale)) => Numeric::from_parts(divisor(&left, &right), scale),
        None => Ok(Numeric::NaN),
    }
}

fn common_multiple(left: &Numeric, right: &Numeric) -> Result<Numeric, SqlError> {
    match aligned(left, right) {
        Some((left, right, scale)) if left.is_zero() || right.is_zero() => Numeric::from_parts(BigInt::zero(), scale),
        Some((left, right, scale)) => {
            let divisor = divisor(&left, &right);
            Numeric::from_parts((left / divisor * right).abs(), scale)
        }
        None => Ok(Numeric::NaN),
    }
}

/// The square root with so many digits after the point, rounded half up.
pub(super) fn root(number: &Numeric, scale: i64) -> Result<Numeric, SqlError> {
    match number {
        Numeric::NaN | Numeric::Infinity => return Ok(number.clone()),
        number if number.signum() == Some(-1) => {
            return Err(SqlError::new("2201F", "cannot take square root of a negative number"));
        }
        _ => {}
    }
    let (digits, own_scale) = number.parts().ok_or_else(mismatch)?;
    // One digit more than is wanted: the square has twice as many.
    let exponent = 2 * (scale + 1) - own_scale;
    let power = crate::values::numeric::power_of_ten;
    let square = if exponent >= 0 { digits * power(exponent) } else { digits / power(-exponent) };
    Numeric::from_parts((square.sqrt() + 5_i32) / 10_i32, scale)
}

/// The digits after the point that PostgreSQL gives a square root: some 16 that matter.
fn root_scale(number: &Numeric) -> i64 {
    let Some((digits, scale)) = number.parts() else {
        return 0;
    };
    let per_digit = crate::values::numeric::DECIMALS_PER_DIGIT;
    let exponent = crate::values::numeric::decimal_digits(&digits) - 1 - scale;
    let weight = if digits.is_zero() { 0 } else { exponent.div_euclid(per_digit) };
    let root_weight = if weight >= 0 { weight * per_digit / 2 + 1 } else { 1 - (1 - weight * per_digit) / 2 };
    (16 - root_weight).max(scale).clamp(0, 1000)
}

fn factorial(values: &[Value]) -> Result<Value, SqlError> {
    let count = integers::integer(values.first())?;
    if count < 0 {
        return Err(SqlError::new("22003", "factorial of a negative number is undefined"));
    }
    if count > 32_177 {
        return Err(SqlError::new("22003", "value overflows numeric format"));
    }
    let product = (1..=count).fold(BigInt::from(1_i32), |product, factor| product * factor);
    Numeric::from_parts(product, 0).map(Value::Numeric)
}

/// The number of the part between two bounds that a number is in.
fn width_bucket(values: &[Value]) -> Result<Value, SqlError> {
    let (operand, low, high) = (number(values, 0)?, number(values, 1)?, number(values, 2)?);
    let count = integers::integer(values.get(3))?;
    let refused = |message: &str| Err(SqlError::new("2201G", message));
    if count <= 0 {
        return refused("count must be greater than zero");
    }
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        return refused("operand, lower bound, and upper bound cannot be NaN");
    }
    if low.parts().is_none() || high.parts().is_none() {
        return refused("lower and upper bounds must be finite");
    }
    let bucket = match low.compare(high) {
        order if order.is_eq() => return refused("lower bound cannot equal upper bound"),
        order => {
            let (is_below, is_above) = if order.is_lt() {
                (operand.compare(low).is_lt(), operand.compare(high).is_ge())
            } else {
                (operand.compare(low).is_gt(), operand.compare(high).is_le())
            };
            if is_below {
                0
            } else if is_above {
                count + 1
            } else {
                let (distance, width) = (operand.sub(low)?.abs(), high.sub(low)?.abs());
                // PostgreSQL's quotient is rounded, up to the next part if it is that close to it.
                let count = Numeric::from(i64::try_from(count).map_err(|_| mismatch())?);
                let part = distance.mul(&count)?.div(&width)?;
                if part.compare(&count).is_ge() {
                    return Err(SqlError::unsupported("width_bucket with a number that close to the bound"));
                }
                i128::from(part.floor()?.to_i64("bigint")?) + 1
            }
        }
    };
    let bucket = i32::try_from(bucket).map_err(|_| SqlError::new("22003", "integer out of range"))?;
    Ok(Value::Int4(bucket))
}

fn scale_of(values: &[Value], of: fn(&Numeric) -> Option<i64>) -> Result<Value, SqlError> {
    let scale = of(number(values, 0)?).and_then(|scale| i32::try_from(scale).ok());
    Ok(scale.map_or(Value::Null, Value::Int4))
}

pub(super) fn find(source: &str) -> Option<Call> {
    Some(Call::Plain(match source {
        "numeric_add" => |values| two(values, Numeric::add),
        "numeric_sub" => |values| two(values, Numeric::sub),
        "numeric_mul" => |values| two(values, Numeric::mul),
        "numeric_div" => |values| two(values, Numeric::div),
        "numeric_div_trunc" => |values| two(values, Numeric::div_trunc),
        "numeric_mod" => |values| two(values, Numeric::rem),
        "numeric_uminus" => |values| one(values, |number| Ok(number.neg())),
        "numeric_uplus" => |values| one(values, |number| Ok(number.clone())),
        "numeric_abs" => |values| one(values, |number| Ok(number.abs())),
        "numeric_sign" => |values| one(values, |number| Ok(sign(number))),
        "numeric_ceil" => |values| one(values, Numeric::ceil),
        "numeric_floor" => |values| one(values, Numeric::floor),
        "round/numeric" => |values| one(values, |number| number.round(0)),
        "trunc/numeric" => |values| one(values, |number| number.trunc(0)),
        "numeric_round" => |values| number(values, 0)?.round(digits(values)?).map(Value::Numeric),
        "numeric_trunc" => |values| number(values, 0)?.trunc(digits(values)?).map(Value::Numeric),
        "numeric_gcd" => |values| two(values, common_divisor),
        "numeric_lcm" => |values| two(values, common_multiple),
        "numeric_sqrt" => |values| one(values, |number| root(number, root_scale(number))),
        "numeric_fac" => factorial,
        "numeric_scale" => |values| scale_of(values, Numeric::scale),
        "numeric_min_scale" => |values| scale_of(values, least_scale),
        "numeric_trim_scale" => |values| one(values, trimmed),
        "width_bucket_numeric" => width_bucket,
        _ => return None,
    }))
}
