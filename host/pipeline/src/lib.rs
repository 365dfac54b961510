//! The heart of the host: from a [`Request`](tenet_core::Request) to a committed answer.
//!
//! [`Pipeline::handle`] selects the operation's rules, opens an attempt, runs the rules
//! inside it, and commits their verdict together with the key and the staged events. A
//! conflict throws the attempt away and starts another from nothing; a commit whose
//! outcome is unknown is settled by asking its key again. [`Pipeline::publish`] then
//! hands the events of a committed transaction to the bus, after the answer where the
//! platform allows, and [`Pipeline::relay`] later what a host could not. Its turn also
//! removes the answers that need not be kept any longer.
//!
//! What decides here is pure: it works on the ports of `tenet-core` and can be run with
//! a scripted database, engine, bus and clock, which is how its tests do it. It must
//! never know wasmtime, a SQL driver, AWS, or what shape a request came in. The two
//! exceptions live here because every binary needs the same one and this is the lowest
//! room they share: what a caller says, an [`Invocation`], with the shapes that it has
//! [`direct`]ly and as a [`BridgeEvent`], and the machine's own time and randomness, [`SystemClock`] and [`Arrival`].

mod admission;
mod answer;
mod arrival;
mod attempt_runner;
mod backoff;
mod batcher;
mod bridge_event;
mod calls;
mod chained_rule;
mod commit_doubt;
pub mod direct;
mod in_span;
mod invocation;
mod no_vault;
mod pipeline;
mod relay;
mod rule_breaker;
mod selection;
mod summary;
mod system_clock;

pub use admission::Place;
pub use answer::{Answer, Problem, Status};
pub use arrival::Arrival;
pub use backoff::Backoff;
pub use bridge_event::BridgeEvent;
pub use invocation::Invocation;
pub use no_vault::NoVault;
pub use pipeline::{Handled, Pending, Pipeline};
pub use relay::Relayed;
pub use selection::{Operations, UnusableOperation};
pub use summary::METRICS;
pub use system_clock::SystemClock;
