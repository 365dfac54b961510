//! Fields that only rules with the grant can read.
