use std::fmt;

use crate::Number;

/// An idempotency key: the name under which an operation's one answer to a caller is stored.
///
/// 1 to 255 bytes of UTF-8 without U+0000, which PostgreSQL's text cannot hold; 255 keeps
/// (operation, caller, key) under DSQL's 1 KiB for a primary key
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html>).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Why a text cannot be an [`IdempotencyKey`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is empty.
    #[error("an idempotency key has at least one character")]
    Empty,
    /// It has more than 255 bytes.
    #[error("an idempotency key has at most {} bytes, this one has {bytes}", IdempotencyKey::MAX_BYTES)]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// It contains U+0000.
    #[error("an idempotency key may not contain U+0000")]
    Nul,
}

impl IdempotencyKey {
    /// The most bytes of a key.
    pub const MAX_BYTES: usize = 255;

    /// Accepts `text` if it is a valid key.
    pub fn new(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        if text.is_empty() {
            Err(KeyError::Empty)
        } else if text.len() > Self::MAX_BYTES {
            Err(KeyError::TooLong { bytes: text.len() })
        } else if text.contains('\0') {
            Err(KeyError::Nul)
        } else {
            Ok(Self(text))
        }
    }

    /// Makes a key of a JSON number: its digits without an exponent and without redundant zeros.
    /// Two numbers that are equal in a [`Digest`](crate::Digest) give the same key.
    pub fn of_number(number: &Number) -> Result<Self, KeyError> {
        match number.plain(Self::MAX_BYTES) {
            Some(plain) => Self::new(plain),
            None => Err(KeyError::TooLong {
                bytes: usize::try_from(number.magnitude().unsigned_abs())
                    .unwrap_or(usize::MAX)
                    .max(number.digits().len()),
            }),
        }
    }

    /// The key as the caller wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A key may contain personal data, such as an account number; logs show its digest instead.
        f.write_str("IdempotencyKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Digest;

    #[test]
    fn holds_255_bytes_and_no_more() {
        assert!(IdempotencyKey::new("k".repeat(255)).is_ok());
        assert_eq!(IdempotencyKey::new("k".repeat(256)), Err(KeyError::TooLong { bytes: 256 }));
        assert_eq!(IdempotencyKey::new("ü".repeat(128)), Err(KeyError::TooLong { bytes: 256 }));
    }

    fn of_number(text: &str) -> Result<IdempotencyKey, KeyError> {
        IdempotencyKey::of_number(&Number::parse(text).unwrap())
    }

    #[test]
    fn a_number_is_a_key_by_its_value() {
        for (text, key) in [
            ("7", "7"),
            ("7.0", "7"),
            ("0.70e1", "7"),
            ("70E-1", "7"),
            ("-7e+2", "-700"),
            ("1200", "1200"),
            ("0.0120", "0.012"),
            ("12.5e-4", "0.00125"),
            ("100.50", "100.5"),
            ("0", "0"),
            ("-0.00e9999999999999999999", "0"),
            ("9007199254740993", "9007199254740993"),
        ] {
            assert_eq!(of_number(text).unwrap().as_str(), key, "{text}");
        }
        for text in ["1e255", "1e-254", "1e99999999999999999999", "1e-99999999999999999999", &"9".repeat(256)] {
            assert!(matches!(of_number(text), Err(KeyError::TooLong { .. })), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn numbers_are_one_key_if_they_are_one_in_a_digest(
            a in "-?(0|[1-9][0-9]{0,2})(\\.[0-9]{1,3})?([eE][+-]?[0-3])?",
            b in "-?(0|[1-9][0-9]{0,2})(\\.[0-9]{1,3})?([eE][+-]?[0-3])?",
        ) {
            let same_key = of_number(&a) == of_number(&b);
            prop_assert_eq!(same_key, Digest::of(&a) == Digest::of(&b), "{} {}", a, b);
        }
    }

    #[test]
    fn refuses_what_the_database_cannot_store() {
        assert_eq!(IdempotencyKey::new(""), Err(KeyError::Empty));
        assert_eq!(IdempotencyKey::new("a\0b"), Err(KeyError::Nul));
    }
}
