//! Shared code of the rules about accounts: ids, amounts, and the rejection for a missing account.
//!
//! Rules are crates of one workspace and share code like other crates. Every input of a rule is
//! checked here first, so that it fits the columns of `schema/` and no statement fails because of
//! it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenet::{Decimal, Error, ToValue, Value, ValueType, reject};

/// The id of an account or of a transfer: 1 to 64 ASCII letters, digits, `-`, `_` and `.`.
///
/// A payload with another text is rejected as `invalid-payload` before its rule begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("minLength" = 1, "maxLength" = 64, "pattern" = "^[A-Za-z0-9._-]+$"))]
pub struct Id(String);

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text))
        } else {
            Err("an id has 1 to 64 letters, digits, hyphens, underscores and points")
        }
    }
}

impl ToValue for Id {
    const TYPE: Option<ValueType> = String::TYPE;

    fn to_value(&self) -> Value {
        self.0.to_value()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Rejects with `invalid-amount` unless this is money: not negative, with at most 10 digits before
/// the point and 2 after it.
///
/// Sums are stored in columns of `numeric(38,2)`, which no number of transfers can overflow.
pub fn check_money(amount: &Decimal) -> tenet::Result<()> {
    amount.fits(12, 2)?;
    if amount.is_negative() {
        reject!("invalid-amount", "an amount is not negative");
    }
    Ok(())
}

/// Rejects with `invalid-amount` unless this is a payment: money of more than 0.
pub fn check_payment(amount: &Decimal) -> tenet::Result<()> {
    check_money(amount)?;
    if amount.is_zero() {
        reject!("invalid-amount", "a payment is more than 0");
    }
    Ok(())
}

/// The rejection `no-account`.
pub fn no_account(id: &Id) -> Error {
    tenet::reject("no-account", format!("there is no account {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_plain() {
        for text in ["a", "Savings_2.eur-7", &"x".repeat(64)] {
            assert_eq!(Id::try_from(text.to_owned()).unwrap().to_string(), text);
        }
        for text in ["", &"x".repeat(65), "a b", "a\0", "\u{e4}", "a'", "a/b"] {
            assert!(Id::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_payment_is_money_and_more_than_nothing() {
        let refused = |check: fn(&Decimal) -> tenet::Result<()>, text: &str| match check(&text.parse().unwrap()) {
            Ok(()) => false,
            Err(error) => error.code() == Some("invalid-amount"),
        };
        for text in ["0.01", "1", "100.500", "9999999999.99"] {
            assert!(!refused(check_payment, text), "{text}");
        }
        for text in ["0", "0.00", "-0.01", "0.001", "10000000000"] {
            assert!(refused(check_payment, text), "{text}");
        }
        assert!(!refused(check_money, "0.00") && refused(check_money, "-0.01") && refused(check_money, "0.001"));
    }
}
