use std::fmt;

use tenet_core::LimitExceeded;

/// Why the host made a guest stop. It travels through wasmtime as a trap and is found
/// again by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GuestStop {
    /// It used more than it may.
    Limit(LimitExceeded),
    /// A host call ordered it; the reason stays with whoever gave the order.
    Stopped,
    /// It asked for something that the contract rules out.
    Misuse(String),
    /// The host broke its own word to the engine.
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
