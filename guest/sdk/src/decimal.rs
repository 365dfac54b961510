use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::iter::{repeat, repeat_n};
use std::ops::Neg;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::row::{Native, native};
use crate::{Result, TextError, reject};

/// An exact decimal number: SQL's `numeric`, and a number in JSON.
///
/// It keeps the digits after the point as written (`100.50` is printed as `100.50`), but compares
/// by value: `100.5` equals `100.50`. It has at most 1,000 digits, is never converted to a float
/// and never rounds: a number that does not fit is refused.
///
/// In JSON it is a number, which may have an exponent (`1e3` is `1000`). It has to be read directly
/// by serde_json: a [`serde_json::Value`] and serde's `flatten`, `untagged` and internally tagged
/// enums convert numbers to floats, and a `Decimal` inside one of the last three is an error.
///
/// ```
/// use tenet::Decimal;
///
/// let price: Decimal = "19.90".parse()?;
/// let total = price.try_mul(&Decimal::parse("3")?)?.try_add(&"4.95".parse()?)?;
/// assert_eq!(total.to_string(), "64.65");
/// assert!(total > price && total == "64.650".parse()?);
/// total.fits(12, 2)?;
/// assert_eq!(total.try_sub(&total)?, Decimal::ZERO);
/// # Ok::<(), tenet::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Decimal {
    negative: bool,
    /// The digits without the point, 0 to 9, most significant first, without leading zeros. Empty
    /// for zero, which is never negative.
    digits: Vec<u8>,
    /// How many of the digits are after the point.
    scale: usize,
}

/// Why a number is not a valid [`Decimal`]. With `?` it becomes the rejection `invalid-data`.
///
/// ```
/// use tenet::{Decimal, DecimalError};
///
/// let wrong: DecimalError = Decimal::parse("1,5").unwrap_err();
/// assert!(wrong.to_string().starts_with("expected a decimal number"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecimalError {
    what: &'static str,
}

