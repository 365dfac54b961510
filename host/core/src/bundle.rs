//! The index of a bundle: the only file that a host loads and trusts directly.
//!
//! `tenet build` writes it as `index.json` next to the files that it names; hosts and tests read
//! it. A file that is not in the index, or does not have the digest given there, is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Catalog, Grants, HostSettings, Limits, hex};

/// The version of the index format.
pub const VERSION: u32 = 10;

/// The contract that rules are built against.
pub const CONTRACT: &str = "tenet:rule@1.0.0";

/// The contract's text, file by file.
pub const WIT: [(&str, &str); 8] = [
    ("context.wit", include_str!("../../../wit/v1/context.wit")),
    ("database.wit", include_str!("../../../wit/v1/database.wit")),
    ("events.wit", include_str!("../../../wit/v1/events.wit")),
    ("log.wit", include_str!("../../../wit/v1/log.wit")),
    ("operations.wit", include_str!("../../../wit/v1/operations.wit")),
    ("types.wit", include_str!("../../../wit/v1/types.wit")),
    ("vault.wit", include_str!("../../../wit/v1/vault.wit")),
    ("world.wit", include_str!("../../../wit/v1/world.wit")),
];

/// SHA-256 over the contract's text, in lower-case hexadecimal. A released contract is never
/// edited, so a host and a bundle whose digests differ are incompatible.
pub fn contract_digest() -> String {
    let mut digest = Sha256::new();
    for part in WIT.iter().flat_map(|(name, text)| [name, text]) {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    hex(&digest.finalize())
}

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
    /// [`contract_digest`].
    pub contract_sha256: String,
    /// Digest of all inputs of the build. It identifies a stale build.
    pub sources: String,
    /// The target and engine of the compiled rules, once they are compiled.
    pub compiled_for: Option<CompiledFor>,
    /// The function binary that is shipped with the bundle, once it is packed.
    pub bootstrap: Option<File>,
    /// The settings of a host that serves it.
    pub host: HostSettings,
    /// Upper bounds on the limits of any rule's manifest.
    pub ceilings: Limits,
    /// The operations, by name.
    pub operations: Vec<Operation>,
    /// The rules, by name.
    pub rules: Vec<Rule>,
    /// The team's schema, step by step.
    pub schema: Vec<File>,
    /// The tables that the rules are granted, as read from a private database to which the schema
    /// was applied.
    #[serde(default)]
    pub catalog: Catalog,
    /// The OpenAPI document of the operations, once the rules are compiled and have declared their
    /// input and output.
    pub openapi: Option<File>,
    /// The description of the service in that document.
    #[serde(default, skip_serializing_if = "Api::is_silent")]
    pub api: Api,
}

/// The description of the service in the OpenAPI document, from `[api]` of `tenet.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// The title of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its version, in the team's own numbering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The URLs where it is served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
}

impl Api {
    /// Whether nothing is set.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// The engine that can load the compiled rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompiledFor {
    /// A target triple: `x86_64-unknown-linux-gnu`.
    pub target: String,
    /// The engine's identifier of its version and settings.
    pub engine: String,
}

/// An operation that callers can request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// The rules that decide it, in order. At least one.
    pub rules: Vec<String>,
    /// The member of the payload that is the idempotency key, if there is one.
    pub key: Option<String>,
    /// Whether a request is refused if it has neither this member nor a key of its own.
    #[serde(default)]
    pub key_required: bool,
    /// Whether it is read-only.
    pub read_only: bool,
    /// Who may use it. If absent, every caller that the function admits.
    pub callers: Option<Vec<Caller>>,
    /// EventBridge patterns. An event that matches any of them is a request for this operation.
    pub events: Vec<serde_json::Value>,
    /// Members of the rules' input or output, by path, whose values readers of recordings may not see,
    /// listed so that the reason can be shown. If there are any, the operation is recorded sealed, or without values.
    #[serde(default)]
    pub secret: Vec<String>,
    /// Maps a rule to its shadow: the rule that runs after the answer, on the rows that the live
    /// request read, to compare the results.
    #[serde(default)]
    pub shadow: BTreeMap<String, String>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it does, in words, from its manifest.
    pub description: String,
    /// The component.
    pub component: File,
    /// The component compiled ahead of time.
    pub compiled: Option<File>,
    /// The limits of one call.
    pub limits: Limits,
    /// What it may touch.
    #[serde(default)]
    pub grants: Grants,
    /// The JSON Schema of its payload, if the compiled rule declares one. A payload that does not
    /// match is rejected before the rule runs.
    #[serde(default)]
    pub input: Option<serde_json::Value>,
    /// The JSON Schema of its output. Tests check outputs against it.
    #[serde(default)]
    pub output: Option<serde_json::Value>,
}

