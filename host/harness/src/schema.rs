//! The steps of a bundle's schema: read, held against what Aurora DSQL takes, and applied.

mod lint;
mod steps;

pub use lint::check as lint;
pub use steps::{apply_by, apply_to, check, plan, steps, text};
