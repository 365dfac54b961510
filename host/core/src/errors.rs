//! Errors, their codes, and whose fault they are.

pub(crate) mod chain;
pub(crate) mod code;
pub(crate) mod fault;
