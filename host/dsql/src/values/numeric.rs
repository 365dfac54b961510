use std::cmp::Ordering;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::num_traits::{Pow, Signed, ToPrimitive, Zero};

use crate::sql_error::SqlError;
use crate::values::float8;
use crate::values::kind::{Modifier, numeric_modifier};
use crate::values::newer_number::refuse_newer_number;
use crate::values::white_space::is_space;

/// The most digits that a `numeric` has before the point.
const MAX_INTEGER_DIGITS: i64 = 131_072;
/// The most digits that a `numeric` has after the point.
const MAX_SCALE: i64 = 16_383;
/// Beyond this an exponent is refused before it is looked at.
const MAX_EXPONENT: i64 = (i32::MAX / 2) as i64;
/// The digits that matter in a quotient, at the least.
const MIN_SIGNIFICANT_DIGITS: i64 = 16;
/// The most digits after the point that a quotient is given of itself.
const MAX_DISPLAY_SCALE: i64 = 1_000;
/// PostgreSQL counts the weight of a number in digits of this many decimals.
pub(crate) const DECIMALS_PER_DIGIT: i64 = 4;

/// A `numeric` value.
#[derive(Clone, Debug)]
pub(crate) enum Numeric {
    NegativeInfinity,
    /// A number with the digits after the point that it is shown with.
    Finite(BigDecimal),
    Infinity,
    NaN,
}

impl Numeric {
    pub(crate) fn zero() -> Self {
        Self::from(0_i64)
    }

    /// Reads the text of a number, as `numeric_in` does.
    pub(crate) fn parse(text: &str, modifier: Modifier) -> Result<Self, SqlError> {
        let syntax = || SqlError::new("22P02", format!("invalid input syntax for type numeric: \"{text}\""));
        let trimmed = text.trim_matches(is_space);
        let special = match trimmed.to_ascii_lowercase().as_str() {
            "nan" => Some(Self::NaN),
            "infinity" | "+infinity" | "inf" | "+inf" => Some(Self::Infinity),
            "-infinity" | "-inf" => Some(Self::NegativeInfinity),
            _ => None,
        };
        if let Some(special) = special {
            return special.with_modifier(modifier);
        }
        refuse_newer_number(trimmed, "numeric")?;
        let (digits, scale) = split_decimal(trimmed).ok_or_else(syntax)??;
        Self::finite_with_modifier(digits, scale, modifier)
    }

    /// A number whose scale may be below 0, rounded as its modifier says.
    fn finite_with_modifier(digits: BigInt, scale: i64, modifier: Modifier) -> Result<Self, SqlError> {
        // The digits of a number out of range are never written out.
        if !digits.is_zero() && decimal_digits(&digits) - scale > MAX_INTEGER_DIGITS {
            return Err(if modifier < 0 { overflows() } else { field_overflow(modifier) });
        }
        let (digits, scale) = if scale < 0 { (rescale(&digits, scale, 0), 0) } else { (digits, scale) };
        if modifier < 0 {
            return Self::checked(digits, scale);
        }
        let (precision, target) = numeric_modifier(modifier);
        let (precision, target) = (i64::from(precision), i64::from(target));
        let rounded = rescale(&digits, scale, target);
        if !rounded.is_zero() && decimal_digits(&rounded) > precision {
            return Err(field_overflow(modifier));
        }
        let (rounded, target) = if target < 0 { (rescale(&rounded, target, 0), 0) } else { (rounded, target) };
        Self::checked(rounded, target)
    }

    /// The number rounded to its modifier's scale; an error where it has more digits than the
    /// modifier's precision.
    pub(crate) fn with_modifier(&self, modifier: Modifier) -> Result<Self, SqlError> {
        match self {
            Self::Finite(number) if modifier >= 0 => {
                let (digits, scale) = number.as_bigint_and_exponent();
                Self::finite_with_modifier(digits, scale, modifier)
            }
            Self::Infinity | Self::NegativeInfinity if modifier >= 0 => {
                let (precision, scale) = numeric_modifier(modifier);
                Err(SqlError::new("22003", "numeric field overflow").with_detail(format!(
                    "A field with precision {precision}, scale {scale} cannot hold an infinite value."
                )))
            }
            number => Ok(number.clone()),
        }
    }

