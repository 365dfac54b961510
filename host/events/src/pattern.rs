use std::collections::HashMap;
use std::fmt;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::condition::{Condition, leaves};

/// The members of an event
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>), and
/// the one that a replay adds.
const MEMBERS: [&str; 10] =
    ["source", "detail-type", "detail", "account", "region", "resources", "time", "id", "version", "replay-name"];

/// An EventBridge pattern
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>).
///
/// Written here and not taken from a crate: the one that reads EventBridge's patterns,
/// quamina 0.7, wants an `exists` to be the only one of a pattern and alone in its list,
/// and otherwise overlooks matching events. An event is read only along the paths of the
/// pattern, so that neither a number out of any float's range nor a deep nesting
/// elsewhere keeps it from matching.
#[derive(Debug)]
pub struct Pattern(Node);

/// What one object of an event must have.
#[derive(Debug, Default)]
struct Node {
    members: Vec<(String, Test)>,
    /// Of each list, one must match too: the service's `$or`.
    either: Vec<Vec<Node>>,
}

#[derive(Debug)]
enum Test {
    Object(Node),
    /// One of these.
    Leaf(Vec<Condition>),
}

/// Why something is not a pattern, or not one that is understood here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl Pattern {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let pattern = serde_json::from_str(text).map_err(|error| PatternError(format!("not JSON: {error}")))?;
        Self::of(&pattern)
    }

    /// Takes JSON for a pattern, if it is one.
    ///
    /// # Errors
    /// Refuses operators that are not understood here rather than match too much or too
    /// little, and what no event of EventBridge has at its top, which would never match.
    pub fn of(pattern: &Value) -> Result<Self, PatternError> {
        let Value::Object(members) = pattern else {
            return Err(PatternError("a pattern is a JSON object".to_owned()));
        };
        if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&name.as_str()) && *name != "$or") {
            return Err(PatternError(format!("no event has a member `{unknown}`: it has {}", MEMBERS.join(", "))));
        }
        Node::parse(members, "").map(Self)
    }

    /// Whether it matches a whole event, JSON text.
    pub fn matches(&self, event: &str) -> bool {
        serde_json::from_str(event).is_ok_and(|event| self.0.matches(Some(event)))
    }
}

impl Node {
    fn parse(members: &Map<String, Value>, path: &str) -> Result<Self, PatternError> {
        if members.is_empty() {
            return Err(PatternError::new("an empty object", path));
        }
        let mut node = Self::default();
        for (name, value) in members {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let test = match value {
                Value::Array(choices) if choices.is_empty() => return Err(PatternError::new("an empty list", &path)),
                Value::Array(choices) if name == "$or" => {
                    let choice = |choice: &Value| match choice {
                        Value::Object(members) => Self::parse(members, &path),
                        _ => Err(PatternError::new("something that is not an object", &path)),
                    };
                    node.either.push(choices.iter().map(choice).collect::<Result<_, _>>()?);
                    continue;
                }
                Value::Object(members) => Test::Object(Self::parse(members, &path)?),
                Value::Array(choices) => Test::Leaf(
                    choices
                        .iter()
                        .map(|choice| Condition::parse(choice).map_err(|what| PatternError::new(&what, &path)))
                        .collect::<Result<_, _>>()?,
                ),
                _ => return Err(PatternError::new("a value that does not stand in a list", &path)),
            };
            node.members.push((name.clone(), test));
        }
        Ok(node)
    }

    fn matches(&self, value: Option<&RawValue>) -> bool {
        let text = value.map_or("", RawValue::get);
        // Of objects in a list, one must have everything.
        if text.starts_with('[')
            && let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text)
            && !items.is_empty()
        {
            return items.into_iter().any(|item| self.matches(Some(item)));
        }
        // Only what is asked for is missing in something that is no object.
        let members: HashMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
        let has = |(name, test): &(String, Test)| {
            let member = members.get(name).copied();
            match test {
                Test::Object(node) => node.matches(member),
                Test::Leaf(choices) => {
                    let leaves = leaves(member);
                    choices.iter().any(|choice| choice.matches(&leaves))
                }
            }
        };
        self.members.iter().all(has)
            && self.either.iter().all(|choices| choices.iter().any(|choice| choice.matches(value)))
    }
}

impl PatternError {
    fn new(what: &str, path: &str) -> Self {
        let place = if path.is_empty() { "at the top" } else { path };
        Self(format!("{what} ({place})"))
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"source":"dsql.application","detail-type":"Created","resources":[],
        "detail":{"amount":100.50,"transaction_id":"test-001","tags":["a",["b"]],"none":null,"file.name":"x*y",
                  "items":[{"n":1,"of":"a"},{"n":2,"of":"b"}],"huge":1e400,"tenet":{"bus":"us-east-1"}}}"#;

    fn matches(pattern: &str) -> bool {
        Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(EVENT)
    }

