//! The system tests: one binary, one module per topic. `cargo xtask test` starts the servers that
//! they need and passes their addresses; without it, a test that needs one fails with a message.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where it panics"
)]

mod cli;
mod clients;
mod credentials;
mod database;
mod depth;
mod dsql;
mod engine;
mod events;
mod failover;
mod faults;
mod follow_ups;
mod gateway;
mod hostile;
mod http;
mod keys;
mod lambda;
mod languages;
mod life;
mod members;
mod mistakes;
mod moments;
mod names;
mod new;
mod observed;
mod on_model;
mod oversized;
mod packaged;
mod parked;
mod pipeline;
mod policy;
mod readme;
mod recorded;
mod references;
mod rehearsal;
mod resolution;
mod rules;
mod saturation;
mod saturation_in_lambda;
mod schema;
mod setup;
mod shipped;
mod shown;
mod silence;
mod slow;
mod sources;
mod support;
mod tables;
mod team;
mod templates;
mod told;
mod typescript;
mod vault;
mod writing;
