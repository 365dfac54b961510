use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::repository::{Repository, run};

/// What is in the environment, to the version.
const REQUIREMENTS: &str = include_str!("../requirements.txt");

/// The Python programs that the tests drive, in an environment below `target`.
#[derive(Debug)]
pub(crate) struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// Makes the environment unless it is there and as it should be.
    pub(crate) fn ready(repository: &Repository) -> anyhow::Result<Self> {
        let folder = repository.path("target/tenet/venv");
        // Written last: an environment without it was never finished.
        let installed = folder.join("installed.txt");
        if fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
            return Ok(Self { folder });
        }
        eprintln!("installing moto, cargo-lambda and schemathesis into {}", folder.display());
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        create(&folder)?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "-r"]);
        run(pip.arg(repository.path("tests/xtask/requirements.txt")))?;
        fs::write(&installed, REQUIREMENTS).with_context(|| format!("cannot write {}", installed.display()))?;
        Ok(Self { folder })
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }
}

fn create(folder: &Path) -> anyhow::Result<()> {
    let with = |python: &str| Command::new(python).args(["-m", "venv", "--clear"]).arg(folder).output();
    if with("python3").is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    // Debian's Python comes without what makes environments.
    tenet_build::install(&["python3-venv"])?;
    run(Command::new("/usr/bin/python3").args(["-m", "venv", "--clear"]).arg(folder))
}
