//! The core of the host: from a [`Request`](tenet_core::Request) to a committed answer.
//!
//! [`Pipeline::handle`] selects the operation's rules, opens an attempt, runs the rules inside it, and commits their
//! verdict together with the key and what they staged: events and operations that follow. After a conflict it discards the attempt and starts another
//! one. If the outcome of a commit is unknown, the next attempt settles it by looking up the key. [`Pipeline::publish`]
//! then hands the events of a committed transaction to the bus, after the response where the platform allows that.
//! [`Pipeline::follow`] runs the operations that the transaction scheduled and that are due at once. [`Pipeline::relay`]
//! publishes later what a host could not publish, runs what has become due, and removes expired answers.
//!
//! The decisions are made here without I/O: the pipeline uses the ports of `tenet-core`, and its tests run it with a
//! scripted database, engine, bus and clock. It must not depend on wasmtime, a SQL driver, AWS, or the format of a
//! request. Two things live here because every binary needs them and this is the lowest crate that they share: the
//! [`Invocation`], with its formats ([`direct`], [`BridgeEvent`]), and the machine's time and randomness
//! ([`Arrival`]).

mod admission;
mod answer;
mod arrival;
mod attempt_runner;
mod batcher;
mod bridge_event;
mod calls;
mod chained_rule;
mod commit_doubt;
pub mod direct;
mod follow_up_end;
mod follow_up_failure;
mod follow_up_observer;
mod follow_ups;
mod in_span;
mod invocation;
mod no_vault;
mod pipeline;
mod presence;
mod relay;
mod rule_breaker;
mod selection;
mod slow_operations;
mod summary;

pub use admission::Place;
pub use answer::{Answer, Problem, Status};
pub use arrival::{Arrival, Seeds};
pub use bridge_event::BridgeEvent;
pub use follow_up_end::FollowUpEnd;
pub use follow_up_failure::{AfterFailure, FollowUpFailure};
pub use follow_up_observer::{FollowUpObservation, FollowUpObserver};
pub use follow_ups::Followed;
pub use invocation::Invocation;
pub use no_vault::NoVault;
pub use pipeline::{Handled, Pending, Pipeline};
pub use presence::Presence;
pub use relay::Relayed;
pub use selection::{Operations, UnusableOperation};
pub use summary::METRICS;
pub use tenet_core::Backoff;
