//! Who a database is: a number that it got by chance when its schema was applied.

use tenet_core::Fault;

use crate::statements::parameter::Encoded;

/// Reads it.
pub(crate) fn read() -> Result<Encoded, Fault> {
    Encoded::of_host("SELECT id FROM tenet.identity", Vec::new())
}
