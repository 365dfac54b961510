use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use tenet_core::bundle::{Api, Index, Operation};
use tenet_core::{Event, Grants, HostSettings, Limits, OperationGrant};
use toml::Spanned;

use crate::error::Place;
use crate::event_pattern;
use crate::lock::{GRANTS, Lock};
use crate::manifest::{self, Document, Manifest, RuleManifest, nearest};
use crate::payload::{Described, Misfit};
use crate::script::Written;
use crate::sources::Sources;
use crate::{Error, Progress, compile, fresh};
use tenet_core::Code;

/// The greatest number with four digits.
const LAST_STEP: u32 = 9999;

/// The most bytes of an operation's name, by its column in the table of keys.
const MAX_OPERATION: usize = 255;

/// The source of a bundle: a folder with `tenet.toml`, `rules/NAME` and `schema/NNNN_*.sql`.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub(crate) directory: PathBuf,
    pub(crate) host: HostSettings,
    pub(crate) api: Api,
    pub(crate) ceilings: Limits,
    pub(crate) operations: Vec<Operation>,
    /// The places of each operation's members in the manifest.
    places: Vec<Places>,
    pub(crate) rules: Vec<RuleSource>,
    pub(crate) schema: Vec<String>,
    lock: Lock,
}

/// The places of the names and patterns of one operation.
#[derive(Clone, Debug)]
struct Places {
    rules: Place,
    key: Option<Place>,
    events: Vec<Place>,
    secret: Vec<Place>,
}

/// One folder of `rules`.
#[derive(Clone, Debug)]
pub(crate) struct RuleSource {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) written: Written,
    pub(crate) description: String,
    pub(crate) limits: Limits,
    /// The grants that it requests.
    pub(crate) grants: Grants,
    /// The operations that it schedules, each with its place in the manifest.
    schedules: Vec<(String, Place)>,
    /// Its manifest.
    pub(crate) document: Document,
}

