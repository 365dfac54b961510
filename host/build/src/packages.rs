//! The packages of a rule, from cargo's metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::captured::captured;
use crate::{Error, toolchain};

/// One package of one workspace.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// The argument of `cargo build --package` that selects only this package.
    pub(crate) id: String,
    pub(crate) directory: PathBuf,
    /// The file name of its `cdylib`, without the ending.
    pub(crate) artifact: Option<String>,
    /// The folder with the workspace's Cargo.toml and Cargo.lock.
    pub(crate) workspace: PathBuf,
    /// Folders outside the package that its build reads, as it declares itself:
    /// `[package.metadata.tenet] sources = ["../wit"]`.
    extra: Vec<PathBuf>,
}

/// The packages of some rules and all their path dependencies.
#[derive(Debug)]
pub(crate) struct Packages {
    by_directory: BTreeMap<PathBuf, Package>,
}

impl Packages {
    pub(crate) fn of<'a>(rules: impl Iterator<Item = &'a Path>) -> Result<Self, Error> {
        let mut seen: BTreeMap<PathBuf, Found> = BTreeMap::new();
        let mut wanted: Vec<PathBuf> = rules.map(Path::to_owned).collect();
        let mut reached = BTreeSet::new();
        while let Some(directory) = wanted.pop() {
            if !reached.insert(directory.clone()) {
                continue;
            }
            if !seen.contains_key(&directory) {
                seen.extend(ask(&directory)?);
            }
            let found = seen.get(&directory).ok_or_else(|| {
                Error::new(format!("{}: cargo does not know a package here", directory.join("Cargo.toml").display()))
            })?;
            wanted.extend(found.depends_on.iter().cloned());
        }
        seen.retain(|directory, _| reached.contains(directory));
        Ok(Self { by_directory: seen.into_iter().map(|(directory, found)| (directory, found.package)).collect() })
    }

    pub(crate) fn get(&self, directory: &Path) -> Option<&Package> {
        self.by_directory.get(directory)
    }

    /// The folders of the packages' sources.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.by_directory.values().flat_map(|package| {
            std::iter::once(package.directory.as_path()).chain(package.extra.iter().map(PathBuf::as_path))
        })
    }

    /// The folders with the Cargo.toml and Cargo.lock of their workspaces.
    pub(crate) fn workspaces(&self) -> BTreeSet<&Path> {
        self.by_directory.values().map(|package| package.workspace.as_path()).collect()
    }
}

struct Found {
    package: Package,
    depends_on: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Described>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Described {
    id: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
    metadata: Option<Value>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Dependency {
    path: Option<PathBuf>,
    kind: Option<String>,
}

/// All packages of the workspace of `directory`. Without dependencies, cargo needs neither the
/// network nor a lock file for this.
fn ask(directory: &Path) -> Result<BTreeMap<PathBuf, Found>, Error> {
    let manifest = directory.join("Cargo.toml");
    let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut command = Command::new(&cargo);
    toolchain::forget_inherited(&mut command);
    command
        .args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"])
        .arg(&manifest)
        .current_dir(directory);
    let output = captured(&mut command).map_err(Error::io("run", &cargo))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::new(format!("{}: cargo cannot read it\n{}", manifest.display(), said.trim_end())));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(|error| {
        Error::new(format!("{}: what cargo says about it cannot be read: {error}", manifest.display()))
    })?;
    let mut packages = BTreeMap::new();
    for described in metadata.packages {
        let directory = described.manifest_path.parent().unwrap_or(Path::new("/")).to_owned();
        let directory = std::fs::canonicalize(&directory).map_err(Error::io("open", &directory))?;
        let mut depends_on = Vec::new();
        // Dependencies of tests only are not part of a component.
        for path in
            described.dependencies.iter().filter(|d| d.kind.as_deref() != Some("dev")).filter_map(|d| d.path.as_ref())
        {
            depends_on.push(std::fs::canonicalize(path).map_err(Error::io("open", path))?);
        }
        let mut extra = Vec::new();
        let named = described.metadata.as_ref().and_then(|metadata| metadata.get("tenet")?.get("sources")?.as_array());
        for path in named.into_iter().flatten().filter_map(Value::as_str) {
            let path = directory.join(path);
            extra.push(std::fs::canonicalize(&path).map_err(Error::io("open", &path))?);
        }
        let artifact = described.targets.into_iter().find(|target| target.kind.iter().any(|kind| kind == "cdylib"));
        let package = Package {
            id: described.id,
            directory: directory.clone(),
            artifact: artifact.map(|target| target.name.replace('-', "_")),
            workspace: std::fs::canonicalize(&metadata.workspace_root)
                .map_err(Error::io("open", &metadata.workspace_root))?,
            extra,
        };
        packages.insert(directory, Found { package, depends_on });
    }
    Ok(packages)
}

/// A small bundle for the tests of this crate.
#[cfg(test)]
pub(crate) mod scratch {
    use super::*;

    pub(crate) struct Scratch(tempfile::TempDir);

    impl Scratch {
        /// One operation, one rule, one step, and a crate that the rule depends on by path.
        pub(crate) fn bundle() -> Self {
            let scratch = Self(tempfile::tempdir().unwrap());
            scratch.write(
                "tenet.toml",
                "version = 1\n[operations.write]\nrules = [\"record\"]\nkey = \"transaction_id\"\n",
            );
            scratch.write("schema/0001_start.sql", "select 1");
            scratch.write("rules/record/rule.toml", "version = 1\ndescription = \"Records.\"\n");
            scratch.write(
                "rules/record/Cargo.toml",
                "[package]\nname = \"record\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n\
                 [dependencies]\nhelper = { path = \"../../vendor/helper\" }\n",
            );
            scratch.write("rules/record/src/lib.rs", "");
            scratch.write(
                "vendor/helper/Cargo.toml",
                "[package]\nname = \"helper\"\nedition = \"2024\"\n[package.metadata.tenet]\nsources = [\"../contract\"]\n",
            );
            scratch.write("vendor/helper/src/lib.rs", "");
            scratch.write("vendor/contract/world.wit", "");
            scratch.write("vendor/unrelated/note", "");
            scratch
        }

        pub(crate) fn path(&self) -> &Path {
            self.0.path()
        }

        pub(crate) fn write(&self, path: &str, text: &str) {
            let path = self.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
}
