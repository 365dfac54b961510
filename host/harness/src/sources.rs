//! What the sources of rules show without being run.

mod script;
pub(crate) mod statements;
mod survey;

pub use statements::Found;
pub use survey::{Surveyed, survey};