impl Bundle {
    /// Reads the bundle in `directory` and checks its consistency. Every error names its file, and
    /// an error in a manifest also its place there.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref();
        let directory = fs::canonicalize(directory).map_err(Error::io("open the bundle", directory))?;
        let manifest = directory.join("tenet.toml");
        if !manifest.is_file() {
            let what = format!("{} is no bundle: there is no tenet.toml in it", directory.display());
            return Err(Error::new(what)
                .coded(Code::NoBundle)
                .with_help("name the folder of one; `tenet new PATH` makes one"));
        }
        let document = Document::read(&manifest)?;
        let Manifest { host, api, ceilings, operations, .. } = document.parse()?;
        let ceilings = checked_ceilings(&document, ceilings)?;
        let rules = rules(&directory, &ceilings)?;
        let host = host_settings(&document, host)?;
        let places = operations.values().map(|operation| Places::of(&document, operation)).collect();
        let operations = checked(&document, operations, &rules)?;
        check_scheduled(&rules, &operations)?;
        let schema = schema(&directory.join("schema"))?;
        let lock = Lock::read(&directory)?;
        Ok(Self { directory, host, api, ceilings, operations, places, rules, schema, lock })
    }

    /// The current grants.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The grants if the rules with these names, or all rules, got what they request, and rules
    /// that no longer exist got nothing.
    pub fn granted(&self, to: &[String]) -> Result<Lock, Error> {
        if let Some(unknown) = to.iter().find(|name| !self.rules.iter().any(|rule| rule.name == **name)) {
            let near = nearest(unknown, self.rules.iter().map(|rule| rule.name.as_str()));
            let error = Error::new(format!("there is no rule {unknown}"));
            return Err(match near {
                Some(name) => error.with_help(format!("did you mean `{name}`?")),
                None => error,
            });
        }
        let mut lock = Lock::default();
        for rule in &self.rules {
            let (asked, limits) = if to.is_empty() || to.contains(&rule.name) {
                (rule.grants.clone(), rule.limits.clone())
            } else {
                (self.lock.grants(&rule.name), self.lock.limits(&rule.name))
            };
            lock.grant(&rule.name, &asked, &limits);
        }
        Ok(lock)
    }

    /// Refuses a rule that requests more than it is granted.
    pub fn check_grants(&self) -> Result<(), Error> {
        for rule in &self.rules {
            let missing = self.lock.grants(&rule.name).missing(&rule.grants);
            let mut missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            let above = rule.limits.above(&self.lock.limits(&rule.name));
            missing.extend(above.iter().filter_map(|above| Some(format!("{} {}", above.limit.name(), above.used?))));
            if !missing.is_empty() {
                let what = format!("the rule {} asks for what is not granted to it: {}", rule.name, missing.join(", "));
                let help =
                    format!("`tenet grant` shows the requested grants and writes {GRANTS}; have the change reviewed");
                return Err(Error::new(what).coded(Code::NotGranted).with_help(help));
            }
        }
        Ok(())
    }

    /// The rules: the name of each, the grants that it requests, and the folder of its sources.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &Grants, &Path)> {
        self.rules.iter().map(|rule| (rule.name.as_str(), &rule.grants, rule.directory.as_path()))
    }

    /// The settings of the host.
    pub fn host(&self) -> &HostSettings {
        &self.host
    }

    /// The rules: the name of each, and its limits.
    pub fn limits(&self) -> impl Iterator<Item = (&str, &Limits)> {
        self.rules.iter().map(|rule| (rule.name.as_str(), &rule.limits))
    }

    /// What callers can ask for.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Refuses the first of the operations' `events` that `check` refuses. The crate that matches
    /// patterns knows their syntax; this one does not.
    pub fn check_events<E: Display>(&self, check: impl Fn(&serde_json::Value) -> Result<(), E>) -> Result<(), Error> {
        for (operation, places) in self.operations.iter().zip(&self.places) {
            for (pattern, place) in operation.events.iter().zip(&places.events) {
                if let Err(reason) = check(pattern) {
                    let what = format!("the operation {} cannot take events by this pattern: {reason}", operation.name);
                    return Err(Error::new(what).at(place.clone()).coded(Code::EventPattern));
                }
            }
        }
        Ok(())
    }

    /// Refuses the first `key` or `secret` of the operations that names a member that no rule of
    /// the operation takes or returns, a `key` that not every request contains, and a member of a
    /// rule that no request can contain. `descriptions` maps the name of each rule to the output of
    /// the contract's `describe`. Returns warnings: keys that no rule describes, and members that
    /// only some kinds of request can contain.
    pub fn check_members(&self, descriptions: &BTreeMap<String, String>) -> Result<Vec<Error>, Error> {
        let described = Described::read(descriptions);
        let mut warnings = Vec::new();
        for (operation, places) in self.operations.iter().zip(&self.places) {
            let payload = described.payload(operation);
            let misnamed = |Misfit { what, help }| {
                let what = format!("the operation {}: {what}", operation.name);
                Error::new(what).at(places.rules.clone()).coded(Code::Member).with_help(help)
            };
            warnings.extend(payload.check_names().map_err(misnamed)?.map(misnamed));
            if let (Some(key), Some(place)) = (&operation.key, &places.key) {
                let error = |Misfit { what, help }| {
                    let what = format!("the operation {} has the key {key}, and {what}", operation.name);
                    Error::new(what).at(place.clone()).coded(Code::Member).with_help(help)
                };
                let checked = payload.check_key(key, operation.key_required);
                warnings.extend(checked.map_err(error)?.map(error));
            }
            for (name, place) in operation.secret.iter().zip(&places.secret) {
                if !described.may_have(operation, name) {
                    let what = format!("the operation {} keeps {name} secret, and none of its rules", operation.name);
                    return Err(Error::new(format!("{what} takes or returns it"))
                        .at(place.clone())
                        .coded(Code::Member)
                        .with_help("name members as they lie within each other: `card.number`"));
                }
            }
        }
        Ok(warnings)
    }

    /// A digest of all inputs of the components: the bundle, the crates that its rules depend on by
    /// path, lock files and build settings. It does not depend on the location of the bundle.
    pub fn source_digest(&self) -> Result<String, Error> {
        Sources::of(self)?.digest()
    }

    /// The number of the schema's next step.
    pub fn next_step(&self) -> Result<u32, Error> {
        let last = self.schema.last().and_then(|step| step_number(step)?.parse().ok()).unwrap_or(0);
        if last == LAST_STEP {
            return Err(Error::new(format!("{}: the schema has no number left", self.directory.display())));
        }
        Ok(last + 1)
    }

    /// Builds the components into `out` and writes the index that names them. `progress` receives
    /// each step and cargo's output. If `out` already holds a build of these sources, returns its
    /// index and builds nothing.
    ///
    /// Cargo works in a folder `cargo`: in the nearest `target/tenet` above `out`, so that
    /// neighbouring bundles share the builds of their dependencies, or else in `out` itself.
    pub fn build(&self, out: &Path, progress: &mut dyn Progress) -> Result<Index, Error> {
        self.check_grants()?;
        let sources = Sources::of(self)?;
        if let Some(index) = fresh::existing(out, &sources.digest()?) {
            return Ok(index);
        }
        compile::compile(self, &sources, out, progress)
    }
}

