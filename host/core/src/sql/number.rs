use std::cmp::Ordering;

/// A JSON number as written, exact at any length. A float cannot hold 9007199254740993, or the last
/// digit of a large amount of money.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    /// Without leading and trailing zeros; empty for zero.
    digits: String,
    /// The power of ten by which the digits, read as an integer, are multiplied.
    exponent: i64,
}

impl Number {
    /// Reads a JSON number. An exponent beyond 64 bits is clamped.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if before.is_empty() || !before.bytes().chain(after.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let exponent = power(exponent)?;
        let all = [before, after].concat();
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let trailing = length(significant).saturating_sub(length(digits));
        let exponent = exponent.saturating_add(trailing).saturating_sub(length(after));
        Some(Self { negative, digits: digits.to_owned(), exponent })
    }

    /// Whether it is negative.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The absolute value.
    #[must_use]
    pub fn abs(&self) -> Self {
        Self { negative: false, ..self.clone() }
    }

    /// The digits without leading and trailing zeros; empty for zero.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// The power of ten that its digits, read as an integer, are multiplied by.
    pub fn exponent(&self) -> i64 {
        self.exponent
    }

    /// The position of the point, counted from the first digit: 1 for one to nine.
    pub fn magnitude(&self) -> i64 {
        self.exponent.saturating_add(length(&self.digits))
    }

    /// Whether it is an integer in any notation: `1.0` is one.
    pub fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// The number without an exponent, if that needs at most `most` digits.
    pub fn plain(&self, most: usize) -> Option<String> {
        let sign = if self.negative { "-" } else { "" };
        let point = self.magnitude();
        if self.digits.is_empty() {
            return Some("0".to_owned());
        }
        let before = point.max(1).unsigned_abs();
        let after = self.exponent.min(0).unsigned_abs();
        if before.saturating_add(after) > most as u64 {
            return None;
        }
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
        let digits = self.digits.as_str();
        Some(match usize::try_from(point).ok().and_then(|point| digits.split_at_checked(point)) {
            Some((whole, "")) => format!("{sign}{whole}"),
            Some(("", part)) => format!("{sign}0.{part}"),
            Some((whole, part)) => format!("{sign}{whole}.{part}"),
            None if point < 0 => format!("{sign}0.{}{digits}", zeros(-point)),
            None => format!("{sign}{digits}{}", zeros(self.exponent)),
        })
    }
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

/// Reads an exponent.
fn power(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') { -size } else { size })
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            // Without trailing zeros, a number that is a prefix of another is the smaller one.
            let by_size = (self.magnitude(), &self.digits).cmp(&(other.magnitude(), &other.digits));
            if self.negative { by_size.reverse() } else { by_size }
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_compared_exactly_whatever_their_size() {
        let ascending = [
            "-1e99999999999999999999",
            "-9007199254740993",
            "-9007199254740992",
            "-10",
            "-9.5",
            "-1e-400",
            "0",
            "1e-99999999999999999999",
            "1e-400",
            "0.1",
            "0.10000000000000000001",
            "0.5",
            "9.99",
            "10",
            "100.50",
            "9007199254740992",
            "9007199254740993",
            "1e400",
            "1e99999999999999999999",
        ];
        for (place, text) in ascending.iter().enumerate() {
            for (other_place, other) in ascending.iter().enumerate() {
                assert_eq!(number(text).cmp(&number(other)), place.cmp(&other_place), "{text} {other}");
            }
        }
        for (one, other) in [("0", "-0.0e7"), ("100.50", "1.005e2"), ("0.001", "1E-3"), ("5e+9", "5000000000")] {
            assert_eq!(number(one), number(other));
        }
        for text in ["", "-", ".5", "1e", "1e+", "NaN", "0x1", "+1", "1 "] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_have_one_plain_form_of_bounded_length() {
        for (written, plain) in [
            ("1.0", "1"),
            ("-0", "0"),
            ("1.5e1", "15"),
            ("-2E3", "-2000"),
            ("0.0120", "0.012"),
            ("12.5e-4", "0.00125"),
            ("100.50", "100.5"),
        ] {
            assert_eq!(number(written).plain(100).as_deref(), Some(plain), "{written}");
        }
        assert!(number("1e99").plain(100).is_some() && number("1e-99").plain(100).is_some());
        for long in ["1e100", "1e-100", "1e99999999999999999999", "1e-99999999999999999999", &"9".repeat(101)] {
            assert_eq!(number(long).plain(100), None, "{long}");
        }
        assert!(number("1.0").is_integer() && number("1e999").is_integer() && !number("0.5").is_integer());
    }
}
