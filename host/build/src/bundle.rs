use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tenet_core::Limits;
use tenet_core::bundle::{Caller, Index, Operation};

use crate::manifest::{self, Manifest, RuleManifest};
use crate::sources::Sources;
use crate::{Error, compile, fresh};

/// The most bytes of an operation's name: what the column of the table of keys holds.
const MAX_OPERATION: usize = 255;

/// The source of a bundle: a folder with `tenet.toml`, `rules/NAME` and `schema/NNNN_*.sql`.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub(crate) directory: PathBuf,
    pub(crate) operations: Vec<Operation>,
    pub(crate) rules: Vec<RuleSource>,
    pub(crate) schema: Vec<String>,
}

/// One folder of `rules`.
#[derive(Clone, Debug)]
pub(crate) struct RuleSource {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) description: String,
    pub(crate) limits: Limits,
}

impl Bundle {
    /// Reads the bundle in `directory` and refuses what does not fit together: every error
    /// names the file that it is about.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref();
        let directory = fs::canonicalize(directory).map_err(Error::io("open the bundle", directory))?;
        let manifest = directory.join("tenet.toml");
        if !manifest.is_file() {
            return Err(Error::new(format!("{} is no bundle: there is no tenet.toml in it", directory.display())));
        }
        let rules = rules(&directory)?;
        let operations = operations(&manifest, &rules)?;
        let schema = schema(&directory.join("schema"))?;
        Ok(Self { directory, operations, rules, schema })
    }

    /// A digest of everything that the components are made of: the bundle, the crates that
    /// its rules depend on by path, lock files and the settings that rules are built with.
    /// It is the same wherever the bundle lies.
    pub fn source_digest(&self) -> Result<String, Error> {
        Sources::of(self)?.digest()
    }

    /// Builds the components into `out` and writes the index that names them; `progress`
    /// is told each step. Where `out` holds a build of these very sources, the index that
    /// is there is the answer and nothing is built.
    ///
    /// Cargo works in `cargo` beside the built bundle: below the nearest `target/tenet`
    /// above `out`, so that bundles that are built side by side share their dependencies,
    /// else in `out` itself.
    pub fn build(&self, out: &Path, progress: &mut dyn FnMut(&str)) -> Result<Index, Error> {
        let sources = Sources::of(self)?;
        if let Some(index) = fresh::existing(out, &sources.digest()?) {
            return Ok(index);
        }
        compile::compile(self, &sources, out, progress)
    }
}

fn rules(directory: &Path) -> Result<Vec<RuleSource>, Error> {
    let folder = directory.join("rules");
    let mut rules = Vec::new();
    for (name, directory) in entries(&folder)? {
        if !directory.is_dir() {
            return Err(Error::new(format!("{}: there are only folders of rules here", directory.display())));
        }
        if !is_name(&name) {
            return Err(Error::new(format!(
                "{}: a rule's name has lower-case letters, digits and hyphens",
                directory.display()
            )));
        }
        if !directory.join("Cargo.toml").is_file() {
            return Err(Error::new(format!("{}: a rule is a crate, and this has no Cargo.toml", directory.display())));
        }
        let RuleManifest { description, limits, .. } = manifest::read(&directory.join("rule.toml"))?;
        rules.push(RuleSource { name, directory, description, limits });
    }
    Ok(rules)
}

fn operations(path: &Path, rules: &[RuleSource]) -> Result<Vec<Operation>, Error> {
    let Manifest { operations, .. } = manifest::read(path)?;
    let mut checked = Vec::new();
    for (name, operation) in operations {
        let refuse = |why: String| Err(Error::new(format!("{}: the operation {name} {why}", path.display())));
        if !is_operation(&name) {
            return refuse(
                "has a name that cannot stand in a URL; take letters, digits, hyphens, underscores and dots".into(),
            );
        }
        if operation.rules.is_empty() {
            return refuse("has no rule; name at least one in `rules`".into());
        }
        let mut seen = BTreeSet::new();
        for rule in &operation.rules {
            if !seen.insert(rule) {
                return refuse(format!("names the rule {rule} twice"));
            }
            if !rules.iter().any(|known| known.name == *rule) {
                return refuse(format!("names the rule {rule}, and there is no folder rules/{rule}"));
            }
        }
        if operation.read_only && operation.key.is_some() {
            return refuse("only reads, and so it has no key; leave out `key` or `read_only`".into());
        }
        if operation.key.as_deref() == Some("") {
            return refuse("has an empty `key`; name the payload's field, or leave it out".into());
        }
        if operation.callers.iter().flatten().any(|Caller(name)| name.is_empty()) {
            return refuse("has an empty name among its `callers`; leave out `callers` to let everybody in".into());
        }
        let manifest::Operation { rules, key, read_only, callers } = operation;
        checked.push(Operation { name, rules, key, read_only, callers });
    }
    Ok(checked)
}

/// The steps of the schema in their order.
fn schema(folder: &Path) -> Result<Vec<String>, Error> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut steps: Vec<String> = Vec::new();
    for (name, path) in entries(folder)? {
        let Some(number) = step_number(&name) else {
            return Err(Error::new(format!(
                "{}: a step of the schema is called NNNN_NAME.sql, with four digits",
                path.display()
            )));
        };
        if let Some(other) = steps.last().filter(|other| step_number(other) == Some(number)) {
            return Err(Error::new(format!(
                "{}: {other} has the number {number} too; give it the next",
                path.display()
            )));
        }
        steps.push(name);
    }
    Ok(steps)
}

