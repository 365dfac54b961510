//! The only module with unsafe code: it loads precompiled code.

use sha2::{Digest as _, Sha256};
use tenet_core::hex;
use wasmtime::component::Component;

/// Compiled code whose digest was verified. Verification is the only way to create it, so nothing
/// else is ever loaded.
pub(crate) struct Checked<'a>(&'a [u8]);

impl<'a> Checked<'a> {
    /// Accepts the bytes if their SHA-256, in lower-case hexadecimal, is `sha256`.
    pub(crate) fn new(bytes: &'a [u8], sha256: &str) -> Option<Self> {
        (digest(bytes) == sha256).then_some(Self(bytes))
    }

    /// Loads the code. wasmtime refuses code of another version, target or setting.
    #[expect(unsafe_code, reason = "wasmtime cannot prove that machine code is harmless; the digest is checked")]
    pub(crate) fn load(&self, engine: &wasmtime::Engine) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize` runs the machine code in these bytes and requires them to be
        // unmodified output of wasmtime's compiler. They have the digest from a bundle's index (or
        // the one computed when this process compiled them). The index is the root of trust: `tenet
        // build` writes it from the compiler's output, it is deployed with the host's binary, and
        // anyone who can change it can also change that binary. The bytes are borrowed, so they do
        // not change meanwhile, and wasmtime copies them.
        unsafe { Component::deserialize(engine, self.0) }
    }
}

/// Loads a rule into the caller's own engine. The benchmarks use it to measure a rule without this
/// crate. It is the only function that exposes wasmtime's types.
///
/// # Errors
/// Fails if the digest differs, or if the bytes are not code for that engine.
#[cfg(feature = "bare")]
pub fn bare(engine: &wasmtime::Engine, bytes: &[u8], sha256: &str) -> wasmtime::Result<Component> {
    let code = Checked::new(bytes, sha256).ok_or_else(|| wasmtime::Error::msg("its SHA-256 is another one"))?;
    code.load(engine)
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_bytes_with_the_digest() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(Checked::new(b"abc", sha256).is_some());
        assert!(Checked::new(b"abd", sha256).is_none());
        assert!(Checked::new(b"abc", &sha256.to_uppercase()).is_none());
        assert!(Checked::new(b"abc", "").is_none());
    }
}
