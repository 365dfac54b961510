//! Capsules: recordings of requests.
//!
//! A [`Tape`] looks on while a request is decided (it is a [`Probe`](tenet_core::Probe)) and
//! takes down each attempt: what its rules ran, published, logged and drew, what they were
//! told, and how it ended. With the request and the answer that makes a [`Capsule`], a file of
//! JSON in which nothing is rounded. A [`Playback`] is the way back: it is the port `Transactions`, and
//! answers statements with what the capsule has for them, so that the pipeline, the engine
//! and the policy decide the request once more and no database is there. [`differences`] says in
//! what two recordings of one request are not the same.
//!
//! A [`Shadow`] runs the next version of a rule on what the live request was told, and compares.
//!
//! What a capsule holds is what the rows held. Where an operation keeps something secret it is
//! [sealed](Key) or left out: [`Capsule::to_text`] writes no other. An operation whose rules may
//! use the vault does: what they sealed and opened is in it, and answers a replay without a key. Where
//! values are left out, of the words that a rule chooses only key words of SQL and the bundle's own
//! [`Names`] stay.
//!
//! What this crate must never know: wasmtime, a SQL driver, the pipeline, where files are kept.

mod capsule;
mod difference;
mod error;
mod key;
mod names;
mod playback;
mod shadow;
mod tape;
mod wire;
mod without_values;

pub use capsule::{Answer, Attempt, Call, Capsule, End, Ended, Entry, Recorded, Request, Secrecy, VERSION};
pub use difference::differences;
pub use error::CapsuleError;
pub use key::Key;
pub use names::Names;
pub use playback::Playback;
pub use shadow::{Compared, Shadow};
pub use tape::Tape;
pub use wire::{
    Column, Event, Fault, Outcome, RecordedVault, SqlError, Statement, Stored, Value, ValueType, Values, VaultCall,
};
