use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};
use tenet_core::bundle::CONTRACT;
use tenet_core::hex;

use crate::bounded::{MAX_RECORD, read_at_most};
use crate::bundle::Bundle;
use crate::imports::PACKAGES;
use crate::lock::GRANTS;
use crate::packages::{Package, Packages};
use crate::script::Written;
use crate::{Error, toolchain};

/// All inputs of a bundle's components.
#[derive(Debug)]
pub(crate) struct Sources {
    bundle: PathBuf,
    packages: Packages,
    /// The sources of rules that are not crates, wherever they are.
    scripts: BTreeSet<PathBuf>,
}

impl Sources {
    pub(crate) fn of(bundle: &Bundle) -> Result<Self, Error> {
        let crates = bundle.rules.iter().filter(|rule| matches!(rule.written, Written::Rust));
        let packages = Packages::of(crates.map(|rule| rule.directory.as_path()))?;
        let scripts = bundle.rules.iter().filter_map(|rule| match &rule.written {
            Written::Script(script) => Some(&script.sources),
            _ => None,
        });
        Ok(Self { bundle: bundle.directory.clone(), packages, scripts: scripts.flatten().cloned().collect() })
    }

    pub(crate) fn package(&self, directory: &Path) -> Option<&Package> {
        self.packages.get(directory)
    }

    /// SHA-256 over the files' paths and contents, in lower-case hexadecimal.
    pub(crate) fn digest(&self) -> Result<String, Error> {
        let mut files = BTreeSet::from([self.bundle.join("tenet.toml")]);
        files.extend(self.scripts.iter().cloned());
        files.extend(Some(self.bundle.join(GRANTS)).filter(|lock| lock.is_file()));
        let own = [self.bundle.join("rules"), self.bundle.join("schema")];
        for directory in own.iter().map(PathBuf::as_path).chain(self.packages.directories()) {
            collect(directory, &mut files)?;
        }
        for workspace in self.packages.workspaces() {
            let named = ["Cargo.toml", "Cargo.lock"].map(|name| workspace.join(name));
            files.extend(named.into_iter().filter(|file| file.is_file()));
        }
        let mut digest = Sha256::new();
        let mut part = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(bytes);
        };
        part(CONTRACT.as_bytes());
        for setting in toolchain::SETTINGS {
            part(setting.as_bytes());
        }
        for file in &files {
            part(relative(&self.bundle, file).as_bytes());
            part(&read_at_most(file, MAX_RECORD).map_err(Error::io("read", file))?);
        }
        Ok(hex(&digest.finalize()))
    }
}

/// The files below `directory`, except hidden ones and cargo's build output of a package there.
fn collect(directory: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
    if !directory.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(directory).map_err(Error::io("read", directory))? {
        let entry = entry.map_err(Error::io("read", directory))?;
        let (name, path) = (entry.file_name(), entry.path());
        let built = name == "target" && directory.join("Cargo.toml").is_file();
        // A rule's tests are not part of it.
        let tests = name == "tests" && directory.join("rule.toml").is_file();
        if built || tests || name == "__pycache__" || name == PACKAGES || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.insert(path);
        }
    }
    Ok(())
}

/// The relative path from one absolute path to another, with `/` on every system.
pub(crate) fn relative(from: &Path, to: &Path) -> String {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let parts = up.chain(to.components().skip(shared));
    parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::scratch::Scratch;

    fn digest(scratch: &Scratch) -> String {
        Bundle::open(scratch.path()).unwrap().source_digest().unwrap()
    }

    #[test]
    fn every_source_counts() {
        let scratch = Scratch::bundle();
        let mut last = digest(&scratch);
        for path in [
            "tenet.toml",
            "schema/0001_start.sql",
            "rules/record/src/lib.rs",
            "rules/record/rule.toml",
            "vendor/helper/src/lib.rs",
            "vendor/contract/world.wit",
            "rules/record/Cargo.lock",
        ] {
            let text = fs::read_to_string(scratch.path().join(path)).unwrap_or_default();
            let comment = if path.ends_with(".rs") || path.ends_with(".wit") { "//" } else { "#" };
            scratch.write(path, &format!("{text}\n{comment} changed\n"));
            let now = digest(&scratch);
            assert_ne!(now, last, "{path}");
            last = now;
        }
    }

    #[test]
    fn what_is_no_source_does_not_count() {
        let scratch = Scratch::bundle();
        let before = digest(&scratch);
        for path in [
            "target/tenet/index.json",
            "rules/record/target/debug/x",
            "vendor/helper/target/x",
            ".git/HEAD",
            "rules/record/.lib.rs.swp",
            "vendor/unrelated/note",
        ] {
            scratch.write(path, "changed");
            assert_eq!(digest(&scratch), before, "{path}");
        }
    }

    #[test]
    fn the_place_does_not_count() {
        assert_eq!(digest(&Scratch::bundle()), digest(&Scratch::bundle()));
    }

    #[test]
    fn paths_outside_are_told_from_paths_inside() {
        assert_eq!(relative(Path::new("/a/b"), Path::new("/a/b/c/d")), "c/d");
        assert_eq!(relative(Path::new("/a/b"), Path::new("/a/x/y")), "../x/y");
    }
}