    /// The number with these digits, of which `scale` (not below 0) are after the point.
    fn checked(digits: BigInt, scale: i64) -> Result<Self, SqlError> {
        if scale > MAX_SCALE || decimal_digits(&digits) - scale > MAX_INTEGER_DIGITS {
            return Err(overflows());
        }
        Ok(Self::Finite(BigDecimal::new(digits, scale)))
    }

    /// The digits after the point that a number is shown with; `None` where it is none.
    pub(crate) fn scale(&self) -> Option<i64> {
        self.parts().map(|(_, scale)| scale)
    }

    /// The number as an integer and how many of its digits are after the point; `None` for what is
    /// no number.
    pub(crate) fn parts(&self) -> Option<(BigInt, i64)> {
        match self {
            Self::Finite(number) => Some(number.as_bigint_and_exponent()),
            Self::NaN | Self::Infinity | Self::NegativeInfinity => None,
        }
    }

    /// The number with these digits, of which `scale` are after the point; rounded where there are
    /// more than a `numeric` holds.
    pub(crate) fn from_parts(digits: BigInt, scale: i64) -> Result<Self, SqlError> {
        if scale > MAX_SCALE {
            return Self::checked(rescale(&digits, scale, MAX_SCALE), MAX_SCALE);
        }
        if scale < 0 {
            return Self::finite_with_modifier(digits, scale, -1);
        }
        Self::checked(digits, scale)
    }

    pub(crate) fn is_nan(&self) -> bool {
        matches!(self, Self::NaN)
    }

    /// -1, 0 or 1; `None` for NaN.
    pub(crate) fn signum(&self) -> Option<i32> {
        match self {
            Self::NaN => None,
            Self::Infinity => Some(1),
            Self::NegativeInfinity => Some(-1),
            Self::Finite(number) => Some(match number.sign() {
                Sign::Minus => -1,
                Sign::NoSign => 0,
                Sign::Plus => 1,
            }),
        }
    }

    fn infinity(signum: i32) -> Self {
        match signum {
            0 => Self::NaN,
            1.. => Self::Infinity,
            _ => Self::NegativeInfinity,
        }
    }

    pub(crate) fn add(&self, other: &Self) -> Result<Self, SqlError> {
        match (self, other) {
            (Self::Finite(left), Self::Finite(right)) => {
                let (left, left_scale) = left.as_bigint_and_exponent();
                let (right, right_scale) = right.as_bigint_and_exponent();
                let scale = left_scale.max(right_scale);
                Self::checked(rescale(&left, left_scale, scale) + rescale(&right, right_scale, scale), scale)
            }
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (Self::Infinity, Self::NegativeInfinity) | (Self::NegativeInfinity, Self::Infinity) => Ok(Self::NaN),
            (Self::Finite(_), infinity) | (infinity, _) => Ok(infinity.clone()),
        }
    }

    pub(crate) fn sub(&self, other: &Self) -> Result<Self, SqlError> {
        self.add(&other.neg())
    }

    pub(crate) fn mul(&self, other: &Self) -> Result<Self, SqlError> {
        match (self, other) {
            (Self::Finite(left), Self::Finite(right)) => {
                let (left, left_scale) = left.as_bigint_and_exponent();
                let (right, right_scale) = right.as_bigint_and_exponent();
                Self::from_parts(left * right, left_scale + right_scale)
            }
            (left, right) => Ok(match (left.signum(), right.signum()) {
                (Some(left), Some(right)) => Self::infinity(left * right),
                _ => Self::NaN,
            }),
        }
    }

    /// The quotient, with as many digits as PostgreSQL gives it.
    pub(crate) fn div(&self, other: &Self) -> Result<Self, SqlError> {
        match (self, other) {
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (_, Self::Finite(right)) if right.is_zero() => Err(division_by_zero()),
            (Self::Finite(left), Self::Finite(right)) => {
                let scale = quotient_scale(left, right);
                let (left, left_scale) = left.as_bigint_and_exponent();
                let (right, right_scale) = right.as_bigint_and_exponent();
                // left / 10^left_scale / (right / 10^right_scale) * 10^scale
                let exponent = scale + right_scale - left_scale;
                let (numerator, denominator) = if exponent >= 0 {
                    (left * power_of_ten(exponent), right)
                } else {
                    (left, right * power_of_ten(-exponent))
                };
                Self::checked(divide_rounding(&numerator, &denominator), scale)
            }
            (Self::Finite(_), _) => Ok(Self::zero()),
            (infinity, Self::Finite(right)) => {
                let right = if right.is_negative() { -1 } else { 1 };
                Ok(Self::infinity(infinity.signum().unwrap_or(0) * right))
            }
            _ => Ok(Self::NaN),
        }
    }

