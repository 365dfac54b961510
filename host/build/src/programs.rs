use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;
use crate::machine::{install, on_path, output};

/// PostgreSQL's programs that are needed.
const NEEDED: [&str; 4] = ["initdb", "pg_ctl", "postgres", "createdb"];

/// The folder with PostgreSQL's programs on this machine.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Finds the programs: in the folder that `pg_config` prints, then in Debian's newest version,
    /// then on PATH. If there are none, installs them, which needs root on Debian. The package
    /// starts a server of its own, which Tenet never uses.
    pub fn find() -> Result<Self, Error> {
        if let Some(found) = Self::present() {
            return Ok(found);
        }
        install(&["postgresql"])?;
        Self::present()
            .ok_or_else(|| Error::new(format!("PostgreSQL is installed, but {} are not found", NEEDED.join(", "))))
    }

    pub(crate) fn present() -> Option<Self> {
        let configured = output(Command::new("pg_config").arg("--bindir")).map(PathBuf::from);
        let on_path = on_path("initdb").and_then(|initdb| initdb.parent().map(Path::to_owned));
        let folder = configured
            .into_iter()
            .chain(of_debian())
            .chain(on_path)
            .find(|folder| NEEDED.iter().all(|program| folder.join(program).is_file()))?;
        Some(Self { folder })
    }

    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}

/// The folders of Debian's packages, newest first.
fn of_debian() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, folder)| folder).collect()
}
