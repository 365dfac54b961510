use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use anyhow::Context;
use tenet_build::Bundle;
use tenet_core::TableGrant;
use tenet_core::bundle::{Index, Operation};
use tenet_database::Inventory;
use tenet_engine::{Compiler, OWN_TARGET};
use tenet_harness::building::{self, Built, Wanted};
use tenet_harness::sources::{Surveyed, survey};
use tenet_harness::{Database, Place, schema};

use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::reporters::progress::OnTerminal;
use crate::terminal::{self, show};

/// What a database says of a statement that may be right once its parameters have types: a function
/// or an operator that is not found or not unique, a type that does not fit or is not known
/// (<https://www.postgresql.org/docs/16/errcodes-appendix.html>).
const UNTYPED: [&str; 6] = ["42725", "42883", "42804", "42846", "42P08", "42P18"];

/// What is found.
#[derive(Default)]
struct Findings {
    /// Who writes what, and who emits and takes which events.
    table: Vec<String>,
    errors: Vec<String>,
    warnings: Vec<String>,
    /// What could not be checked.
    notes: Vec<String>,
}

impl Findings {
    fn tell(self) -> anyhow::Result<Exit> {
        let Self { table: mut lines, errors, warnings, notes } = self;
        lines.extend(errors.iter().map(|what| format!("error: {what}")));
        lines.extend(warnings.iter().map(|what| format!("warning: {what}")));
        lines.extend(notes.iter().map(|what| format!("note: {what}")));
        show(&lines)?;
        terminal::tell(&format!("check: {} errors, {} warnings", errors.len(), warnings.len()));
        Ok(Exit::success_or(errors.is_empty(), Exit::HasErrors))
    }
}

/// Checks a bundle as far as it can be checked before it is shipped: components against the
/// contract, manifests and statements against a database, and rules against each other.
pub(crate) async fn check(args: &CheckArgs) -> anyhow::Result<Exit> {
    if let Some(component) = &args.component {
        return of_component(component);
    }
    let bundle = Bundle::open(&args.bundle)?;
    let mut findings = Findings::default();
    // Nothing is built of rules that ask for more than they are granted.
    if bundle.check_grants().is_err() {
        for rule in survey(&bundle, None)? {
            against_grants(&rule, &mut findings);
        }
        return findings.tell();
    }
    // Builds the components, holds each against the contract, and lints the schema.
    let folder = args.out.clone().unwrap_or_else(|| building::default_out(&args.bundle));
    let Built { index, warnings, postgres } =
        building::make_for(&args.bundle, &folder, OWN_TARGET, Wanted::Tests, None, &OnTerminal).await?;
    findings.warnings.extend(warnings.iter().map(ToString::to_string));
    let rules = survey(&bundle, Some(&index.catalog))?;
    for rule in &rules {
        against_grants(rule, &mut findings);
    }
    let database = Database::open(args.database_url.as_deref(), &folder, &index, postgres, &OnTerminal).await?;
    let inventory = Inventory::read(&database.endpoint()?).await?;
    for rule in &rules {
        against_database(rule, &inventory, &mut findings).await?;
    }
    drop(inventory);
    database.close()?;
    between_rules(&rules, &index.operations, &mut findings);
    binary_fractions(&index, &mut findings);
    frozen_defaults(&folder, &index, &mut findings)?;
    findings.tell()
}

/// Whether a component is a rule, and if not where it differs.
fn of_component(path: &Path) -> anyhow::Result<Exit> {
    let component = tenet_build::read_at_most(path, Compiler::MAX_BYTES);
    let component = component.with_context(|| format!("cannot read {}", path.display()))?;
    let mut findings = Findings::default();
    if let Err(error) = Compiler::new(OWN_TARGET)?.compile(&component) {
        findings.errors.push(format!("{}: {:#}", path.display(), anyhow::Error::new(error)));
    }
    findings.tell()
}

