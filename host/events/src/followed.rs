use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tenet_core::bundle::Operation;

use crate::Pattern;

/// Any detail-type, in a rule's grants.
const ANY: &str = "*";

/// A pattern for those events of a bundle's own rules that operations of the bundle may handle: by
/// source and detail-type, so that a bus can filter them before it invokes a function. None if
/// there are none. `published` has the detail-types that rules may publish, by source.
pub fn followed(operations: &[Operation], published: &BTreeMap<String, BTreeSet<String>>) -> Option<Value> {
    let patterns: Vec<&Value> = operations.iter().flat_map(|operation| &operation.events).collect();
    let (mut sources, mut types) = (BTreeSet::new(), BTreeSet::new());
    for (source, detail_type) in published.iter().flat_map(|(source, types)| types.iter().map(move |one| (source, one)))
    {
        if patterns.iter().any(|pattern| may_match(pattern, source, detail_type)) {
            sources.insert(source);
            types.insert(detail_type);
        }
    }
    if sources.is_empty() {
        return None;
    }
    let mut pattern = json!({ "source": sources });
    if let (false, Some(members)) = (types.iter().any(|name| *name == ANY), pattern.as_object_mut()) {
        members.insert("detail-type".to_owned(), json!(types));
    }
    Some(pattern)
}

/// Whether a pattern can match an event of which only these two are known.
fn may_match(pattern: &Value, source: &str, detail_type: &str) -> bool {
    let known = [("source", source), ("detail-type", detail_type)];
    let known = known.into_iter().filter(|(_, value)| *value != ANY);
    known.into_iter().all(|(name, value)| {
        // Alternatives are left to the function.
        let Some(condition) = pattern.get(name) else { return true };
        let part = Pattern::of(&json!({ name: condition }));
        part.is_ok_and(|part| part.matches(&json!({ name: value }).to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed_by(events: &[Value], published: Value) -> Option<Value> {
        let operation = Operation { name: "op".into(), events: events.to_vec(), ..Operation::default() };
        followed(&[operation], &serde_json::from_value(published).unwrap())
    }

    #[test]
    fn a_bus_leads_here_what_an_operation_may_take_of_the_own_events() {
        let published = json!({ "bank": ["Paid", "Opened"], "shop": ["Sold"] });
        let paid = json!({ "source": ["bank"], "detail-type": ["Paid"], "detail": { "amount": [100] } });
        let wanted = json!({ "source": ["bank"], "detail-type": ["Paid"] });
        assert_eq!(followed_by(&[paid], published.clone()), Some(wanted));
        // Patterns for other sources, or no patterns.
        assert_eq!(followed_by(&[json!({ "source": ["other"] })], published.clone()), None);
        assert_eq!(followed_by(&[], published.clone()), None);
        assert_eq!(followed_by(&[json!({ "source": ["bank"] })], json!({})), None);
        // A pattern that these two members cannot decide may match.
        let sold = json!({ "$or": [{ "source": ["bank"] }, { "detail": { "amount": [1] } }] });
        let all = json!({ "source": ["bank", "shop"], "detail-type": ["Opened", "Paid", "Sold"] });
        assert_eq!(followed_by(&[sold], published), Some(all));
        let any =
            followed_by(&[json!({ "detail-type": [{ "prefix": "P" }] })], json!({ "bank": ["*"], "shop": ["Q"] }));
        assert_eq!(any, Some(json!({ "source": ["bank"] })));
    }
}
