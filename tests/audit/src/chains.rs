//! Chains of operations: a request that schedules steps, which schedule others, one of which is rejected and undone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tenet_core::{CallerId, FollowUpId};

use crate::audit::Stored;
use crate::name::Name;

/// The operation that begins a chain.
pub const CHAIN: &str = "chain";

/// The operation of which the rest of a chain is.
pub const STEP: &str = "step";

/// The counters of chains: few enough that they compete for them.
pub const COUNTERS: std::ops::Range<i32> = 100..104;

/// What the second of the later steps waits for, in milliseconds.
const LATER_MS: u64 = 700;

/// The payload of a request that begins a chain. Each step of it that is accepted adds one to this counter.
pub fn payload(counter: i32, key: &str) -> Value {
    let last = json!({ "do": "schedule", "id": counter, "then": [] });
    let refused = json!({ "do": "reject", "code": "refused", "message": "as planned" });
    let first = json!({ "do": "schedule", "id": counter, "then": [
        { "operation": STEP, "payload": last, "after_ms": LATER_MS },
        { "operation": STEP, "payload": refused, "on_rejection": last },
    ] });
    json!({ "do": "schedule", "id": counter, "key": key, "then": [{ "operation": STEP, "payload": first }] })
}

/// The chains that stored answers are of.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    /// How many requests and steps were accepted. Each has added one to a counter.
    pub(crate) accepted: u64,
    /// Steps that a committed transaction has scheduled, and that have no answer.
    pub(crate) missing: Vec<(Name, String)>,
    /// Answers of steps that no committed transaction has scheduled.
    pub(crate) invented: Vec<Name>,
}

impl Chains {
    /// Follows each accepted request of a chain.
    pub(crate) fn of(stored: &BTreeMap<Name, Stored>) -> Self {
        let steps: BTreeMap<&str, (&Name, &Stored)> = stored
            .iter()
            .filter(|(name, _)| name.operation == STEP)
            .map(|(name, stored)| (name.key.as_str(), (name, stored)))
            .collect();
        let (mut chains, mut seen) = (Self::default(), BTreeSet::new());
        for (name, request) in stored.iter().filter(|(name, stored)| name.operation == CHAIN && stored.accepted) {
            chains.accepted += 1;
            let after = |parent: &str, body: &str| -> Vec<_> {
                scheduled(body).into_iter().map(|id| (id, format!("which {parent} has scheduled"))).collect()
            };
            let mut left = after("the request", &request.body);
            while let Some((id, origin)) = left.pop() {
                let Some((_, step)) = steps.get(id.as_str()) else {
                    chains.missing.push((name.clone(), format!("{id}, {origin},")));
                    continue;
                };
                chains.accepted += u64::from(step.accepted);
                match (step.accepted, FollowUpId::parse(&id)) {
                    (true, _) => left.extend(after(&id, &step.body)),
                    (false, Some(rejected)) => {
                        let undoes = rejected.of_what_follows_its_end().to_string();
                        left.push((undoes, format!("which undoes {id}")));
                    }
                    (false, None) => {}
                }
                seen.insert(id);
            }
        }
        chains.invented =
            steps.values().filter(|(name, _)| !seen.contains(&name.key)).map(|(name, _)| (*name).clone()).collect();
        chains
    }
}

/// Whether this is the answer of a step, under the id that is its key.
pub(crate) fn is_step(name: &Name) -> bool {
    name.operation == STEP && FollowUpId::parse(&name.key).is_some() && CallerId::parse(&name.caller).is_some()
}

/// The ids that an answer lists.
fn scheduled(body: &str) -> Vec<String> {
    let output: Value = serde_json::from_str(body).unwrap_or_default();
    let ids = output["scheduled"].as_array().into_iter().flatten();
    ids.filter_map(|id| id.as_str().map(str::to_owned)).collect()
}
