//! Hosts on a laptop: the pipeline over a database of this machine, buses in the process, and a vault without AWS.

mod follow;
mod local;
mod payload;
mod vault;

pub use follow::MOST;
pub(crate) use follow::{Taken, taken};
pub(crate) use local::answer;
pub use local::{EAST, EVERY_EVENT, Followed, Local, OnFollowUp, Shadowed, WEST};
pub use payload::check_payload;
pub use vault::vault;