    #[test]
    fn matches_as_the_service_does() {
        for pattern in [
            r#"{"source":["dsql.application"]}"#,
            r#"{"source":["other","dsql.application"],"detail-type":["Created"]}"#,
            r#"{"source":[{"prefix":""}]}"#,
            r#"{"source":[{"prefix":"dsql."}]}"#,
            r#"{"source":[{"suffix":".application"}]}"#,
            r#"{"source":[{"wildcard":"d*.app*"}]}"#,
            r#"{"source":[{"anything-but":{"prefix":"aws."}}]}"#,
            r#"{"detail-type":[{"equals-ignore-case":"created"}]}"#,
            r#"{"detail":{"amount":[{"numeric":[">",100,"<=",100.5]}]}}"#,
            r#"{"detail":{"amount":[100.5]}}"#,
            r#"{"detail":{"huge":[{"numeric":[">",1]}]}}"#,
            r#"{"detail":{"transaction_id":[{"anything-but":["test-002"]}]}}"#,
            r#"{"detail":{"missing":[{"exists":false}],"amount":[{"exists":true}],"zero":[{"exists":false}]}}"#,
            r#"{"detail":{"missing":["x",{"exists":false}]}}"#,
            r#"{"detail":{"missing":{"below":[{"exists":false}]}}}"#,
            r#"{"detail":{"tenet":[{"exists":false}]}}"#,
            r#"{"detail":{"tags":["b"]}}"#,
            r#"{"detail":{"none":[null]}}"#,
            r#"{"detail":{"file.name":[{"wildcard":"*\\*y"}]}}"#,
            r#"{"detail":{"items":{"n":[2],"of":["b"]}}}"#,
            r#"{"detail":{"tenet":{"bus":["us-east-1"]}}}"#,
            r#"{"$or":[{"source":["other"]},{"detail":{"amount":[{"numeric":["=",100.5]}]}}]}"#,
        ] {
            assert!(matches(pattern), "{pattern}");
        }
        for pattern in [
            r#"{"source":["dsql"]}"#,
            r#"{"source":["dsql.application"],"detail-type":["Deleted"]}"#,
            r#"{"source":[{"wildcard":"d*.app"}]}"#,
            r#"{"source":[{"anything-but":{"prefix":"dsql."}}]}"#,
            r#"{"detail":{"amount":[{"numeric":[">",100.5]}]}}"#,
            r#"{"detail":{"amount":["100.50"]}}"#,
            r#"{"detail":{"missing":["x"]}}"#,
            r#"{"detail":{"missing":[{"anything-but":["x"]}]}}"#,
            r#"{"detail":{"transaction_id":[{"exists":false}]}}"#,
            r#"{"detail":{"none":["null"]}}"#,
            r#"{"detail":{"items":{"n":[1],"of":["b"]}}}"#,
            r#"{"detail":{"tenet":{"bus":["us-west-2"]}}}"#,
            r#"{"detail-type":["Created"],"$or":[{"source":["other"]},{"source":["another"]}]}"#,
        ] {
            assert!(!matches(pattern), "{pattern}");
        }
    }

    #[test]
    fn refuses_what_is_no_pattern_and_says_where() {
        for (pattern, says) in [
            ("", "not JSON"),
            ("[]", "a JSON object"),
            (r#"{"source":["a"]} x"#, "not JSON"),
            ("{}", "empty object"),
            (r#"{"detail_type":["Created"]}"#, "`detail_type`: it has source, detail-type"),
            (r#"{"detail":{}}"#, "(detail)"),
            (r#"{"detail":{"a":"x"}}"#, "(detail.a)"),
            (r#"{"detail":{"a":[]}}"#, "an empty list (detail.a)"),
            (r#"{"detail":{"a":[["x"]]}}"#, "(detail.a)"),
            (r#"{"$or":[]}"#, "an empty list ($or)"),
            (r#"{"detail":{"$or":["x"]}}"#, "(detail.$or)"),
            (r#"{"source":[{"prefix":"a","suffix":"b"}]}"#, "one member"),
            (r#"{"source":[{}]}"#, "one member"),
            (r#"{"source":[{"regexp":"a"}]}"#, "`regexp`"),
            (r#"{"source":[{"prefix":1}]}"#, "`prefix`"),
            (r#"{"source":[{"wildcard":"a**"}]}"#, "`wildcard`"),
            (r#"{"source":[{"wildcard":"a\\n"}]}"#, "`wildcard`"),
            (r#"{"source":[{"exists":"yes"}]}"#, "`exists`"),
            (r#"{"source":[{"numeric":[">"]}]}"#, "`numeric`"),
            (r#"{"source":[{"numeric":["~",1]}]}"#, "`numeric`"),
            (r#"{"source":[{"anything-but":[]}]}"#, "`anything-but`"),
        ] {
            let error = Pattern::parse(pattern).unwrap_err().to_string();
            assert!(error.contains(says), "{pattern}: {error}");
        }
    }

    #[test]
    fn a_deep_event_is_matched_like_any_other() {
        let deep = format!("{{\"detail\":{{\"x\":{}1{},\"y\":2}}}}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(Pattern::parse(r#"{"detail":{"y":[2]}}"#).unwrap().matches(&deep));
        assert!(!Pattern::parse(r#"{"detail":{"x":[2]}}"#).unwrap().matches(&deep));
    }
}
