//! Tests that are files, run on the host itself.
//!
//! A file gives rows, sends requests and states what they have to do. Each test has a
//! database to itself, one of as many as run at once (`site`), and runs as a `case` on the same engine,
//! pipeline, policy and SQL as in Lambda, with a layer in between (`injected`) that records everything and
//! injects the faults that the test names. Requests at once run in every order of their flights by the
//! `explorer`, on a `stage`: the model of Aurora DSQL, or PostgreSQL. A recorded request is decided again by `replay`. A [`Harness`] runs the tests of a bundle.

mod capsule_file;
mod case;
mod coverage;
pub(crate) mod discovery;
mod explorer;
mod file;
mod harness;
mod injected;
mod json;
mod measure;
mod moment;
mod null;
mod outcome;
mod replay;
mod report;
mod scheduled;
mod sealed;
mod site;
mod stage;
mod toml_json;
mod transcript;
mod update;

pub use capsule_file::{read as read_capsule, write as write_capsule};
pub use coverage::{Coverage, Thing};
pub use discovery::CAPSULE;
pub use explorer::{Again, Anomaly, Explored, Ground, Outcome, Schedule};
pub use file::schema as file_schema;
pub use harness::{Harness, TestEvent, run};
pub use measure::{Measured, measure};
pub use outcome::{StepResult, TestFailure, TestOutcome};
pub use replay::{Comparison, Replay, as_test};
pub use report::Report;
pub use scheduled::scheduled;
pub use transcript::texts as transcript;
pub use update::Update;
