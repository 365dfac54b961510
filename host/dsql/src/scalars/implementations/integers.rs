//! Arithmetic, bits and comparison of `smallint`, `integer` and `bigint`.

use std::cmp::Ordering;

use crate::scalars::Call;
use crate::sql_error::SqlError;
use crate::values::value::Value;

/// The number of bits of the result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Two,
    Four,
    Eight,
}

impl Width {
    const fn of(bytes: u8) -> Self {
        match bytes {
            2 => Self::Two,
            4 => Self::Four,
            _ => Self::Eight,
        }
    }

    fn fit(self, value: Option<i128>) -> Result<Value, SqlError> {
        let (fitted, name) = match self {
            Self::Two => (value.and_then(|value| value.try_into().ok()).map(Value::Int2), "smallint"),
            Self::Four => (value.and_then(|value| value.try_into().ok()).map(Value::Int4), "integer"),
            Self::Eight => (value.and_then(|value| value.try_into().ok()).map(Value::Int8), "bigint"),
        };
        fitted.ok_or_else(|| SqlError::new("22003", format!("{name} out of range")))
    }

    fn bits(self) -> u32 {
        match self {
            // PostgreSQL shifts a smallint as an integer.
            Self::Two | Self::Four => 32,
            Self::Eight => 64,
        }
    }
}

/// The value of an integer of any width.
pub(super) fn integer(value: Option<&Value>) -> Result<i128, SqlError> {
    match value {
        Some(Value::Int2(value)) => Ok((*value).into()),
        Some(Value::Int4(value)) => Ok((*value).into()),
        Some(Value::Int8(value)) => Ok((*value).into()),
        Some(Value::Oid(value)) => Ok((*value).into()),
        _ => Err(super::mismatch()),
    }
}

fn pair(values: &[Value]) -> Result<(i128, i128), SqlError> {
    Ok((integer(values.first())?, integer(values.get(1))?))
}

pub(super) fn division_by_zero() -> SqlError {
    SqlError::new("22012", "division by zero")
}

fn add<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    let (left, right) = pair(values)?;
    Width::of(WIDTH).fit(Some(left + right))
}

fn subtract<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    let (left, right) = pair(values)?;
    Width::of(WIDTH).fit(Some(left - right))
}

fn multiply<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    let (left, right) = pair(values)?;
    Width::of(WIDTH).fit(left.checked_mul(right))
}

fn divide<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    let (left, right) = pair(values)?;
    if right == 0 {
        return Err(division_by_zero());
    }
    Width::of(WIDTH).fit(left.checked_div(right))
}

fn remainder<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    let (left, right) = pair(values)?;
    if right == 0 {
        return Err(division_by_zero());
    }
    Width::of(WIDTH).fit(left.checked_rem(right))
}

fn negate<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    Width::of(WIDTH).fit(Some(-integer(values.first())?))
}

fn keep(values: &[Value]) -> Result<Value, SqlError> {
    values.first().cloned().ok_or_else(super::mismatch)
}

fn absolute<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    Width::of(WIDTH).fit(Some(integer(values.first())?.abs()))
}

fn and<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    let (left, right) = pair(values)?;
    Width::of(WIDTH).fit(Some(left & right))
}

fn or<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    let (left, right) = pair(values)?;
    Width::of(WIDTH).fit(Some(left | right))
}

fn exclusive_or<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    let (left, right) = pair(values)?;
    Width::of(WIDTH).fit(Some(left ^ right))
}

fn complement<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    Width::of(WIDTH).fit(Some(!integer(values.first())?))
}

fn shift<const WIDTH: u8, const LEFT: bool>(values: &[Value]) -> Result<Value, SqlError> {
    let width = Width::of(WIDTH);
    let (value, count) = pair(values)?;
    // The count is taken modulo the width, and what is shifted out is gone, as on the processors
    // that PostgreSQL runs on.
    let count = u32::try_from(count.rem_euclid(width.bits().into())).unwrap_or(0);
    let shifted = if LEFT { value << count } else { value >> count };
    Ok(match width {
        Width::Two => Value::Int2(shifted as i16),
        Width::Four => Value::Int4(shifted as i32),
        Width::Eight => Value::Int8(shifted as i64),
    })
}

