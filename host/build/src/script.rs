//! Rules in languages that cargo does not compile.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::bounded::{MAX_RECORD, read_at_most};
use crate::bundling;
use crate::error::Place;
use crate::imports::modules;
use crate::refusal;
use crate::tools::{JAVASCRIPT, PYTHON, Said, Tool, Wanted};
use crate::{Error, Progress};
use tenet_core::Code;

/// Detects uses of a clock or of random numbers while a rule in Python is loaded.
const LOADING: &str = include_str!("loading.py");

/// The form of a rule's source.
#[derive(Clone, Debug)]
pub(crate) enum Written {
    /// A crate.
    Rust,
    /// A module and its imports.
    Script(Script),
    /// A finished component, built by any tool.
    Component(PathBuf),
}

/// A rule in JavaScript, TypeScript or Python.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    language: Language,
    /// `rule.js`, `rule.ts` or `rule.py`.
    main: PathBuf,
    /// The folder relative to which its files are named.
    root: PathBuf,
    /// Folders in which Python searches modules.
    path: Vec<PathBuf>,
    /// All its source files.
    pub(crate) sources: BTreeSet<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    JavaScript,
    Python,
}

impl Written {
    /// Determines the form from the rule's folder, which has exactly one of `Cargo.toml`,
    /// `rule.js`, `rule.ts`, `rule.py` and `rule.wasm`. `bundle` is the folder of the bundle.
    pub(crate) fn of(bundle: &Path, rule: &Path, python_path: &[PathBuf]) -> Result<Self, Error> {
        let files = ["Cargo.toml", "rule.js", "rule.ts", "rule.py", "rule.wasm"].map(|name| rule.join(name));
        let [cargo, javascript, typescript, python, component] = &files;
        if files.iter().filter(|file| file.is_file()).count() != 1 {
            let what = format!("{}: a rule is written in one way", rule.display());
            let help =
                "its folder has Cargo.toml (Rust), rule.js, rule.ts, rule.py or rule.wasm (a finished component)";
            return Err(Error::new(what).coded(Code::RuleFolder).with_help(help));
        }
        let root = fs::canonicalize(bundle).map_err(Error::io("open", bundle))?;
        if cargo.is_file() {
            Ok(Self::Rust)
        } else if let Some(main) = [javascript, typescript].into_iter().find(|file| file.is_file()) {
            let main = fs::canonicalize(main).map_err(Error::io("open", main))?;
            let sources = modules(&main, &root)?;
            Ok(Self::Script(Script { language: Language::JavaScript, main, root, path: Vec::new(), sources }))
        } else if python.is_file() {
            let folders = python_path.iter().map(|path| {
                let path = rule.join(path);
                fs::canonicalize(&path).map_err(Error::io("open", &path))
            });
            let mut path = vec![rule.to_owned()];
            path.extend(folders.collect::<Result<Vec<_>, _>>()?);
            let mut sources = BTreeSet::new();
            for folder in &path {
                python_files(folder, &mut sources)?;
            }
            Ok(Self::Script(Script { language: Language::Python, main: python.clone(), root, path, sources }))
        } else {
            Ok(Self::Component(component.clone()))
        }
    }
}

impl Script {
    /// `javascript` or `python`.
    pub(crate) fn language(&self) -> &'static str {
        match self.language {
            Language::JavaScript => "javascript",
            Language::Python => "python",
        }
    }

    /// The tools that make the component, with their versions: another version may make another
    /// component.
    pub(crate) fn made_by(&self) -> String {
        [&self.wanted().of_version(), bundling::LOADING, LOADING].concat()
    }

    fn wanted(&self) -> &'static Wanted {
        match self.language {
            Language::JavaScript => &JAVASCRIPT,
            Language::Python => &PYTHON,
        }
    }

    /// Builds the component. `work` is a folder to create and fill.
    pub(crate) fn build(&self, wit: &Path, work: &Path, progress: &mut dyn Progress) -> Result<Vec<u8>, Error> {
        let out = work.join("rule.wasm");
        fs::create_dir_all(work).map_err(Error::io("make", work))?;
        let tool = Tool::ready(self.wanted(), progress)?;
        match self.language {
            Language::JavaScript => {
                let (module, lines) = bundling::bundle(&tool, &self.main, &self.root, work)?;
                let mut command = tool.command("componentize-js");
                // Errors name the module relative to this folder.
                command.current_dir(work).arg(&module);
                // WASI features that rules do not use are left out, which also makes the component
                // smaller.
                command.args(["--disable", "http", "fetch-event", "--world-name", "rule", "--wit"]);
                match tool.run(command.arg(wit).arg("--out").arg(&out), None)? {
                    Said::Done(_) => {}
                    Said::Refused(said) => return Err(refusal::of_javascript(&self.main, &self.root, &said, &lines)),
                }
            }
            Language::Python => {
                self.refuse_chance(&tool)?;
                let mut command = tool.command("componentize-py");
                command.arg("--wit-path").arg(wit).args(["--world", "rule", "componentize", "rule"]);
                for folder in &self.path {
                    command.arg("--python-path").arg(folder);
                }
                match tool.run(command.arg("--output").arg(&out), None)? {
                    Said::Done(_) => {}
                    Said::Refused(said) => return Err(refusal::of_python(&self.main, &said)),
                }
            }
        }
        read_at_most(&out, MAX_RECORD).map_err(Error::io("read", &out))
    }

    /// Refuses a rule in Python whose modules use a clock or random numbers while they are loaded.
    fn refuse_chance(&self, tool: &Tool) -> Result<(), Error> {
        let mut command = tool.command("python");
        command.args(["-I", "-c", LOADING]).arg(&self.main).args(&self.path);
        let Said::Done(found) = tool.run(&mut command, None)? else { return Ok(()) };
        let mut first = found.lines().next().unwrap_or_default().splitn(3, '\t');
        let (Some(line), Some(name), Some(file)) = (first.next(), first.next(), first.next()) else { return Ok(()) };
        let place =
            Place::of_line(Path::new(file), line.parse().unwrap_or(1)).map_err(Error::io("read", Path::new(file)))?;
        let what = format!(
            "{name}() at the top of a module: there is no request yet while modules are loaded, and the result would \
             be the same for every request"
        );
        Err(Error::new(what)
            .coded(Code::Script)
            .at(place)
            .with_help("move it into the function that is given to `tenet.rule`"))
    }
}

fn python_files(folder: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if path.is_dir() && name != b"__pycache__" && name != b"tests" && !name.starts_with(b".") {
            python_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "py") {
            files.insert(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_written_in_one_way() {
        let folder = tempfile::tempdir().unwrap();
        let rule = folder.path().join("rules/r");
        fs::create_dir_all(&rule).unwrap();
        let of = || Written::of(folder.path(), &rule, &[]);
        assert!(of().unwrap_err().to_string().contains("in one way"));
        fs::write(rule.join("rule.ts"), "").unwrap();
        assert!(matches!(of().unwrap(), Written::Script(script) if script.language() == "javascript"));
        fs::write(rule.join("rule.js"), "").unwrap();
        assert!(of().unwrap_err().to_string().contains("in one way"));
    }
}
