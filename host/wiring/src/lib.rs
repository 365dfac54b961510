//! Builds a host from its parts. The function, the harness, the tests and the benchmarks run the
//! same pipeline with their own database, rules and bus.
//!
//! It depends on ports and on the bundle's index only, not on wasmtime, a SQL driver or AWS.

mod host_builder;

pub use host_builder::HostBuilder;
