//! A bundle made by `tenet new`, as its author works on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tenet::{Ended, run, tenet};

/// The root of this repository.
pub(crate) fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// Runs `cargo` in a folder, independent of the cargo that runs this test.
pub(crate) fn cargo(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", root().join("target/guest"));
    let ended = run(&mut command);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
}

/// A new bundle and its build folder: below the repository's own target folder, next to the bundles
/// that have the same dependencies.
pub(crate) struct Shop {
    _scratch: tempfile::TempDir,
    pub(crate) built: tempfile::TempDir,
    pub(crate) folder: PathBuf,
}

impl Shop {
    /// Creates a bundle with a first rule of this name, which no other test may use: cargo names
    /// build artifacts after the crate alone, and all bundles share one build folder.
    pub(crate) fn new(rule: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let ended = tenet(scratch.path(), &["new", "shop", "--rule", rule]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let told = format!(
            "made the bundle shop with the rule {rule}\nmade it a repository of git\nnext: cd shop && tenet test\n\
             then: tenet run {rule} --payload '{{\"id\": \"1\", \"customer\": \"ada\", \"points\": 5}}'\n\
             learn: tenet explain book, and the reference: tenet explain rust\n"
        );
        assert_eq!(ended.stderr, told);
        let folder = scratch.path().join("shop");
        // The versions that this repository uses, so that most of it is compiled already.
        fs::copy(root().join("guest/Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let built = tempfile::tempdir_in(root().join("target/tenet")).unwrap();
        Self { _scratch: scratch, built, folder }
    }

    /// Runs a command that builds the bundle first.
    pub(crate) fn tenet(&self, arguments: &[&str]) -> Ended {
        tenet(&self.folder, &[arguments, &["--out", self.built.path().to_str().unwrap()]].concat())
    }

    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let path = self.folder.join(path);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{} has no {from}", path.display());
        fs::write(path, text.replace(from, to)).unwrap();
    }
}
