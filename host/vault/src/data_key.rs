use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};
use tenet_core::{DualInstant, VaultField};
use zeroize::Zeroizing;

use crate::envelope::{Envelope, NONCE, associated_data};
use crate::keys::Secret;

/// The most values that one data key seals in a process: far below the limit of its nonces.
const MOST_USES: u64 = 1 << 32;

/// A data key that seals and opens values.
///
/// Each value has a nonce of 24 bytes, and so effectively a key of its own: the first half of the
/// nonce derives that key from the data key, and the second half is GCM's own nonce under it, as in
/// XAES-256-GCM (<https://c2sp.org/XAES-256-GCM>).
///
/// The nonce is not a counter: a retried attempt would not find the counter unchanged, and
/// concurrent sandboxes would repeat values. It is an HMAC under the data key over the salt (the
/// request's seed, the rule, and the number of the call), the place, and the digest of the value.
/// The same value on the same occasion has the same nonce and gives the same envelope, which
/// reveals nothing. Any other difference changes the input of the HMAC, and two inputs give the
/// same nonce only if 192 bits collide by chance: with all the 2^32 values that a key may seal, the
/// probability is 2^-129.
pub(crate) struct DataKey {
    secret: Secret,
    pub(crate) wrapped: Vec<u8>,
    /// When it was requested. The key service checked the permission at that time or later.
    pub(crate) since: DualInstant,
    uses: AtomicU64,
}

impl DataKey {
    pub(crate) fn new(secret: Secret, wrapped: Vec<u8>, since: DualInstant) -> Self {
        Self { secret, wrapped, since, uses: AtomicU64::new(0) }
    }

    /// Whether it has reached its limit of sealed values.
    pub(crate) fn is_used_up(&self) -> bool {
        self.uses.load(Ordering::Relaxed) >= MOST_USES
    }

    /// Seals a value; none if the cipher fails, or if a name is too long for an envelope.
    pub(crate) fn seal(&self, operation: &str, field: &VaultField, salt: &[u8; 32], value: &[u8]) -> Option<Vec<u8>> {
        self.uses.fetch_add(1, Ordering::Relaxed);
        let said = associated_data(operation, &self.wrapped, field)?;
        let nonce = self.nonce(salt, &said, value)?;
        let mut sealed = value.to_vec();
        let (key, of_cipher) = self.cipher(&nonce)?;
        key.seal_in_place_append_tag(of_cipher, Aad::from(&said), &mut sealed).ok()?;
        Envelope { operation, wrapped: &self.wrapped, nonce: &nonce, sealed: &sealed }.to_bytes()
    }

    /// The value in an envelope of this key; none if it was not sealed for this place.
    pub(crate) fn open(&self, envelope: &Envelope<'_>, field: &VaultField) -> Option<Vec<u8>> {
        let said = associated_data(envelope.operation, envelope.wrapped, field)?;
        let mut bytes = envelope.sealed.to_vec();
        let (key, of_cipher) = self.cipher(envelope.nonce)?;
        let length = key.open_in_place(of_cipher, Aad::from(&said), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }

    fn nonce(&self, salt: &[u8; 32], said: &[u8], value: &[u8]) -> Option<[u8; NONCE]> {
        let said = digest::digest(&digest::SHA256, said);
        let value = digest::digest(&digest::SHA256, value);
        let derived = self.derived(b"tenet vault 1 nonce", &[salt, said.as_ref(), value.as_ref()]);
        derived.first_chunk().copied()
    }

    fn cipher(&self, nonce: &[u8; NONCE]) -> Option<(LessSafeKey, Nonce)> {
        let (of_key, of_cipher) = nonce.split_at_checked(NONCE / 2)?;
        let secret = self.derived(b"tenet vault 1 value", &[of_key]);
        let key = UnboundKey::new(&AES_256_GCM, &*secret).ok()?;
        Some((LessSafeKey::new(key), Nonce::try_assume_unique_for_key(of_cipher).ok()?))
    }

    /// Derives a secret for one purpose. The parts of each purpose have fixed lengths, so they need
    /// no length prefixes.
    fn derived(&self, purpose: &[u8; 19], parts: &[&[u8]]) -> Secret {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*self.secret));
        context.update(purpose);
        parts.iter().for_each(|part| context.update(part));
        let mut secret = Zeroizing::new([0; 32]);
        secret.iter_mut().zip(context.sign().as_ref()).for_each(|(byte, made)| *byte = *made);
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(row_key: &str) -> VaultField {
        VaultField { table: "accounts".into(), column: "iban".into(), row_key: row_key.into() }
    }

    fn key(byte: u8) -> DataKey {
        DataKey::new(Zeroizing::new([byte; 32]), vec![1, 2, 3], DualInstant::now())
    }

    fn opened(key: &DataKey, bytes: &[u8], field: &VaultField) -> Option<Vec<u8>> {
        key.open(&Envelope::parse(bytes)?, field)
    }

    #[test]
    fn a_value_opens_in_its_own_place_by_its_own_key_and_whole_only() {
        let (key, ann) = (key(7), field("ann"));
        let sealed = key.seal("pay", &ann, &[1; 32], b"DE89").unwrap();
        assert_eq!(opened(&key, &sealed, &ann).unwrap(), b"DE89");
        assert_eq!(opened(&key, &sealed, &field("bob")), None);
        assert_eq!(opened(&key, &sealed, &VaultField { table: "accounts2".into(), ..ann.clone() }), None);
        assert_eq!(opened(&key, &sealed, &VaultField { column: "bic".into(), ..ann.clone() }), None);
        assert_eq!(opened(&super::tests::key(8), &sealed, &ann), None);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(opened(&key, &damaged, &ann), None, "byte {at}");
        }
        assert!(!sealed.windows(4).any(|four| four == b"DE89"));
    }

    #[test]
    fn the_same_on_the_same_occasion_is_the_same_and_anything_else_has_another_nonce() {
        let (key, ann) = (key(7), field("ann"));
        let nonce = |salt: u8, field: &VaultField, value: &[u8]| {
            let sealed = key.seal("pay", field, &[salt; 32], value).unwrap();
            assert_eq!(sealed, key.seal("pay", field, &[salt; 32], value).unwrap());
            *Envelope::parse(&sealed).unwrap().nonce
        };
        let nonces = [nonce(1, &ann, b"a"), nonce(2, &ann, b"a"), nonce(1, &field("bob"), b"a"), nonce(1, &ann, b"b")];
        for (at, one) in nonces.iter().enumerate() {
            assert!(!nonces[at + 1..].contains(one), "{at}");
        }
    }

    #[test]
    fn a_value_of_any_length_fits() {
        let (key, ann) = (key(7), field("ann"));
        for length in [0, 1, 15, 16, 17, 65_536] {
            let value = vec![5; length];
            let sealed = key.seal("pay", &ann, &[1; 32], &value).unwrap();
            assert_eq!(opened(&key, &sealed, &ann).unwrap(), value);
        }
    }
}
