//! The audit of hosts under faults: the answers that callers got, the contents of the database and
//! the events at the buses are compared.
//!
//! The fault campaign applies it to real processes, the simulation to hosts in one process. Clients
//! note each question and each answer in a [`Journal`], and the events that arrive in [`Arrivals`].
//! Once all is at rest, an [`Audit`] reads the database through a connection of its owner. Each
//! difference is a [`Wrong`]: something lost, doubled or invented, or a rule blamed for an injected
//! fault.
//!
//! The audit must not depend on how a host keeps its guarantees: it knows what callers, the
//! database's owner and subscribers see. Only the ids of events are computed here too, because they
//! are guaranteed to depend on nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where it panics"
)]

pub mod accounts;
mod arrivals;
mod audit;
pub mod chains;
mod effect;
mod journal;
pub mod log;
mod name;
mod report;
mod tally;
mod wrong;

pub use arrivals::{Arrivals, Arrived};
pub use audit::{Audit, Stored};
pub use effect::Effect;
pub use journal::{Ask, Entry, Heard, Journal};
pub use name::Name;
pub use report::Report;
pub use tally::Tally;
pub use wrong::{Kind, Wrong};