fn against_grants(rule: &Surveyed, findings: &mut Findings) {
    for (why, place) in &rule.refused {
        findings.errors.push(format!("{}: {why}", line(place)));
    }
    let missing = rule.granted.missing(&rule.asked);
    for grant in &missing {
        findings.errors.push(format!("rule {}: asks for `{grant}`, which is not granted", rule.rule));
    }
    if rule.has_templates {
        let what = "makes statements when it runs, which are not checked here";
        findings.warnings.push(format!("rule {}: {what}", rule.rule));
        return;
    }
    let Some(used) = &rule.used else { return };
    // `count(*)` reads a table and no column of it, for which some column has to be granted.
    let reads = |table: &str| used.tables.get(table).is_some_and(|used| used.select.is_none());
    let unused = used.missing(&rule.asked);
    let unused = unused.iter().filter(|grant| grant.is_of_statements());
    for grant in unused.filter(|grant| !grant.table().is_some_and(|(table, verb)| verb == "select" && reads(table))) {
        findings
            .warnings
            .push(format!("rule {}: asks for `{grant}`, which no statement in its sources uses", rule.rule));
    }
}

async fn against_database(rule: &Surveyed, inventory: &Inventory, findings: &mut Findings) -> anyhow::Result<()> {
    let tables = &inventory.tables().tables;
    for (table, grant) in &rule.asked.tables {
        let Some(columns) = tables.get(table) else {
            findings.errors.push(format!("rule {}: asks for the table {table}, which is not there", rule.rule));
            continue;
        };
        let asked: BTreeSet<&str> =
            [&grant.select, &grant.insert, &grant.update].into_iter().flat_map(|c| c.names()).collect();
        for column in asked.into_iter().filter(|column| !columns.has(column)) {
            findings
                .errors
                .push(format!("rule {}: asks for {table}.{column}, and the table has no such column", rule.rule));
        }
    }
    for column in rule.asked.sealed_columns() {
        let there = column.rsplit_once('.').and_then(|(table, name)| Some(tables.get(table)?.has(name)));
        if there != Some(true) {
            let what = format!("rule {}: seals or opens {column}, which is not there", rule.rule);
            findings.errors.push(what);
        }
    }
    for sequence in rule.asked.sequences.iter().filter(|sequence| !inventory.sequences().contains(*sequence)) {
        findings.errors.push(format!("rule {}: asks for the sequence {sequence}, which is not there", rule.rule));
    }
    for default in inventory.defaults() {
        let grant = rule.asked.tables.get(&default.table);
        let has_own = |grant: &TableGrant| grant.insert.is_none() || grant.insert.has(&default.column);
        if grant.is_none_or(has_own) || !tenet_policy::is_default_of_the_moment(&default.expression) {
            continue;
        }
        let what = format!("rule {}: {}.{} becomes {}", rule.rule, default.table, default.column, default.expression);
        let why = "by default, which is another value on each attempt and in each test: insert one from `context`";
        findings.warnings.push(format!("{what} {why}"));
    }
    for found in &rule.statements {
        let Err(error) = inventory.prepare(&found.sql).await? else { continue };
        let at = line(&found.place);
        // The SDK sends each parameter with its type, and here they have none.
        if found.sql.contains('$') && UNTYPED.contains(&error.sqlstate.as_str()) {
            findings.notes.push(format!("{at}: not checked without the types of its parameters: {}", error.message));
        } else {
            findings.errors.push(format!("{at}: {} (SQLSTATE {})", error.message, error.sqlstate));
        }
    }
    Ok(())
}

/// Defaults that are the time at which a step was applied.
fn frozen_defaults(folder: &Path, index: &Index, findings: &mut Findings) -> anyhow::Result<()> {
    for file in &index.schema {
        let step = schema::text(folder, &file.path)?;
        let Some(at) = tenet_policy::frozen_default(&step) else { continue };
        let line = step.get(..at).unwrap_or_default().matches('\n').count() + 1;
        let why = "is the time at which the step is applied, in each row and another in each database";
        findings.warnings.push(format!("{}:{line}: this default {why}: insert one from `context`", file.path));
    }
    Ok(())
}

