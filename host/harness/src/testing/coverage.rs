use std::collections::{BTreeMap, BTreeSet};

use tenet_build::Bundle;
use tenet_capsule::{Attempt, Call};
use tenet_pipeline::{Handled, Status};

use super::file::{Ask, Target};
use super::json::Json;
use super::site::Site;
use crate::error::Result;
use crate::sources::statements;

/// What tests have reached of the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    rules: BTreeMap<String, BTreeSet<Thing>>,
}

/// What can be reached of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// That it accepts.
    Accept,
    /// That it rejects with this code.
    Reject(String),
    /// That it runs this statement; spaces do not count.
    Statement(String),
    /// That it publishes a detail-type of a source.
    Event(String, String),
}

/// What there is of each rule, and what of it was reached.
#[derive(Debug)]
pub struct Coverage {
    /// How many things there are.
    pub all: usize,
    /// How many of them a test reached.
    pub reached: usize,
    /// What no test reached, by rule.
    pub missing: BTreeMap<String, BTreeSet<Thing>>,
}

impl Reached {
    /// Adds what a request has reached.
    pub(crate) fn add(&mut self, site: &Site, ask: &Ask, handled: &Handled, attempts: &[Attempt]) {
        for entry in attempts.iter().flat_map(|attempt| &attempt.entries) {
            let reached = self.rules.entry(entry.rule.clone()).or_default();
            match &entry.call {
                Call::Run { statements, .. } => {
                    reached.extend(statements.iter().map(|statement| Thing::Statement(plain(&statement.sql))));
                }
                Call::Publish { event, refused: None, .. } => {
                    reached.insert(Thing::Event(event.source.clone(), event.detail_type.clone()));
                }
                _ => {}
            }
        }
        if handled.answer.repeated {
            return;
        }
        let chain: Vec<&String> = match &ask.target {
            Target::Rule(rule) => vec![rule],
            Target::Operation(name) => {
                let operation = site.index.operations.iter().find(|operation| operation.name == *name);
                operation.into_iter().flat_map(|operation| &operation.rules).collect()
            }
        };
        // Those that ran: all but the last have accepted.
        let ran = handled.receipt.rules.len().min(chain.len());
        for (place, rule) in chain.into_iter().take(ran).enumerate() {
            let thing = match handled.answer.status {
                Status::Rejected if place + 1 == ran => {
                    let code = Json::parse(&handled.answer.body);
                    match code.as_ref().and_then(|body| body.get("code")) {
                        Some(Json::Text(code)) => Thing::Reject(code.clone()),
                        _ => continue,
                    }
                }
                Status::Accepted => Thing::Accept,
                _ if place + 1 < ran => Thing::Accept,
                _ => continue,
            };
            self.rules.entry(rule.clone()).or_default().insert(thing);
        }
    }

    /// Adds what others have reached.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (rule, things) in &other.rules {
            self.rules.entry(rule.clone()).or_default().extend(things.iter().cloned());
        }
    }

    /// What of a bundle's rules was reached, as far as their sources show what there is: the
    /// codes and statements that are written there, and the events that are asked for.
    pub(crate) fn coverage(&self, bundle: &Bundle) -> Result<Coverage> {
        let mut coverage = Coverage { all: 0, reached: 0, missing: BTreeMap::new() };
        let nothing = BTreeSet::new();
        for (rule, asked, folder) in bundle.rules() {
            let mut things = BTreeSet::from([Thing::Accept]);
            let statements = statements::find(folder)?.into_iter().filter(|found| !found.is_template);
            things.extend(statements.map(|found| Thing::Statement(plain(&found.sql))));
            things.extend(statements::codes(folder)?.into_iter().map(Thing::Reject));
            for (source, types) in &asked.events {
                let types = types.iter().filter(|detail_type| *detail_type != "*");
                things.extend(types.map(|detail_type| Thing::Event(source.clone(), detail_type.clone())));
            }
            let reached = self.rules.get(rule).unwrap_or(&nothing);
            let missing: BTreeSet<Thing> = things.difference(reached).cloned().collect();
            coverage.all += things.len();
            coverage.reached += things.len() - missing.len();
            if !missing.is_empty() {
                coverage.missing.insert(rule.to_owned(), missing);
            }
        }
        Ok(coverage)
    }
}

impl Coverage {
    /// In whole percent, rounded down: 100 means all of it.
    pub fn percent(&self) -> usize {
        (self.reached * 100).checked_div(self.all).unwrap_or(100)
    }
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accept => f.write_str("that it accepts"),
            Self::Reject(code) => write!(f, "the rejection {code}"),
            Self::Statement(sql) => write!(f, "the statement {sql}"),
            Self::Event(source, detail_type) => write!(f, "the event {detail_type:?} of {source}"),
        }
    }
}

fn plain(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}
