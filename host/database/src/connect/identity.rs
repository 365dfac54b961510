//! The identity of a database: a random UUID that it got when its schema was applied.

use tenet_core::Fault;

use crate::statements::parameter::Encoded;

/// Reads the identity.
pub(crate) fn read() -> Result<Encoded, Fault> {
    Encoded::of_host("SELECT id FROM tenet.identity", Vec::new())
}
