//! JSON Schema (draft 2020-12): checks payloads against the schemas that rules declare.
//!
//! A [`Schema`] is read once and reused. [`Schema::fit`] returns where and why a payload does not
//! match, or the payload with its integers in plain form, so that `1.0` is an integer in every
//! language. Numbers are compared exactly, never as floats.
//!
//! An unsupported keyword is refused when the schema is read, so that payloads always match what a
//! rule declares.
//!
//! This crate must not know rules, requests, bundles, or an async runtime.

mod check;
mod divisor;
mod error;
mod format;
mod reader;
mod schema;

pub use error::{Misfit, SchemaError};
pub use schema::Schema;
