//! The one place with unsafe code: loading what was compiled ahead of time.

use sha2::{Digest as _, Sha256};
use tenet_core::hex;
use wasmtime::component::Component;

/// Compiled code whose bytes have the digest that was expected. It can only be made by
/// comparing them, so that nothing else is ever loaded.
pub(crate) struct Checked<'a>(&'a [u8]);

impl<'a> Checked<'a> {
    /// Takes the bytes if their SHA-256, in lower-case hexadecimal, is `sha256`.
    pub(crate) fn new(bytes: &'a [u8], sha256: &str) -> Option<Self> {
        (digest(bytes) == sha256).then_some(Self(bytes))
    }

    /// Loads the code. wasmtime itself refuses code of another version, target or setting.
    #[expect(unsafe_code, reason = "wasmtime cannot prove that machine code is harmless; the digest vouches for it")]
    pub(crate) fn load(&self, engine: &wasmtime::Engine) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize` runs the machine code in these bytes and wants them to be
        // what wasmtime's compiler wrote, unchanged. They have the digest that a bundle's
        // index gives (or that was taken when they left the compiler in this process),
        // and the index is the root of trust: `tenet build` writes it from the compiler's
        // output, it is deployed with the host's own binary, and whoever can change it can
        // change that binary too. The bytes are borrowed, so nobody changes them meanwhile,
        // and wasmtime copies them.
        unsafe { Component::deserialize(engine, self.0) }
    }
}

/// Loads a rule into an engine of the caller's own, for the benchmarks: what it costs without
/// anything that this crate does around it. The one way out of it for wasmtime's types.
///
/// # Errors
/// Fails where the bytes have another digest, or are no code for that engine.
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