/// Who may use an operation: a caller identity as reported by the authoriser, or a prefix of
/// identities, written with a `*` at the end.
///
/// ```
/// # use tenet_core::bundle::Caller;
/// let tellers = Caller("arn:aws:sts::123456789012:assumed-role/teller/*".into());
/// assert!(tellers.is("arn:aws:sts::123456789012:assumed-role/teller/ann"));
/// assert!(!tellers.is("arn:aws:sts::123456789012:assumed-role/auditor/ann"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Caller(pub String);

/// A file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path relative to the index: plain names joined by `/`.
    pub path: String,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
}

/// Why a text is not an index that this host can use.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct IndexError(String);

impl Index {
    /// Reads an index. Refuses another version or contract with a specific error, and also
    /// operations without rules or with missing rules, and paths and rule names that point outside
    /// the bundle.
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
            return fail(format!("the rules use {}, and this host uses {CONTRACT}", index.contract));
        }
        if index.contract_sha256 != contract_digest() {
            return fail(format!("the rules were built with another text of {CONTRACT} than this host's"));
        }
        index.host.check().map_err(|error| IndexError(format!("the host's setting {error}")))?;
        if let Err(above) = index.ceilings.check_ceilings() {
            return fail(format!("the ceiling {} is above {}", above.limit.name(), Limits::MOST_STORED));
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
            let astray = |(of, by): &(&String, &String)| !operation.rules.contains(of) || index.rule(by).is_none();
            if let Some((of, by)) = operation.shadow.iter().find(astray) {
                return fail(format!("the operation {} has {by} shadow {of}, and lacks one of them", operation.name));
            }
        }
        for rule in &index.rules {
            if let Err(error) = rule.grants.check() {
                return fail(format!("the rule {} has an invalid grant: {error}", rule.name));
            }
            for name in &rule.grants.operations.schedule {
                if !index.operations.iter().any(|operation| operation.name == *name && !operation.read_only) {
                    return fail(format!("the rule {} schedules {name}, which is no operation that writes", rule.name));
                }
            }
            if let Some(above) = rule.limits.above(&index.ceilings).first() {
                return fail(format!("the rule {} has a limit above its ceiling: {above}", rule.name));
            }
        }
        let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0']);
        for file in index.files() {
            if !file.path.split('/').all(plain) {
                return fail(format!("the path {:?} does not stay inside the bundle", file.path));
            }
        }
        // Files are called after rules.
        if let Some(rule) = index.rules.iter().find(|rule| rule.name.contains('/') || !plain(&rule.name)) {
            return fail(format!("a rule called {:?} has no place inside the bundle", rule.name));
        }
        Ok(index)
    }

    /// The index as text. Equal indexes give equal text.
    pub fn to_json(&self) -> String {
        // A struct of strings, numbers and lists: serialization cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The rule with this name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// Every file that the index names.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.rules.iter().map(|rule| &rule.component).chain(self.deployed())
    }

    /// The files that are deployed, including the schema that the database needs. The components
    /// are left out: hosts do not read them, and a component that contains a language runtime is
    /// large. Their digests in the index still identify the source of the compiled rules.
    pub fn deployed(&self) -> impl Iterator<Item = &File> {
        let compiled = self.rules.iter().filter_map(|rule| rule.compiled.as_ref());
        compiled.chain(&self.schema).chain(self.openapi.as_ref())
    }
}

impl File {
    /// Whether `bytes` are the file that the index names.
    pub fn is(&self, bytes: &[u8]) -> bool {
        hex(&Sha256::digest(bytes)).eq_ignore_ascii_case(&self.sha256)
    }
}

impl Operation {
    /// Whether `caller` may use it. If callers are named, an unauthenticated request is refused.
    pub fn admits(&self, caller: Option<&str>) -> bool {
        let Some(callers) = &self.callers else { return true };
        caller.is_some_and(|caller| callers.iter().any(|allowed| allowed.is(caller)))
    }
}

impl Caller {
    /// Whether `identity` matches.
    pub fn is(&self, identity: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => identity.starts_with(beginning),
            None => identity == self.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn index() -> Index {
        let file = |path: &str| File { path: path.into(), sha256: "00".into() };
        Index {
            version: VERSION,
            contract: CONTRACT.into(),
            contract_sha256: contract_digest(),
            sources: "11".into(),
            compiled_for: None,
            bootstrap: None,
            host: HostSettings::default(),
            ceilings: Limits::ceilings(),
            operations: vec![Operation {
                name: "write".into(),
                rules: vec!["record".into()],
                key: Some("id".into()),
                key_required: true,
                read_only: false,
                callers: None,
                events: vec![serde_json::json!({"detail": {"amount": [{"numeric": [">", 100.5]}]}})],
                secret: vec!["card".into()],
                shadow: BTreeMap::from([("record".into(), "record".into())]),
            }],
            rules: vec![Rule {
                name: "record".into(),
                description: "Records.".into(),
                component: file("record.wasm"),
                compiled: None,
                limits: Limits::default(),
                grants: Grants::default(),
                input: Some(serde_json::json!({ "type": "object", "required": ["id"] })),
                output: None,
            }],
            schema: vec![file("schema/0001_a.sql")],
            catalog: Catalog::default(),
            openapi: Some(file("openapi.json")),
            api: Api::default(),
        }
    }

    #[test]
    fn the_contract_is_every_file_of_its_folder() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/v1");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        assert_eq!(files, WIT.map(|(name, _)| name));
    }