/// Members of payloads and outputs that are binary fractions, of rules whose tables have decimals for them: money
/// as `f64` is 0.30000000000000004.
fn binary_fractions(index: &Index, findings: &mut Findings) {
    for rule in &index.rules {
        let tables = rule.grants.tables.keys().filter_map(|table| index.catalog.tables.get(table));
        let columns: Vec<_> = tables.flat_map(|table| &table.columns).collect();
        let is_decimal = |name: &str| columns.iter().any(|it| it.name == name && it.kind.starts_with("numeric"));
        let has_decimals = columns.iter().any(|column| column.kind.starts_with("numeric"));
        // A binary fraction has a column of its own then.
        let has_fractions = columns.iter().any(|column| matches!(column.kind.as_str(), "double precision" | "real"));
        for (part, schema) in [("input", &rule.input), ("output", &rule.output)] {
            let mut members = BTreeSet::new();
            schema.iter().for_each(|schema| fractions(schema, &mut members));
            for name in members.into_iter().filter(|name| is_decimal(name) || has_decimals && !has_fractions) {
                findings.warnings.push(format!(
                    "rule {}: {name} of its {part} is a binary fraction, which holds no 0.10, and its tables have numeric: \
                     declare it as tenet::Decimal",
                    rule.name
                ));
            }
        }
    }
}

/// The names of the members that a schema says are `f32` or `f64`.
fn fractions<'a>(schema: &'a serde_json::Value, names: &mut BTreeSet<&'a str>) {
    let is_one = |schema: &serde_json::Value| {
        matches!(schema.get("format").and_then(|format| format.as_str()), Some("double" | "float"))
            || schema.get("items").is_some_and(|items| items.get("format").is_some_and(|it| it == "double"))
    };
    match schema {
        serde_json::Value::Object(members) => {
            if let Some(properties) = members.get("properties").and_then(|properties| properties.as_object()) {
                names.extend(properties.iter().filter(|(_, schema)| is_one(schema)).map(|(name, _)| name.as_str()));
            }
            members.values().for_each(|member| fractions(member, names));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| fractions(item, names)),
        _ => {}
    }
}

/// Finds rules of different operations that change the same columns, and events of the bundle that an
/// operation takes and no rule emits.
fn between_rules(rules: &[Surveyed], operations: &[Operation], findings: &mut Findings) {
    let mut writers: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for rule in rules {
        for grant in rule.asked.each() {
            if let Some((table, verb)) = grant.table().filter(|(_, verb)| *verb != "select") {
                let text = grant.to_string();
                let column = text.split_once(' ').map_or(table, |(_, object)| object).to_owned();
                findings.table.push(format!("{:<24} {text}", rule.rule));
                // Inserts alone do not conflict.
                if verb != "insert" {
                    writers.entry(column).or_default().insert(&rule.rule);
                }
            }
        }
        for grant in rule.asked.each().iter().filter(|grant| grant.is_event() || grant.is_schedule()) {
            findings.table.push(format!("{:<24} {grant}", rule.rule));
        }
    }
    let of_rule = |rule: &str| -> BTreeSet<&str> {
        let all = operations.iter().filter(|operation| operation.rules.iter().any(|name| name == rule));
        all.map(|operation| operation.name.as_str()).collect()
    };
    for (what, writers) in &writers {
        let of: BTreeSet<&str> = writers.iter().flat_map(|rule| of_rule(rule)).collect();
        if writers.len() > 1 && of.len() > 1 {
            let (rules, of) = (join(writers), join(&of));
            findings
                .warnings
                .push(format!("{what} is changed by {rules}: requests of {of} conflict where they meet one row"));
        }
    }
    for way in circles(rules, operations) {
        findings.warnings.push(format!("operations may lead {way}, and on without end: see that one of them ends it"));
    }
    let emitted: BTreeSet<(&str, &str)> = rules
        .iter()
        .flat_map(|rule| &rule.asked.events)
        .flat_map(|(source, types)| types.iter().map(move |name| (source.as_str(), name.as_str())))
        .collect();
    for operation in operations {
        for pattern in &operation.events {
            for (source, detail_type) in taken(pattern) {
                findings.table.push(format!("{:<24} take {source}: {detail_type}", operation.name));
                let own = emitted.iter().any(|(emits, _)| *emits == source);
                if own && !emitted.contains(&(source, detail_type)) && !emitted.contains(&(source, "*")) {
                    let what = format!("the operation {} takes {source}: {detail_type}", operation.name);
                    findings.warnings.push(format!("{what}, and no rule that publishes as {source} emits it"));
                }
            }
        }
    }
}