fn common_divisor<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    let (left, right) = pair(values)?;
    Width::of(WIDTH).fit(Some(divisor(left, right)))
}

fn divisor(left: i128, right: i128) -> i128 {
    let (mut left, mut right) = (left.abs(), right.abs());
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

fn common_multiple<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    let (left, right) = pair(values)?;
    if left == 0 || right == 0 {
        return Width::of(WIDTH).fit(Some(0));
    }
    Width::of(WIDTH).fit((left / divisor(left, right)).checked_mul(right).map(i128::abs))
}

fn hexadecimal<const WIDTH: u8>(values: &[Value]) -> Result<Value, SqlError> {
    let value = integer(values.first())?;
    Ok(super::text(match WIDTH {
        4 => format!("{:x}", value as i32),
        _ => format!("{:x}", value as i64),
    }))
}

fn compare<const LESS: bool, const EQUAL: bool, const GREATER: bool>(values: &[Value]) -> Result<Value, SqlError> {
    let (left, right) = pair(values)?;
    Ok(Value::Bool(match left.cmp(&right) {
        Ordering::Less => LESS,
        Ordering::Equal => EQUAL,
        Ordering::Greater => GREATER,
    }))
}

pub(super) fn find(source: &str) -> Option<Call> {
    Some(Call::Plain(match source {
        "int2pl" => add::<2>,
        "int4pl" | "int24pl" | "int42pl" => add::<4>,
        "int8pl" | "int28pl" | "int82pl" | "int48pl" | "int84pl" => add::<8>,
        "int2mi" => subtract::<2>,
        "int4mi" | "int24mi" | "int42mi" => subtract::<4>,
        "int8mi" | "int28mi" | "int82mi" | "int48mi" | "int84mi" => subtract::<8>,
        "int2mul" => multiply::<2>,
        "int4mul" | "int24mul" | "int42mul" => multiply::<4>,
        "int8mul" | "int28mul" | "int82mul" | "int48mul" | "int84mul" => multiply::<8>,
        "int2div" => divide::<2>,
        "int4div" | "int24div" | "int42div" => divide::<4>,
        "int8div" | "int28div" | "int82div" | "int48div" | "int84div" => divide::<8>,
        "int2mod" => remainder::<2>,
        "int4mod" => remainder::<4>,
        "int8mod" => remainder::<8>,
        "int2um" => negate::<2>,
        "int4um" => negate::<4>,
        "int8um" => negate::<8>,
        "int2up" | "int4up" | "int8up" => keep,
        "int2abs" => absolute::<2>,
        "int4abs" => absolute::<4>,
        "int8abs" => absolute::<8>,
        "int2and" => and::<2>,
        "int4and" => and::<4>,
        "int8and" => and::<8>,
        "int2or" => or::<2>,
        "int4or" => or::<4>,
        "int8or" => or::<8>,
        "int2xor" => exclusive_or::<2>,
        "int4xor" => exclusive_or::<4>,
        "int8xor" => exclusive_or::<8>,
        "int2not" => complement::<2>,
        "int4not" => complement::<4>,
        "int8not" => complement::<8>,
        "int2shl" => shift::<2, true>,
        "int4shl" => shift::<4, true>,
        "int8shl" => shift::<8, true>,
        "int2shr" => shift::<2, false>,
        "int4shr" => shift::<4, false>,
        "int8shr" => shift::<8, false>,
        "int4gcd" => common_divisor::<4>,
        "int8gcd" => common_divisor::<8>,
        "int4lcm" => common_multiple::<4>,
        "int8lcm" => common_multiple::<8>,
        "to_hex32" => hexadecimal::<4>,
        "to_hex64" => hexadecimal::<8>,
        _ => return comparison(source),
    }))
}

fn comparison(source: &str) -> Option<Call> {
    let digits = source.strip_prefix("int")?;
    Some(Call::Plain(match digits.trim_start_matches(['2', '4', '8']) {
        "lt" => compare::<true, false, false>,
        "le" => compare::<true, true, false>,
        "eq" => compare::<false, true, false>,
        "ne" => compare::<true, false, true>,
        "ge" => compare::<false, true, true>,
        "gt" => compare::<false, false, true>,
        _ => return None,
    }))
}
