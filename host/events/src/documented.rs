use tenet_core::Number;

/// The most digits that EventBridge documents for numbers in patterns, and the most of them after
/// the point.
const DIGITS: usize = 15;
const DECIMALS: i64 = 6;

/// Whether EventBridge documents that patterns compare a number: -5e9 to 5e9 with 15 digits, six of
/// them after the point
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>).
pub(crate) fn is_documented(number: &Number) -> bool {
    let is_within = |least, most| {
        let bound = Number::parse(least).zip(Number::parse(most));
        bound.is_some_and(|(least, most)| (&least..=&most).contains(&number))
    };
    is_within("-5e9", "5e9") && number.digits().len() <= DIGITS && number.exponent() >= -DECIMALS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_eventbridge_documents_has_a_size_and_digits() {
        let is_documented = |text| is_documented(&Number::parse(text).unwrap());
        for text in ["0", "-5e9", "5e9", "5000000000.00", "0.000001", "999999999.123456", "1234567.5"] {
            assert!(is_documented(text), "{text}");
        }
        for text in ["5000000000.000001", "5000000001", "-5e10", "0.0000001", "1e-7", "4999999999.123456", "1e400"] {
            assert!(!is_documented(text), "{text}");
        }
    }
}
