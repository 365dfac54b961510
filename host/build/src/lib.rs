//! What has to be on a machine before a rule can run: components, and a database.
//!
//! A [`Bundle`] is a team's source: `tenet.toml`, `rules/NAME`, `schema/NNNN_*.sql`. It
//! builds itself with a [`Toolchain`], which comes from rustup where it can and from
//! Debian's packages where it cannot, into a folder of files and the index that names
//! them; rules in JavaScript and Python are made by programs that are installed, each to
//! the version, when one is first wanted. Whoever waits is told through [`Progress`]. The
//! index carries a digest of everything the components were made of, so that
//! [`check_fresh`] can tell a stale build without building. A [`PrivatePostgres`] is a
//! database for one process, and a [`Leash`] ends a server with whoever started it.
//!
//! What this crate must never know: wasmtime, an async runtime, AWS, a SQL driver. The
//! tasks of this repository start through it, and they start at once. Of its own
//! workspace it names the core alone, for the format of the index. Compiling a component
//! ahead of time is the harness's work, which then writes what it did into the same index
//! ([`write_index`]).

mod bounded;
mod bundle;
mod bundling;
mod captured;
mod compile;
mod deployment;
mod doctor;
mod error;
mod event_pattern;
mod fresh;
mod imports;
mod json_schema;
mod leash;
mod line_table;
mod lock;
mod lockfile;
mod machine;
mod made;
mod manifest;
mod packages;
mod payload;
mod postgres;
mod programs;
mod progress;
mod refusal;
mod script;
mod sources;
mod toolchain;
mod tools;

pub use bounded::{MAX_CODE, MAX_RECORD, MAX_TEXT, read_at_most, text_at_most};
pub use bundle::Bundle;
pub use compile::describing;
pub use deployment::Deployment;
pub use doctor::{Finding, examine};
pub use error::{Error, Place};
pub use fresh::{check_fresh, sha256, write_index, write_whole};
pub use leash::Leash;
pub use lock::{GRANTS, Lock};
pub use lockfile::lock_new_rule;
pub use machine::install;
pub use made::Made;
pub use postgres::PrivatePostgres;
pub use programs::Programs;
pub use progress::Progress;
pub use toolchain::Toolchain;
pub use tools::user_cache;