const MAX_DIGITS: usize = 1_000;
const TOO_LONG: DecimalError = DecimalError { what: "a decimal has at most 1000 digits" };
const NO_NUMBER: DecimalError =
    DecimalError { what: "expected a decimal number: digits with at most one point between them" };

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { negative: false, digits: Vec::new(), scale: 0 };

    /// Reads `-?digits(.digits)?`; no exponent, no plus sign, no white space.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        Self::read(text, 0)
    }

    /// Reads a JSON number, with an exponent.
    fn parse_json(text: &str) -> Result<Self, DecimalError> {
        let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
            return Self::parse(text);
        };
        // Zero is zero with any exponent; any other number whose exponent does not fit has too many
        // digits.
        match exponent.parse() {
            Ok(exponent) => Self::read(mantissa, exponent),
            Err(_) if Self::parse(mantissa)?.is_zero() => Ok(Self::ZERO),
            Err(_) => Err(TOO_LONG),
        }
    }

    fn read(mantissa: &str, exponent: i64) -> Result<Self, DecimalError> {
        let (negative, unsigned) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
        let mut digits = Vec::with_capacity(unsigned.len());
        let (mut read, mut before) = (0, None);
        for byte in unsigned.bytes() {
            match byte {
                b'0'..=b'9' => {
                    read += 1;
                    if byte != b'0' || !digits.is_empty() {
                        digits.push(byte - b'0');
                    }
                }
                b'.' if before.is_none() && read > 0 => before = Some(read),
                _ => return Err(NO_NUMBER),
            }
        }
        if read == 0 || before == Some(read) {
            return Err(NO_NUMBER);
        }
        let after = before.map_or(0, |before| read - before);
        if digits.is_empty() {
            // Zero keeps its value with any exponent, so its scale is clamped to the possible
            // range.
            let scale = match exponent {
                0 => after,
                _ => usize::try_from((after as i64).saturating_sub(exponent)).unwrap_or(0).min(MAX_DIGITS - 1),
            };
            return Self::new(false, digits, scale);
        }
        let scale = (after as i64).checked_sub(exponent).ok_or(TOO_LONG)?;
        if scale.unsigned_abs() > MAX_DIGITS as u64 {
            return Err(TOO_LONG);
        }
        if scale < 0 {
            digits.extend(repeat_n(0, scale.unsigned_abs() as usize));
        }
        Self::new(negative, digits, usize::try_from(scale).unwrap_or(0))
    }

    fn new(negative: bool, mut digits: Vec<u8>, scale: usize) -> Result<Self, DecimalError> {
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..zeros);
        if digits.len().max(scale + 1) > MAX_DIGITS {
            return Err(TOO_LONG);
        }
        Ok(Self { negative: negative && !digits.is_empty(), digits, scale })
    }

    /// The number of digits after the point.
    ///
    /// ```
    /// assert_eq!(tenet::Decimal::parse("100.50")?.scale(), 2);
    /// # Ok::<(), tenet::Error>(())
    /// ```
    pub fn scale(&self) -> usize {
        self.scale
    }

    /// Whether it is negative.
    ///
    /// ```
    /// assert!(tenet::Decimal::parse("-0.01")?.is_negative());
    /// # Ok::<(), tenet::Error>(())
    /// ```
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether it is zero.
    ///
    /// ```
    /// assert!(tenet::Decimal::parse("0.00")?.is_zero());
    /// # Ok::<(), tenet::Error>(())
    /// ```
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Rejects with `invalid-amount` unless a column `numeric(precision, scale)` can hold the
    /// number without rounding. Trailing zeros do not count.
    pub fn fits(&self, precision: usize, scale: usize) -> Result<()> {
        let needed = self.scale - self.superfluous();
        let before = self.digits.len().saturating_sub(self.scale);
        let most = precision.saturating_sub(scale);
        if needed > scale {
            Err(reject(
                "invalid-amount",
                format!("the number has {needed} digits after the point, and {scale} at most are allowed"),
            ))
        } else if before > most {
            Err(reject(
                "invalid-amount",
                format!("the number has {before} digits before the point, and {most} at most are allowed"),
            ))
        } else if !self.is_zero() && self.digits.len() + scale > precision + self.scale {
            // The column has more decimals than digits.
            Err(reject("invalid-amount", format!("the number does not fit numeric({precision},{scale})")))
        } else {
            Ok(())
        }
    }

    /// The exact sum, unless it has too many digits.
    pub fn try_add(&self, other: &Self) -> Result<Self, DecimalError> {
        let scale = self.scale.max(other.scale);
        let (a, b) = (self.at_scale(scale), other.at_scale(scale));
        if self.negative == other.negative {
            return Self::new(self.negative, add(&a, &b), scale);
        }
        match compare(&a, &b) {
            Ordering::Less => Self::new(other.negative, subtract(&b, &a), scale),
            _ => Self::new(self.negative, subtract(&a, &b), scale),
        }
    }

    /// The exact difference, unless it has too many digits.
    pub fn try_sub(&self, other: &Self) -> Result<Self, DecimalError> {
        self.try_add(&-other.clone())
    }

    /// The exact product, unless it has too many digits. Its scale is the sum of both.
    pub fn try_mul(&self, other: &Self) -> Result<Self, DecimalError> {
        if self.digits.len() + other.digits.len() > MAX_DIGITS + 1 {
            return Err(TOO_LONG);
        }
        let product = multiply(&self.digits, &other.digits);
        Self::new(self.negative != other.negative, product, self.scale + other.scale)
    }

    /// The number of trailing zeros after the point.
    fn superfluous(&self) -> usize {
        if self.is_zero() {
            return self.scale;
        }
        self.digits.iter().rev().take_while(|digit| **digit == 0).count().min(self.scale)
    }

    /// The digits at an equal or larger scale.
    fn at_scale(&self, scale: usize) -> Vec<u8> {
        self.digits.iter().copied().chain(repeat_n(0, scale - self.scale)).collect()
    }
}

