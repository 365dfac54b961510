//! What the system tests share.

pub(crate) mod bundle;
pub(crate) mod database;
pub(crate) mod embedded_metrics;

pub(crate) mod host;
pub(crate) mod http;
pub(crate) mod ministack;
pub(crate) mod raw;
pub(crate) mod rehearsal;
pub(crate) mod sandbox;
pub(crate) mod serve;
pub(crate) mod tenet;

pub(crate) use database::{database, empty_database};
pub(crate) use tenet_test_support::{eventbridge, eventbridge_relay, kms};

/// A variable that `cargo xtask test` sets.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run `cargo xtask test`"))
}

/// A path that `cargo xtask test` sets.
pub(crate) fn path(name: &str) -> std::path::PathBuf {
    variable(name).into()
}
