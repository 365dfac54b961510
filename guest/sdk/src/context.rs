//! The request's surroundings. All answers are the same on every attempt of a request.

use crate::bindings::tenet::rule::context as host;
use crate::{TimestampTz, Uuid};

/// The operation that the caller asked for.
pub fn operation() -> String {
    host::operation()
}

/// The region that serves the request: `us-east-1`.
pub fn region() -> String {
    host::region()
}

/// When the host received the request. It stands still while a rule runs.
pub fn now() -> TimestampTz {
    TimestampTz::from_micros(host::now())
}

/// The idempotency key; none for a read-only operation.
pub fn key() -> Option<String> {
    host::key()
}

/// Who asks, as the authoriser vouches for it; none where nobody did.
pub fn caller() -> Option<String> {
    host::caller()
}

/// The next bytes of the request's random sequence, at most 65,536 in one call. Each rule
/// of a request has a sequence of its own, and each attempt starts it anew.
pub fn random(length: u32) -> Vec<u8> {
    host::random(length)
}

/// A new random UUID (version 4), from the same sequence as [`random`].
pub fn uuid() -> Uuid {
    let mut bytes = [0; 16];
    for (byte, random) in bytes.iter_mut().zip(random(16)) {
        *byte = random;
    }
    Uuid::from_random(bytes)
}
