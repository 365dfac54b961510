use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// What rules are written with, the example rules, and the guests of the tests: workspaces of
/// their own, since they are compiled for WebAssembly.
pub(crate) const GUESTS: [&str; 3] = ["guest/Cargo.toml", "guest/rules/Cargo.toml", "tests/guests/Cargo.toml"];

/// This repository on disk.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    root: PathBuf,
}

impl Repository {
    pub(crate) fn here() -> Self {
        let tasks = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root: tasks.ancestors().nth(2).unwrap_or(tasks).to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A binary as cargo leaves it.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.root.join("target/debug").join(name)
    }

    /// The cargo that runs this task, in the repository's root.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = self.command(Path::new(&cargo), arguments);
        command.env("CARGO_TARGET_DIR", self.path("target"));
        command
    }

    /// The same for crates outside the root's workspace, natively.
    pub(crate) fn cargo_for_guests(&self, arguments: &[&str]) -> Command {
        let mut command = self.cargo(arguments);
        command.env("CARGO_TARGET_DIR", self.path("target/guest"));
        command
    }

    /// A program in the repository's root.
    pub(crate) fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.root);
        // What cargo says about this task's own crate would look like a change of
        // environment to build scripts that watch the same names.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }
}

/// Runs a command with its output going through; an error says which one failed.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", words(command)))?;
    ensure!(status.success(), "`{}` failed ({status})", words(command));
    Ok(())
}

/// The command as one would type it.
pub(crate) fn words(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
