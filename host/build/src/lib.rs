//! Builds rules to components, and provides what a machine needs to run them: tools and a database.
//!
//! A [`Bundle`] is a team's source: `tenet.toml`, `rules/NAME`, `schema/NNNN_*.sql`. It is built
//! with a [`Toolchain`], from rustup if possible and otherwise from Debian's packages, into a
//! folder of files and the index that names them. Rules in JavaScript and Python are built by
//! programs that are installed in a fixed version on first use. [`Progress`] receives the steps of
//! a build. The index contains a digest of all inputs of the components, so [`check_fresh`] detects
//! a stale build without building. A [`PrivatePostgres`] is a database for one process, and a
//! [`Leash`] ends a server together with the process that started it.
//!
//! This crate must never know about wasmtime, an async runtime, AWS or a SQL driver. The tasks of
//! this repository are built on it, and they have to start quickly. Of its own workspace it depends
//! only on the core, for the format of the index. The harness compiles components ahead of time and
//! records that in the same index ([`write_index`]).

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
