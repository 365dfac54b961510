//! Measures the cost of Tenet, compared with the least possible cost.
//!
//! Absolute times depend on the machine and its load. So each benchmark measures its subject and the alternatives in
//! turns, in one process, and reports ratios ([`Pairs`]). The alternatives are here too: the same rule on wasmtime
//! alone ([`Bare`]), and as a plain function ([`native`]). Databases are replaced by ports that answer at once
//! ([`Ready`]).
//!
//! A transfer is compared with the same transfer written by hand with the driver ([`Direct`]), on the same PostgreSQL.
//!
//! Whole functions ([`Function`]) run under the parts of Lambda's runtime API that they need: the released host, one
//! that only connects (`only-connects`) and one in Python (`python/handler.py`).
//!
//! The load test differs: the same host with few clients and with many, on accounts that all of them use, and an audit
//! at the end. The function's events go to an API that accepts all of them at once ([`EventBus`]).
//!
//! `cargo xtask bench` builds what the benchmarks need and passes its location ([`place`]). This crate must not depend
//! on a WebAssembly compiler: it would change the engine that is measured.

mod bare;
mod bundle;
mod database;
mod direct;
mod event_bus;
mod function;
mod http_request;
mod http_server;
pub mod native;
mod pairs;
pub mod place;
mod ready;
mod runtime_api;
mod stock;

pub use bare::Bare;
pub use bundle::bundle_of;
pub use database::new_database;
pub use direct::Direct;
pub use event_bus::EventBus;
pub use function::{Function, Memory, Program};
pub use pairs::{Pairs, on_cpu};
pub use ready::{Ready, request, rows};
pub use stock::Stock;
