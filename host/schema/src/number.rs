use std::cmp::Ordering;

/// A number of JSON as it is written, exact at any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    negative: bool,
    /// Without zeros at either end; empty is zero.
    digits: String,
    /// Of ten, for the digits as an integer.
    exponent: i64,
}

/// What numbers are multiples of.
#[derive(Clone, Debug)]
pub(crate) struct Divisor {
    digits: u64,
    exponent: i64,
}

/// The longest integer that is written out: what a rule's language could still take.
const MOST_DIGITS: u64 = 1000;

impl Number {
    /// Reads a number that is known to be JSON. None has an exponent of more than 18 digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{before}{after}");
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let trailing = i64::try_from(significant.len() - digits.len()).ok()?;
        let after = i64::try_from(after.len()).ok()?;
        let exponent = exponent.strip_prefix('+').unwrap_or(exponent).parse::<i64>().ok()?;
        let exponent = exponent.checked_add(trailing)?.checked_sub(after)?;
        Some(Self { negative, digits: digits.to_owned(), exponent })
    }

    /// Two to this power, less one where it is a greatest value.
    pub(crate) fn bound(bits: u32, negative: bool, less_one: bool) -> Option<Self> {
        let value = match 1_u128.checked_shl(bits) {
            Some(power) if less_one => power - 1,
            Some(power) => power,
            // Of all 128 bits.
            None => u128::MAX,
        };
        Self::parse(&format!("{}{value}", if negative { "-" } else { "" }))
    }

    pub(crate) fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// An integer as its digits alone; nothing for one of too many.
    pub(crate) fn plain(&self) -> Option<String> {
        let zeros = u64::try_from(self.exponent).ok()?;
        if self.digits.is_empty() {
            return Some("0".to_owned());
        }
        if zeros.saturating_add(self.digits.len() as u64) > MOST_DIGITS {
            return None;
        }
        let zeros = "0".repeat(usize::try_from(zeros).ok()?);
        Some(format!("{}{}{zeros}", if self.negative { "-" } else { "" }, self.digits))
    }

    /// Where its first digit stands: 1 for one to nine.
    fn magnitude(&self) -> i128 {
        self.digits.len() as i128 + i128::from(self.exponent)
    }

    fn size(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // Without zeros at the end the shorter of two equal beginnings is the smaller one.
            (false, false) => self.magnitude().cmp(&other.magnitude()).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.size(other),
            (true, true) => other.size(self),
        }
    }
}

impl Divisor {
    /// Of a number above zero that has no more than 18 digits.
    pub(crate) fn of(number: &Number) -> Option<Self> {
        let digits = number.digits.parse().ok().filter(|_| number.digits.len() <= 18 && !number.negative)?;
        Some(Self { digits, exponent: number.exponent })
    }

    pub(crate) fn divides(&self, number: &Number) -> bool {
        if number.digits.is_empty() {
            return true;
        }
        // Neither has zeros at its end, so that a multiple has no digit behind the divisor's last.
        let Ok(shift) = u64::try_from(i128::from(number.exponent) - i128::from(self.exponent)) else { return false };
        let modulus = u128::from(self.digits);
        let digits = number.digits.bytes().map(|digit| u128::from(digit.saturating_sub(b'0')));
        let rest = digits.fold(0, |rest, digit| (rest * 10 + digit) % modulus);
        (rest * power_of_ten(shift, modulus)).is_multiple_of(modulus)
    }
}

fn power_of_ten(mut exponent: u64, modulus: u128) -> u128 {
    let (mut power, mut base) = (1 % modulus, 10 % modulus);
    while exponent > 0 {
        if exponent % 2 == 1 {
            power = power * base % modulus;
        }
        base = base * base % modulus;
        exponent /= 2;
    }
    power
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn one_number_is_one_however_it_is_written() {
        for (a, b) in [("1", "1.0"), ("-0", "0"), ("-0.0e9", "0"), ("100", "1e2"), ("0.010", "1E-2"), ("1e+3", "1000")]
        {
            assert_eq!(number(a), number(b), "{a} {b}");
        }
    }

    #[test]
    fn numbers_are_compared_beyond_what_a_float_can_tell() {
        for (less, more) in [
            ("9007199254740992", "9007199254740993"),
            ("-9007199254740993", "-9007199254740992"),
            ("0.1", "0.10000000000000000001"),
            ("1e400", "1.1e400"),
            ("-1e400", "1e-400"),
            ("0", "1e-400"),
            ("-1e-400", "0"),
            ("9", "10"),
            ("99", "100.5"),
        ] {
            assert!(number(less) < number(more) && number(more) > number(less), "{less} {more}");
        }
    }

    #[test]
    fn integers_have_a_plain_form_of_bounded_length() {
        for (written, plain) in
            [("1.0", Some("1")), ("-0", Some("0")), ("1.5e1", Some("15")), ("-2E3", Some("-2000")), ("0.5", None)]
        {
            assert_eq!(number(written).plain().as_deref(), plain, "{written}");
        }
        assert!(number("1e999").plain().is_some() && number("1e1000").plain().is_none());
        assert!(number("1e999999999999999999").is_integer());
        assert_eq!(Number::parse("1e9999999999999999999"), None);
    }

    #[test]
    fn multiples_are_exact() {
        let divides = |divisor, of| Divisor::of(&number(divisor)).unwrap().divides(&number(of));
        for (divisor, of) in
            [("0.01", "19.99"), ("0.01", "1e300"), ("3", "9e15"), ("0.0001", "0.0075"), ("7", "0"), ("1e2", "5e3")]
        {
            assert!(divides(divisor, of), "{divisor} {of}");
        }
        for (divisor, of) in [("0.01", "19.999"), ("3", "1e300"), ("100", "150"), ("0.1", "0.10000000000000000001")] {
            assert!(!divides(divisor, of), "{divisor} {of}");
        }
        assert!(Divisor::of(&number("1234567890123456789")).is_none() && Divisor::of(&number("-1")).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn small_ones_are_as_integers_are(a in -10_000_i64..10_000, b in -10_000_i64..10_000, places in 0_u32..5) {
            let written = |value: i64| number(&format!("{value}e-{places}"));
            prop_assert_eq!(written(a).cmp(&written(b)), a.cmp(&b));
            if b > 0 {
                let divisor = Divisor::of(&written(b)).unwrap();
                prop_assert_eq!(divisor.divides(&written(a)), a % b == 0);
            }
        }
    }
}
