//! What Tenet costs, beside what it could cost at best.
//!
//! A figure means little on another machine, and on this one an hour later. So each
//! benchmark measures what it is about and what it is compared with in turns, in one
//! process, and gives ratios ([`Pairs`]). What they compare with is here too: the same
//! rule on wasmtime and nothing else ([`Bare`]), and as a plain function ([`native`]).
//! Databases and their waiting are left out by ports that answer at once ([`Ready`]).
//!
//! What a transfer costs is compared with the same transfer written by hand on the driver
//! ([`Direct`]), on the same PostgreSQL.
//!
//! Whole functions ([`Function`]) run under as much of Lambda's runtime API as they need: the
//! released host, and beside it one that only connects (`only-connects`) and one in Python
//! (`python/handler.py`).
//!
//! Load is of its own kind: the same host with few clients and with many, on accounts that all of them want, and an
//! audit at the end. The function's events go to an interface that takes all of them at once ([`EventBus`]).
//!
//! `cargo xtask bench` builds what the benchmarks want and says where it is ([`place`]).
//! Nothing here may bring a compiler of WebAssembly into the tree: it would change what
//! the function's engine is measured with.

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
