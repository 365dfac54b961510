//! What the tests make clients with of an OpenAPI document, and check TypeScript with.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::repository::{Repository, run};
use crate::venv::Venv;

/// What npm installs, and each of it to the version.
const PACKAGES: &str = include_str!("../clients/package.json");
const LOCK: &str = include_str!("../clients/package-lock.json");

/// The programs.
#[derive(Debug)]
pub(crate) struct Clients {
    venv: Venv,
    node: PathBuf,
}

impl Clients {
    /// Installs them unless they are there and as they should be.
    pub(crate) fn ready(repository: &Repository) -> anyhow::Result<Self> {
        let venv = Venv::for_clients(repository)?;
        let node = repository.path("target/tenet/node-clients");
        // Written last: a folder without it was never finished.
        let installed = node.join("installed.json");
        if fs::read_to_string(&installed).is_ok_and(|text| text == LOCK) {
            return Ok(Self { venv, node });
        }
        fs::create_dir_all(&node).with_context(|| format!("cannot make {}", node.display()))?;
        for (name, text) in [("package.json", PACKAGES), ("package-lock.json", LOCK)] {
            fs::write(node.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        let own = venv.program("");
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([own].into_iter().chain(env::split_paths(&path)))?;
        let mut npm = Command::new(venv.program("npm"));
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&node).env("PATH", path);
        run(&mut npm)?;
        fs::write(&installed, LOCK).with_context(|| format!("cannot write {}", installed.display()))?;
        Ok(Self { venv, node })
    }

    /// Hands on where they are.
    pub(crate) fn name_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("TENET_TEST_CLIENTS_PYTHON", self.venv.program(""))
            .env("TENET_TEST_CLIENTS_NODE", self.node.join("node_modules"))
    }
}
