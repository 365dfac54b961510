use std::sync::Arc;

use tenet_core::CallerId;

/// Who uses a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// A request for this operation.
    Party(Arc<str>, CallerId),
    /// The host itself.
    Host,
}

impl User {
    /// The operation of a request.
    pub(crate) fn operation(&self) -> Option<&Arc<str>> {
        match self {
            Self::Party(operation, _) => Some(operation),
            Self::Host => None,
        }
    }

    /// The caller of a request. The host counts as one without an identity.
    pub(crate) fn caller(&self) -> CallerId {
        match self {
            Self::Party(_, caller) => *caller,
            Self::Host => CallerId::ANONYMOUS,
        }
    }
}
