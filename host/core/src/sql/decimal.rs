use std::fmt;

/// An exact decimal number, kept as its digits: `-100.50`.
///
/// The scale is part of the value as written (`100.50` stays `100.50`), because it is part of a SQL
/// `numeric`. [`Decimal::normalized`] gives the form in which equal numbers have equal text. The
/// bounds are PostgreSQL's: up to 131,072 digits before the point and 16,383 after it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal(String);

/// Text that is not a [`Decimal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct DecimalError {
    what: &'static str,
}

const MAX_BEFORE: usize = 131_072;
const MAX_AFTER: usize = 16_383;

impl Decimal {
    /// Reads `-?digits(.digits)?`. Exponents, plus signs, NaN and infinities are refused.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (before, after) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(before) || !digits(after) {
            return Err(DecimalError { what: "a decimal is written as digits, with at most one point between them" });
        }
        if before.len() > MAX_BEFORE || after.len() > MAX_AFTER {
            return Err(DecimalError {
                what: "a decimal has at most 131072 digits before the point and 16383 after it",
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The digits as they were written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the digits without copying them.
    pub fn into_text(self) -> String {
        self.0
    }

    /// Digits after the point.
    pub fn scale(&self) -> usize {
        self.0.split_once('.').map_or(0, |(_, after)| after.len())
    }

    /// The same number without leading zeros, trailing zeros after the point, or the sign of zero:
    /// numbers are equal exactly if these are equal.
    pub fn normalized(&self) -> String {
        let (negative, unsigned) = match self.0.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, self.0.as_str()),
        };
        let (before, after) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let before = before.trim_start_matches('0');
        let after = after.trim_end_matches('0');
        let mut out = String::with_capacity(self.0.len());
        if negative && !(before.is_empty() && after.is_empty()) {
            out.push('-');
        }
        out.push_str(if before.is_empty() { "0" } else { before });
        if !after.is_empty() {
            out.push('.');
            out.push_str(after);
        }
        out
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_scale_as_written() {
        let amount = Decimal::parse("100.50").unwrap();
        assert_eq!((amount.as_str(), amount.scale()), ("100.50", 2));
    }

    #[test]
    fn equal_numbers_have_one_normal_form() {
        for (text, normal) in
            [("100.50", "100.5"), ("-0.00", "0"), ("007", "7"), ("-01.10", "-1.1"), ("0.001", "0.001")]
        {
            assert_eq!(Decimal::parse(text).unwrap().normalized(), normal, "{text}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_hold_as_written() {
        for text in ["", "-", ".5", "5.", "1e3", "+1", "NaN", "Infinity", "1.2.3", " 1", "1,0", "٣"] {
            assert!(Decimal::parse(text).is_err(), "{text}");
        }
        assert!(Decimal::parse(&"9".repeat(MAX_BEFORE + 1)).is_err());
    }
}
