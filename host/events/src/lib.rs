//! Tenet's event buses: two ways to implement the port [`Publisher`](tenet_core::Publisher).
//!
//! [`EventBridge`] hands events to Amazon EventBridge (classic `PutEvents`); a rule of
//! the account's own carries them from one region's bus to the other's. For a machine
//! without AWS there are [`Buses`]: the buses of several regions in one process, with
//! rules, patterns, targets and that same forwarding, and a [`Subscription`] wherever
//! somebody wants to see what arrives. What an entry looks like, how its size is
//! counted and what is refused is written once, for both.
//!
//! Every event says in its detail, under `tenet.bus`, which region's bus took it.
//! Forwarding filters on that, so that a forwarded event is never forwarded back, and
//! an event that another region's host delivers later still reaches both buses.
//!
//! The other way round, [`Routes`] tells which operations of a bundle take an event that a
//! bus delivers: the same patterns, read and matched by the same code.
//!
//! What this crate must never know: the database and its outbox, rules, requests, the
//! engine. It gets events that are committed, tells what became of each one, and keeps
//! nothing: whoever called decides what to remove and when to try again.

mod answer;
mod batches;
mod buses;
mod condition;
mod documented;
mod embedded_bus;
mod entry;
mod envelope;
mod event_bridge;
mod failure;
mod fields;
mod followed;
mod ignored_case;
mod pattern;
mod routes;
mod subscription;

pub use buses::{Buses, BusesError};
pub use embedded_bus::EmbeddedBus;
pub use entry::MAX_TOTAL_BYTES;
pub use event_bridge::EventBridge;
pub use followed::followed;
pub use pattern::{Pattern, PatternError};
pub use routes::{RouteError, Routes};
pub use subscription::Subscription;
