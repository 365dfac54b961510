//! The faults of single statements that tests inject between a host and its database.
//!
//! The stand-in in front of PostgreSQL and the wires of the simulation apply them. They are limited
//! to what a real server and a real network can do.

mod harm;

pub use harm::Harm;