/// Operations that lead back to themselves by their events and what they schedule, each with the way.
fn circles(rules: &[Surveyed], operations: &[Operation]) -> Vec<String> {
    let leads = |from: &Operation, to: &Operation| {
        let granted = |rule: &&Surveyed| from.rules.contains(&rule.rule);
        rules.iter().filter(granted).any(|rule| {
            let taken = tenet_events::followed(std::slice::from_ref(to), &rule.asked.events);
            taken.is_some() || rule.asked.schedules(&to.name)
        })
    };
    let mut found = Vec::new();
    for first in operations {
        // The shortest way back, breadth first.
        let (mut ways, mut seen) = (VecDeque::from([vec![first]]), BTreeSet::new());
        while let Some(way) = ways.pop_front() {
            let Some(last) = way.last() else { continue };
            for next in operations.iter().filter(|next| leads(last, next)) {
                if next.name == first.name {
                    let names: Vec<&str> = way.iter().chain([&first]).map(|one| one.name.as_str()).collect();
                    found.push(names.join(" -> "));
                    ways.clear();
                    break;
                }
                if seen.insert(&next.name) {
                    ways.push_back(way.iter().copied().chain([next]).collect());
                }
            }
        }
    }
    found
}

/// The sources and detail-types that a pattern names outright.
fn taken(pattern: &serde_json::Value) -> Vec<(&str, &str)> {
    let texts = |member: &str| -> Vec<&str> {
        pattern
            .get(member)
            .and_then(|list| list.as_array())
            .into_iter()
            .flatten()
            .filter_map(|one| one.as_str())
            .collect()
    };
    let types = texts("detail-type");
    texts("source").into_iter().flat_map(|source| types.iter().map(move |name| (source, *name))).collect()
}

