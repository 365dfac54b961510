use std::fmt;
use std::time::Instant;

use aws_lc_rs::{constant_time, hmac};
use tenet_core::{BoxFuture, Fault, unhex};
use zeroize::Zeroizing;

use crate::keys::{KeyFault, Keys, NewKey, Secret};

/// The prefix of a wrapped local key, readable in a row's bytes.
const LOCAL: &[u8] = b"local";

/// The prefix of wrapped keys that anyone can unwrap.
const DEVELOPMENT: &[u8] = b"for development, not secret";

/// Data keys derived from a local secret, without KMS: for a laptop. The same secret always gives
/// the same keys, so tests can compare bytes.
pub struct LocalKeys {
    name: &'static [u8],
    secret: Secret,
}

/// A text is not a valid secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of the vault has 64 hexadecimal digits")]
pub struct InvalidSecret;

impl LocalKeys {
    /// Reads a secret from 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let bytes = Zeroizing::new(unhex(text.trim()).ok_or(InvalidSecret)?);
        let secret = bytes.as_slice().try_into().map_err(|_| InvalidSecret)?;
        Ok(Self { name: LOCAL, secret: Zeroizing::new(secret) })
    }

    /// Keys that protect nothing: their secret is in every copy of this program. Their sealed
    /// values say so.
    pub fn development() -> Self {
        Self { name: DEVELOPMENT, secret: Zeroizing::new([0; 32]) }
    }

    /// Derives a data key, or the proof in its wrapped form, from an operation and a period.
    fn made(&self, purpose: &[u8; 4], operation: &str, period: [u8; 8]) -> Secret {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*self.secret));
        for part in [purpose.as_slice(), &period, operation.as_bytes()] {
            context.update(part);
        }
        let mut secret = Zeroizing::new([0; 32]);
        secret.iter_mut().zip(context.sign().as_ref()).for_each(|(byte, made)| *byte = *made);
        secret
    }

    fn wrapped(&self, operation: &str, period: [u8; 8]) -> Vec<u8> {
        [self.name, &period, self.made(b"name", operation, period).as_slice()].concat()
    }
}

impl Keys for LocalKeys {
    fn make<'a>(&'a self, operation: &'a str, period: u64, _: Instant) -> BoxFuture<'a, Result<NewKey, Fault>> {
        let period = period.to_be_bytes();
        let key = NewKey { secret: self.made(b"key ", operation, period), wrapped: self.wrapped(operation, period) };
        Box::pin(std::future::ready(Ok(key)))
    }

    fn unwrap<'a>(
        &'a self,
        operation: &'a str,
        wrapped: &'a [u8],
        _: Instant,
    ) -> BoxFuture<'a, Result<Secret, KeyFault>> {
        let period = wrapped.strip_prefix(self.name).and_then(|rest| rest.first_chunk().copied());
        let is_ours = |period: &[u8; 8]| {
            constant_time::verify_slices_are_equal(&self.wrapped(operation, *period), wrapped).is_ok()
        };
        let ours = period.filter(is_ours);
        let secret = ours.map(|period| self.made(b"key ", operation, period)).ok_or(KeyFault::Foreign);
        Box::pin(std::future::ready(secret))
    }
}

/// Does not show the secret.
impl fmt::Debug for LocalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalKeys")
    }
}
