//! A model of Aurora DSQL in memory: small, and exact in what matters to those who write
//! transactions for it.
//!
//! A [`Cluster`] is one logical database. Its transactions read a snapshot, take no locks and wait
//! for nothing. What they wrote is compared with what others committed since: the first one to
//! commit wins, and the others fail with SQLSTATE 40001. Clients connect by PostgreSQL's protocol
//! over any stream of bytes.
//!
//! Statements are those that the host and its users send. Anything else is refused by name with
//! SQLSTATE 0A000; nothing is guessed.
//!
//! This crate must never know about rules, hosts or bundles: it depends on nothing of Tenet. It uses
//! no clock and no source of chance but those that it is given, so that one seed gives one story.

mod clock;
mod cluster;
#[cfg(test)]
mod oracle;
mod query;
mod scalars;
mod session;
mod sql_error;
mod store;
pub mod trial;
mod values;

pub use clock::Clock;
pub use cluster::{Cluster, Options};
pub use session::endpoint::SignIn;
pub use sql_error::{ErrorObject, SqlError, UNKNOWN};
pub use store::limits::Limits;
