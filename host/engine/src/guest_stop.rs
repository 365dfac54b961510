use std::fmt;

use tenet_core::LimitExceeded;

/// Why the host stopped a guest. It passes through wasmtime as a trap and is recovered by
/// downcasting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GuestStop {
    /// The guest exceeded a limit.
    Limit(LimitExceeded),
    /// A host call stopped it. The implementation of `HostCalls` knows the reason.
    Stopped,
    /// The guest requested something that the contract forbids.
    Misuse(String),
    /// The host violated the engine's contract.
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

impl fmt::Display for GuestStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(exceeded) => exceeded.fmt(f),
            Self::Stopped => f.write_str("a host call stopped the guest"),
            Self::Misuse(what) => f.write_str(what),
            Self::Host(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for GuestStop {}
