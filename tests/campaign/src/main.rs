//! `cargo xtask campaign` runs this.
fn main() {}
