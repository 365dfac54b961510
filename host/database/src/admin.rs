//! Operator commands on the host's tables.

pub(crate) mod administrator;
pub(crate) mod background_job;
pub(crate) mod follow_up_list;
pub(crate) mod parked;
