//! What commands found, for people, for CI and for programs.

pub(crate) mod errors;
mod failures;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod people;
pub(crate) mod progress;