    #[test]
    fn reads_what_it_writes() {
        assert_eq!(Index::parse(&index().to_json()).unwrap(), index());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_index_that_was_damaged_is_read_or_refused(
            at in 0..10_000_usize,
            length in 0..40_usize,
            by in prop_oneof!["[\\[\\]{}:\"\\\\,\n -~]{0,8}", Just("[".repeat(5000)), Just("{\"a\":".repeat(5000))],
        ) {
            let text = index().to_json();
            let start = at % (text.len() + 1);
            let end = (start + length).min(text.len());
            let _ = Index::parse(&[&text[..start], &by, &text[end..]].concat());
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let changed = |change: fn(&mut Index)| {
            let mut index = index();
            change(&mut index);
            Index::parse(&index.to_json()).unwrap_err().to_string()
        };
        assert!(changed(|i| i.version = 1).contains("version 1"));
        assert!(changed(|i| i.contract = "tenet:rule@2.0.0".into()).contains("2.0.0"));
        assert!(changed(|i| i.contract_sha256 = "00".into()).contains("another text"));
        assert!(changed(|i| i.operations[0].rules.clear()).contains("no rule"));
        assert!(changed(|i| i.rules[0].name = "other".into()).contains("record"));
        let shadowed = changed(|i| _ = i.operations[0].shadow.insert("record".into(), "next".into()));
        assert!(shadowed.contains("next shadow record"), "{shadowed}");
        assert!(changed(|i| i.ceilings.cpu_ms = 1).contains("cpu_ms was passed: 1 allowed, 250 used"));
        assert!(changed(|i| i.ceilings.output_bytes = (6 << 20) + 1).contains("output_bytes"));
        assert!(changed(|i| i.ceilings.event_bytes = (6 << 20) + 1).contains("event_bytes"));
        assert!(
            changed(|i| {
                let tables = &mut i.rules[0].grants.tables;
                tables.insert("tenet.keys".into(), crate::TableGrant { delete: true, ..Default::default() });
            })
            .contains("tenet.keys")
        );
        assert!(changed(|i| _ = i.rules[0].grants.operations.schedule.insert("wriet".into())).contains("wriet"));
        assert!(
            changed(|i| {
                i.operations[0].read_only = true;
                i.rules[0].grants.operations.schedule.insert("write".into());
            })
            .contains("no operation that writes")
        );
        // Files are read at these paths, and written at paths that have a rule's name in them.
        let file = |path: &str| Some(File { path: path.to_owned(), sha256: String::new() });
        for path in
            ["../x", "../../etc/passwd", "/etc/passwd", "a//b", "a/../b", "a/..", ".", "..", "a\\b", "c:x", "a\0", ""]
        {
            let changes: [&dyn Fn(&mut Index); 5] = [
                &|index| index.rules[0].component.path = path.to_owned(),
                &|index| index.rules[0].compiled = file(path),
                &|index| index.schema[0].path = path.to_owned(),
                &|index| index.openapi = file(path),
                &|index| {
                    index.rules[0].name = path.to_owned();
                    index.operations[0].rules = vec![path.to_owned()];
                    index.operations[0].shadow.clear();
                },
            ];
            for change in changes {
                let mut index = index();
                change(&mut index);
                let error = Index::parse(&index.to_json()).unwrap_err().to_string();
                assert!(error.contains("inside the bundle"), "{path}: {error}");
            }
        }
        let mut named = index();
        named.rules[0].name = "a/b".into();
        named.operations[0].rules = vec!["a/b".into()];
        named.operations[0].shadow.clear();
        assert!(Index::parse(&named.to_json()).unwrap_err().to_string().contains("inside the bundle"));
        assert!(Index::parse("{\"version\":2,\"surprise\":true}").is_err());
        assert!(Index::parse("not json").is_err());
    }

    #[test]
    fn an_operation_admits_whom_it_names_and_nobody_unknown() {
        let open = index().operations.remove(0);
        assert!(open.admits(None) && open.admits(Some("anyone")));
        let callers = ["ann", "arn:aws:sts::1:assumed-role/teller/*"].map(|name| Caller(name.into()));
        let closed = Operation { callers: Some(callers.into()), ..open };
        for known in ["ann", "arn:aws:sts::1:assumed-role/teller/", "arn:aws:sts::1:assumed-role/teller/bob"] {
            assert!(closed.admits(Some(known)), "{known}");
        }
        for stranger in [None, Some(""), Some("ann2"), Some("Ann"), Some("arn:aws:sts::1:assumed-role/tellers/x")] {
            assert!(!closed.admits(stranger), "{stranger:?}");
        }
        assert!(!Operation { callers: Some(vec![]), ..closed }.admits(Some("ann")));
    }
}