    /// The quotient without what is after the point (`div`).
    pub(crate) fn div_trunc(&self, other: &Self) -> Result<Self, SqlError> {
        match (self, other) {
            (Self::Finite(left), Self::Finite(right)) if !right.is_zero() => {
                let (left, left_scale) = left.as_bigint_and_exponent();
                let (right, right_scale) = right.as_bigint_and_exponent();
                let scale = left_scale.max(right_scale);
                Self::checked(rescale(&left, left_scale, scale) / rescale(&right, right_scale, scale), 0)
            }
            _ => self.div(other),
        }
    }

    /// The rest of the division, with the sign of the dividend.
    pub(crate) fn rem(&self, other: &Self) -> Result<Self, SqlError> {
        match (self, other) {
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (_, Self::Finite(right)) if right.is_zero() => Err(division_by_zero()),
            (Self::Finite(left), Self::Finite(right)) => {
                let (left, left_scale) = left.as_bigint_and_exponent();
                let (right, right_scale) = right.as_bigint_and_exponent();
                let scale = left_scale.max(right_scale);
                Self::checked(rescale(&left, left_scale, scale) % rescale(&right, right_scale, scale), scale)
            }
            (Self::Finite(_), _) => Ok(self.clone()),
            _ => Ok(Self::NaN),
        }
    }

    pub(crate) fn neg(&self) -> Self {
        match self {
            Self::Finite(number) => {
                let (digits, scale) = number.as_bigint_and_exponent();
                Self::Finite(BigDecimal::new(-digits, scale))
            }
            Self::Infinity => Self::NegativeInfinity,
            Self::NegativeInfinity => Self::Infinity,
            Self::NaN => Self::NaN,
        }
    }

    pub(crate) fn abs(&self) -> Self {
        if self.signum() == Some(-1) { self.neg() } else { self.clone() }
    }

    /// Rounded half away from zero, to this many digits after the point.
    pub(crate) fn round(&self, digits: i32) -> Result<Self, SqlError> {
        self.to_scale(digits, rescale)
    }

    /// Cut to this many digits after the point.
    pub(crate) fn trunc(&self, digits: i32) -> Result<Self, SqlError> {
        self.to_scale(
            digits,
            |digits, from, to| {
                if to >= from { rescale(digits, from, to) } else { digits / power_of_ten(from - to) }
            },
        )
    }

    fn to_scale(&self, digits: i32, rescale_by: fn(&BigInt, i64, i64) -> BigInt) -> Result<Self, SqlError> {
        let Some((number, scale)) = self.parts() else { return Ok(self.clone()) };
        let target = i64::from(digits).clamp(-MAX_INTEGER_DIGITS - 1, MAX_SCALE);
        let number = rescale_by(&number, scale, target);
        if target < 0 { Self::checked(rescale(&number, target, 0), 0) } else { Self::checked(number, target) }
    }

    pub(crate) fn ceil(&self) -> Result<Self, SqlError> {
        self.to_integer(1)
    }

    pub(crate) fn floor(&self) -> Result<Self, SqlError> {
        self.to_integer(-1)
    }

    /// The next integer in this direction.
    fn to_integer(&self, direction: i32) -> Result<Self, SqlError> {
        let cut = self.trunc(0)?;
        let is_cut = self.compare(&cut) != Ordering::Equal;
        if is_cut && self.signum() == Some(direction) { cut.add(&Self::from(i64::from(direction))) } else { Ok(cut) }
    }

    /// The nearest integer, half away from zero.
    ///
    /// # Errors
    /// `<kind> out of range`, or what is no number.
    pub(crate) fn to_i64(&self, kind: &str) -> Result<i64, SqlError> {
        let what = match self {
            Self::Finite(number) => {
                let (digits, scale) = number.as_bigint_and_exponent();
                let integer = rescale(&digits, scale, 0).to_i64();
                return integer.ok_or_else(|| SqlError::new("22003", format!("{kind} out of range")));
            }
            Self::NaN => "NaN",
            Self::Infinity | Self::NegativeInfinity => "infinity",
        };
        Err(SqlError::new("0A000", format!("cannot convert {what} to {kind}")))
    }

