//! Rules in languages that are not compiled by cargo.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::{JAVASCRIPT, PYTHON, Tool};
use crate::{Error, Progress};
use tenet_core::Code;

/// How a rule is written.
#[derive(Clone, Debug)]
pub(crate) enum Written {
    /// As a crate.
    Rust,
    /// As a module with what it imports.
    Script(Script),
    /// It is a component already, whatever made it.
    Component(PathBuf),
}

/// A rule in JavaScript or Python.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    language: Language,
    /// `rule.js` or `rule.py`.
    main: PathBuf,
    /// Folders in which Python looks for modules.
    path: Vec<PathBuf>,
    /// Every file that it is made of.
    pub(crate) sources: BTreeSet<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    JavaScript,
    Python,
}

impl Written {
    /// What the folder of a rule holds: `Cargo.toml`, `rule.js`, `rule.py` or `rule.wasm`, one of them.
    pub(crate) fn of(rule: &Path, python_path: &[PathBuf]) -> Result<Self, Error> {
        let files = ["Cargo.toml", "rule.js", "rule.py", "rule.wasm"].map(|name| rule.join(name));
        let [cargo, javascript, python, component] = &files;
        if files.iter().filter(|file| file.is_file()).count() != 1 {
            let what = format!("{}: a rule is written in one way", rule.display());
            let help = "its folder has Cargo.toml (Rust), rule.js, rule.py or rule.wasm (a finished component)";
            return Err(Error::new(what).coded(Code::RuleFolder).with_help(help));
        }
        if cargo.is_file() {
            Ok(Self::Rust)
        } else if javascript.is_file() {
            let sources = modules(javascript)?;
            Ok(Self::Script(Script {
                language: Language::JavaScript,
                main: javascript.clone(),
                path: Vec::new(),
                sources,
            }))
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
            Ok(Self::Script(Script { language: Language::Python, main: python.clone(), path, sources }))
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

    /// The component. `work` is a folder that it may fill, which is not there yet.
    pub(crate) fn build(&self, wit: &Path, work: &Path, progress: &mut dyn Progress) -> Result<Vec<u8>, Error> {
        let out = work.join("rule.wasm");
        fs::create_dir_all(work).map_err(Error::io("make", work))?;
        match self.language {
            Language::JavaScript => {
                let main = self.stage(&work.join("modules"))?;
                let tool = Tool::ready(&JAVASCRIPT, progress)?;
                let mut command = tool.command();
                // Of WASI what a rule has no use for is left out, which also makes it smaller.
                command.arg(&main).args(["--disable", "http", "fetch-event", "--world-name", "rule", "--wit"]);
                tool.run(command.arg(wit).arg("--out").arg(&out), &self.main)?;
            }
            Language::Python => {
                let tool = Tool::ready(&PYTHON, progress)?;
                let mut command = tool.command();
                command.arg("--wit-path").arg(wit).args(["--world", "rule", "componentize", "rule"]);
                for folder in &self.path {
                    command.arg("--python-path").arg(folder);
                }
                tool.run(command.arg("--output").arg(&out), &self.main)?;
            }
        }
        fs::read(&out).map_err(Error::io("read", &out))
    }

    /// Copies the modules, as they lie to each other, below one folder with a module that hands on
    /// the rule: the compiler looks nowhere above its first.
    fn stage(&self, folder: &Path) -> Result<PathBuf, Error> {
        let root = common(&self.sources);
        for source in &self.sources {
            let place = folder.join(source.strip_prefix(&root).unwrap_or(source));
            if let Some(parent) = place.parent() {
                fs::create_dir_all(parent).map_err(Error::io("make", parent))?;
            }
            fs::copy(source, &place).map_err(Error::io("copy", source))?;
        }
        let main = self.main.strip_prefix(&root).unwrap_or(&self.main);
        let entry = folder.join("tenet-main.js");
        let text = format!("export {{ evaluate, describe }} from './{}';\n", main.display());
        fs::write(&entry, text).map_err(Error::io("write", &entry))?;
        Ok(entry)
    }
}

/// The deepest folder that all these files are below of.
fn common(files: &BTreeSet<PathBuf>) -> PathBuf {
    let mut folders = files.iter().filter_map(|file| file.parent());
    let first = folders.next().unwrap_or(Path::new("/")).to_owned();
    folders.fold(first, |common, folder| {
        let shared = common.components().zip(folder.components()).take_while(|(one, other)| one == other);
        shared.map(|(part, _)| part).collect()
    })
}

/// A module of JavaScript with those that it imports by a path, and so on.
fn modules(main: &Path) -> Result<BTreeSet<PathBuf>, Error> {
    let main = fs::canonicalize(main).map_err(Error::io("open", main))?;
    let (mut found, mut left) = (BTreeSet::new(), vec![main]);
    while let Some(module) = left.pop() {
        let text = fs::read_to_string(&module).map_err(Error::io("read", &module))?;
        for specifier in specifiers(&text) {
            if specifier.starts_with('.') {
                let path = module.with_file_name("").join(specifier);
                left.push(fs::canonicalize(&path).map_err(Error::io("open", &path))?);
            } else if !specifier.starts_with("tenet:") && !specifier.starts_with("wasi:") {
                let what = format!("{}: it imports {specifier:?}, which is no path", module.display());
                let help = "packages of npm are put into one file by a bundler first, and that is imported by its path";
                return Err(Error::new(what).coded(Code::Script).with_help(help));
            }
        }
        found.insert(module);
    }
    found.retain(|module| module.is_file());
    Ok(found)
}

/// What a module names after `from` and `import`, at the beginning of its lines.
fn specifiers(text: &str) -> impl Iterator<Item = &str> {
    let quoted = |text: &'static str, line: &'_ str| line.contains(text);
    text.lines().filter_map(move |line| {
        let line = line.trim();
        let is_import = line.starts_with("import ") || line.starts_with("export ") || line.starts_with('}');
        let after = match line.rsplit_once(" from ") {
            Some((_, after)) if is_import => after,
            _ => line.strip_prefix("import ").filter(|_| !quoted("(", line))?,
        };
        let after = after.trim().trim_end_matches(';');
        let quote = after.chars().next().filter(|first| matches!(first, '\'' | '"'))?;
        after.strip_prefix(quote)?.strip_suffix(quote)
    })
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
    fn a_module_comes_with_all_that_it_imports_by_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let write = |path: &str, text: &str| {
            let place = root.join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        };
        write("sdk/tenet.js", "import * as d from 'tenet:rule/database@1.0.0';\nexport { a } from \"./a.js\";\n");
        write("sdk/a.js", "export const a = 'text from \"here\"';\nimport('./no.js');\n");
        write("rules/r/rule.js", "import {\n  b,\n} from '../../sdk/tenet.js';\n// import './none.js'\n");
        write("sdk/none.js", "");
        let rule = root.join("rules/r");
        let Written::Script(script) = Written::of(&rule, &[]).unwrap() else { panic!() };
        let names = ["rules/r/rule.js", "sdk/a.js", "sdk/tenet.js"].map(|name| root.join(name));
        assert_eq!(script.sources, BTreeSet::from(names));
        let entry = script.stage(&root.join("work")).unwrap();
        assert_eq!(fs::read_to_string(entry).unwrap(), "export { evaluate, describe } from './rules/r/rule.js';\n");
        assert!(root.join("work/sdk/a.js").is_file());
        write("rules/r/rule.js", "import x from 'left-pad';\n");
        assert!(Written::of(&rule, &[]).unwrap_err().to_string().contains("left-pad"));
        write("rules/r/rule.py", "");
        assert!(Written::of(&rule, &[]).unwrap_err().to_string().contains("in one way"));
    }
}
