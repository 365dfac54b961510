//! The simulation: the hosts of two regions in one process, on a model of Aurora DSQL, under many
//! faults and on a simulated clock.
//!
//! A [`Simulation`] is one story. Its parts are the real ones: the pipeline, the database's room with
//! its driver, the engine with compiled rules, relays. They meet doubles where a wire leaves the
//! process: the model for the database, buses that forward to each other, clients.
//!
//! One seed decides everything. Two runs of one seed have the same story, byte for byte: a finding
//! replays exactly, and can be made short ([`Shrinker`]). So nothing here may depend on the machine's
//! clock, on threads or on the order of a hash table.
//!
//! The audits are those of the fault campaign (`tenet_audit`), and a few that only a simulation can
//! make.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where it panics"
)]

mod buses;
mod chance;
mod claims;
mod clients;
mod clocks;
mod framing;
mod lane;
mod network;
mod outlet;
mod path;
mod plan;
mod question;
mod rules;
mod sandbox;
mod sandbox_state;
mod selection;
mod shrinker;
mod simulation;
mod spoken;
mod steady;
mod story;
mod wire;
mod wire_faults;

pub use rules::Components;
pub use selection::Selection;
pub use shrinker::Shrinker;
pub use simulation::{Outcome, Simulation};
pub use wire_faults::WireFault;