fn join(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

/// A place as editors and people find it.
fn line(place: &Place) -> String {
    let number = place.text.get(..place.span.start).unwrap_or_default().lines().count().max(1);
    format!("{}:{number}", place.name)
}

#[cfg(test)]
mod tests {
    use tenet_core::Grants;

    use super::*;

    fn grants(json: &str) -> Grants {
        serde_json::from_str(json).unwrap()
    }

    fn surveyed(rule: &str, asked: &str, used: &str) -> Surveyed {
        Surveyed {
            rule: rule.to_owned(),
            asked: grants(asked),
            granted: grants(asked),
            statements: Vec::new(),
            refused: Vec::new(),
            used: Some(grants(used)),
            has_templates: false,
        }
    }

    #[test]
    fn operations_whose_events_lead_back_to_them_are_told_with_the_way() {
        let publishes =
            |rule: &str, source: &str| surveyed(rule, &format!(r#"{{"events":{{"{source}":["Done"]}}}}"#), "{}");
        let rules = [publishes("pay", "bank"), publishes("ship", "shop"), publishes("note", "notes")];
        let takes = |name: &str, source: &str| Operation {
            name: name.into(),
            rules: vec![name.into()],
            events: vec![serde_json::json!({"source": [source], "detail-type": ["Done"]})],
            ..Operation::default()
        };
        let way = |operations: &[Operation]| circles(&rules, operations);
        assert_eq!(way(&[takes("ship", "bank"), takes("note", "shop")]), [""; 0]);
        assert_eq!(way(&[takes("note", "notes")]), ["note -> note"]);
        let both = [takes("pay", "shop"), takes("ship", "bank"), takes("note", "bank")];
        assert_eq!(way(&both), ["pay -> ship -> pay", "ship -> pay -> ship"]);
    }

    #[test]
    fn what_is_refused_and_what_is_asked_for_in_vain_is_told_with_its_place() {
        let mut findings = Findings::default();
        let asked = r#"{"tables":{"a":{"select":["x","y"],"delete":true},"b":{"select":["z"]}}}"#;
        let mut rule = surveyed("pay", asked, r#"{"tables":{"a":{"select":["x"]},"b":{}}}"#);
        rule.granted = grants(r#"{"tables":{"a":{"select":"*"},"b":{"select":["z"]}}}"#);
        let text = "one\ntwo\n\"SELECT q FROM a\"".to_owned();
        rule.refused
            .push(("select of a.q is not granted".into(), Place { name: "src/lib.rs".into(), text, span: 9..25 }));
        against_grants(&rule, &mut findings);
        assert_eq!(
            findings.errors,
            ["src/lib.rs:3: select of a.q is not granted", "rule pay: asks for `delete a`, which is not granted"]
        );
        assert_eq!(
            findings.warnings,
            [
                "rule pay: asks for `delete a`, which no statement in its sources uses",
                "rule pay: asks for `select a.y`, which no statement in its sources uses"
            ]
        );
    }

    #[test]
    fn rules_of_two_operations_that_change_one_column_are_told() {
        let asked = r#"{"tables":{"a":{"update":["x"],"insert":["x"]}},"events":{"bank":["Paid"]}}"#;
        let rules = [surveyed("pay", asked, "{}"), surveyed("refund", asked, "{}")];
        let operation = |name: &str, rule: &str, events| tenet_core::bundle::Operation {
            name: name.into(),
            rules: vec![rule.into()],
            key: None,
            read_only: false,
            callers: None,
            events,
            ..tenet_core::bundle::Operation::default()
        };
        let takes = serde_json::json!({ "source": ["bank"], "detail-type": ["Paid", "Lost"] });
        let operations = vec![operation("out", "pay", vec![]), operation("back", "refund", vec![takes])];
        let mut findings = Findings::default();
        between_rules(&rules, &operations, &mut findings);
        assert_eq!(
            findings.warnings,
            [
                "a.x is changed by pay, refund: requests of back, out conflict where they meet one row",
                "operations may lead back -> back, and on without end: see that one of them ends it",
                "the operation back takes bank: Lost, and no rule that publishes as bank emits it"
            ]
        );
        let mut findings = Findings::default();
        let one =
            vec![tenet_core::bundle::Operation { rules: vec!["pay".into(), "refund".into()], ..operations[0].clone() }];
        between_rules(&rules, &one, &mut findings);
        assert!(findings.warnings.is_empty(), "{:?}", findings.warnings);
    }

    #[test]
    fn operations_that_schedule_each_other_are_a_circle() {
        let rule =
            |rule: &str, next: &str| surveyed(rule, &format!(r#"{{"operations":{{"schedule":["{next}"]}}}}"#), "{}");
        let operation = |name: &str| tenet_core::bundle::Operation {
            name: name.into(),
            rules: vec![name.into()],
            ..tenet_core::bundle::Operation::default()
        };
        let operations = ["remind", "wait", "end"].map(operation);
        let mut findings = Findings::default();
        between_rules(&[rule("remind", "wait"), rule("wait", "remind")], &operations, &mut findings);
        let leads = "operations may lead remind -> wait -> remind, and on without end: see that one of them ends it";
        assert!(findings.warnings.iter().any(|warning| warning == leads), "{:?}", findings.warnings);
        assert!(findings.table.iter().any(|line| line.ends_with("schedule wait")), "{:?}", findings.table);
        let mut findings = Findings::default();
        between_rules(&[rule("remind", "wait"), rule("wait", "end")], &operations, &mut findings);
        assert!(findings.warnings.is_empty(), "{:?}", findings.warnings);
    }
}
