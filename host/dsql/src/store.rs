//! The database itself: its catalogue, its rows in all versions that an open transaction may still read, and
//! the transactions over them.

pub(crate) mod catalog;
pub(crate) mod conflict;
pub(crate) mod ddl;
pub(crate) mod foreign_key;
mod job;
mod jobs;
pub(crate) mod limits;
pub(crate) mod link;
mod next_value;
mod publish;
pub(crate) mod referential_check;
mod referential_integrity;
mod rows;
pub(crate) mod sequence;
mod state;
pub(crate) mod system;
pub(crate) mod table;
pub(crate) mod transaction;
mod unique_violation;
mod versions;
mod write_set;

pub(crate) use state::Store;
