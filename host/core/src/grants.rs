use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Event, VaultVerb};

/// What a rule may access: what its manifest requests, or what its bundle grants. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Tables by name, `NAME` of the schema `public` or `SCHEMA.NAME` of another.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, TableGrant>,
    /// Sequences whose next value may be taken.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub sequences: BTreeSet<String>,
    /// Detail-types of events that may be published, by source. `*` is any detail-type.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, BTreeSet<String>>,
    /// Columns whose values may be sealed and opened, by table.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vault: BTreeMap<String, VaultGrant>,
    /// Operations that may follow.
    #[serde(skip_serializing_if = "OperationGrant::is_none")]
    pub operations: OperationGrant,
}

/// What may be done with operations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperationGrant {
    /// Those that may be scheduled.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub schedule: BTreeSet<String>,
}

/// Which columns of a table may be sealed, and which opened: each by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VaultGrant {
    /// Those that a value may be sealed for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub seal: BTreeSet<String>,
    /// Those whose sealed values may be opened.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub open: BTreeSet<String>,
}

/// What may be done with a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableGrant {
    /// Columns that may be read.
    #[serde(skip_serializing_if = "Columns::is_none")]
    pub select: Columns,
    /// Columns that a new row may be given.
    #[serde(skip_serializing_if = "Columns::is_none")]
    pub insert: Columns,
    /// Columns that may be changed.
    #[serde(skip_serializing_if = "Columns::is_none")]
    pub update: Columns,
    /// Whether rows may be deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
}

/// Columns of a table: a list of names, or `"*"` for all there are and will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Those with these names.
    Named(BTreeSet<String>),
    /// All.
    All,
}

/// One thing that is granted, as people read it: `update accounts.balance`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    subject: String,
    verb: &'static str,
    object: String,
}

/// Why something cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GrantError(String);

/// Schemas that belong to the host or the database.
const FOREIGN: &[&str] = &["tenet", "information_schema", "sys", "dsql"];

/// The longest identifier of PostgreSQL, in bytes
/// (<https://www.postgresql.org/docs/16/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>).
const LONGEST_NAME: usize = 63;

impl Grants {
    /// Refuses grants that no rule may have: tables of the host and of the database itself, events
    /// that EventBridge would refuse, and invalid names.
    pub fn check(&self) -> Result<(), GrantError> {
        for (table, grant) in &self.tables {
            object(table)?;
            if *grant == TableGrant::default() {
                return Err(GrantError(format!("the table {table} is listed without any grant")));
            }
            for column in [&grant.select, &grant.insert, &grant.update].into_iter().flat_map(Columns::names) {
                name(column)?;
            }
        }
        self.sequences.iter().try_for_each(|sequence| object(sequence))?;
        for (source, types) in &self.events {
            if types.is_empty() {
                return Err(GrantError(format!("the event source {source:?} is listed without any detail-type")));
            }
            // Report this at build time, not when the rule publishes.
            let checked = types.iter().try_for_each(|name| Event::check_detail_type(name));
            Event::check_source(source)
                .and(checked)
                .map_err(|error| GrantError(format!("the event source {source:?} cannot be published: {error}")))?;
        }
        for (table, grant) in &self.vault {
            object(table)?;
            if *grant == VaultGrant::default() {
                return Err(GrantError(format!("the vault's table {table} is listed without any grant")));
            }
            grant.seal.iter().chain(&grant.open).try_for_each(|column| name(column))?;
        }
        Ok(())
    }

    /// Whether events of this source and detail-type may be published.
    pub fn publishes(&self, source: &str, detail_type: &str) -> bool {
        self.events.get(source).is_some_and(|types| types.contains(detail_type) || types.contains("*"))
    }

    /// Whether this operation may be scheduled.
    pub fn schedules(&self, operation: &str) -> bool {
        self.operations.schedule.contains(operation)
    }

    /// Whether values of this column may be sealed, or opened.
    pub fn vaults(&self, verb: VaultVerb, table: &str, column: &str) -> bool {
        self.vault.get(table).is_some_and(|grant| grant.of(verb).contains(column))
    }

    /// The columns that may be sealed or opened: `accounts.iban`.
    pub fn sealed_columns(&self) -> BTreeSet<String> {
        let columns = |(table, grant): (&String, &VaultGrant)| -> Vec<String> {
            grant.seal.iter().chain(&grant.open).map(|column| format!("{table}.{column}")).collect()
        };
        self.vault.iter().flat_map(columns).collect()
    }

