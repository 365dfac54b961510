use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::repository::{Repository, run};
use crate::venv::Venv;

/// Where requests are recorded: a file for each that receives some.
const FOLDER: &str = "target/tenet/requests";

/// The requests that AWS's SDK sends in the tests: to moto, to ministack, and to the AWS in memory of
/// the deployer's tests.
#[derive(Debug)]
pub(crate) struct Requests {
    folder: PathBuf,
}

impl Requests {
    /// None yet.
    pub(crate) fn new(repository: &Repository) -> anyhow::Result<Self> {
        let folder = repository.path(FOLDER);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// The file for the requests that `receiver` is sent.
    pub(crate) fn file(&self, receiver: &str) -> PathBuf {
        self.folder.join(format!("{receiver}.jsonl"))
    }

    /// The command of a server that records what it receives.
    pub(crate) fn recorded(&self, repository: &Repository, venv: &Venv, server: &str) -> Command {
        let mut command = Command::new(venv.program("python"));
        command.arg(repository.path("tests/xtask/requests/recorded.py")).arg(self.file(server)).arg(server);
        command
    }

    /// Holds each against botocore's model of its service.
    pub(crate) fn check(&self, repository: &Repository, venv: &Venv) -> anyhow::Result<()> {
        let mut check = repository.command(&venv.program("python"), &["tests/xtask/requests/check.py"]);
        for file in fs::read_dir(&self.folder).with_context(|| format!("cannot read {}", self.folder.display()))? {
            check.arg(file?.path());
        }
        run(&mut check)
    }
}
