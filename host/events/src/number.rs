use std::cmp::Ordering;

/// A number of JSON, exactly: no float holds 9007199254740993 or a sum of money's last digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    negative: bool,
    /// Without zeros at either end; none for zero. The number is `0.DIGITS` by ten to the power of
    /// `magnitude`.
    digits: String,
    magnitude: i64,
}

impl Number {
    /// The largest and, negative, the smallest number that EventBridge documents for patterns.
    const LARGEST: &str = "5000000000";

    /// How many digits it documents, and how many of them behind the point.
    const DIGITS: usize = 15;
    const DECIMALS: i64 = 6;

    /// Reads a number as JSON writes it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let exponent = power(exponent)?;
        let all = [whole, fraction].concat();
        let digits = all.trim_start_matches('0');
        let leading = all.len() - digits.len();
        let digits = digits.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, magnitude: 0 });
        }
        let length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let magnitude = exponent.saturating_add(length(whole.len())).saturating_sub(length(leading));
        Some(Self { negative, digits, magnitude })
    }

    /// Whether EventBridge documents that patterns compare it: -5e9 to 5e9 with 15 digits, six of
    /// them behind the point
    /// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>).
    pub(crate) fn is_documented(&self) -> bool {
        let size = Self { negative: false, ..self.clone() };
        let decimals = i64::try_from(self.digits.len()).unwrap_or(i64::MAX).saturating_sub(self.magnitude);
        Self::parse(Self::LARGEST).is_some_and(|largest| size <= largest)
            && self.digits.len() <= Self::DIGITS
            && decimals <= Self::DECIMALS
    }
}

/// Reads an exponent. One that no 64 bits hold stands for the largest that they do.
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
            let by_size = (self.magnitude, &self.digits).cmp(&(other.magnitude, &other.digits));
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
    fn what_eventbridge_documents_has_a_size_and_digits() {
        for text in ["0", "-5e9", "5e9", "5000000000.00", "0.000001", "999999999.123456", "1234567.5"] {
            assert!(number(text).is_documented(), "{text}");
        }
        for text in ["5000000000.000001", "5000000001", "-5e10", "0.0000001", "1e-7", "4999999999.123456", "1e400"] {
            assert!(!number(text).is_documented(), "{text}");
        }
    }
}
