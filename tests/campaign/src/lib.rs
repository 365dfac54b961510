//! The fault campaign: the hosts of two regions on one database, under many faults, and an audit of
//! the result.
//!
//! [`Round::run`] sets up a world (a database, a DSQL stand-in and a bus for each region, real
//! `bootstrap` processes under a simulator of Lambda). Clients send requests, repeat them and
//! contradict themselves, while faults hit the connections, the buses fail and hosts are killed.
//! Then the world comes to rest, and the answers that clients received, the contents of the
//! database and the events at the buses are compared (`tenet_audit`).
//!
//! The seed decides the requests and the faults, but not the timing. So a seed helps to find a
//! failure again, but does not replay it.
//!
//! The campaign must not depend on how a host keeps its guarantees: it sees what callers, the
//! database's owner and subscribers see.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where it panics"
)]

mod bus;
mod clients;
mod gate;
mod pace;
mod phases;
mod region;
mod round;
mod sandbox;
mod weather;

pub use phases::PHASE;
pub use round::{Means, Round};
