use std::fmt;
use std::time::Instant;

use tenet_core::{BoxFuture, Fault};
use zeroize::Zeroizing;

/// Where data keys come from.
pub trait Keys: Send + Sync {
    /// A new data key for what an operation seals in this period, counted from 1970.
    fn make<'a>(&'a self, operation: &'a str, period: u64, deadline: Instant) -> BoxFuture<'a, Result<NewKey, Fault>>;

    /// The data key that was wrapped to this for that operation.
    fn unwrap<'a>(
        &'a self,
        operation: &'a str,
        wrapped: &'a [u8],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Secret, KeyFault>>;
}

/// 32 bytes that nobody else has, overwritten when they go.
pub type Secret = Zeroizing<[u8; 32]>;

/// A data key, plain and wrapped.
pub struct NewKey {
    /// What seals.
    pub secret: Secret,
    /// What is kept of it beside what it sealed.
    pub wrapped: Vec<u8>,
}

/// Why a wrapped key is not unwrapped.
#[derive(Debug)]
pub enum KeyFault {
    /// It is not one of these keys', or was wrapped for another operation, or changed since.
    Foreign,
    /// Nobody knows: the keys are out of reach.
    Away(Fault),
}

/// Says nothing of what it is.
impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewKey")
    }
}
