use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tenet_core::{Grants, Limits, OperationGrant, TableGrant, VaultGrant};

use crate::Error;
use crate::manifest::Document;

/// The file of a bundle with the grants of its rules.
pub const GRANTS: &str = "grants.lock";

/// The grants of a bundle's rules: `grants.lock`. A manifest only requests them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    rules: BTreeMap<String, Granted>,
}

/// The grants of one rule. Limits need a grant only if they are above the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Granted {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    sequences: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    events: BTreeMap<String, BTreeSet<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    limits: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tables: BTreeMap<String, TableGrant>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    vault: BTreeMap<String, VaultGrant>,
    #[serde(skip_serializing_if = "OperationGrant::is_none")]
    operations: OperationGrant,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    rules: BTreeMap<String, Granted>,
}

impl Lock {
    /// The lock of the bundle in `directory`. A missing file grants nothing.
    pub(crate) fn read(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(GRANTS);
        if !path.is_file() {
            return Ok(Self::default());
        }
        let document = Document::read(&path)?;
        let File { rules, .. } = document.parse()?;
        Ok(Self { rules })
    }

    /// Grants a rule what it requests.
    pub(crate) fn grant(&mut self, rule: &str, asked: &Grants, limits: &Limits) {
        let Grants { tables, sequences, events, vault, operations } = asked.clone();
        let above = limits.above(&Limits::default()).into_iter();
        let limits = above.filter_map(|above| Some((above.limit.name().to_owned(), above.used?))).collect();
        let granted = Granted { sequences, events, limits, tables, vault, operations };
        if granted == Granted::default() {
            self.rules.remove(rule);
        } else {
            self.rules.insert(rule.to_owned(), granted);
        }
    }

    /// The grants of a rule.
    pub fn grants(&self, rule: &str) -> Grants {
        let Granted { sequences, events, tables, vault, operations, .. } =
            self.rules.get(rule).cloned().unwrap_or_default();
        Grants { tables, sequences, events, vault, operations }
    }

    /// The limits of a rule.
    pub fn limits(&self, rule: &str) -> Limits {
        let mut limits = Limits::default();
        for (name, value) in self.rules.get(rule).iter().flat_map(|granted| &granted.limits) {
            limits.set(name, *value);
        }
        limits
    }

    /// All grants, one a line: `RULE: update accounts.balance`.
    pub fn lines(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        for (rule, granted) in &self.rules {
            lines.extend(self.grants(rule).each().iter().map(|grant| format!("{rule}: {grant}")));
            lines.extend(granted.limits.iter().map(|(name, value)| format!("{rule}: {name} {value}")));
        }
        lines
    }

    /// The file's text. Equal locks give equal text.
    pub fn text(&self) -> String {
        let file = File { version: crate::manifest::VERSION, rules: self.rules.clone() };
        // Strings, numbers, lists and tables by name: TOML can represent all of them.
        let text = toml::to_string(&file).unwrap_or_default();
        format!(
            "# What the bundle grants to its rules. `tenet grant` writes it; its difference is what to review.\n{}\n",
            text.trim_end()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_reads_what_it_writes_and_says_it_line_by_line() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(Lock::read(scratch.path()).unwrap(), Lock::default());
        let asked: Grants = serde_json::from_str(
            r#"{"tables":{"accounts":{"select":["id","balance"],"delete":true},"bank.open":{"insert":"*"}},
                "sequences":["q"],"events":{"bank \"x\"":["Paid"]},
                "vault":{"accounts":{"seal":["iban"],"open":["iban"]}}}"#,
        )
        .unwrap();
        let mut lock = Lock::default();
        lock.grant("pay", &asked, &Limits { cpu_ms: 300, rows_read: 1, ..Limits::default() });
        lock.grant("idle", &Grants::default(), &Limits::default());
        std::fs::write(scratch.path().join(GRANTS), lock.text()).unwrap();
        let read = Lock::read(scratch.path()).unwrap();
        assert_eq!(read, lock, "{}", lock.text());
        assert_eq!((read.grants("pay"), read.grants("other")), (asked, Grants::default()));
        assert_eq!(read.limits("pay"), Limits { cpu_ms: 300, ..Limits::default() });
        let lines: Vec<String> = read.lines().into_iter().collect();
        assert_eq!(
            lines,
            [
                "pay: cpu_ms 300",
                "pay: delete accounts",
                "pay: insert bank.open.*",
                "pay: nextval q",
                "pay: open accounts.iban",
                "pay: publish bank \"x\": Paid",
                "pay: seal accounts.iban",
                "pay: select accounts.balance",
                "pay: select accounts.id"
            ]
        );
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let scratch = tempfile::tempdir().unwrap();
        for (text, says) in [
            ("version = 2\n", "version 2"),
            ("version = 1\n[rules.a]\nfiles = 1\n", "unknown field `files`"),
            ("[rules.a]\n", "which version"),
        ] {
            std::fs::write(scratch.path().join(GRANTS), text).unwrap();
            let refusal = Lock::read(scratch.path()).unwrap_err().to_string();
            assert!(refusal.contains(says), "{refusal}");
        }
    }
}
