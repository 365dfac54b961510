//! A team's own bundle: made by the harness in a folder of its own, built and run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::tenet::{run, tenet};

/// The root of this repository.
fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// `cargo` in a folder, away from the cargo that runs this test.
fn cargo(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", root().join("target/guest"));
    let ended = run(&mut command);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn a_new_bundle_and_a_rule_added_to_it_build_and_run_and_pass_their_own_tests() {
    let scratch = tempfile::tempdir().unwrap();
    let ended = tenet(scratch.path(), &["new", "shop"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let shop = scratch.path().join("shop");
    let ended = tenet(&shop, &["new", "--rule", "award-twice"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);

    // The versions that this repository has, so that most of it is compiled already.
    fs::copy(root().join("guest/Cargo.lock"), shop.join("Cargo.lock")).unwrap();
    cargo(&shop, &["update", "--workspace", "--offline"]);
    cargo(&shop, &["fmt", "--check"]);
    cargo(&shop, &["clippy", "--locked", "--all-targets", "--", "-D", "warnings"]);
    cargo(&shop, &["test", "--locked"]);

    // Below the repository's own target folder, beside the bundles whose dependencies it shares.
    let built = tempfile::tempdir_in(root().join("target/tenet")).unwrap();
    let out = built.path();
    let ended = tenet(&shop, &["build", "--out", out.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    // No terminal, and so lines: no colour, nothing that is drawn over.
    assert!(ended.stderr.starts_with("building 2 rules with "), "{}", ended.stderr);
    assert!(ended.stderr.contains("   Compiling award v0.1.0"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(['\u{1b}', '\r']), "{:?}", ended.stderr);
    for rule in ["award", "award-twice"] {
        let payload = r#"{"id": "1", "customer": "ada", "points": 5}"#;
        let ended = tenet(out, &["run", rule, "--payload", payload]);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (0, "{\"customer\":\"ada\",\"balance\":5}\n"),
            "{}",
            ended.stderr
        );
        let event = ended.stderr.lines().find_map(|line| line.strip_prefix("event: ")).unwrap();
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        assert_eq!((&event["source"], &event["detail-type"]), (&rule.into(), &"Balance Changed".into()));
        assert_eq!((&event["detail"]["id"], &event["detail"]["balance"]), (&"1".into(), &5.into()));
    }
    let ended = tenet(out, &["run", "award", "--payload", r#"{"id": "2", "customer": "ada", "points": -1}"#]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stdout.contains("\"not-possible\""), "{}", ended.stdout);

    fs::write(shop.join("rules/award/src/lib.rs"), "fn broken() -> u8 { \"no\" }\n").unwrap();
    let ended = tenet(&shop, &["build", "--out", out.to_str().unwrap()]);
    assert_eq!(ended.code, 3);
    assert!(
        ended.stderr.contains("error[E0308]: mismatched types\n --> rules/award/src/lib.rs:1:21\n"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("  error: cargo could not build the rules of "), "{}", ended.stderr);
    assert!(ended.stderr.contains("  help: what cargo says is above; "), "{}", ended.stderr);
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
        (&shop, &["new", "tenet.toml"], "not an empty folder"),
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

    // Rules of two versions of the SDK are not what somebody means who adds one.
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
        assert!(text == fs::read(root().join(&path)).unwrap(), "{} is another", path.display());
    }
    for part in ["guest/sdk/src", "guest/macros/src", "wit/v1"] {
        assert_eq!(files(&vendored.join(part)), files(&root().join(part)), "{part}");
    }
}

/// The files below a folder and what is in them.
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
