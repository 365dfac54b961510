use std::fmt;

/// Why a text is not a usable capsule.
#[derive(Debug)]
pub struct CapsuleError {
    what: String,
    is_sealed: bool,
}

impl CapsuleError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_sealed: false }
    }

    pub(crate) fn sealed(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_sealed: true }
    }

    pub(crate) fn into_fault(self) -> tenet_core::Fault {
        tenet_core::Fault::other(None, self.what)
    }

    /// Whether it is a capsule that needs a key, or another key.
    pub fn is_sealed(&self) -> bool {
        self.is_sealed
    }
}

impl fmt::Display for CapsuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for CapsuleError {}
