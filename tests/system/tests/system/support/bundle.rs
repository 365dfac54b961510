//! The bundles that `cargo xtask guests` builds.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tenet_core::bundle::{INDEX, Index};

use super::tenet::tenet;

/// The built bundle of this name: its folder and its index. If it is missing, or was built from other sources than the
/// current ones, the test fails and names the command that builds it.
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

/// The bundle of rules in JavaScript and Python. It is built here on first use: only tests of these languages need it.
pub(crate) fn languages() -> (PathBuf, Index) {
    static BUILT: OnceLock<()> = OnceLock::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let out = root.join("target/tenet/languages");
    BUILT.get_or_init(|| {
        let ended = tenet(&root, &["build", "tests/languages", "--out", out.to_str().unwrap()]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    });
    let index = Index::parse(&std::fs::read_to_string(out.join(INDEX)).unwrap()).unwrap();
    (out, index)
}

/// A copy of the built bundle of this name, for changes: its folder and its index.
pub(crate) fn copy(name: &str) -> (tempfile::TempDir, Index) {
    let (source, index) = bundle(name);
    let folder = tempfile::tempdir().unwrap();
    for file in index.files() {
        let to = folder.path().join(&file.path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(source.join(&file.path), to).unwrap();
    }
    std::fs::write(folder.path().join(INDEX), index.to_json()).unwrap();
    (folder, index)
}
