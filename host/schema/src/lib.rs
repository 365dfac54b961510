//! JSON Schema (draft 2020-12): what a rule declares that its payload is, held against payloads.
//!
//! A [`Schema`] is read once and kept. [`Schema::fit`] says where a payload does not fit and why,
//! and gives it back with its integers in their plain form, so that `1.0` is an integer in every
//! language. Numbers are compared as they are written and never as floats.
//!
//! A keyword that is not held is refused when the schema is read, so that what a rule declares is
//! what its payloads are.
//!
//! What this crate must never know: rules, requests, bundles, an async runtime.

mod check;
mod divisor;
mod error;
mod format;
mod reader;
mod schema;

pub use error::{Misfit, SchemaError};
pub use schema::Schema;