    /// The nearest `double precision`.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn to_f64(&self) -> Result<f64, SqlError> {
        float8::parse(&self.to_string())
    }

    /// The number to 15 digits, as the cast of PostgreSQL.
    pub(crate) fn from_f64(number: f64) -> Result<Self, SqlError> {
        if number.is_nan() {
            return Ok(Self::NaN);
        }
        if number.is_infinite() {
            return Ok(if number > 0.0 { Self::Infinity } else { Self::NegativeInfinity });
        }
        let text = format!("{number:.14e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        Self::parse(&format!("{mantissa}e{exponent}"), -1)
    }

    /// The order of `numeric`: NaN is equal to itself and above all others.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        if let (Self::Finite(left), Self::Finite(right)) = (self, other) {
            return left.cmp(right);
        }
        self.rank().cmp(&other.rank())
    }

    fn rank(&self) -> u8 {
        match self {
            Self::NegativeInfinity => 0,
            Self::Finite(_) => 1,
            Self::Infinity => 2,
            Self::NaN => 3,
        }
    }
}

impl From<i64> for Numeric {
    fn from(number: i64) -> Self {
        Self::Finite(BigDecimal::new(BigInt::from(number), 0))
    }
}

/// As PostgreSQL shows it: all digits, no exponent.
impl std::fmt::Display for Numeric {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NaN => formatter.write_str("NaN"),
            Self::Infinity => formatter.write_str("Infinity"),
            Self::NegativeInfinity => formatter.write_str("-Infinity"),
            Self::Finite(number) => {
                let (number, scale) = number.as_bigint_and_exponent();
                if number.is_negative() {
                    formatter.write_str("-")?;
                }
                let scale = usize::try_from(scale).unwrap_or(0);
                let digits = format!("{:0>width$}", number.magnitude().to_string(), width = scale + 1);
                let (integer, fraction) = digits.split_at(digits.len() - scale);
                formatter.write_str(integer)?;
                if scale > 0 { write!(formatter, ".{fraction}") } else { Ok(()) }
            }
        }
    }
}

/// The digits of a decimal number and how many of them are after the point (below 0: zeros are to be
/// added). `None` where it is no decimal number; an error where its exponent is out of range.
fn split_decimal(text: &str) -> Option<Result<(BigInt, i64), SqlError>> {
    let (is_negative, unsigned) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let (integer, rest) = split_digits(unsigned);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    if integer.len() + fraction.len() == 0 {
        return None;
    }
    let (exponent, rest) = match rest.strip_prefix(['e', 'E']) {
        None => (0, rest),
        Some(text) => {
            if text.trim_start_matches(is_space).len() < text.len() {
                // PostgreSQL 15 overlooks the blank, 16 does not.
                return Some(Err(SqlError::unsupported("a blank before the exponent of a numeric")));
            }
            let (sign, unsigned) = match text.strip_prefix(['+', '-']) {
                Some(rest) => (if text.starts_with('-') { -1 } else { 1 }, rest),
                None => (1, text),
            };
            let (digits, rest) = split_digits(unsigned);
            if digits.is_empty() {
                return None;
            }
            // More digits than an i64 has are out of range too.
            match digits.parse::<i64>() {
                Ok(exponent) if exponent < MAX_EXPONENT => (sign * exponent, rest),
                _ => return Some(Err(overflows())),
            }
        }
    };
    if !rest.is_empty() {
        return None;
    }
    let digits = format!("{integer}{fraction}").parse::<BigInt>().ok()?;
    let scale = i64::try_from(fraction.len()).ok()? - exponent;
    Some(Ok((if is_negative { -digits } else { digits }, scale)))
}

/// The decimal digits that a text starts with, and what is behind them.
fn split_digits(text: &str) -> (&str, &str) {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at_checked(length).unwrap_or((text, ""))
}

fn overflows() -> SqlError {
    SqlError::new("22003", "value overflows numeric format")
}

fn division_by_zero() -> SqlError {
    SqlError::new("22012", "division by zero")
}

fn field_overflow(modifier: Modifier) -> SqlError {
    let (precision, scale) = numeric_modifier(modifier);
    let bound = match precision - scale {
        0 => "1".to_owned(),
        digits => format!("10^{digits}"),
    };
    SqlError::new("22003", "numeric field overflow").with_detail(format!(
        "A field with precision {precision}, scale {scale} must round to an absolute value less than {bound}."
    ))
}

pub(crate) fn power_of_ten(exponent: i64) -> BigInt {
    Pow::pow(BigInt::from(10), u64::try_from(exponent).unwrap_or(0))
}

