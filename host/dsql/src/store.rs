//! The database itself: its catalogue, its rows in all versions that an open transaction may still read, and
//! the transactions over them.

pub(crate) mod catalog;
pub(crate) mod conflict;
pub(crate) mod ddl;
mod job;
mod jobs;
pub(crate) mod limits;
mod next_value;
mod publish;
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
