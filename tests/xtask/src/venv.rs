use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::repository::{Repository, run};

/// Python programs in an environment below `target`, each to the version.
#[derive(Debug)]
pub(crate) struct Venv {
    folder: PathBuf,
}

/// What is in an environment, by the file that lists it.
struct Requirements {
    file: &'static str,
    text: &'static str,
    folder: &'static str,
}

const TESTS: Requirements = Requirements {
    file: "tests/xtask/requirements.txt",
    text: include_str!("../requirements.txt"),
    folder: "target/tenet/venv",
};

const TEMPLATES: Requirements = Requirements {
    file: "tests/xtask/templates.txt",
    text: include_str!("../templates.txt"),
    folder: "target/tenet/venv-templates",
};

const PACKAGING: Requirements = Requirements {
    file: "tests/xtask/packaging.txt",
    text: include_str!("../packaging.txt"),
    folder: "target/tenet/venv-packaging",
};

const BENCHMARKS: Requirements = Requirements {
    file: "tests/xtask/bench.txt",
    text: include_str!("../bench.txt"),
    folder: "target/tenet/venv-bench",
};

const CLIENTS: Requirements = Requirements {
    file: "tests/xtask/clients.txt",
    text: include_str!("../clients.txt"),
    folder: "target/tenet/venv-clients",
};

impl Venv {
    /// The programs that the tests drive.
    pub(crate) fn for_tests(repository: &Repository) -> anyhow::Result<Self> {
        Self::ready(repository, &TESTS)
    }

    /// What checks the templates.
    pub(crate) fn for_templates(repository: &Repository) -> anyhow::Result<Self> {
        Self::ready(repository, &TEMPLATES)
    }

    /// What links a function for another machine than this.
    pub(crate) fn for_packaging(repository: &Repository) -> anyhow::Result<Self> {
        Self::ready(repository, &PACKAGING)
    }

    /// What the benchmarks compare with.
    pub(crate) fn for_benchmarks(repository: &Repository) -> anyhow::Result<Self> {
        Self::ready(repository, &BENCHMARKS)
    }

    /// What makes clients of an OpenAPI document.
    pub(crate) fn for_clients(repository: &Repository) -> anyhow::Result<Self> {
        Self::ready(repository, &CLIENTS)
    }

    /// Makes the environment unless it is there and as it should be.
    fn ready(repository: &Repository, requirements: &Requirements) -> anyhow::Result<Self> {
        let folder = repository.path(requirements.folder);
        // Written last: an environment without it was never finished.
        let installed = folder.join("installed.txt");
        if fs::read_to_string(&installed).is_ok_and(|text| text == requirements.text) {
            return Ok(Self { folder });
        }
        eprintln!("installing {} into {}", requirements.file, folder.display());
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        create(&folder)?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "-r"]);
        run(pip.arg(repository.path(requirements.file)))?;
        fs::write(&installed, requirements.text).with_context(|| format!("cannot write {}", installed.display()))?;
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