impl Places {
    fn of(document: &Document, operation: &manifest::Operation) -> Self {
        let place = |span| document.place(span);
        Self {
            rules: place(operation.rules.span()),
            key: operation.key.as_ref().map(|key| place(key.span())),
            events: operation.events.iter().map(|event| place(event.span())).collect(),
            secret: operation.secret.iter().map(|name| place(name.span())).collect(),
        }
    }
}

fn rules(bundle: &Path, ceilings: &Limits) -> Result<Vec<RuleSource>, Error> {
    let folder = bundle.join("rules");
    let mut rules = Vec::new();
    for (name, directory) in entries(&folder)? {
        if !directory.is_dir() {
            return Err(Error::new(format!("{}: there are only folders of rules here", directory.display()))
                .coded(Code::RuleFolder));
        }
        if !is_name(&name) {
            return Err(Error::new(format!(
                "{}: a rule's name has lower-case letters, digits and hyphens",
                directory.display()
            ))
            .coded(Code::RuleFolder));
        }
        let document = Document::read(&directory.join("rule.toml"))?;
        let RuleManifest { description, limits, python_path, tables, sequences, events, vault, operations, .. } =
            document.parse()?;
        let written = Written::of(bundle, &directory, &python_path)?;
        if let Some(limits) = &limits
            && let Some(above) = limits.get_ref().above(ceilings).first()
        {
            let what = format!("a limit is above its ceiling: {above}");
            return Err(document
                .error(limits.span(), what)
                .coded(Code::Ceiling)
                .with_help("the operator of the host sets `[ceilings]` in tenet.toml"));
        }
        for source in events.keys() {
            Event::check_source(source.get_ref()).map_err(|error| document.error(source.span(), error.to_string()))?;
        }
        let schedules =
            operations.schedule.into_iter().map(|name| (name.get_ref().clone(), document.place(name.span())));
        let schedules: Vec<_> = schedules.collect();
        let operations = OperationGrant { schedule: schedules.iter().map(|(name, _)| name.clone()).collect() };
        let events = events.into_iter().map(|(source, types)| (source.into_inner(), types)).collect();
        let grants = Grants { tables, sequences, events, vault, operations };
        grants.check().map_err(|error| document.error(0..0, error.to_string()))?;
        let limits = limits.map(Spanned::into_inner).unwrap_or_default();
        rules.push(RuleSource { name, directory, written, description, limits, grants, schedules, document });
    }
    Ok(rules)
}

fn checked_ceilings(document: &Document, named: BTreeMap<Spanned<String>, u64>) -> Result<Limits, Error> {
    let mut ceilings = Limits::ceilings();
    for (name, value) in named {
        if !ceilings.set(name.get_ref(), value) {
            let error =
                document.error(name.span(), format!("there is no limit {}", name.get_ref())).coded(Code::Ceiling);
            return Err(
                match nearest(name.get_ref(), Limits::default().each().map(|(limit, _)| limit.name()).into_iter()) {
                    Some(near) => error.with_help(format!("did you mean `{near}`?")),
                    None => error,
                },
            );
        }
        if let Err(above) = ceilings.check_ceilings() {
            let what = format!("the ceiling {} is above {}", above.limit.name(), Limits::MOST_STORED);
            let help = "a host reads what it has stored again, and takes no more at once";
            return Err(document.error(name.span(), what).coded(Code::Ceiling).with_help(help));
        }
    }
    Ok(ceilings)
}

fn host_settings(document: &Document, host: Option<Spanned<HostSettings>>) -> Result<HostSettings, Error> {
    let Some(host) = host else { return Ok(HostSettings::default()) };
    match host.get_ref().check() {
        Ok(()) => Ok(host.into_inner()),
        Err(impossible) => Err(document.error(host.span(), format!("the host's setting {impossible}"))),
    }
}