/// How many decimal digits a number has; 0 for 0.
pub(crate) fn decimal_digits(number: &BigInt) -> i64 {
    if number.is_zero() {
        return 0;
    }
    if let Some(small) = number.magnitude().to_u64() {
        return i64::from(small.ilog10()) + 1;
    }
    i64::try_from(number.magnitude().to_string().len()).unwrap_or(i64::MAX)
}

/// A number with `to` digits after the point where it had `from`: rounded half away from zero.
fn rescale(digits: &BigInt, from: i64, to: i64) -> BigInt {
    match to.cmp(&from) {
        Ordering::Equal => digits.clone(),
        Ordering::Greater if digits.is_zero() => BigInt::zero(),
        Ordering::Greater => digits * power_of_ten(to - from),
        // All digits go, and the first of them is not reached by rounding.
        Ordering::Less if from - to > decimal_digits(digits) => BigInt::zero(),
        Ordering::Less => divide_rounding(digits, &power_of_ten(from - to)),
    }
}

/// The quotient rounded half away from zero.
fn divide_rounding(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let quotient = numerator / denominator;
    let rest = numerator - &quotient * denominator;
    if (rest * 2_i32).magnitude() < denominator.magnitude() {
        return quotient;
    }
    let is_negative = numerator.is_negative() != denominator.is_negative();
    if is_negative { quotient - 1_i32 } else { quotient + 1_i32 }
}

/// The digits after the point of a quotient: at least 16 that matter, and as many as each of the two
/// has.
fn quotient_scale(left: &BigDecimal, right: &BigDecimal) -> i64 {
    let (left_weight, left_first) = leading_digit(left);
    let (right_weight, right_first) = leading_digit(right);
    let mut weight = left_weight - right_weight;
    if left_first <= right_first {
        weight -= 1;
    }
    let scale = MIN_SIGNIFICANT_DIGITS - weight * DECIMALS_PER_DIGIT;
    let shown = |number: &BigDecimal| number.as_bigint_and_exponent().1;
    scale.max(shown(left)).max(shown(right)).clamp(0, MAX_DISPLAY_SCALE)
}

/// The weight of the first digit of PostgreSQL's, to the base 10,000, and that digit; 0 and 0 for 0.
fn leading_digit(number: &BigDecimal) -> (i64, i64) {
    let (digits, scale) = number.as_bigint_and_exponent();
    if digits.is_zero() {
        return (0, 0);
    }
    // The exponent of the first decimal digit.
    let exponent = decimal_digits(&digits) - 1 - scale;
    let weight = exponent.div_euclid(DECIMALS_PER_DIGIT);
    let unit = weight * DECIMALS_PER_DIGIT + scale;
    let magnitude = digits.abs();
    let first = if unit >= 0 { magnitude / power_of_ten(unit) } else { magnitude * power_of_ten(-unit) };
    (weight, first.to_i64().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::kind::pack_numeric_modifier;

    fn number(text: &str) -> Numeric {
        Numeric::parse(text, -1).unwrap()
    }

    /// As `SELECT 1 / 3.0` of PostgreSQL 15.
    #[test]
    fn a_quotient_has_sixteen_digits_that_matter() {
        let quotients = [
            ("1", "3.0", "0.33333333333333333333"),
            ("10000", "3", "3333.3333333333333333"),
            ("6", "2", "3.0000000000000000"),
        ];
        for (left, right, quotient) in quotients {
            assert_eq!(number(left).div(&number(right)).unwrap().to_string(), quotient);
        }
        assert_eq!(number("1").div(&number("0")).unwrap_err().sqlstate, "22012");
    }

    #[test]
    fn a_sum_keeps_the_digits_of_both_and_a_product_those_of_each() {
        assert_eq!(number("1.50").add(&number("2.5")).unwrap().to_string(), "4.00");
        assert_eq!(number("1.50").mul(&number("2.5")).unwrap().to_string(), "3.750");
    }

    #[test]
    fn a_column_rounds_half_away_from_zero_and_names_what_it_cannot_hold() {
        let modifier = pack_numeric_modifier(5, 2);
        assert_eq!(number("-0.005").with_modifier(modifier).unwrap().to_string(), "-0.01");
        let error = number("999.995").with_modifier(modifier).unwrap_err();
        let detail = "A field with precision 5, scale 2 must round to an absolute value less than 10^3.";
        assert_eq!((error.sqlstate, error.detail.as_deref()), ("22003", Some(detail)));
    }
}
