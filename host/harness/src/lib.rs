//! The harness: builds the rules of a bundle, and runs, tests and replays them on a laptop, with the same engine,
//! pipeline, policy and SQL as in a region.
//!
//! A team's own Rust tests run the tests of its bundle with [`run`]:
//!
//! ```no_run
//! #[test]
//! fn rules() {
//!     tenet_harness::run("path/to/bundle").unwrap().assert_passed();
//! }
//! ```
//!
//! A team needs [`run`], [`Harness`], [`Report`], [`TestOutcome`], [`TestEvent`] and [`Error`]. The rest is for the binary
//! `tenet`, and changes with it.
//!
//! [`building`] makes a bundle from its sources, [`testing`] runs its tests and replays recordings, [`hosting`] puts
//! hosts together that serve it, and [`sources`] says what its rules' sources show. What takes seconds is reported
//! to a [`Progress`].
//!
//! It returns typed values. It must never know a terminal, a command's arguments, exit codes or AWS: the binary
//! `tenet` has these.

pub mod building;
mod database;
mod error;
mod escaped;
pub mod hosting;
mod model;
mod progress;
pub mod schema;
pub mod sources;
pub mod testing;
mod unmodelled;
mod watching;

pub use database::{Database, private};
pub use error::{Error, Place};
pub use escaped::escaped;
pub use model::Model;
pub use progress::{Progress, Silent, Work};
pub use testing::{Harness, Report, TestEvent, TestOutcome, run};
pub use unmodelled::Unmodelled;
pub use watching::Watching;