fn checked(
    document: &Document,
    operations: BTreeMap<Spanned<String>, manifest::Operation>,
    known: &[RuleSource],
) -> Result<Vec<Operation>, Error> {
    let mut checked = Vec::new();
    for (name, operation) in operations {
        let manifest::Operation { rules, key, read_only, callers, events, secret, shadow } = operation;
        let refuse = |span, why: &str| {
            document.error(span, format!("the operation {} {why}", name.get_ref())).coded(Code::Operation)
        };
        if !is_operation(name.get_ref()) {
            let help = "take letters, digits, hyphens, underscores and dots";
            return Err(document
                .error(name.span(), "the name of an operation has to stand in a URL as it is")
                .with_help(help));
        }
        if rules.get_ref().is_empty() {
            return Err(refuse(rules.span(), "has no rule").with_help("name at least one in `rules`"));
        }
        let mut seen = BTreeSet::new();
        for rule in rules.get_ref() {
            let (span, rule) = (rule.span(), rule.get_ref().as_str());
            if !seen.insert(rule) {
                return Err(refuse(span, &format!("names the rule {rule} twice")).with_help("leave one of the two out"));
            }
            if !known.iter().any(|known| known.name == rule) {
                let help = match nearest(rule, known.iter().map(|known| known.name.as_str())) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("`tenet new --rule {rule}` makes one"),
                };
                let why = format!("names the rule {rule}, and there is no folder rules/{rule}");
                return Err(refuse(span, &why).with_help(help));
            }
        }
        if let Some(key) = &key {
            if read_only {
                let why = "only reads, and so it has no key";
                return Err(refuse(key.span(), why).with_help("leave out `key` or `read_only`"));
            }
            if key.get_ref().member.is_empty() {
                let help = "name the payload's field, or leave it out";
                return Err(refuse(key.span(), "has an empty `key`").with_help(help));
            }
        }
        if let Some(empty) = callers.iter().flatten().find(|caller| caller.get_ref().0.is_empty()) {
            let help = "leave out `callers` to admit every caller";
            return Err(refuse(empty.span(), "has an empty name among its `callers`").with_help(help));
        }
        if let (Some(_), Some(event)) = (&callers, events.first()) {
            let why = "is open to some callers only, and events are unauthenticated";
            return Err(refuse(event.span(), why).with_help("leave out `callers` or `events`"));
        }
        for (of, by) in &shadow {
            if !seen.contains(of.get_ref().as_str()) {
                let why = format!("has a shadow for {}, which is none of its rules", of.get_ref());
                return Err(refuse(of.span(), &why).with_help("name on the left a rule of `rules`"));
            }
            if !known.iter().any(|known| known.name == *by.get_ref()) {
                let why = format!("has the shadow {}, and there is no folder rules/{}", by.get_ref(), by.get_ref());
                return Err(refuse(by.span(), &why).with_help("name on the right a rule of this bundle"));
            }
        }
        let shadow = shadow.into_iter().map(|(of, by)| (of.into_inner(), by.into_inner())).collect();
        let callers = callers.map(|callers| callers.into_iter().map(Spanned::into_inner).collect());
        let rules = rules.into_inner().into_iter().map(Spanned::into_inner).collect();
        let key_required = key.as_ref().is_some_and(|key| !key.get_ref().optional);
        let key = key.map(|key| key.into_inner().member);
        let pattern = |event: Spanned<toml::Value>| {
            let span = event.span();
            event_pattern::json(event.into_inner()).map_err(|reason| {
                refuse(span, &format!("cannot take events by this pattern: {reason}")).coded(Code::EventPattern)
            })
        };
        let events = events.into_iter().map(pattern).collect::<Result<_, _>>()?;
        let secret = secret.into_iter().map(Spanned::into_inner).collect();
        let name = name.into_inner();
        checked.push(Operation { name, rules, key, key_required, read_only, callers, events, secret, shadow });
    }
    Ok(checked)
}

