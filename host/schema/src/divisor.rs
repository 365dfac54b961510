use tenet_core::Number;

/// The operand of `multipleOf`.
#[derive(Clone, Debug)]
pub(crate) struct Divisor {
    digits: u64,
    exponent: i64,
}

impl Divisor {
    /// For a positive number of at most 18 digits.
    pub(crate) fn of(number: &Number) -> Option<Self> {
        let digits = number.digits().parse().ok().filter(|_| number.digits().len() <= 18 && !number.is_negative())?;
        Some(Self { digits, exponent: number.exponent() })
    }

    pub(crate) fn divides(&self, number: &Number) -> bool {
        if number.digits().is_empty() {
            return true;
        }
        // Neither has trailing zeros, so a multiple has no digit below the divisor's last one.
        let Ok(shift) = u64::try_from(i128::from(number.exponent()) - i128::from(self.exponent)) else { return false };
        let modulus = u128::from(self.digits);
        let digits = number.digits().bytes().map(|digit| u128::from(digit.saturating_sub(b'0')));
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
