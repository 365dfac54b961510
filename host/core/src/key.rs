use std::fmt;

/// An idempotency key: the name under which an operation's one answer to a caller is stored.
///
/// 1 to 255 bytes of UTF-8 without U+0000, which PostgreSQL's text cannot hold; 255 keeps
/// (operation, caller, key) under DSQL's 1 KiB for a primary key
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html>).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Text that cannot be an [`IdempotencyKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// There is no text.
    Empty,
    /// There are more than 255 bytes.
    TooLong {
        /// How many there are.
        bytes: usize,
    },
    /// There is a U+0000 in it.
    Nul,
}

impl IdempotencyKey {
    /// The most bytes a key has.
    pub const MAX_BYTES: usize = 255;

    /// Takes `text` as a key if it can be one.
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

    /// The key as the caller wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A key may be a customer's own number; logs carry its digest instead.
        f.write_str("IdempotencyKey(..)")
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an idempotency key has at least one character"),
            Self::TooLong { bytes } => {
                write!(f, "an idempotency key has at most {} bytes, this one has {bytes}", IdempotencyKey::MAX_BYTES)
            }
            Self::Nul => f.write_str("an idempotency key may not contain U+0000"),
        }
    }
}

impl std::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_255_bytes_and_no_more() {
        assert!(IdempotencyKey::new("k".repeat(255)).is_ok());
        assert_eq!(IdempotencyKey::new("k".repeat(256)), Err(KeyError::TooLong { bytes: 256 }));
        assert_eq!(IdempotencyKey::new("ü".repeat(128)), Err(KeyError::TooLong { bytes: 256 }));
    }

    #[test]
    fn refuses_what_the_database_cannot_store() {
        assert_eq!(IdempotencyKey::new(""), Err(KeyError::Empty));
        assert_eq!(IdempotencyKey::new("a\0b"), Err(KeyError::Nul));
    }
}