fn step_number(name: &str) -> Option<&str> {
    let (number, rest) = name.strip_suffix(".sql")?.split_once('_')?;
    (number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit()) && !rest.is_empty()).then_some(number)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// An operation's name is the last part of its path: `/operations/NAME`. The characters are
/// those that a URL never escapes (RFC 3986, section 2.3), but for the tilde.
fn is_operation(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.bytes().all(plain) && !name.trim_matches('.').is_empty() && name.len() <= MAX_OPERATION
}

/// What lies in a folder, by name, hidden files left out.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::new(format!("{}: the name is not UTF-8", path.display())));
        };
        if !name.starts_with('.') {
            entries.push((name.to_owned(), path));
        }
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::scratch::Scratch;

    fn refusal(change: impl FnOnce(&Scratch)) -> String {
        let scratch = Scratch::bundle();
        change(&scratch);
        Bundle::open(scratch.path()).unwrap_err().to_string()
    }

    #[test]
    fn a_bundle_is_read_as_it_was_written() {
        let scratch = Scratch::bundle();
        scratch.write("rules/record/rule.toml", "version = 1\ndescription = \"d\"\n[limits]\nrows_read = 7\n");
        scratch.write("schema/0002_more.sql", "select 2");
        let bundle = Bundle::open(scratch.path()).unwrap();
        assert_eq!(bundle.operations.len(), 1);
        assert_eq!(bundle.operations[0].name, "write");
        assert_eq!(bundle.operations[0].rules, ["record"]);
        assert_eq!(bundle.operations[0].key.as_deref(), Some("transaction_id"));
        assert!(!bundle.operations[0].read_only && bundle.operations[0].callers.is_none());
        assert_eq!(bundle.rules[0].description, "d");
        assert_eq!(bundle.rules[0].limits, Limits { rows_read: 7, ..Limits::default() });
        assert_eq!(bundle.schema, ["0001_start.sql", "0002_more.sql"]);
    }

    #[test]
    fn what_does_not_fit_together_is_refused_by_name_and_file() {
        let manifest = |text: &'static str| move |scratch: &Scratch| scratch.write("tenet.toml", text);
        for (text, named) in [
            ("version = 1\nsurprise = 1\n", "surprise"),
            ("version = 1\n[operations.write]\nrules = [\"record\"]\nhttp = true\n", "http"),
            ("version = 2\nsurprise = 1\n", "version 2"),
            ("[operations.write]\nrules = [\"record\"]\n", "version"),
            ("version = 1\n[operations.write]\nrules = [\"record\", \"record\"]\n", "record twice"),
            ("version = 1\n[operations.write]\nrules = [\"other\"]\n", "rules/other"),
            ("version = 1\n[operations.write]\nrules = []\n", "no rule"),
            ("version = 1\n[operations.write]\nrules = [\"record\"]\nkey = \"k\"\nread_only = true\n", "no key"),
            ("version = 1\n[operations.\"a/b\"]\nrules = [\"record\"]\n", "a URL"),
            ("version = 1\n[operations.\"..\"]\nrules = [\"record\"]\n", "a URL"),
            ("version = 1\n[operations.\"\"]\nrules = [\"record\"]\n", "a URL"),
            ("version = 1\n[operations.write]\nrules = [\"record\"]\ncallers = [\"\"]\n", "callers"),
            ("version = ", "tenet.toml"),
        ] {
            let refusal = refusal(manifest(text));
            assert!(refusal.contains(named) && refusal.contains("tenet.toml"), "{refusal}");
        }
    }

    #[test]
    fn a_rule_is_a_crate_with_a_manifest() {
        let refused = refusal(|scratch| fs::remove_file(scratch.path().join("rules/record/Cargo.toml")).unwrap());
        assert!(refused.contains("rules/record") && refused.contains("Cargo.toml"), "{refused}");
        let refused = refusal(|scratch| fs::remove_file(scratch.path().join("rules/record/rule.toml")).unwrap());
        assert!(refused.contains("rules/record/rule.toml"), "{refused}");
        let refused =
            refusal(|scratch| scratch.write("rules/record/rule.toml", "version = 1\ndescription = \"\"\nlimit = 1\n"));
        assert!(refused.contains("rules/record/rule.toml") && refused.contains("`limit`"), "{refused}");
        let refused = refusal(|scratch| {
            scratch.write("rules/record/rule.toml", "version = 1\ndescription = \"\"\n[limits]\nrows = 1\n");
        });
        assert!(refused.contains("rules/record/rule.toml") && refused.contains("rows"), "{refused}");
        let refused = refusal(|scratch| scratch.write("rules/Other/Cargo.toml", ""));
        assert!(refused.contains("rules/Other"), "{refused}");
    }

    #[test]
    fn the_steps_of_the_schema_have_one_number_each() {
        let refused = refusal(|scratch| scratch.write("schema/0001_again.sql", ""));
        assert!(refused.contains("0001_again.sql") && refused.contains("0001_start.sql"), "{refused}");
        for name in ["1_short.sql", "0002_x.txt", "0002.sql", "00a2_x.sql"] {
            let refused = refusal(|scratch| scratch.write(&format!("schema/{name}"), ""));
            assert!(refused.contains(name), "{refused}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        assert!(Bundle::open("no/such/bundle").unwrap_err().to_string().contains("no/such/bundle"));
        let empty = refusal(|scratch| fs::remove_file(scratch.path().join("tenet.toml")).unwrap());
        assert!(empty.contains("no tenet.toml"), "{empty}");
    }
}
