//! The compilers of rules that are not Rust: programs of npm and Python, each to the version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::machine::on_path;
use crate::{Error, Progress};

/// A program, and where it comes from.
pub(crate) struct Wanted {
    name: &'static str,
    version: &'static str,
    /// What has to be on the machine for it.
    needs: &'static str,
    help: &'static str,
    /// Where it lies once it is installed.
    program: &'static str,
    install: fn(&Path, &str) -> Vec<Command>,
}

/// Makes components of JavaScript.
pub(crate) const JAVASCRIPT: Wanted = Wanted {
    name: "componentize-js",
    version: "0.23.0",
    needs: "npm",
    help: "install Node.js, which brings npm: `apt-get install npm`, or see https://nodejs.org",
    program: "node_modules/.bin/componentize-js",
    install: |folder, version| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=error", "--prefix"]).arg(folder);
        npm.arg(format!("@bytecodealliance/componentize-js@{version}"));
        vec![npm]
    },
};

/// Makes components of Python.
pub(crate) const PYTHON: Wanted = Wanted {
    name: "componentize-py",
    version: "0.25.1",
    needs: "python3",
    help: "install Python 3 with venv: `apt-get install python3-venv`",
    program: "bin/componentize-py",
    install: |folder, version| {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(folder);
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
        pip.arg(format!("componentize-py=={version}"));
        vec![venv, pip]
    },
};

/// A program that is installed.
#[derive(Debug)]
pub(crate) struct Tool {
    name: &'static str,
    program: PathBuf,
}

impl Tool {
    /// The program, installed into the user's cache the first time that it is wanted.
    pub(crate) fn ready(wanted: &Wanted, progress: &mut dyn Progress) -> Result<Self, Error> {
        let cache = cache()?;
        let folder = cache.join(format!("{}-{}", wanted.name, wanted.version));
        let tool = Self { name: wanted.name, program: folder.join(wanted.program) };
        if tool.program.exists() {
            return Ok(tool);
        }
        if on_path(wanted.needs).is_none() {
            let what = format!(
                "{} {} is not here, and cannot be installed without {}",
                wanted.name, wanted.version, wanted.needs
            );
            return Err(Error::new(what).with_help(wanted.help));
        }
        progress.step(&format!("installing {} {} into {}, once", wanted.name, wanted.version, folder.display()));
        // A folder that is left over was never finished: the program comes last.
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        }
        fs::create_dir_all(&folder).map_err(Error::io("make", &folder))?;
        for mut command in (wanted.install)(&folder, wanted.version) {
            let program = PathBuf::from(command.get_program());
            let output = command.stdin(Stdio::null()).output().map_err(Error::starting(&program))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                let what = format!("{} cannot be installed ({})\n{}", wanted.name, output.status, said.trim_end());
                return Err(Error::new(what).with_help(wanted.help));
            }
        }
        Ok(tool)
    }

    /// A call of it.
    pub(crate) fn command(&self) -> Command {
        Command::new(&self.program)
    }

    /// Runs a call that compiles this file; what it says where it fails is the error.
    pub(crate) fn run(&self, command: &mut Command, source: &Path) -> Result<(), Error> {
        let output = command.stdin(Stdio::null()).output().map_err(Error::starting(&self.program))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let what = format!("{}: {} does not compile it\n{}", source.display(), self.name, said.trim());
        Err(Error::new(what))
    }
}

/// Where programs are kept for all bundles: `tenet` in the user's cache.
fn cache() -> Result<PathBuf, Error> {
    let folder = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    let cache =
        cache.ok_or_else(|| Error::new("there is no place for programs: neither HOME nor XDG_CACHE_HOME is set"))?;
    Ok(cache.join("tenet"))
}

/// What a machine lacks for rules in a language, if anything: the name, and what to do.
pub fn missing(language: &str) -> Option<(&'static str, &'static str)> {
    let wanted = match language {
        "javascript" => &JAVASCRIPT,
        "python" => &PYTHON,
        _ => return None,
    };
    on_path(wanted.needs).is_none().then_some((wanted.needs, wanted.help))
}
