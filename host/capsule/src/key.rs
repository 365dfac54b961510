use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use tenet_core::{hex, unhex};

use crate::CapsuleError;

/// The associated data of sealed capsules: data sealed for another purpose does not open as a
/// capsule.
const PURPOSE: &[u8] = b"tenet capsule 1";

/// Encrypts and decrypts capsules: AES-256-GCM, with a unique nonce for each.
pub struct Key([u8; 32]);

impl Key {
    /// Reads a key from 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, CapsuleError> {
        let bytes = unhex(text.trim()).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| CapsuleError::new("a capsule key has 64 hexadecimal digits"))
    }

    pub(crate) fn seal(&self, text: &str) -> Result<String, CapsuleError> {
        let failed = |_| CapsuleError::new("the capsule could not be sealed");
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.0).map_err(failed)?;
        let mut bytes = text.as_bytes().to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(PURPOSE), &mut bytes).map_err(failed)?;
        Ok(hex(nonce.as_ref()) + &hex(&bytes))
    }

    pub(crate) fn open(&self, sealed: &str) -> Result<String, CapsuleError> {
        let failed = || CapsuleError::sealed("the capsule was sealed with another key, or is damaged");
        let bytes = unhex(sealed).ok_or_else(failed)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or_else(failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.0).map_err(|_| failed())?;
        let mut sealed = sealed.to_vec();
        let opened = key.open_in_place(nonce, Aad::from(PURPOSE), &mut sealed).map_err(|_| failed())?;
        String::from_utf8(opened.to_vec()).map_err(|_| failed())
    }
}

/// Does not show the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_by_its_own_key_and_whole_only() {
        let key = Key::parse(&"0a".repeat(32)).unwrap();
        let sealed = key.seal("a secret").unwrap();
        assert_eq!(key.open(&sealed).unwrap(), "a secret");
        assert_ne!(sealed, key.seal("a secret").unwrap(), "a nonce is used once");
        assert!(!sealed.contains("secret") && !format!("{key:?}").contains('a'));
        let other = Key::parse(&"0b".repeat(32)).unwrap();
        let damaged = format!("{}00", &sealed[..sealed.len() - 2]);
        for (key, sealed) in [(&other, sealed.as_str()), (&key, &damaged), (&key, ""), (&key, "zz"), (&key, "é0")] {
            assert!(key.open(sealed).unwrap_err().is_sealed(), "{sealed}");
        }
        for text in ["", "0a", &"0g".repeat(32), &"é".repeat(32)] {
            assert!(Key::parse(text).is_err(), "{text}");
        }
    }
}
