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
//! `cargo xtask bench` builds what the benchmarks want and says where it is ([`place`]).
//! Nothing here may bring a compiler of WebAssembly into the tree: it would change what
//! the function's engine is measured with.

mod bare;
mod bundle;
mod direct;
mod function;
pub mod native;
mod pairs;
pub mod place;
mod ready;
mod runtime_api;
mod stock;

pub use bare::Bare;
pub use bundle::bundle_of;
pub use direct::Direct;
pub use function::{Function, Memory, Program};
pub use pairs::{Pairs, on_cpu};
pub use ready::{Ready, request, rows};
pub use stock::Stock;
