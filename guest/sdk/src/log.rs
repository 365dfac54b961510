//! Writes lines to the operator's log, with macros that take the arguments of `format!`.
//!
//! The number of lines and their bytes are limited. Do not log payloads and secrets. Lines of an
//! attempt that did not commit are dropped, unless the request fails.
//!
//! ```no_run
//! let rows = 3;
//! tenet::log::info!("{rows} rows were old");
//! ```

use crate::bindings::tenet::rule::log as host;

#[doc(inline)]
pub use crate::{__log_debug as debug, __log_error as error, __log_info as info, __log_warn as warn};

/// The level of a line.
///
/// ```
/// assert!(tenet::log::Level::Warn > tenet::log::Level::Info);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For debugging.
    Debug,
    /// Normal events.
    Info,
    /// Events that should be rare.
    Warn,
    /// Events that should not occur.
    Error,
}

/// Writes one line to the log.
///
/// ```no_run
/// tenet::log::write(tenet::log::Level::Warn, "an old row");
/// ```
pub fn write(level: Level, message: &str) {
    let level = match level {
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    };
    host::write(level, message);
}

/// Logs at the level `Debug`.
///
/// ```no_run
/// tenet::log::debug!("{} rows", 3);
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __log_debug {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($message)+)) };
}

/// Logs at the level `Info`.
///
/// ```no_run
/// let id = "ann";
/// tenet::log::info!("opened {id}");
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __log_info {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($message)+)) };
}

/// Logs at the level `Warn`.
///
/// ```no_run
/// tenet::log::warn!("the rate is old");
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __log_warn {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($message)+)) };
}

/// Logs at the level `Error`.
///
/// ```no_run
/// tenet::log::error!("there is no rate");
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __log_error {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($message)+)) };
}
