use tenet_core::VaultField;

/// The beginning of every envelope: a name, and the version of the format.
const MAGIC: &[u8] = b"tnv\x01";

/// Bytes of an envelope's nonce.
pub(crate) const NONCE: usize = 24;

/// How many bytes longer the sealed value is.
pub(crate) const TAG: usize = 16;

/// A parsed sealed value.
///
/// The format is `MAGIC`, the operation and the wrapped key, each prefixed with its length (two
/// bytes, big-endian), the nonce, and the output of AES-256-GCM with its tag at the end. It names
/// no region: either region can unwrap a key of the other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Envelope<'a> {
    pub(crate) operation: &'a str,
    pub(crate) wrapped: &'a [u8],
    pub(crate) nonce: &'a [u8; NONCE],
    pub(crate) sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Parses an envelope; none if the bytes are not one.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (operation, rest) = part(rest)?;
        let (wrapped, rest) = part(rest)?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        let operation = std::str::from_utf8(operation).ok()?;
        (sealed.len() >= TAG).then_some(Self { operation, wrapped, nonce, sealed })
    }

    /// Serializes it.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = head(self.operation, self.wrapped)?;
        bytes.extend_from_slice(self.nonce);
        bytes.extend_from_slice(self.sealed);
        Some(bytes)
    }
}

/// The associated data of a sealed value: the part of the envelope before the nonce, and the
/// value's place. Each part is length-prefixed, so that different places give different bytes.
pub(crate) fn associated_data(operation: &str, wrapped: &[u8], field: &VaultField) -> Option<Vec<u8>> {
    let mut said = head(operation, wrapped)?;
    for text in [&field.table, &field.column, &field.row_key] {
        add(&mut said, text.as_bytes())?;
    }
    Some(said)
}

fn head(operation: &str, wrapped: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = MAGIC.to_vec();
    add(&mut bytes, operation.as_bytes())?;
    add(&mut bytes, wrapped)?;
    Some(bytes)
}

/// None if the part is too long for its length prefix.
fn add(bytes: &mut Vec<u8>, part: &[u8]) -> Option<()> {
    bytes.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
    bytes.extend_from_slice(part);
    Some(())
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(table: &str, column: &str, row_key: &str) -> VaultField {
        VaultField { table: table.into(), column: column.into(), row_key: row_key.into() }
    }

    #[test]
    fn an_envelope_is_taken_apart_as_it_was_made_and_a_part_of_one_is_none() {
        let envelope = Envelope { operation: "pay", wrapped: b"wrapped", nonce: &[9; NONCE], sealed: &[7; TAG + 3] };
        let bytes = envelope.to_bytes().unwrap();
        assert_eq!(Envelope::parse(&bytes).unwrap(), envelope);
        for length in 0..bytes.len() - 3 {
            assert_eq!(Envelope::parse(&bytes[..length]), None, "{length}");
        }
        let other_version = [b"tnv\x02", &bytes[MAGIC.len()..]].concat();
        assert_eq!(Envelope::parse(&other_version), None);
    }

    #[test]
    fn no_two_places_are_said_alike() {
        let said = |table, column, row_key| associated_data("o", b"w", &field(table, column, row_key)).unwrap();
        let places = [("ab", "c", "d"), ("a", "bc", "d"), ("a", "b", "cd"), ("abc", "", "d"), ("", "abc", "d")];
        for (at, one) in places.iter().enumerate() {
            for other in &places[at + 1..] {
                assert_ne!(said(one.0, one.1, one.2), said(other.0, other.1, other.2));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_read_is_an_envelope_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = [MAGIC, &bytes].concat();
            if let Some(envelope) = Envelope::parse(&bytes) {
                prop_assert_eq!(envelope.to_bytes().unwrap(), bytes);
            }
        }
    }
}
