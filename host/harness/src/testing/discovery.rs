use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tenet_core::Code;

use crate::error::{Context, Error, Result};

/// How the name of a capsule ends that is a test.
pub const CAPSULE: &str = ".capsule.json";

/// The manifest of a rule, in its folder.
const RULE: &str = "rule.toml";

/// The tests of a bundle and of its rules.
pub(crate) fn files(bundle: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    collect(&bundle.join("tests"), &mut found)?;
    let rules = bundle.join("rules");
    if rules.is_dir() {
        for entry in std::fs::read_dir(&rules).with_context(|| format!("cannot read {}", rules.display()))? {
            collect(&entry?.path().join("tests"), &mut found)?;
        }
    }
    Ok(found)
}

/// The files of the tests that are asked for, in order.
pub(crate) fn paths(bundle: &Path, named: &[PathBuf], filter: Option<&str>) -> Result<Vec<PathBuf>> {
    let mut found = if named.is_empty() { files(bundle)? } else { BTreeSet::new() };
    for path in named {
        if !path.exists() {
            let help = "name a test, or a folder of tests";
            return Err(Error::new(format!("{} is not there", path.display()), help));
        }
        match path.is_dir() {
            // The folder of a rule stands for its tests.
            true if path.join(RULE).is_file() => collect(&path.join("tests"), &mut found)?,
            true => collect(path, &mut found)?,
            false => drop(found.insert(path.clone())),
        }
    }
    let all = found.len();
    if let Some(filter) = filter {
        found.retain(|path| name(bundle, path).contains(filter));
    }
    if found.is_empty() {
        let what =
            if all == 0 { "there are no tests".to_owned() } else { format!("none of {all} tests has that name") };
        return Err(
            Error::new(what, "tests are the files `tests/*.toml` of a rule and of the bundle").explained(Code::NoTests)
        );
    }
    Ok(found.into_iter().collect())
}

/// The tests in a folder and in those below it. A recording that a test goes with is none itself.
fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let text = path.to_string_lossy();
        if path.is_dir() {
            collect(&path, found)?;
        } else if text.ends_with(".toml")
            || (text.ends_with(CAPSULE) && !Path::new(&text.replace(CAPSULE, ".toml")).is_file())
        {
            found.insert(path);
        }
    }
    Ok(())
}

/// Whether a file of this name is a test, or a recording that a test goes with.
pub(crate) fn is_test_file(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.ends_with(".toml") || text.ends_with(CAPSULE)
}

/// The name of a test: its path in the bundle.
pub(crate) fn name(bundle: &Path, path: &Path) -> String {
    let path = path.strip_prefix(bundle).unwrap_or(path);
    let text = path.display().to_string();
    text.strip_suffix(".toml").or_else(|| text.strip_suffix(CAPSULE)).unwrap_or(&text).to_owned()
}
