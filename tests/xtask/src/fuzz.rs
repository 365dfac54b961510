use std::fs;
use std::path::Path;

use anyhow::Context;
use tenet_build::PrivatePostgres;

use crate::holes::{HOLES, Hole};
use crate::repository::{Repository, run};
use crate::stages::Stages;

/// Where the policies with holes are built, and what from.
const HOLED: &str = "target/tenet/holes";

/// A hole is found within so many statements.
const MOST: &str = "50000";

/// What a fuzzer is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    seed: String,
    minutes: String,
}

impl Wanted {
    /// Reads `--seed N --minutes M`, in any order; one minute from seed 1 on if they are not there.
    pub(crate) fn parse(arguments: &[&str]) -> Option<Self> {
        let mut wanted = Self { seed: "1".to_owned(), minutes: "1".to_owned() };
        for pair in arguments.chunks(2) {
            let [name, number] = pair else { return None };
            number.parse::<u64>().ok()?;
            let place = match *name {
                "--seed" => &mut wanted.seed,
                "--minutes" => &mut wanted.minutes,
                _ => return None,
            };
            *place = (*number).to_owned();
        }
        Some(wanted)
    }
}

/// Holds the statement policy against PostgreSQL for as long as is wanted, with statements from a
/// seed.
pub(crate) fn fuzz(repository: &Repository, wanted: &Wanted) -> anyhow::Result<()> {
    let mut stages = Stages::default();
    stages.run("build", || run(&mut repository.cargo(&["build", "--locked", "--release", "-p", "tenet-fuzz"])))?;
    let postgres = stages.run("server", || Ok(PrivatePostgres::start()?))?;
    let program = repository.path("target/release/tenet-fuzz");
    let mut command = repository.command(&program, &["--seed", &wanted.seed, "--minutes", &wanted.minutes]);
    let ended = run(command.env("TENET_TEST_POSTGRES", postgres.url("postgres")));
    postgres.stop()?;
    ended
}

/// Makes each hole in a copy of the policy, and has the fuzzer find it.
pub(crate) fn holes(repository: &Repository, seed: &str) -> anyhow::Result<()> {
    let mut stages = Stages::default();
    stages.run("copies", || copies(repository))?;
    let workspace = repository.path(HOLED);
    stages.run("build", || {
        let manifest = workspace.join("Cargo.toml");
        let mut build = repository.cargo(&["build", "-p", "tenet-holes", "--manifest-path"]);
        run(build.arg(manifest).env("CARGO_TARGET_DIR", repository.path("target/tenet/holes-build")))
    })?;
    let postgres = stages.run("server", || Ok(PrivatePostgres::start()?))?;
    let program = repository.path("target/tenet/holes-build/debug/tenet-holes");
    let mut command = repository.command(&program, &[seed, MOST]);
    let ended = run(command.env("TENET_TEST_POSTGRES", postgres.url("postgres")));
    postgres.stop()?;
    ended
}

/// A workspace with a copy of the policy for each hole, and a program that tries them all.
fn copies(repository: &Repository) -> anyhow::Result<()> {
    let to = repository.path(HOLED);
    if to.exists() {
        fs::remove_dir_all(&to).context("cannot remove the old copies")?;
    }
    let manifest = fs::read_to_string(repository.path("Cargo.toml"))?;
    // The lists of the dependencies and the lints are the same; the members and the profiles are not.
    let shared = manifest.find("[workspace.package]").context("the workspace has no package table")?;
    let end = manifest.find("[profile.dev]").context("the workspace has no profile")?;
    let shared = manifest.get(shared..end).unwrap_or_default();
    let here = format!("path = \"{}/", repository.root().display());
    let mut root = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\nexclude = [\"target\"]\n\n{}",
        shared.replace("path = \"", &here)
    );
    root.push_str("[profile.dev]\nopt-level = 1\ndebug = false\n");
    fs::create_dir_all(&to)?;
    fs::write(to.join("Cargo.toml"), root)?;
    fs::copy(repository.path("Cargo.lock"), to.join("Cargo.lock"))?;
    for hole in HOLES {
        copy(&repository.path("host/policy"), &to.join(hole.name), hole)?;
    }
    let driver = to.join("tenet-holes");
    fs::create_dir_all(driver.join("src"))?;
    fs::write(driver.join("Cargo.toml"), dependencies())?;
    fs::write(driver.join("src/main.rs"), program())?;
    Ok(())
}

/// A copy of the policy with a hole.
fn copy(policy: &Path, to: &Path, hole: &Hole) -> anyhow::Result<()> {
    fs::create_dir_all(to.join("src"))?;
    let manifest = fs::read_to_string(policy.join("Cargo.toml"))?;
    let manifest = manifest.replace("name = \"tenet-policy\"", &format!("name = \"tenet-policy-{}\"", hole.name));
    // The lints are about the sources that are shipped.
    fs::write(to.join("Cargo.toml"), manifest.replace("[lints]\nworkspace = true\n", ""))?;
    for file in fs::read_dir(policy.join("src"))? {
        let file = file?;
        let name = file.file_name().into_string().ok().context("a source has a name that is no text")?;
        let text = hole.applied(&name, fs::read_to_string(file.path())?)?;
        fs::write(to.join("src").join(name), text)?;
    }
    Ok(())
}

fn dependencies() -> String {
    let mut manifest = String::from(
        "[package]\nname = \"tenet-holes\"\nversion.workspace = true\nedition.workspace = true\n\n[dependencies]\n\
         tenet-fuzz = { workspace = true }\nanyhow = { workspace = true }\n\
         tokio = { workspace = true, features = [\"rt-multi-thread\", \"macros\"] }\n",
    );
    for Hole { name, .. } in HOLES {
        let module = name.replace('-', "_");
        manifest.push_str(&format!("{module} = {{ path = \"../{name}\", package = \"tenet-policy-{name}\" }}\n"));
    }
    manifest
}

fn program() -> String {
    let subjects: Vec<String> = HOLES
        .iter()
        .map(|Hole { name, .. }| {
            let module = name.replace('-', "_");
            format!(
                "Subject {{ name: {name:?}, policy: |index| Arc::new({module}::StatementPolicy::new(index)), only_reads: {module}::only_reads }}"
            )
        })
        .collect();
    format!(
        "use std::sync::Arc;\nuse tenet_fuzz::Subject;\n\n#[tokio::main]\nasync fn main() -> anyhow::Result<()> {{\n    \
         tenet_fuzz::holes(&[{}]).await\n}}\n",
        subjects.join(", ")
    )
}