/// Compares numbers without leading zeros, most significant digit first.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |digits: &[u8]| digits.iter().skip_while(|digit| **digit == 0).count();
    significant(a)
        .cmp(&significant(b))
        .then_with(|| a.iter().skip_while(|digit| **digit == 0).cmp(b.iter().skip_while(|digit| **digit == 0)))
}

fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let lowest_first = |digits: &[u8]| {
        digits.iter().rev().copied().chain(repeat(0)).take(a.len().max(b.len()) + 1).collect::<Vec<u8>>()
    };
    let mut carry = 0;
    let mut sum: Vec<u8> = lowest_first(a)
        .into_iter()
        .zip(lowest_first(b))
        .map(|(a, b)| {
            let digit = a + b + carry;
            carry = digit / 10;
            digit % 10
        })
        .collect();
    sum.reverse();
    sum
}

/// Computes `a - b`, where `b` is not larger than `a`.
fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut difference: Vec<u8> = a
        .iter()
        .rev()
        .zip(b.iter().rev().copied().chain(repeat(0)))
        .map(|(a, b)| {
            let digit = a + 10 - b - borrow;
            borrow = u8::from(digit < 10);
            digit % 10
        })
        .collect();
    difference.reverse();
    difference
}

fn multiply(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut product = vec![0_u8; a.len() + b.len()];
    for (shift, x) in a.iter().rev().enumerate() {
        let mut carry = 0;
        let ys = b.iter().rev().copied().chain(repeat(0));
        for (slot, y) in product.iter_mut().skip(shift).zip(ys) {
            let digit = *slot + x * y + carry;
            carry = digit / 10;
            *slot = digit % 10;
        }
    }
    product.reverse();
    product
}

impl Neg for Decimal {
    type Output = Self;

    fn neg(mut self) -> Self {
        self.negative = !self.negative && !self.is_zero();
        self
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        let by_magnitude = || compare(&self.at_scale(scale), &other.at_scale(scale));
        match (self.negative, other.negative) {
            (false, false) => by_magnitude(),
            (true, true) => by_magnitude().reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let superfluous = self.superfluous();
        (self.negative, self.scale - superfluous).hash(state);
        self.digits.iter().take(self.digits.len().saturating_sub(superfluous)).for_each(|digit| digit.hash(state));
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        let mut rest = number.unsigned_abs();
        let mut digits = Vec::new();
        while rest > 0 {
            digits.push((rest % 10) as u8);
            rest /= 10;
        }
        digits.reverse();
        Self { negative: number < 0, digits, scale: 0 }
    }
}

impl From<i32> for Decimal {
    fn from(number: i32) -> Self {
        Self::from(i64::from(number))
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Self::parse(text)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = (self.scale + 1).saturating_sub(self.digits.len());
        let digits = repeat_n(&0, missing).chain(&self.digits);
        let before = self.digits.len() + missing - self.scale;
        let mut text = String::with_capacity(before + self.scale + 2);
        if self.negative {
            text.push('-');
        }
        for (place, digit) in digits.enumerate() {
            if place == before {
                text.push('.');
            }
            text.push(char::from(b'0' + digit));
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        native(deserializer)
    }
}

impl Native for Decimal {
    const NAME: &'static str = "tenet::Decimal";
    const EXPECTED: &'static str = "a decimal number";

    fn from_text(text: &str) -> Result<Self, TextError> {
        Self::read(text, 0).map_err(|error| TextError::because(error.what))
    }

    fn from_number(number: i64) -> Option<Self> {
        Some(Self::from(number))
    }

