//! Stand-ins and proxies between a host and its services, for tests and benchmarks.
//!
//! [`Relay`] is a proxy for PostgreSQL's protocol: it counts round trips, refuses a message, or cuts the connection at
//! the worst time. [`Dsql`] is the same proxy with the behaviour of an Aurora DSQL endpoint: TLS from the first byte, a
//! certificate for the endpoint's name, a signed token as the password, DSQL's dialect, connection rate and connection
//! age. Both parse the messages of the protocol (`link`), so they share their features: tests control them through
//! [`Wire`].
//!
//! [`Latency`] only adds latency. `eventbridge` and `eventbridge_relay` are EventBridge on moto, and a proxy in front
//! of it.
//!
//! [`Harm`] is a fault injected into single statements, or at random from a seed. It is limited to what a real server
//! and network can do.
//!
//! [`serve`] runs `tenet serve` in a process of its own, [`http`] is its client, and [`hot`] a load of many clients on
//! few rows, with an audit afterwards.
//!
//! A stand-in is as strict as the real service and, where that is undocumented, stricter. It shares no code with the
//! host, and checks signatures of the AWS SDK without the SDK.
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
pub mod hot;
pub mod http;
pub mod kms;
mod latency;
mod link;
mod memory;
mod message;
mod mischief;
pub mod one_call;
mod relay;
mod roles;
pub mod serve;
mod server;
mod test_database;
mod token;
mod wire;
mod words;

pub use authority::Authority;
pub use awaited::{HANGS, awaited};
pub use dsql::{Dsql, Terms};
pub use latency::Latency;
pub use memory::peak_memory;
pub use relay::Relay;
pub use roles::Roles;
pub use tenet_harm::Harm;
pub use test_database::{TestDatabase, connect};
pub use token::{ACCESS_KEY, SECRET_KEY};
pub use wire::Wire;
