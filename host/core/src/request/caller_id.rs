use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::hex;

/// The owner of a key: answers are stored under (operation, caller, key), so one caller never reads
/// another's.
///
/// It is a digest of the caller's identity from an authoriser (the first 16 bytes of SHA-256),
/// because identities vary in length and do not belong in a table. It does not depend on the
/// region: a caller has one answer per key in both regions.
///
/// Direct invocations, events, messages of a queue, and HTTP without an authoriser are
/// unauthenticated. They share one scope, [`ANONYMOUS`](Self::ANONYMOUS): all callers that the
/// function or the queue admits count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallerId(Option<[u8; 16]>);

impl CallerId {
    /// The scope of all unauthenticated requests.
    pub const ANONYMOUS: Self = Self(None);

    /// The scope of the caller with this identity.
    pub fn of(identity: Option<&str>) -> Self {
        Self(identity.map(|identity| {
            let digest: [u8; 32] = Sha256::digest(identity).into();
            let mut id = [0; 16];
            id.copy_from_slice(&digest[..16]);
            id
        }))
    }

    /// Reads what [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::ANONYMOUS);
        }
        let number = u128::from_str_radix(text, 16).ok()?;
        Some(Self(Some(number.to_be_bytes()))).filter(|id| id.to_string() == text)
    }

    /// The 16 bytes, if the caller is authenticated.
    pub fn as_bytes(&self) -> Option<&[u8; 16]> {
        self.0.as_ref()
    }
}

/// 32 hexadecimal digits, or nothing.
impl fmt::Display for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map(|id| hex(&id)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_one_scope_that_is_written_and_read_and_never_changes_between_releases() {
        let ann = CallerId::of(Some("ann"));
        assert_eq!(ann.to_string(), hex(&Sha256::digest("ann")[..16]));
        assert_eq!((CallerId::parse(&ann.to_string()), CallerId::parse("")), (Some(ann), Some(CallerId::ANONYMOUS)));
        assert_ne!(ann, CallerId::of(Some("bob")));
        assert_ne!(CallerId::of(Some("")), CallerId::ANONYMOUS);
        for text in ["x", "0", "ann", &ann.to_string().to_uppercase(), &format!("+{}", &ann.to_string()[1..])] {
            assert_eq!(CallerId::parse(text), None, "{text}");
        }
    }
}
