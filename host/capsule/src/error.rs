/// Why a text is not a usable capsule.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
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