/// Refuses a rule that schedules an operation that does not exist, or one that only reads.
fn check_scheduled(rules: &[RuleSource], operations: &[Operation]) -> Result<(), Error> {
    for rule in rules {
        for (name, place) in &rule.schedules {
            let refuse = |what: String| Error::new(what).at(place.clone()).coded(Code::Operation);
            match operations.iter().find(|operation| operation.name == *name) {
                None => {
                    let error = refuse(format!("the rule {} schedules {name}, which is no operation", rule.name));
                    return Err(match nearest(name, operations.iter().map(|operation| operation.name.as_str())) {
                        Some(near) => error.with_help(format!("did you mean `{near}`?")),
                        None => error.with_help("add it to tenet.toml"),
                    });
                }
                Some(operation) if operation.read_only => {
                    let what = format!("the rule {} schedules {name}, which only reads", rule.name);
                    return Err(refuse(what).with_help("what follows is an operation that may write"));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

/// The steps of the schema, in order.
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
            return Err(Error::new(format!("{}: {other} has the number {number} too", path.display()))
                .with_help("give it the next"));
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

/// Whether a name is valid for an operation. It is the last part of the operation's path:
/// `/operations/NAME`. The characters are those that a URL never escapes (RFC 3986, section 2.3),
/// except the tilde.
fn is_operation(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.bytes().all(plain) && !name.trim_matches('.').is_empty() && name.len() <= MAX_OPERATION
}

/// The entries of a folder, by name, without hidden files.
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
    use proptest::prelude::*;

    use super::*;
    use crate::packages::scratch::Scratch;

    fn refusal(change: impl FnOnce(&Scratch)) -> String {
        let scratch = Scratch::bundle();
        change(&scratch);
        Bundle::open(scratch.path()).unwrap_err().to_string()
    }

    /// The refusal with paths relative to the bundle's folder.
    fn told_of(scratch: &Scratch) -> String {
        let folder = fs::canonicalize(scratch.path()).unwrap();
        let refusal = Bundle::open(&folder).unwrap_err().to_string();
        refusal.replace(&format!("{}/", folder.display()), "")
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_manifest_that_was_damaged_is_read_or_refused(
            file in 0..3_usize,
            at in 0..10_000_usize,
            length in 0..40_usize,
            by in prop_oneof!["[\\[\\]{}=\"'.,#\n -~]{0,8}", Just("[".repeat(5000)), Just("a.".repeat(5000)), Just("{a=".repeat(5000))],
        ) {
            let scratch = Scratch::bundle();
            let files = [
                ("tenet.toml", "version = 1\n[host]\nconnections = 2\n[operations.write]\nrules = [\"record\"]\n\
                  key = { member = \"id\", optional = true }\ncallers = [\"a/*\"]\nsecret = [\"card\"]\n\
                  [[operations.write.events]]\nsource = [\"bank\"]\ndetail.amount = [{ numeric = [\">\", 100.5] }]\n"),
                ("rules/record/rule.toml", "version = 1\ndescription = \"Records.\"\n[limits]\nrows_read = 7\n\
                  [tables.accounts]\nselect = [\"id\"]\nupdate = \"*\"\n[events]\nbank = [\"Moved\"]\n"),
                ("grants.lock", "version = 1\n[rules.record.tables.accounts]\nselect = [\"id\"]\n"),
            ];
            files.iter().for_each(|(path, text)| scratch.write(path, text));
            let (path, text) = files[file];
            let start = at % (text.len() + 1);
            let end = (start + length).min(text.len());
            scratch.write(path, &[&text[..start], &by, &text[end..]].concat());
            if let Err(error) = Bundle::open(scratch.path()) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
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
        assert!(bundle.operations[0].key_required);
        assert!(!bundle.operations[0].read_only && bundle.operations[0].callers.is_none());
        assert_eq!(bundle.rules[0].description, "d");
        assert_eq!(bundle.rules[0].limits, Limits { rows_read: 7, ..Limits::default() });
        assert_eq!(bundle.schema, ["0001_start.sql", "0002_more.sql"]);
        assert_eq!(bundle.next_step().unwrap(), 3);
    }

    #[test]
    fn a_source_that_is_kept_to_aws_is_refused_with_its_name() {
        let told = refusal(|scratch| {
            scratch
                .write("rules/record/rule.toml", "version = 1\ndescription = \"d\"\n[events]\n\"aws.ec2\" = [\"*\"]\n");
        });
        assert!(told.contains("rules/record/rule.toml:4:1") && told.contains("\"aws.ec2\""), "{told}");
        assert!(told.contains("EventBridge"), "{told}");
    }

    #[test]
    fn events_are_patterns_as_tables_and_one_that_cannot_be_used_is_refused_at_its_place() {
        let scratch = Scratch::bundle();
        let operation = "version = 1\n[operations.write]\nrules = [\"record\"]\n";
        let first = "[[operations.write.events]]\nsource = [\"bank\"]\ndetail-type = [\"Deposit\"]\n\
                     detail.amount = [{ numeric = [\">\", 100.5] }]\n";
        let second = "[[operations.write.events]]\nsource = [\"till\"]\n";
        scratch.write("tenet.toml", &format!("{operation}{first}{second}"));
        let bundle = Bundle::open(scratch.path()).unwrap();
        let numeric = serde_json::json!([{ "numeric": [">", 100.5] }]);
        assert_eq!(
            bundle.operations[0].events,
            [
                serde_json::json!({ "source": ["bank"], "detail-type": ["Deposit"], "detail": { "amount": numeric } }),
                serde_json::json!({ "source": ["till"] }),
            ]
        );
        let refusing = |refused: &str| {
            bundle.check_events(|pattern| match pattern["source"][0] == refused {
                true => Err("a till is no source"),
                false => Ok(()),
            })
        };
        assert!(refusing("shop").is_ok());
        let error = refusing("till").unwrap_err();
        assert_eq!(error.what(), "the operation write cannot take events by this pattern: a till is no source");
        assert_eq!(error.place().unwrap().line_and_column().0, 8);
        scratch.write("tenet.toml", &format!("{operation}{second}detail.x = [{{ null = true }}]\n"));
        let bundle = Bundle::open(scratch.path()).unwrap();
        assert_eq!(bundle.operations[0].events[0]["detail"], serde_json::json!({ "x": [null] }));
        scratch.write("tenet.toml", &format!("{operation}{second}detail.x = [nan]\n"));
        let told = told_of(&scratch);
        assert!(told.starts_with("tenet.toml:4:") && told.contains("NaN is no number"), "{told}");
        scratch.write("tenet.toml", &format!("{operation}callers = [\"ann\"]\n{second}"));
        let told = told_of(&scratch);
        assert!(told.contains("events are unauthenticated; leave out `callers` or `events`"), "{told}");
    }

    const ID: &str =
        r#"{"input":{"properties":{"id":{"type":"string"},"amount":{"type":"number"}},"required":["id"]}}"#;

    const OPTIONAL_ID: &str =
        r#"{"input":{"properties":{"id":{"type":["string","null"]},"amount":{"type":"number"}}}}"#;

    const OTHER: &str = r#"{"input":{"properties":{"amount":{"type":"number"}},"required":["amount"]}}"#;

    /// The error, or else the warning, for a manifest whose operation has these rules and this key.
    fn of_key(rules: &[(&str, &str)], key: &str) -> Result<Option<String>, String> {
        let scratch = Scratch::bundle();
        scratch.write("rules/more/rule.toml", "version = 1\ndescription = \"More.\"\n");
        scratch.write("rules/more/Cargo.toml", "");
        let names: Vec<_> = rules.iter().map(|(name, _)| *name).collect();
        let manifest = format!("version = 1\n[operations.write]\nrules = {names:?}\nkey = {key}\n");
        scratch.write("tenet.toml", &manifest);
        let bundle = Bundle::open(scratch.path()).unwrap();
        let descriptions = rules.iter().map(|(rule, text)| ((*rule).to_owned(), (*text).to_owned())).collect();
        let told = |error: &Error| {
            assert_eq!((error.code(), error.place().unwrap().line_and_column()), (Some(Code::Member), (4, 7)));
            let text = format!("{}; {}", error.what(), error.help().unwrap());
            text.strip_prefix("the operation write has the key ").unwrap().to_owned()
        };
        let warnings = bundle.check_members(&descriptions).map_err(|error| told(&error))?;
        assert!(warnings.len() < 2);
        Ok(warnings.first().map(told))
    }

    #[test]
    fn a_key_is_a_required_string_or_number_of_the_payload_or_is_refused_at_its_place() {
        let optional = r#"{ member = "id", optional = true }"#;
        for (rules, key) in [
            (&[("record", ID)][..], r#""id""#),
            (&[("record", ID)], r#"{ member = "id" }"#),
            (&[("record", OPTIONAL_ID)], optional),
            // A payload has to match all of them.
            (&[("record", OTHER), ("more", ID)], r#""id""#),
            (&[("record", OPTIONAL_ID), ("more", ID)], r#""id""#),
            (&[("record", "{}"), ("more", ID)], r#""id""#),
            (&[("record", OTHER)], r#""amount""#),
            (&[("record", r#"{"input":{"properties":{"seq":{"type":"integer"}},"required":["seq"]}}"#)], r#""seq""#),
        ] {
            assert_eq!(of_key(rules, key), Ok(None), "{rules:?} {key}");
        }
        let nothing = r#"{"input":{"properties":{}}}"#;
        for (rules, key, told) in [
            (&[("record", ID)][..], r#""ids""#, "ids, and none of its rules takes such a member; did you mean `id`?"),
            (
                &[("record", ID)],
                r#""requst""#,
                "requst, and none of its rules takes such a member; name one of its rules' members: `amount`, `id`",
            ),
            (
                &[("record", nothing)],
                r#""id""#,
                "id, and none of its rules takes such a member; \
                 describe it in the schema of a rule's payload: a required string or number",
            ),
            // An undescribed payload of another rule does not make it a member.
            (
                &[("record", "{}"), ("more", ID)],
                r#"{ member = "ids", optional = true }"#,
                "ids, and none of its rules takes such a member; did you mean `id`?",
            ),
            (
                &[("record", r#"{"input":{"properties":{"is":{"type":"boolean"}},"required":["is"]}}"#)],
                r#""is""#,
                "is, and what its rules take there is neither a string nor a number; name a member that is one of the two",
            ),
            (
                &[("record", OPTIONAL_ID)],
                r#""id""#,
                "id, and a request may leave the member out; have a rule require it, or write \
                 `key = { member = \"id\", optional = true }`: \
                 then a request without it is another one each time that it is sent",
            ),
            (
                &[("record", ID)],
                optional,
                "id, and a rule of it requires the member, which is not optional then; write `key = \"id\"`",
            ),
        ] {
            assert_eq!(of_key(rules, key), Err(told.to_owned()), "{rules:?} {key}");
        }
    }

    #[test]
    fn a_key_of_which_no_rule_says_anything_is_warned_of_once() {
        let open = r#"{"input":{"properties":{"idd":{"type":"string"}},"additionalProperties":true}}"#;
        let any = r#"{"input":{"properties":{"id":{}},"required":["id"]}}"#;
        let describe = "describe it in the schema of a rule's payload: a required string or number";
        for (description, told) in [
            ("{}", format!("none of its rules describes such a member; {describe}")),
            (r#"{"input":true}"#, format!("none of its rules describes such a member; {describe}")),
            (r#"{"input":{"type":"object"}}"#, format!("none of its rules describes such a member; {describe}")),
            (open, "none of its rules describes such a member; did you mean `idd`?".to_owned()),
            (any, format!("none of its rules says that the member is a string or a number; {describe}")),
        ] {
            let told = Ok(Some(format!("id, and {told}")));
            assert_eq!(of_key(&[("record", description)], r#""id""#), told, "{description}");
        }
    }

    #[test]
    fn a_member_that_no_request_brings_is_refused_and_one_that_not_every_way_brings_is_warned_of() {
        let scratch = Scratch::bundle();
        scratch.write("tenet.toml", "version = 1\n[operations.write]\nrules = [\"record\"]\n");
        let check = |input: &str| {
            let descriptions = BTreeMap::from([("record".to_owned(), format!(r#"{{"input":{input}}}"#))]);
            let checked = Bundle::open(scratch.path()).unwrap().check_members(&descriptions);
            let told = |error: &Error| {
                assert_eq!((error.code(), error.place().unwrap().line_and_column()), (Some(Code::Member), (3, 9)));
                error.what().to_owned()
            };
            checked.map(|warnings| warnings.iter().map(told).collect::<Vec<_>>()).map_err(|error| told(&error))
        };
        let operation = r#"{"properties":{"operation":{"type":"string"}}@}"#;
        assert_eq!(check(&operation.replace('@', "")), Ok(vec![]));
        let warned = "the operation write: a rule of it requires the member operation, \
                      which HTTP requests and events can bring";
        assert_eq!(check(&operation.replace('@', r#","required":["operation"]"#)), Ok(vec![warned.to_owned()]));
        let refused = "the operation write: a rule of it takes the member idempotency_key, \
                       which brings a request's key and is in no payload";
        assert_eq!(check(r#"{"properties":{"idempotency_key":{}}}"#), Err(refused.to_owned()));
    }

    #[test]
    fn what_is_secret_is_a_part_of_what_a_rule_takes_or_gives() {
        let scratch = Scratch::bundle();
        let manifest = |secret: &str| {
            format!("version = 1\n[operations.write]\nrules = [\"record\"]\nsecret = [\"amount\", {secret:?}]\n")
        };
        let description = r#"{"input":{"properties":{"amount":{"type":"number"},"card":{"properties":{"number":{}}}}},
                              "output":{"properties":{"iban":{"type":"string"}}}}"#;
        let check = |secret: &str| {
            scratch.write("tenet.toml", &manifest(secret));
            let descriptions = BTreeMap::from([("record".to_owned(), description.to_owned())]);
            Bundle::open(scratch.path()).unwrap().check_members(&descriptions)
        };
        for known in ["card", "card.number", "iban"] {
            assert!(check(known).unwrap().is_empty(), "{known}");
        }
        for unknown in ["crad", "card.nmber", "iban.country", ""] {
            let error = check(unknown).unwrap_err();
            assert_eq!((error.code(), error.place().unwrap().line_and_column()), (Some(Code::Member), (4, 21)));
            let what = format!("the operation write keeps {unknown} secret, and none of its rules takes or returns it");
            assert_eq!(error.what(), what);
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused_at_its_place_in_the_file() {
        let at = "tenet.toml";
        let operation = "version = 1\n[operations.write]\n";
        for (text, told) in [
            (
                "version = 1\nsurprise = 1\n",
                "2:1: unknown field `surprise`, expected one of `version`, `host`, `api`, `ceilings`, `operations`",
            ),
            (
                "version = 2\nsurprise = 1\n",
                "1:11: it has version 2, and this tenet reads version 1; \
             write `version = 1`, or use the tenet that the file is for",
            ),
            ("[operations.write]\n", "1:1: the file does not say which version it has; begin it with `version = 1`"),
            ("version = ", "1:11: string values must be quoted, expected literal string"),
            (
                "version = 1\n[ceilings]\nbytes_read = 1000000000\nevent_bytes = 6291457\n",
                "4:1: the ceiling event_bytes is above 6291456; \
             a host reads what it has stored again, and takes no more at once",
            ),
            (
                "version = 1\n[operations.\"\"]\nrules = [\"record\"]\n",
                "2:13: the name of an operation has to stand in a URL as it is; \
              take letters, digits, hyphens, underscores and dots",
            ),
            (
                "version = 1\n[operations.\"..\"]\nrules = [\"record\"]\n",
                "2:13: the name of an operation has to stand in a URL as it is; \
              take letters, digits, hyphens, underscores and dots",
            ),
        ] {
            let scratch = Scratch::bundle();
            scratch.write(at, text);
            assert_eq!(told_of(&scratch), format!("{at}:{told}"));
        }
        for (rest, told) in [
            ("key = \"k\"\n", "2:1: missing field `rules`"),
            ("rules = []\n", "3:9: the operation write has no rule; name at least one in `rules`"),
            (
                "rules = [\"record\"]\nread_olny = true\n",
                "4:1: unknown field `read_olny`, \
             expected one of `rules`, `key`, `read_only`, `callers`, `events`, `secret`, `shadow`; did you mean `read_only`?",
            ),
            (
                "rules = [\"record\", \"record\"]\n",
                "3:20: the operation write names the rule record twice; \
             leave one of the two out",
            ),
            (
                "rules = [\"recrod\"]\n",
                "3:10: the operation write names the rule recrod, \
             and there is no folder rules/recrod; did you mean `record`?",
            ),
            (
                "rules = [\n  \"other\",\n]\n",
                "4:3: the operation write names the rule other, \
             and there is no folder rules/other; `tenet new --rule other` makes one",
            ),
            (
                "rules = [\"record\"]\nkey = \"\"\n",
                "4:7: the operation write has an empty `key`; \
             name the payload's field, or leave it out",
            ),
            (
                "rules = [\"record\"]\nkey = { member = \"id\", optinal = true }\n",
                "4:24: unknown field `optinal`, expected `member` or `optional`; did you mean `optional`?",
            ),
            (
                "rules = [\"record\"]\nkey = 7\n",
                "4:7: invalid type: integer `7`, \
             expected the name of a member, or a table with `member` and `optional`",
            ),
            (
                "rules = [\"record\"]\nkey = \"k\"\nread_only = true\n",
                "4:7: the operation write only reads, \
             and so it has no key; leave out `key` or `read_only`",
            ),
        ] {
            let scratch = Scratch::bundle();
            scratch.write(at, &format!("{operation}{rest}"));
            assert_eq!(told_of(&scratch), format!("{at}:{told}"));
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
        assert!(refused.contains("rules/record/rule.toml:3:1: ") && refused.ends_with("`limits`?"), "{refused}");
        let refused = refusal(|scratch| {
            scratch.write("rules/record/rule.toml", "version = 1\ndescription = \"\"\n[limits]\nrow_read = 1\n");
        });
        assert!(refused.contains("rules/record/rule.toml:4:1: ") && refused.ends_with("`rows_read`?"), "{refused}");
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

    #[test]
    fn a_rule_schedules_operations_that_exist_and_write() {
        let manifest = "version = 1\n[operations.write]\nrules = [\"record\"]\n\
                        [operations.read]\nrules = [\"record\"]\nread_only = true\n";
        let told = |scheduled: &str| {
            let scratch = Scratch::bundle();
            scratch.write("tenet.toml", manifest);
            let text = format!("version = 1\ndescription = \"x\"\n[operations]\nschedule = [{scheduled}]\n");
            scratch.write("rules/record/rule.toml", &text);
            told_of(&scratch)
        };
        let at = "rules/record/rule.toml";
        assert_eq!(
            told("\"write\", \"wriet\""),
            format!("{at}:4:22: the rule record schedules wriet, which is no operation; did you mean `write`?")
        );
        assert_eq!(
            told("\"read\""),
            format!(
                "{at}:4:13: the rule record schedules read, which only reads; what follows is an operation that may write"
            )
        );
    }
}
