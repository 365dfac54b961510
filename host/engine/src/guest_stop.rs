use tenet_core::LimitExceeded;

/// Why the host stopped a guest. It passes through wasmtime as a trap and is recovered by
/// downcasting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuestStop {
    /// The guest exceeded a limit.
    #[error("{0}")]
    Limit(LimitExceeded),
    /// A host call stopped it. The implementation of `HostCalls` knows the reason.
    #[error("a host call stopped the guest")]
    Stopped,
    /// The guest requested something that the contract forbids.
    #[error("{0}")]
    Misuse(String),
    /// The host violated the engine's contract.
    #[error("{0}")]
    Host(&'static str),
}

impl From<LimitExceeded> for GuestStop {
    fn from(exceeded: LimitExceeded) -> Self {
        Self::Limit(exceeded)
    }
}

impl From<tenet_core::Stop> for GuestStop {
    fn from(_: tenet_core::Stop) -> Self {
        Self::Stopped
    }
}
