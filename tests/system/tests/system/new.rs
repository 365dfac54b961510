//! A team's own bundle, made by the harness in a separate folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::tenet::tenet;

/// The root of this repository.
fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

#[test]
fn nothing_that_is_there_is_written_over() {
    let scratch = tempfile::tempdir().unwrap();
    let shop = scratch.path().join("shop");
    assert_eq!(tenet(scratch.path(), &["new", "shop", "--rule", "record"]).code, 0);
    let before = files(&shop);
    assert!(before.iter().any(|(path, _)| path.ends_with("rules/record/src/lib.rs")));
    for (folder, arguments, why) in [
        (scratch.path(), &["new", "shop"][..], "not an empty folder"),
        (&shop, &["new", "."], "not an empty folder"),
        (&shop, &["new", "tenet.toml"], "no name of a rule"),
        (&shop, &["new", "--rule", "record"], "rules/record is there already"),
        (&shop, &["new", "--rule", "Record"], "no name of a rule"),
        (&shop, &["new", "--rule", "../record"], "no name of a rule"),
        (scratch.path(), &["new", "--rule", "refund"], "no tenet.toml"),
    ] {
        let ended = tenet(folder, arguments);
        assert_eq!(ended.code, 3, "{arguments:?}");
        assert!(ended.stderr.contains(why) && ended.stderr.contains("  help: "), "{}", ended.stderr);
    }
    assert!(before == files(&shop), "something has changed");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);

    // Rules with two versions of the SDK are not what the user wants when adding one.
    fs::rename(shop.join("vendor"), shop.join("elsewhere")).unwrap();
    let ended = tenet(&shop, &["new", "--rule", "refund"]);
    assert!(ended.code == 3 && ended.stderr.contains(" has no vendor/tenet-"), "{}", ended.stderr);
    assert!(!shop.join("rules/refund").exists());
}

#[test]
fn what_rules_are_written_with_is_in_a_new_bundle_word_for_word() {
    let scratch = tempfile::tempdir().unwrap();
    assert_eq!(tenet(scratch.path(), &["new", "shop"]).code, 0);
    let vendored = scratch.path().join("shop/vendor").join(concat!("tenet-", env!("CARGO_PKG_VERSION")));
    for (path, text) in files(&vendored) {
        let own = match path.ends_with("test.schema.json") {
            true => tenet(scratch.path(), &["test", "--schema"]).stdout.into_bytes(),
            false => fs::read(root().join(&path)).unwrap(),
        };
        assert!(text == own, "{} is another", path.display());
    }
    for part in ["guest/sdk/src", "guest/macros/src", "wit/v1"] {
        assert_eq!(files(&vendored.join(part)), files(&root().join(part)), "{part}");
    }
}

/// The files below a folder, with their contents.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
