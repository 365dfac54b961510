//! Tenet's event buses: two implementations of the port [`Publisher`](tenet_core::Publisher).
//!
//! [`EventBridge`] publishes to Amazon EventBridge (classic `PutEvents`); a rule in the account
//! forwards events from one region's bus to the other's. For machines without AWS there are
//! [`Buses`]: the buses of several regions in one process, with rules, patterns, targets and the
//! same forwarding, and a [`Subscription`] to read what arrives. Both share the code for the form
//! of an entry, its size and the checks.
//!
//! Every event names in its detail, under `tenet.bus`, the region whose bus accepted it. Forwarding
//! filters on that, so that a forwarded event is never forwarded back, and an event that another
//! region's host delivers later still reaches both buses.
//!
//! In the other direction, [`Routes`] determines which operations of a bundle handle an event from
//! a bus, with the same code for patterns.
//!
//! This crate must not know the database and its outbox, rules, requests, or the engine. It
//! receives committed events, returns the result for each, and stores nothing: the caller decides
//! what to remove and when to retry.

mod answer;
mod batches;
mod buses;
mod condition;
mod documented;
mod embedded_bus;
mod entry;
mod envelope;
mod event_bridge;
mod fields;
mod followed;
mod ignored_case;
mod pattern;
mod put_events_failure;
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
