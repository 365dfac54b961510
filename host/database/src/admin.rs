//! What an operator does with the tables of the host.

pub(crate) mod administrator;
pub(crate) mod index_job;
pub(crate) mod parked;