    fn from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer).map_err(|error| match error.to_string() {
            // serde reports in this way that it has buffered the number, which loses its digits.
            said if said.contains("newtype struct") => D::Error::custom(
                "a decimal cannot be read through serde's `flatten`, `untagged` or an internally tagged enum, \
                 which keep numbers as floats",
            ),
            _ => error,
        })?;
        Self::parse_json(text.get()).map_err(D::Error::custom)
    }
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl std::error::Error for DecimalError {}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn from_json(text: &str) -> Result<String, String> {
        serde_json::from_str::<Decimal>(text).map(|number| number.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn digits_stay_as_they_were_written() {
        for text in ["0", "0.00", "100.50", "-100.50", "0.001", "99999999.99", "-0.5", "12345678901234567890.123456789"]
        {
            assert_eq!(decimal(text).to_string(), text);
        }
        for (text, told) in [("007.50", "7.50"), ("-0.00", "0.00"), ("-0", "0"), ("00", "0")] {
            assert_eq!(decimal(text).to_string(), told);
        }
        assert_eq!((decimal("100.50").scale(), decimal("7").scale()), (2, 0));
    }

    #[test]
    fn what_is_no_plain_number_is_refused() {
        for text in ["", "-", ".5", "5.", ".", "1e3", "+1", "NaN", "Infinity", "1.2.3", " 1", "1,0", "--1", "٣"] {
            assert!(Decimal::parse(text).is_err(), "{text}");
        }
        assert!(Decimal::parse(&"9".repeat(1_000)).is_ok());
        assert!(Decimal::parse(&"9".repeat(1_001)).is_err());
        assert!(Decimal::parse(&format!("0.{}", "0".repeat(1_000))).is_err());
    }

    #[test]
    fn json_numbers_are_read_exactly() {
        for (json, told) in [
            ("100.50", "100.50"),
            ("9007199254740993.1", "9007199254740993.1"),
            ("1.005e2", "100.5"),
            ("1E+3", "1000"),
            ("-15e-1", "-1.5"),
            ("1e-3", "0.001"),
            ("0e5", "0"),
            ("0e99999999999999999999", "0"),
            ("0e-99999999999999999999", "0"),
        ] {
            assert_eq!(from_json(json).as_deref(), Ok(told), "{json}");
        }
        assert_eq!(from_json("1e400").unwrap().len(), 401);
        assert_eq!(from_json("1e-400").unwrap().len(), 402);
    }

    #[test]
    fn json_that_is_no_number_or_too_long_is_refused() {
        for (json, why) in [
            ("\"100.50\"", "expected a decimal number"),
            ("null", "expected a decimal number"),
            ("true", "expected a decimal number"),
            ("[1]", "expected a decimal number"),
            ("1e1000", "1000 digits"),
            ("1e-1000", "1000 digits"),
            ("1e9223372036854775807", "1000 digits"),
            ("1e-9223372036854775808", "1000 digits"),
            ("1e99999999999999999999", "1000 digits"),
        ] {
            let error = from_json(json).unwrap_err();
            assert!(error.contains(why), "{json}: {error}");
        }
    }

    #[test]
    fn a_float_on_the_way_is_an_error_and_not_a_rounding() {
        #[derive(Deserialize, Debug)]
        #[serde(untagged)]
        enum Untagged {
            #[expect(dead_code, reason = "never made")]
            Number(Decimal),
        }
        assert!(serde_json::from_str::<Untagged>("0.1").is_err());

        #[derive(Deserialize)]
        #[expect(dead_code, reason = "it is never read")]
        #[serde(tag = "is")]
        enum Tagged {
            One { amount: Decimal },
        }
        let error = serde_json::from_str::<Tagged>(r#"{"is":"One","amount":0.1}"#).err().unwrap().to_string();
        assert!(error.contains("internally tagged enum"), "{error}");
    }

    #[test]
    fn in_json_it_is_a_number_with_its_digits() {
        assert_eq!(serde_json::to_string(&[decimal("100.50"), decimal("-0.10")]).unwrap(), "[100.50,-0.10]");
    }

    #[test]
    fn comparing_goes_by_value() {
        let hash = |text: &str| {
            let mut state = DefaultHasher::new();
            decimal(text).hash(&mut state);
            state.finish()
        };
        for (a, b) in [("100.5", "100.50"), ("0", "-0.00"), ("10", "10.0"), ("7", "007")] {
            assert_eq!((decimal(a), hash(a)), (decimal(b), hash(b)), "{a} {b}");
        }
        let mut sorted = ["10", "-1", "0.5", "-10", "0", "9.99", "0.49"].map(decimal);
        sorted.sort();
        assert_eq!(sorted.map(|number| number.to_string()), ["-10", "-1", "0", "0.49", "0.5", "9.99", "10"]);
        assert!(decimal("-0.1").is_negative() && !decimal("-0.0").is_negative());
    }

    #[test]
    fn arithmetic_is_exact() {
        let texts = |a: &str, b: &str| {
            let (a, b) = (decimal(a), decimal(b));
            [a.try_add(&b), a.try_sub(&b), a.try_mul(&b)].map(|result| result.unwrap().to_string())
        };
        assert_eq!(texts("0.1", "0.2"), ["0.3", "-0.1", "0.02"]);
        assert_eq!(texts("99.99", "0.01"), ["100.00", "99.98", "0.9999"]);
        assert_eq!(texts("-5", "3.50"), ["-1.50", "-8.50", "-17.50"]);
        assert_eq!(texts("1.5", "-1.50"), ["0.00", "3.00", "-2.250"]);
        assert_eq!(texts("0", "-7"), ["-7", "7", "0"]);
        assert_eq!((-decimal("1.50")).to_string(), "-1.50");
    }

    #[test]
    fn arithmetic_agrees_with_integers() {
        let numbers = [0_i64, 1, -1, 9, 10, -10, 99, 12_345, -98_765, 1_000_000, i64::from(i32::MAX)];
        for a in numbers {
            for b in numbers {
                let (x, y) = (Decimal::from(a), Decimal::from(b));
                assert_eq!(x.try_add(&y).unwrap().to_string(), (a + b).to_string());
                assert_eq!(x.try_sub(&y).unwrap().to_string(), (a - b).to_string());
                assert_eq!(x.try_mul(&y).unwrap().to_string(), (a * b).to_string());
                assert_eq!(x.cmp(&y), a.cmp(&b));
            }
        }
        assert_eq!(Decimal::from(i64::MIN).to_string(), i64::MIN.to_string());
    }

    #[test]
    fn too_many_digits_are_an_error_and_not_a_rounding() {
        let large = decimal(&"9".repeat(1_000));
        assert!(large.try_add(&Decimal::from(1)).is_err());
        assert!(large.try_mul(&large).is_err());
        assert_eq!(large.try_sub(&large).unwrap(), Decimal::ZERO);
        assert_eq!(decimal(&"9".repeat(500)).try_mul(&decimal(&"9".repeat(500))).unwrap().to_string().len(), 1_000);
    }

    #[test]
    fn a_number_fits_a_column_that_need_not_round() {
        for text in ["0", "100.50", "99999999.99", "-99999999.99", "100.500", "0.10"] {
            assert!(decimal(text).fits(10, 2).is_ok(), "{text}");
        }
        for (text, why) in
            [("100.505", "3 digits after"), ("0.001", "3 digits after"), ("100000000", "9 digits before")]
        {
            let error = decimal(text).fits(10, 2).unwrap_err();
            assert_eq!(error.code(), Some("invalid-amount"));
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(decimal("0.05").fits(2, 2).is_ok() && decimal("1").fits(2, 2).is_err());
        assert!(decimal("0").fits(2, 2).is_ok() && decimal("0.00").fits(1, 1).is_ok());
        // numeric(2,3) has three digits after the point, the first of them zero.
        assert!(
            decimal("0.05").fits(2, 3).is_ok() && decimal("0.5").fits(2, 3).is_err() && decimal("0").fits(2, 3).is_ok()
        );
    }

    #[test]
    fn a_bad_number_goes_up_as_a_rejection() {
        fn read() -> Result<Decimal> {
            Ok(Decimal::parse("x")?)
        }
        assert_eq!(read().unwrap_err().code(), Some("invalid-data"));
    }
}
