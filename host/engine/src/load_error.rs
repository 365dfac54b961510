use std::error::Error;
use std::fmt;

/// Why a bundle's rules cannot be loaded. The text names the rule and the file, the problem, and
/// the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct LoadError {
    rule: Option<String>,
    file: Option<String>,
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The remedy for any damage or mismatch.
const REMEDY: &str = "build the bundle again with `tenet build`";

impl LoadError {
    pub(crate) fn bundle(what: String) -> Self {
        Self { rule: None, file: None, what: format!("{what}; {REMEDY}"), source: None }
    }

    pub(crate) fn rule(rule: &str, file: Option<&str>, what: impl fmt::Display) -> Self {
        Self {
            rule: Some(rule.to_owned()),
            file: file.map(str::to_owned),
            what: match file {
                Some(file) => format!("the rule {rule} cannot be loaded: {file} {what}; {REMEDY}"),
                None => format!("the rule {rule} cannot be loaded: {what}; {REMEDY}"),
            },
            source: None,
        }
    }

    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The rule, if the error concerns one.
    pub fn rule_name(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// The file's path relative to the index, if the error concerns a file.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }
}
