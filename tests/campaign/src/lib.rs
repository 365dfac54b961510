//! The fault campaign: two regions' hosts on one database while everything goes wrong, and
//! an account of what came of it.
//!
//! [`Round::run`] sets up one world (a database, a DSQL stand-in and a bus for each region,
//! real `bootstrap` processes under a simulator of Lambda), lets clients ask, repeat
//! themselves and contradict themselves, and meanwhile does harm to the wires, takes the
//! buses away and kills hosts. Then it lets the world come to rest and compares what clients
//! were told, what the database holds and what arrived at the buses. Each difference is a
//! [`Wrong`]: something lost, doubled or invented, or a rule that is blamed for the weather.
//!
//! The seed decides what is asked and what harm is done. It does not decide who is faster, so
//! that a seed is a place to look again and not a replay.
//!
//! It must never know how a host keeps its promises: it sees what callers, the database's
//! owner and subscribers see. The ids of events are the one thing that it works out for
//! itself, since they are promised to depend on nothing but what it knows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where it panics"
)]

mod accounts;
mod audit;
mod bus;
mod clients;
mod gate;
mod journal;
mod region;
mod report;
mod round;
mod sandbox;
mod tally;
mod weather;
mod wrong;

pub use report::Report;
pub use round::{Means, Round};
pub use wrong::{Kind, Wrong};