    /// Each single thing that is granted.
    pub fn each(&self) -> BTreeSet<Grant> {
        let grant = |subject: &str, verb, object: String| Grant { subject: subject.to_owned(), verb, object };
        let mut each = BTreeSet::new();
        for (table, TableGrant { select, insert, update, delete }) in &self.tables {
            for (verb, columns) in [("select", select), ("insert", insert), ("update", update)] {
                let names = columns.names().map(str::to_owned).chain(columns.is_all().then(|| "*".to_owned()));
                each.extend(names.map(|name| grant(table, verb, format!("{table}.{name}"))));
            }
            if *delete {
                each.insert(grant(table, "delete", table.clone()));
            }
        }
        each.extend(self.sequences.iter().map(|name| grant(name, "nextval", name.clone())));
        for (source, types) in &self.events {
            each.extend(types.iter().map(|name| grant(source, "publish", format!("{source}: {name}"))));
        }
        for (table, of_vault) in &self.vault {
            for verb in [VaultVerb::Seal, VaultVerb::Open] {
                let columns = of_vault.of(verb).iter();
                each.extend(columns.map(|name| grant(table, verb.name(), format!("{table}.{name}"))));
            }
        }
        each.extend(self.operations.schedule.iter().map(|name| grant(name, "schedule", name.clone())));
        each
    }

    /// Adds what others are granted.
    pub fn add(&mut self, others: Self) {
        for (table, theirs) in others.tables {
            let ours = self.tables.entry(table).or_default();
            for (ours, theirs) in [
                (&mut ours.select, theirs.select),
                (&mut ours.insert, theirs.insert),
                (&mut ours.update, theirs.update),
            ] {
                match (ours, theirs) {
                    (Columns::Named(ours), Columns::Named(theirs)) => ours.extend(theirs),
                    (ours, Columns::All) => *ours = Columns::All,
                    (Columns::All, Columns::Named(_)) => {}
                }
            }
            ours.delete |= theirs.delete;
        }
        self.sequences.extend(others.sequences);
        for (source, types) in others.events {
            self.events.entry(source).or_default().extend(types);
        }
        for (table, VaultGrant { seal, open }) in others.vault {
            let ours = self.vault.entry(table).or_default();
            ours.seal.extend(seal);
            ours.open.extend(open);
        }
        self.operations.schedule.extend(others.operations.schedule);
    }

    /// The grants in `asked` that are missing here.
    pub fn missing(&self, asked: &Self) -> BTreeSet<Grant> {
        let granted = self.each();
        asked.each().into_iter().filter(|grant| !granted.iter().any(|of| of.covers(grant))).collect()
    }
}

fn object(text: &str) -> Result<(), GrantError> {
    let (schema, table) = text.split_once('.').map_or((None, text), |(schema, table)| (Some(schema), table));
    schema.map_or(Ok(()), name)?;
    name(table)?;
    if schema.is_some_and(|schema| FOREIGN.contains(&schema) || schema.starts_with("pg_")) {
        return Err(GrantError(format!("{text} belongs to the host or the database, and cannot be granted")));
    }
    if schema == Some("public") {
        return Err(GrantError(format!("{text} is written without `public.`")));
    }
    if table.starts_with("pg_") {
        return Err(GrantError(format!("{text} is a system name of PostgreSQL")));
    }
    Ok(())
}

fn name(text: &str) -> Result<(), GrantError> {
    if text.is_empty() || text.len() > LONGEST_NAME || text.contains(['\0', '.', '*']) {
        return Err(GrantError(format!("{text:?} is not a name in PostgreSQL: a name has 1 to 63 bytes")));
    }
    Ok(())
}

impl Columns {
    /// Whether this column is among them.
    pub fn has(&self, column: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(column),
        }
    }

    /// Whether there are no columns.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Named(names) if names.is_empty())
    }

    /// Whether all columns are granted, including those added later.
    pub fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// The columns granted by name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Named(names) => Some(names),
            Self::All => None,
        };
        names.into_iter().flatten().map(String::as_str)
    }
}

impl Default for Columns {
    fn default() -> Self {
        Self::Named(BTreeSet::new())
    }
}

impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("*"),
            Self::Named(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "columns are a list of names, or \"*\" for all")]
        enum Written {
            Word(String),
            List(BTreeSet<String>),
        }
        match Written::deserialize(deserializer)? {
            Written::Word(word) if word == "*" => Ok(Self::All),
            Written::Word(word) => {
                Err(D::Error::custom(format!("columns are a list of names, or \"*\" for all; this is {word:?}")))
            }
            Written::List(names) => Ok(Self::Named(names)),
        }
    }
}

impl VaultGrant {
    /// The columns to which this verb applies.
    pub fn of(&self, verb: VaultVerb) -> &BTreeSet<String> {
        match verb {
            VaultVerb::Seal => &self.seal,
            VaultVerb::Open => &self.open,
        }
    }
}

impl OperationGrant {
    /// Whether nothing may be done.
    pub fn is_none(&self) -> bool {
        self.schedule.is_empty()
    }
}

impl Grant {
    /// Whether it concerns events.
    pub fn is_event(&self) -> bool {
        self.verb == "publish"
    }

