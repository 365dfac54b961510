//! What stands between a host and PostgreSQL in tests and benchmarks.
//!
//! [`Relay`] is a plain wire with ears: it counts waits as the wire shows them, refuses a
//! message, or cuts the connection at the worst moment. [`Dsql`] is the same wire behind
//! the door of an Aurora DSQL cluster: TLS from the first byte on, a certificate for the
//! endpoint's name, a signed token for a password, DSQL's dialect, its rate and its age of
//! connections. Both read what passes as messages of PostgreSQL's protocol (`link`), so
//! that what one learns the other can do too: [`Wire`] is what a test asks and tells them.
//!
//! [`Latency`] is nothing but a long way. `eventbridge` and `eventbridge_relay` are EventBridge as
//! moto serves it, and the way to it.
//!
//! [`Harm`] is done to statements one by one, or at random from a seed. It stays within what
//! a real server and a real network can do.
//!
//! [`serve`] is `tenet serve` in a process of its own, [`http`] the client that asks it, and [`hot`] what many
//! clients at once ask of few rows, and the audit afterwards.
//!
//! A stand-in is as strict as what it stands for and, where that is not documented,
//! stricter. It shares nothing with the host, and checks what the AWS SDK signs without it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where it panics"
)]

mod authority;
mod awaited;
mod bucket;
mod dialect;
mod door;
mod dsql;
pub mod eventbridge;
pub mod eventbridge_relay;
mod harm;
pub mod hot;
pub mod http;
pub mod kms;
mod latency;
mod link;
mod memory;
mod message;
mod relay;
mod roles;
pub mod serve;
mod server;
mod token;
mod wire;
mod words;

pub use authority::Authority;
pub use awaited::{HANGS, awaited};
pub use dsql::{Dsql, Terms};
pub use harm::Harm;
pub use latency::Latency;
pub use memory::peak_memory;
pub use relay::Relay;
pub use roles::Roles;
pub use token::{ACCESS_KEY, SECRET_KEY};
pub use wire::Wire;
