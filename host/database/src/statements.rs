//! Sending statements and reading their results.

pub(crate) mod answer_timeout;
pub(crate) mod columns;
pub(crate) mod failure;
pub(crate) mod flight;
pub(crate) mod numeric;
pub(crate) mod parameter;
pub(crate) mod query;
pub(crate) mod unreadable;
