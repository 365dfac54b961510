//! Code shared by the system tests.

pub(crate) mod bundle;
pub(crate) mod database;
pub(crate) mod embedded_metrics;

pub(crate) mod host;
pub(crate) mod matched;
pub(crate) mod ministack;
pub(crate) mod raw;
pub(crate) mod rehearsal;
pub(crate) mod rendered;
pub(crate) mod sandbox;
pub(crate) mod shop;
pub(crate) mod tenet;
pub(crate) mod two_regions;

pub(crate) use database::{database, empty_database};
use tenet_test_support::serve::Served;
pub(crate) use tenet_test_support::{eventbridge, eventbridge_relay, http, kms};

/// Runs `tenet serve` for the built bundle with this name, on the database with this URL.
pub(crate) async fn serve(name: &str, url: &str) -> Served {
    Served::start(&path("TENET_TEST_TENET"), &bundle::bundle(name).0, url).await
}

/// A variable that `cargo xtask test` sets.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run `cargo xtask test`"))
}

/// A path that `cargo xtask test` sets.
pub(crate) fn path(name: &str) -> std::path::PathBuf {
    variable(name).into()
}
