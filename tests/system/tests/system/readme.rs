//! The README shows files of the project; they have to be those files.

use std::path::Path;

#[test]
fn the_rule_and_the_manifest_in_the_readme_are_the_ones_that_are_built() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    for shown in [
        "guest/rules/rules/record-transaction/src/lib.rs",
        "guest/rules/rules/record-transaction/rule.toml",
        "guest/rules/tenet.toml",
    ] {
        let text = std::fs::read_to_string(root.join(shown)).unwrap();
        assert!(readme.contains(text.trim()), "README.md does not show {shown} as it is");
    }
}
