//! Operator commands on the host's tables.

pub(crate) mod administrator;
pub(crate) mod follow_up_list;
pub(crate) mod index_job;
pub(crate) mod parked;
