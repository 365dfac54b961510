//! The time of a process.
//!
//! Everything that waits in the host waits on tokio's clock. So that durations are measured on the
//! same clock, the rooms with an async runtime read it here and not from the machine: where a test
//! pauses tokio's clock, it pauses all of the host.
//!
//! This crate must never know what is timed.

mod monotonic;
mod system_clock;

pub use monotonic::monotonic;
pub use system_clock::SystemClock;
