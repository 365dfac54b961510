//! Capsules: recordings of requests.
//!
//! A [`Tape`] observes a request while it is decided (it is a [`Probe`](tenet_core::Probe)) and
//! records each attempt: the host calls of its rules with their results, and how it ended. Together
//! with the request and the answer this makes a [`Capsule`], a JSON file in which no number is
//! rounded. A [`Playback`] replays it: it implements the port `Transactions` and answers statements
//! from the capsule, so that the pipeline, the engine and the policy decide the request again
//! without a database. [`differences`] compares two recordings of one request.
//!
//! A [`Shadow`] runs the next version of a rule on the recording of a live request, and compares
//! the results.
//!
//! A capsule contains data from rows. If an operation has secret values, [`Capsule::to_text`]
//! [seals](Key) the whole capsule, or leaves the values out. The columns that its rules may seal or open are
//! secret too: the plain values are in the capsule, so a replay needs no vault key. Without values,
//! the only words of a rule that remain are SQL key words and the bundle's own [`Names`].
//!
//! This crate must not know wasmtime, a SQL driver, the pipeline, or where files are stored.

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
    Column, Event, FollowUp, Outcome, RecordedFault, RecordedVault, Schedule, ScheduledDue, SqlError, Statement,
    Stored, Value, ValueType, Values, VaultCall,
};
