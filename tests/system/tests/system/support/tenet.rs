//! Runs the harness as a user does.

use std::path::Path;
use std::process::{Command, Stdio};

use super::path;

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `tenet` in a folder, with its output redirected as in CI.
pub(crate) fn tenet(folder: &Path, arguments: &[&str]) -> Ended {
    run(Command::new(path("TENET_TEST_TENET")).args(arguments).current_dir(folder))
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    // The test chooses the database and the log.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"TENET_")) {
        command.env_remove(name);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
