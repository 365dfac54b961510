use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tenet_harness::building::MANIFEST;

use crate::args::UpgradeArgs;
use crate::problem::Problem;
use crate::terminal;
use crate::vendored;
use tenet_core::Code;

/// Where the parts that this tenet brings lie in a bundle, before the version.
const VENDORED: &str = "vendor/tenet-";

/// Puts what this tenet brings in the place of what a bundle has, and has the bundle's files name it.
pub(crate) fn upgrade(args: &UpgradeArgs) -> anyhow::Result<()> {
    let bundle = &args.bundle;
    if !bundle.join(MANIFEST).is_file() {
        let what = format!("{} is no bundle: there is no {MANIFEST} in it", bundle.display());
        bail!(Problem::new(what, "name the folder of one").explained(Code::NoBundle));
    }
    let old = present(&bundle.join("vendor"))?;
    let (folder, new) = (vendored::folder(), vendored::VERSION);
    // Next to the old one first: a bundle never has neither.
    let (place, staged) = (bundle.join(&folder), bundle.join(format!("{folder}.new")));
    if staged.exists() {
        fs::remove_dir_all(&staged).with_context(|| format!("cannot remove {}", staged.display()))?;
    }
    vendored::write(&staged).with_context(|| format!("cannot write {}", staged.display()))?;
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    fs::rename(&staged, &place).with_context(|| format!("cannot write {}", place.display()))?;
    let mut files = vec![bundle.join("README.md"), bundle.join("Cargo.toml")];
    collect(&bundle.join("rules"), &mut files)?;
    collect(&bundle.join("tests"), &mut files)?;
    let mut changed = 0;
    for file in files.iter().filter(|file| file.is_file()) {
        // What is no text names no path.
        let Ok(text) = tenet_build::text_at_most(file, tenet_build::MAX_TEXT) else { continue };
        let mut named = text.clone();
        for version in old.iter().filter(|version| *version != new) {
            for end in ["/", "`", "\"", "'"] {
                named = named.replace(&format!("{VENDORED}{version}{end}"), &format!("{VENDORED}{new}{end}"));
            }
        }
        if named != text {
            fs::write(file, named).with_context(|| format!("cannot write {}", file.display()))?;
            terminal::tell(&format!("changed {}", file.display()));
            changed += 1;
        }
    }
    for version in old.iter().filter(|version| *version != new) {
        let gone = bundle.join(format!("{VENDORED}{version}"));
        fs::remove_dir_all(&gone).with_context(|| format!("cannot remove {}", gone.display()))?;
        terminal::tell(&format!("removed {}", gone.display()));
    }
    terminal::tell(&format!("upgraded to tenet {new}: {folder} is written, {changed} files name it"));
    terminal::tell("next: tenet test");
    Ok(())
}

/// The versions that are vendored.
fn present(folder: &Path) -> anyhow::Result<Vec<String>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut versions = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let name = entry?.file_name();
        if let Some(version) = name.to_string_lossy().strip_prefix("tenet-")
            && !version.ends_with(".new")
        {
            versions.push(version.to_owned());
        }
    }
    Ok(versions)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        match path.is_dir() {
            true => collect(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_version_gives_way_and_what_named_it_names_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let place = folder.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        };
        write("tenet.toml", "version = 1\n");
        write("vendor/tenet-0.0.9/guest/sdk/Cargo.toml", "");
        write("vendor/other/mine", "");
        write("rules/a/Cargo.toml", "tenet = { path = \"../../vendor/tenet-0.0.9/guest/sdk\" }\n");
        write("rules/a/tests/t.toml", "#:schema ../../../vendor/tenet-0.0.9/test.schema.json\nversion = 1\n");
        write("rules/b/rule.js", "import { a } from '../../vendor/tenet-0.0.90/x.js';\n");
        let args = UpgradeArgs { bundle: folder.path().to_owned() };
        upgrade(&args).unwrap();
        upgrade(&args).unwrap();
        let read = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
        let now = format!("tenet = {{ path = \"../../{}/guest/sdk\" }}\n", vendored::folder());
        assert_eq!(read("rules/a/Cargo.toml"), now);
        assert!(read("rules/a/tests/t.toml").contains(&vendored::folder()));
        assert!(read("rules/b/rule.js").contains("tenet-0.0.90/"), "another version's");
        assert!(
            !folder.path().join("vendor/tenet-0.0.9").exists() && folder.path().join("vendor/other/mine").is_file()
        );
        assert!(folder.path().join(vendored::folder()).join("test.schema.json").is_file());
    }
}
