//! The index of a bundle: what a host loads and trusts, and nothing beside it.
//!
//! `tenet build` writes it as `index.json` beside the files that it names; hosts and
//! tests read it. Whatever is not in it, or does not have the digest that it gives, is
//! refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Limits;

/// The version of the format that this code writes and reads.
pub const VERSION: u32 = 1;

/// The contract that rules are built against.
pub const CONTRACT: &str = "tenet:rule@1.0.0";

/// The name of the index's file.
pub const INDEX: &str = "index.json";

/// Everything in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// [`VERSION`].
    pub version: u32,
    /// The contract of all its rules: [`CONTRACT`].
    pub contract: String,
    /// Digest of everything the components were built from; it tells a stale build.
    pub sources: String,
    /// Whom the rules were compiled for, once they are.
    pub compiled_for: Option<CompiledFor>,
    /// The operations, by name.
    pub operations: Vec<Operation>,
    /// The rules, by name.
    pub rules: Vec<Rule>,
    /// The team's schema, step by step.
    pub schema: Vec<File>,
}

/// The engine that can load the compiled rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompiledFor {
    /// A target triple: `x86_64-unknown-linux-gnu`.
    pub target: String,
    /// The engine's own word for its version and settings.
    pub engine: String,
}

/// What callers can ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// The rules that decide it, in order. At least one.
    pub rules: Vec<String>,
    /// The member of the payload that is the idempotency key, if there is one.
    pub key: Option<String>,
    /// Whether it only reads.
    pub read_only: bool,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// The component.
    pub component: File,
    /// The component compiled ahead of time.
    pub compiled: Option<File>,
    /// What one call of it may use.
    pub limits: Limits,
}

/// A file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path below the index: plain names joined by `/`.
    pub path: String,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
}

/// Why text is not an index that this host can use.
#[derive(Debug)]
pub struct IndexError(String);

impl Index {
    /// Reads an index, and refuses one of another version or contract by name, operations
    /// without rules or with rules that are not there, and paths that leave the bundle.
    pub fn parse(text: &str) -> Result<Self, IndexError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let fail = |text: String| Err(IndexError(text));
        let invalid = |error: serde_json::Error| IndexError(format!("not an index: {error}"));
        let Versioned { version } = serde_json::from_str(text).map_err(invalid)?;
        if version != VERSION {
            return fail(format!("the index has version {version}, and this host reads version {VERSION}"));
        }
        let index: Self = serde_json::from_str(text).map_err(invalid)?;
        if index.contract != CONTRACT {
            return fail(format!("the rules speak {}, and this host speaks {CONTRACT}", index.contract));
        }
        for operation in &index.operations {
            if operation.rules.is_empty() {
                return fail(format!("the operation {} has no rule", operation.name));
            }
            if let Some(missing) = operation.rules.iter().find(|name| index.rule(name).is_none()) {
                return fail(format!(
                    "the operation {} names the rule {missing}, which the index lacks",
                    operation.name
                ));
            }
        }
        for file in index.files() {
            let plain =
                |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0']);
            if !file.path.split('/').all(plain) {
                return fail(format!("the path {:?} does not stay inside the bundle", file.path));
            }
        }
        Ok(index)
    }

    /// The index as text, the same for equal indexes.
    pub fn to_json(&self) -> String {
        // A struct of strings, numbers and lists: serde_json has nothing to refuse in it.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The rule with this name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// Every file that the index names.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        let of_rules =
            self.rules.iter().flat_map(|rule| std::iter::once(&rule.component).chain(rule.compiled.as_ref()));
        of_rules.chain(&self.schema)
    }
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for IndexError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let file = |path: &str| File { path: path.into(), sha256: "00".into() };
        Index {
            version: VERSION,
            contract: CONTRACT.into(),
            sources: "11".into(),
            compiled_for: None,
            operations: vec![Operation {
                name: "write".into(),
                rules: vec!["record".into()],
                key: None,
                read_only: false,
            }],
            rules: vec![Rule {
                name: "record".into(),
                component: file("record.wasm"),
                compiled: None,
                limits: Limits::default(),
            }],
            schema: vec![file("schema/0001_a.sql")],
        }
    }

    #[test]
    fn reads_what_it_writes() {
        assert_eq!(Index::parse(&index().to_json()).unwrap(), index());
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let changed = |change: fn(&mut Index)| {
            let mut index = index();
            change(&mut index);
            Index::parse(&index.to_json()).unwrap_err().to_string()
        };
        assert!(changed(|i| i.version = 2).contains("version 2"));
        assert!(changed(|i| i.contract = "tenet:rule@2.0.0".into()).contains("2.0.0"));
        assert!(changed(|i| i.operations[0].rules.clear()).contains("no rule"));
        assert!(changed(|i| i.rules[0].name = "other".into()).contains("record"));
        for path in ["../x", "/etc/passwd", "a//b", "a/../b", ""] {
            let mut index = index();
            index.rules[0].component.path = path.into();
            assert!(Index::parse(&index.to_json()).is_err(), "{path}");
        }
        assert!(Index::parse("{\"version\":1,\"surprise\":true}").is_err());
        assert!(Index::parse("not json").is_err());
    }
}
