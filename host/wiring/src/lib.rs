//! Puts a host together from its parts: the function, the harness, the tests and the benchmarks run
//! the same pipeline on a database, rules and a bus of their own.
//!
//! It knows ports and what a bundle's index says. It must never know what is behind a port: no
//! wasmtime, no SQL driver, no AWS.

mod host_builder;

pub use host_builder::HostBuilder;
