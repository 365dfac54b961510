use std::fmt;
use std::time::Instant;

use tenet_core::{BoxFuture, Fault};
use zeroize::Zeroizing;

/// The source of data keys.
pub trait Keys: Send + Sync {
    /// Creates a data key for what an operation seals in this period, counted from 1970.
    fn make<'a>(&'a self, operation: &'a str, period: u64, deadline: Instant) -> BoxFuture<'a, Result<NewKey, Fault>>;

    /// Unwraps a data key that was wrapped for this operation.
    fn unwrap<'a>(
        &'a self,
        operation: &'a str,
        wrapped: &'a [u8],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Secret, KeyFault>>;
}

/// A secret of 32 bytes, overwritten when dropped.
pub type Secret = Zeroizing<[u8; 32]>;

/// A data key, plain and wrapped.
pub struct NewKey {
    /// The plain key.
    pub secret: Secret,
    /// The wrapped key, stored with each sealed value.
    pub wrapped: Vec<u8>,
}

/// Why a wrapped key could not be unwrapped.
#[derive(Debug)]
pub enum KeyFault {
    /// It was not wrapped by these keys, or was wrapped for another operation, or was changed
    /// since.
    Foreign,
    /// Unknown: the keys are unreachable.
    Away(Fault),
}

/// Does not show the key.
impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewKey")
    }
}