    /// Whether it concerns an operation that follows.
    pub fn is_schedule(&self) -> bool {
        self.verb == "schedule"
    }

    /// Whether this grant includes the other: `*` covers every column of its table, or every
    /// detail-type of its source.
    pub fn covers(&self, other: &Self) -> bool {
        let is_all = || match self.verb {
            "publish" => self.object == format!("{}: *", self.subject),
            "select" | "insert" | "update" => self.object == format!("{}.*", self.subject),
            _ => false,
        };
        self.subject == other.subject && self.verb == other.verb && (self.object == other.object || is_all())
    }

    /// Whether it concerns the database, so that statements use it.
    pub fn is_of_statements(&self) -> bool {
        !matches!(self.verb, "publish" | "seal" | "open" | "schedule")
    }

    /// The table that it concerns and what may be done with it, if it concerns a table.
    pub fn table(&self) -> Option<(&str, &'static str)> {
        matches!(self.verb, "select" | "insert" | "update" | "delete").then_some((self.subject.as_str(), self.verb))
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(json: &str) -> Grants {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn of_the_vault_each_column_is_granted_by_its_name() {
        let asked = grants(r#"{"vault":{"a":{"seal":["x"],"open":["x","y"]},"s.b":{"open":["z"]}}}"#);
        assert!(asked.check().is_ok());
        assert!(asked.vaults(VaultVerb::Open, "a", "y") && !asked.vaults(VaultVerb::Seal, "a", "y"));
        assert!(!asked.vaults(VaultVerb::Open, "a", "z") && !asked.vaults(VaultVerb::Open, "b", "z"));
        let granted = grants(r#"{"vault":{"a":{"seal":["x"],"open":["x"]}}}"#);
        let missing: Vec<_> = granted.missing(&asked).iter().map(ToString::to_string).collect();
        assert_eq!(missing, ["open a.y", "open s.b.z"]);
        assert_eq!(asked.sealed_columns().into_iter().collect::<Vec<_>>(), ["a.x", "a.y", "s.b.z"]);
        let mut sum = granted.clone();
        sum.add(asked.clone());
        assert!(sum.missing(&asked).is_empty());
        for refused in [r#"{"a":{}}"#, r#"{"a":{"seal":["*"]}}"#, r#"{"tenet.keys":{"open":["body"]}}"#] {
            assert!(grants(&format!(r#"{{"vault":{refused}}}"#)).check().is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_missing_is_told_thing_by_thing_and_all_covers_each() {
        let asked = grants(
            r#"{"tables":{"a":{"select":["x","y"],"delete":true},"s.b":{"insert":"*"}},
                "sequences":["q"],"events":{"bank":["Paid","Lost"]}}"#,
        );
        let told = |granted: &str| {
            grants(granted).missing(&asked).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            told("{}"),
            "delete a, select a.x, select a.y, publish bank: Lost, publish bank: Paid, nextval q, insert s.b.*"
        );
        assert_eq!(
            told(r#"{"tables":{"a":{"select":"*"},"s.b":{"insert":["x"]}},"sequences":["q"],"events":{"bank":["*"]}}"#),
            "delete a, insert s.b.*"
        );
        assert_eq!(grants(&serde_json::to_string(&asked).unwrap()), asked);
    }

    #[test]
    fn what_belongs_to_the_host_or_the_database_is_granted_to_nobody() {
        for table in [
            "tenet.keys",
            "pg_catalog.pg_class",
            "pg_class",
            "information_schema.tables",
            "sys.jobs",
            "public.t",
            "",
            "a.b.c",
            ".",
        ] {
            let mut grants = Grants::default();
            grants.tables.insert(table.into(), TableGrant { delete: true, ..TableGrant::default() });
            assert!(grants.check().is_err(), "{table}");
        }
        assert!(grants(r#"{"tables":{"t":{}}}"#).check().is_err());
        assert!(grants(r#"{"events":{"bank":[]}}"#).check().is_err());
        for source in ["", "aws.ec2", "aws.partner/example.com/1", &"s".repeat(257)] {
            let events = BTreeMap::from([(source.to_owned(), BTreeSet::from(["*".to_owned()]))]);
            let error = Grants { events, ..Grants::default() }.check().unwrap_err().to_string();
            assert!(error.contains(&format!("the event source {source:?}")), "{error}");
        }
        assert!(grants(&format!(r#"{{"events":{{"bank":["{}"]}}}}"#, "t".repeat(129))).check().is_err());
        assert!(grants(r#"{"tables":{"bank.t":{"select":"*"}},"events":{"aws":["*"]}}"#).check().is_ok());
        assert!(serde_json::from_str::<Grants>(r#"{"tables":{"t":{"select":"all"}}}"#).is_err());
        assert!(serde_json::from_str::<Grants>(r#"{"tables":{"t":{"truncate":true}}}"#).is_err());
    }
}
