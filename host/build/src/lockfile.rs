//! Keeps the `Cargo.lock` of a workspace of rules in step with its manifests.

use std::path::Path;
use std::process::Command;

use tenet_core::Code;

use crate::compile::run;
use crate::{Error, Progress, Toolchain};

/// The file's name.
const FILE: &str = "Cargo.lock";

/// Updates the lock file of a workspace after a rule was added, if there is one.
pub fn lock_new_rule(workspace: &Path, progress: &mut dyn Progress) -> Result<(), Error> {
    if !workspace.join(FILE).is_file() {
        return Ok(());
    }
    keep_in_step(&Toolchain::for_manifests(workspace)?, workspace, progress)
}

/// Updates the lock file of `workspace` to match its manifests. A file that already matches stays
/// unchanged. Otherwise packages of the workspace are added and removed, and new dependencies are
/// locked; no other version changes. The network is used only if this machine has not all packages.
/// `progress` receives cargo's lines about each change.
pub(crate) fn keep_in_step(toolchain: &Toolchain, workspace: &Path, progress: &mut dyn Progress) -> Result<(), Error> {
    let cargo = |arguments: &[&str]| -> Result<Command, Error> {
        let (command, options) = arguments.split_first().unwrap_or((&"", &[]));
        let mut cargo = toolchain.cargo(command)?;
        cargo.args(options).arg("--manifest-path").arg(workspace.join("Cargo.toml")).current_dir(workspace);
        Ok(cargo)
    };
    if !workspace.join(FILE).is_file() {
        let done = run(&mut cargo(&["generate-lockfile"])?, progress)?;
        return if done.success() { Ok(()) } else { Err(failed(workspace, "make")) };
    }
    // The step that fails for the same reason repeats cargo's message.
    for attempt in [&["fetch", "--locked"][..], &["update", "--workspace", "--offline"]] {
        let mut said = Lines::default();
        if run(&mut cargo(attempt)?, &mut said)?.success() {
            said.0.iter().for_each(|line| progress.cargo(line));
            return Ok(());
        }
    }
    let done = run(&mut cargo(&["update", "--workspace"])?, progress)?;
    if done.success() { Ok(()) } else { Err(failed(workspace, "update")) }
}

fn failed(workspace: &Path, verb: &str) -> Error {
    let what = format!("cargo could not {verb} {}", workspace.join(FILE).display());
    Error::new(what).coded(Code::Cargo).with_help("cargo's own message is above")
}

/// Cargo's lines, kept until it is known whether to show them.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Vec<String>);

impl Progress for Lines {
    fn step(&mut self, _: &str) {}

    fn cargo(&mut self, line: &str) {
        self.0.push(line.to_owned());
    }

    fn colours(&self) -> bool {
        false
    }
}
