//! The context of the request. All values are the same on every attempt of a request.
//!
//! ```no_run
//! use tenet::{context, params};
//!
//! # fn main() -> tenet::Result<()> {
//! let (id, owner) = (context::uuid(), context::caller().unwrap_or_default());
//! let sql = "INSERT INTO accounts (id, owner, opened_at, region) VALUES ($1, $2, $3, $4)";
//! tenet::execute(sql, params![id, owner, context::now(), context::region()])?;
//! # Ok(())
//! # }
//! ```

use crate::bindings::tenet::rule::context as host;
use crate::{TimestampTz, Uuid};

/// The operation that the caller requested.
///
/// ```no_run
/// tenet::log::info!("serving {}", tenet::context::operation());
/// ```
pub fn operation() -> String {
    host::operation()
}

/// The region that serves the request: `us-east-1`.
///
/// ```no_run
/// let region = tenet::context::region();
/// ```
pub fn region() -> String {
    host::region()
}

/// When the host received the request. It does not change while a rule runs, and statements see it as `now()`.
///
/// ```no_run
/// use tenet::{Date, context, params};
///
/// # fn main() -> tenet::Result<()> {
/// let today: Date = context::now().utc().date();
/// tenet::execute("INSERT INTO totals (day, changed_at) VALUES ($1, $2)", params![today, context::now()])?;
/// # Ok(())
/// # }
/// ```
pub fn now() -> TimestampTz {
    TimestampTz::from_micros(host::now())
}

/// The idempotency key; none for a read-only operation.
///
/// ```no_run
/// let key: Option<String> = tenet::context::key();
/// ```
pub fn key() -> Option<String> {
    host::key()
}

/// The caller's identity, as the authoriser reports it; none if there is no authoriser.
///
/// ```no_run
/// # fn main() -> tenet::Result<()> {
/// let Some(caller) = tenet::context::caller() else {
///     tenet::reject!("no-caller", "sign in first");
/// };
/// # Ok(())
/// # }
/// ```
pub fn caller() -> Option<String> {
    host::caller()
}

/// The next bytes of the request's random sequence, at most 65,536 per call. Each rule of a request has its own
/// sequence, and each attempt restarts it.
///
/// ```no_run
/// let dice = tenet::context::random(1).first().map(|byte| byte % 6 + 1);
/// ```
pub fn random(length: u32) -> Vec<u8> {
    host::random(length)
}

/// A new random UUID (version 4), from the same sequence as [`random`].
///
/// ```no_run
/// let id: tenet::Uuid = tenet::context::uuid();
/// ```
pub fn uuid() -> Uuid {
    let mut bytes = [0; 16];
    for (byte, random) in bytes.iter_mut().zip(random(16)) {
        *byte = random;
    }
    Uuid::from_random(bytes)
}
