//! The bundles that `cargo xtask guests` builds.

use std::path::{Path, PathBuf};

use tenet_core::bundle::Index;

/// The built bundle of this name: where it lies and its index. One that is missing, or
/// was built from other sources than those that are there, fails the test with the command
/// that makes it.
pub(crate) fn bundle(name: &str) -> (PathBuf, Index) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let source = match name {
        "rules" => root.join("guest/rules"),
        "guests" => root.join("tests/guests"),
        other => panic!("no bundle is named {other}"),
    };
    let out = root.join("target/tenet").join(name);
    match tenet_build::check_fresh(&source, &out, "cargo xtask guests") {
        Ok(index) => (out, index),
        Err(error) => panic!("{error}"),
    }
}
