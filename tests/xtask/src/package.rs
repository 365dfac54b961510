use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::architecture::Architecture;
use crate::release;
use crate::repository::{Repository, run};
use crate::stages::Stages;

/// Where the zips are left, and next to each the bundle that is in it.
const OUT: &str = "target/tenet/package";

/// The most bytes of a zip. What Lambda fetches and unpacks before a function starts is part
/// of every cold start.
const LIMIT: u64 = 8_000_000;

/// The bundle that is packed unless another one is named: the example rules.
const EXAMPLES: &str = "guest/rules";

/// What is to be packed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    /// One architecture, or as many as this machine can make.
    architecture: Option<Architecture>,
    bundle: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// The example rules for this machine.
    pub(crate) fn for_this_machine() -> Self {
        Self { architecture: Some(Architecture::OWN), bundle: None }
    }

    /// Reads `[ARCHITECTURE] [--bundle PATH]`.
    pub(crate) fn parse(mut arguments: &[&'a str]) -> Option<Self> {
        let architecture = match arguments.split_first() {
            Some((first, rest)) if !first.starts_with('-') => {
                arguments = rest;
                Some(Architecture::of(first)?)
            }
            _ => None,
        };
        let bundle = match arguments {
            [] => None,
            ["--bundle", path] => Some(*path),
            _ => return None,
        };
        Some(Self { architecture, bundle })
    }
}

/// Makes the zips that Lambda is given.
pub(crate) fn package(repository: &Repository, wanted: &Wanted) -> anyhow::Result<()> {
    let mut stages = Stages::default();
    let bundle = match wanted.bundle {
        Some(path) => std::path::absolute(path)?,
        None => repository.path(EXAMPLES),
    };
    stages.run("harness", || run(&mut repository.cargo(&["build", "--locked", "-p", "tenet-cli"])))?;
    let mut made = Vec::new();
    let mut failed = Vec::new();
    for architecture in wanted.architecture.map_or(Architecture::ALL.to_vec(), |one| vec![one]) {
        match stages.run("bootstrap", || release::build(repository, architecture)) {
            Ok(bootstrap) => {
                made.push(stages.run("pack", || pack(repository, architecture, &bootstrap, &bundle))?);
            }
            Err(error) => failed.push((architecture, error)),
        }
    }
    stages.print_summary();
    for line in made {
        println!("{line}");
    }
    for (architecture, error) in &failed {
        println!("not made for {architecture}: {error:#}");
    }
    let missing: Vec<&str> = failed.iter().map(|(architecture, _)| architecture.name()).collect();
    ensure!(missing.is_empty(), "there is no zip for {}", missing.join(" and "));
    Ok(())
}

/// Packs a function with its rules, and tells what came of it.
fn pack(
    repository: &Repository,
    architecture: Architecture,
    bootstrap: &Path,
    bundle: &Path,
) -> anyhow::Result<String> {
    let mut pack = repository.command(&repository.binary("tenet"), &["pack"]);
    pack.arg(bundle).args(["--target", architecture.target(), "--out", OUT, "--bootstrap"]).arg(bootstrap);
    run(&mut pack)?;
    let name = format!("{OUT}/tenet-{}.zip", architecture.target());
    let zip = repository.path(&name);
    let bytes = |path: &Path| fs::metadata(path).with_context(|| format!("cannot read {}", path.display()));
    let (size, unpacked) = (bytes(&zip)?.len(), bytes(bootstrap)?.len());
    ensure!(size <= LIMIT, "{name} has {size} bytes, and {LIMIT} are the most");
    let sha256 = tenet_build::sha256(&fs::read(&zip).with_context(|| format!("cannot read {name}"))?);
    let megabytes = |bytes: u64| format!("{}.{:02} MB", bytes / 1_000_000, bytes % 1_000_000 / 10_000);
    Ok(format!(
        "{name}: {}, unpacked the function alone has {}\n  sha256 {sha256}",
        megabytes(size),
        megabytes(unpacked)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_architecture_and_a_bundle_in_this_order() {
        let parse = |line: &'static str| Wanted::parse(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(parse(""), Some(Wanted { architecture: None, bundle: None }));
        let both = Wanted { architecture: Some(Architecture::Arm64), bundle: Some("my") };
        assert_eq!(parse("arm64 --bundle my"), Some(both));
        assert_eq!(parse("--bundle my"), Some(Wanted { architecture: None, bundle: Some("my") }));
        for wrong in ["aarch32", "--bundle", "--bundle a b", "--bundle a arm64", "x86_64 arm64"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
