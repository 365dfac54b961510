use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::TextError;
use crate::row::{Native, native};

/// A UUID. In JSON it is a string. [`context::uuid`](crate::context::uuid) creates one.
///
/// ```
/// use tenet::Uuid;
///
/// let id: Uuid = "0f5d8c1a-02b3-4c4d-9e5f-00a1b2c3d4e5".parse()?;
/// assert_eq!(Uuid::from_bytes(*id.as_bytes()), id);
/// # Ok::<(), tenet::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// The UUID with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// A version 4 UUID made of these random bytes.
    pub(crate) const fn from_random(bytes: [u8; 16]) -> Self {
        let all = u128::from_be_bytes(bytes);
        let version = (all & !(0xf << 76)) | (4 << 76);
        Self(((version & !(0b11 << 62)) | (0b10 << 62)).to_be_bytes())
    }
}

impl FromStr for Uuid {
    type Err = TextError;

    /// Reads 36 characters with hyphens, in either case.
    fn from_str(text: &str) -> Result<Self, TextError> {
        if text.len() != 36 {
            return Err(Uuid::error());
        }
        let mut all = 0_u128;
        for (place, byte) in text.bytes().enumerate() {
            match (place, char::from(byte).to_digit(16)) {
                (8 | 13 | 18 | 23, None) if byte == b'-' => {}
                (8 | 13 | 18 | 23, _) | (_, None) => return Err(Uuid::error()),
                (_, Some(digit)) => all = all << 4 | u128::from(digit),
            }
        }
        Ok(Self(all.to_be_bytes()))
    }
}

impl Uuid {
    fn error() -> TextError {
        TextError::because("expected a UUID of 36 characters with hyphens")
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = u128::from_be_bytes(self.0);
        let (high, low) = ((all >> 64) as u64, all as u64);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        native(deserializer)
    }
}

impl Native for Uuid {
    const NAME: &'static str = "tenet::Uuid";
    const EXPECTED: &'static str = "a UUID";

    fn from_text(text: &str) -> Result<Self, TextError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_the_same_uuid() {
        let text = "0f5d8c1a-02b3-4c4d-9e5f-00a1b2c3d4e5";
        let uuid: Uuid = text.to_uppercase().parse().unwrap();
        assert_eq!(uuid.to_string(), text);
        assert_eq!(uuid.as_bytes()[..3], [0x0f, 0x5d, 0x8c]);
        assert_eq!(serde_json::to_string(&uuid).unwrap(), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Uuid>(&format!("\"{text}\"")).unwrap(), uuid);
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        for text in [
            "",
            "0f5d8c1a02b34c4d9e5f00a1b2c3d4e5",
            "0f5d8c1a-02b3-4c4d-9e5f-00a1b2c3d4e",
            "+f5d8c1a-02b3-4c4d-9e5f-00a1b2c3d4e5",
            "0f5d8c1a002b3-4c4d-9e5f-00a1b2c3d4e5",
            "0f5d8c1-a02b3-4c4d-9e5f-00a1b2c3d4e5",
            "0f5d8c1a-02b3-4c4d-9e5f-00a1b2c3d4é",
        ] {
            assert!(text.parse::<Uuid>().is_err(), "{text}");
        }
    }

    #[test]
    fn random_bytes_make_a_version_4() {
        for byte in [0x00, 0xff] {
            let text = Uuid::from_random([byte; 16]).to_string();
            assert_eq!(text.as_bytes()[14], b'4');
            assert!(matches!(text.as_bytes()[19], b'8' | b'b'), "{text}");
        }
    }
}
