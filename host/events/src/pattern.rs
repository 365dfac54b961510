use serde_json::{Map, Value};

use crate::condition::{Condition, Leaf};
use crate::fields::{self, Element, Field, Paths};

/// The members of an event
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>), and the
/// one that a replay adds.
const MEMBERS: [&str; 10] =
    ["source", "detail-type", "detail", "account", "region", "resources", "time", "id", "version", "replay-name"];

const OR: &str = "$or";

/// Names that the service does not allow below `$or`
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>).
const RESERVED_BELOW_OR: [&str; 24] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// The most combinations of alternatives that the service accepts in one pattern.
const MOST_ALTERNATIVES: usize = 1000;

/// An EventBridge pattern
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>).
///
/// It matches like `event-ruler`, the service's own implementation, which AWS has published
/// (<https://github.com/aws/event-ruler>): the test `events_are_matched_as_the_service_does` lists
/// what was compared. Paths are tested in alphabetical order. A value within a list element binds
/// the later paths to that element. `exists: false` is tested within the bound element if there is
/// one, and otherwise in the whole list.
///
/// Numbers are compared exactly, of any size in an event. There is no suitable crate: quamina 0.7,
/// which reads EventBridge's patterns, requires an `exists` to be the only one of a pattern and
/// alone in its list, and otherwise misses matching events.
#[derive(Debug)]
pub struct Pattern {
    paths: Paths,
    tests: Vec<Test>,
    /// At least one of these has to hold.
    alternatives: Vec<Vec<Step>>,
}

/// The conditions for the values at one path: at least one has to hold.
#[derive(Debug)]
struct Test {
    path: Vec<String>,
    /// The path's number.
    number: usize,
    conditions: Vec<Condition>,
}

/// A test of an alternative, in order.
#[derive(Debug)]
struct Step {
    test: usize,
    /// The most names that its path shares with a later one.
    common: usize,
}

/// Why a value is not a pattern, or uses something that is not supported here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl Pattern {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let pattern = serde_json::from_str(text).map_err(|error| PatternError(format!("not JSON: {error}")))?;
        Self::of(&pattern)
    }

    /// Reads a pattern from JSON.
    ///
    /// # Errors
    /// Refuses operators that are not supported here rather than match too much or too little, what
    /// the service refuses or does not promise to compare, and top-level members that no
    /// EventBridge event has, which would never match.
    pub fn of(pattern: &Value) -> Result<Self, PatternError> {
        let Value::Object(members) = pattern else {
            return Err(PatternError("a pattern is a JSON object".to_owned()));
        };
        let mut reading = Reading { paths: Paths::default(), tests: Vec::new() };
        let alternatives = reading.object(members, &mut Vec::new(), false)?;
        let Reading { paths, tests } = reading;
        let alternatives = alternatives.into_iter().map(|all| in_order(all, &tests)).collect::<Result<_, _>>()?;
        Ok(Self { paths, tests, alternatives })
    }

    /// Whether it matches a whole event, JSON text.
    pub fn matches(&self, event: &str) -> bool {
        let fields = self.paths.fields(event);
        fields.is_some_and(|fields| self.alternatives.iter().any(|all| self.hold(all, &fields)))
    }

    /// Whether the tests of an alternative hold, one after the other.
    fn hold(&self, all: &[Step], fields: &[Vec<Field>]) -> bool {
        // The elements that contain the values tested so far, as far as later paths lead through
        // the same lists. Each is a separate way to continue, and none contains another.
        let mut ways: Vec<Vec<Element>> = vec![Vec::new()];
        for Step { test, common } in all {
            let Some(Test { number, conditions, .. }) = self.tests.get(*test) else { return false };
            let fields = fields.get(*number).map(Vec::as_slice).unwrap_or_default();
            let shared = |elements: &[Element]| -> Vec<Element> {
                elements.iter().copied().take_while(|element| element.depth <= *common).collect()
            };
            let takes = |leaf: &Leaf| conditions.iter().any(|condition| condition.matches(leaf));
            let takes_absence = conditions.iter().any(|condition| matches!(condition, Condition::IsAbsent));
            let mut further = Vec::new();
            for way in &ways {
                let fields = fields::within(fields, way);
                further.extend(fields.iter().filter(|field| takes(&field.leaf)).map(|field| shared(&field.elements)));
                if fields.is_empty() && takes_absence {
                    further.push(shared(way));
                }
                // Elements are in order, so equal ones are adjacent.
                further.dedup();
            }
            ways = further;
        }
        !ways.is_empty()
    }
}

/// The tests of a pattern, while it is read.
struct Reading {
    paths: Paths,
    tests: Vec<Test>,
}

/// Tests that have to hold together, by their indexes.
type All = Vec<usize>;

impl Reading {
    /// Reads the members of an object at this path. The result lists the alternatives, of which one
    /// has to hold.
    fn object(
        &mut self,
        members: &Map<String, Value>,
        path: &mut Vec<String>,
        is_below_or: bool,
    ) -> Result<Vec<All>, PatternError> {
        if members.is_empty() {
            return Err(PatternError::new("an empty object", path));
        }
        let mut alternatives = vec![All::new()];
        for (name, value) in members {
            let of_member = if name == OR {
                self.either(value, path)?
            } else {
                if path.is_empty() && !MEMBERS.contains(&name.as_str()) {
                    return Err(PatternError(format!("no event has a member `{name}`: it has {}", MEMBERS.join(", "))));
                }
                if is_below_or && RESERVED_BELOW_OR.contains(&name.as_str()) {
                    return Err(PatternError::new(&format!("the member `{name}` below {OR}"), path));
                }
                path.push(name.clone());
                let of_member = self.member(value, path, is_below_or)?;
                path.pop();
                of_member
            };
            if alternatives.len().saturating_mul(of_member.len()) > MOST_ALTERNATIVES {
                let what = format!("more than {MOST_ALTERNATIVES} combinations of alternatives");
                return Err(PatternError::new(&what, path));
            }
            let with = |all: &All| of_member.iter().map(|more| [all.as_slice(), more].concat()).collect::<Vec<_>>();
            alternatives = alternatives.iter().flat_map(with).collect();
        }
        Ok(alternatives)
    }

    fn member(&mut self, value: &Value, path: &mut Vec<String>, is_below_or: bool) -> Result<Vec<All>, PatternError> {
        match value {
            Value::Object(members) => self.object(members, path, is_below_or),
            Value::Array(conditions) if conditions.is_empty() => Err(PatternError::new("an empty list", path)),
            Value::Array(conditions) => {
                let condition = |condition| Condition::parse(condition).map_err(|what| PatternError::new(&what, path));
                let conditions = conditions.iter().map(condition).collect::<Result<_, _>>()?;
                let number = self.paths.number(path);
                self.tests.push(Test { path: path.clone(), number, conditions });
                Ok(vec![vec![self.tests.len() - 1]])
            }
            _ => Err(PatternError::new("a value that does not stand in a list", path)),
        }
    }

    fn either(&mut self, value: &Value, path: &mut Vec<String>) -> Result<Vec<All>, PatternError> {
        let of_or = |what: &str, path: &[String]| PatternError::new(what, &[path, &[OR.to_owned()]].concat());
        let Value::Array(choices) = value else { return Err(of_or("a value that does not stand in a list", path)) };
        if choices.len() < 2 {
            return Err(of_or("a list of less than two objects", path));
        }
        let mut alternatives = Vec::new();
        for choice in choices {
            let Value::Object(members) = choice else { return Err(of_or("something that is not an object", path)) };
            alternatives.extend(self.object(members, path, true)?);
        }
        Ok(alternatives)
    }
}

/// The tests of an alternative in the service's order, that of the text of their paths.
fn in_order(mut all: All, tests: &[Test]) -> Result<Vec<Step>, PatternError> {
    let path = |test: &usize| tests.get(*test).map(|test| test.path.as_slice()).unwrap_or_default();
    all.sort_by_cached_key(|test| path(test).join("."));
    let common =
        |one: &[String], other: &[String]| one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let mut steps: Vec<Step> = Vec::with_capacity(all.len());
    for (place, test) in all.iter().enumerate() {
        let own = path(test);
        let mut later = all.iter().skip(place + 1).map(path);
        // The service does not distinguish `a` in `b` from a member `b.a`, and of duplicates it
        // uses the last.
        if later.clone().next().is_some_and(|next| next.join(".") == own.join(".")) {
            return Err(PatternError::new("a duplicate path", own));
        }
        let next = later.next().map_or(0, |next| common(own, next));
        if later.any(|further| common(own, further) > next) {
            return Err(PatternError::new(
                "a path that overlaps another: a name contains a dot, or names both a value and an object",
                own,
            ));
        }
        steps.push(Step { test: *test, common: next });
    }
    Ok(steps)
}

impl PatternError {
    fn new(what: &str, path: &[String]) -> Self {
        let place = if path.is_empty() { "at the top".to_owned() } else { path.join(".") };
        Self(format!("{what} ({place})"))
    }
}

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

    /// The results of `event-ruler` 2.0.1 for each of these. In addition, 60,000 random patterns
    /// and events of the same parts, without interleaved and duplicate paths, were compared; one
    /// differed, a pattern with two alternatives of `$or` of the same path and condition.
    ///
    /// Compared: texts, numbers, true, false and null as values; `exists` of both kinds, also with
    /// other conditions, in lists and in nested lists, before and after a path that binds an
    /// element; `prefix` and `suffix`, also ignoring case; `equals-ignore-case` with letters whose
    /// cases have different lengths; `wildcard` with escapes; `numeric` with one bound and two;
    /// `anything-but` of texts, numbers, lists and each condition on texts; `$or` at each place,
    /// nested and next to other members; values of other types than a condition expects; empty
    /// lists and objects.
    ///
    /// Not supported, and refused: `cidr`, `exactly`, duplicate paths. Different by intent: a
    /// number that no double can hold is compared here and not there, and a member with a dot in
    /// its name is not a path. Not compared: texts that are IP addresses, which are equal there
    /// when the addresses are; `equals-ignore-case` with characters outside the first 65,536.
    #[test]
    fn events_are_matched_as_the_service_does() {
        let matches = |pattern: &str, event: &str| {
            Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(event)
        };
        for (pattern, event) in [
            (r#"{"detail":{"a":["x"]}}"#, r#"{"detail":{"a":"x"}}"#),
            (r#"{"detail":{"a":["x","y"]}}"#, r#"{"detail":{"a":["z","y"]}}"#),
            (r#"{"detail":{"a":[100.5]}}"#, r#"{"detail":{"a":1.0050e2}}"#),
            (r#"{"detail":{"a":[0]}}"#, r#"{"detail":{"a":-0.0}}"#),
            (r#"{"detail":{"a":[true]}}"#, r#"{"detail":{"a":true}}"#),
            (r#"{"detail":{"a":[null]}}"#, r#"{"detail":{"a":null}}"#),
            (r#"{"detail":{"a":[null]}}"#, r#"{"detail":{"a":[1,null]}}"#),
            (r#"{"detail":{"a":[{"exists":true}]}}"#, r#"{"detail":{"a":null}}"#),
            (r#"{"detail":{"a":[{"exists":false}]}}"#, r#"{"detail":{"a":{"b":1}}}"#),
            (r#"{"detail":{"a":[{"exists":false}]}}"#, r#"{"detail":{"a":[]}}"#),
            (r#"{"detail":{"a":["x",{"exists":false}]}}"#, r#"{"detail":{}}"#),
            (r#"{"detail":{"a":{"b":[{"exists":false}]}}}"#, r#"{"detail":{"a":[{"c":1},{"c":2}]}}"#),
            (r#"{"detail":{"a":{"b":[{"exists":false}]}}}"#, r#"{"detail":{"a":[]}}"#),
            (r#"{"detail":{"a":{"b":[1],"c":[{"exists":false}]}}}"#, r#"{"detail":{"a":[{"b":1},{"b":2,"c":1}]}}"#),
            (r#"{"detail":{"a":{"b":[{"exists":false}],"c":[1]}}}"#, r#"{"detail":{"a":[{"c":1},{"c":2}]}}"#),
            (r#"{"detail":{"a":{"b":[1]},"b":[{"exists":false}]}}"#, r#"{"detail":{"a":[{"b":1}]}}"#),
            (
                r#"{"detail":{"a":{"b":{"c":[1],"d":[{"exists":false}]}}}}"#,
                r#"{"detail":{"a":[{"b":[{"c":1},{"c":2,"d":1}]}]}}"#,
            ),
            (
                r#"{"detail":{"a":{"b":{"c":[1]},"d":[{"exists":false}]}}}"#,
                r#"{"detail":{"a":[{"b":[{"c":1}]},{"b":[{"c":2}],"d":1}]}}"#,
            ),
            (r#"{"detail":{"a":{"b":[1],"c":[2]}}}"#, r#"{"detail":{"a":[{"b":1,"c":2}]}}"#),
            (r#"{"detail":{"a":{"b":[1]},"c":{"b":[1]}}}"#, r#"{"detail":{"a":[{"b":2},{"b":1}],"c":[{"b":1}]}}"#),
            (r#"{"detail":{"a":{"b":[1],"c":[2]}}}"#, r#"{"detail":{"a":[[{"b":1,"c":2}]]}}"#),
            (r#"{"detail":{"a":["x"]}}"#, r#"{"detail":{"a":[["y",["x"]]]}}"#),
            (r#"{"detail":{"a":[{"prefix":""}]}}"#, r#"{"detail":{"a":""}}"#),
            (r#"{"detail":{"a":[{"prefix":"x"}]}}"#, r#"{"detail":{"a":["y","xy"]}}"#),
            (r#"{"detail":{"a":[{"suffix":"y"}]}}"#, r#"{"detail":{"a":"xy"}}"#),
            (r#"{"detail":{"a":[{"prefix":{"equals-ignore-case":"Xy"}}]}}"#, r#"{"detail":{"a":"xYz"}}"#),
            (r#"{"detail":{"a":[{"suffix":{"equals-ignore-case":"Xy"}}]}}"#, r#"{"detail":{"a":"zxY"}}"#),
            (r#"{"detail":{"a":[{"equals-ignore-case":"straße"}]}}"#, r#"{"detail":{"a":"STRASSE"}}"#),
            (r#"{"detail":{"a":[{"wildcard":"*"}]}}"#, r#"{"detail":{"a":""}}"#),
            (r#"{"detail":{"a":[{"wildcard":"x*z"}]}}"#, r#"{"detail":{"a":"xyyz"}}"#),
            (r#"{"detail":{"a":[{"wildcard":"x\\*"}]}}"#, r#"{"detail":{"a":"x*"}}"#),
            (r#"{"detail":{"a":[{"numeric":[">",0,"<=",5]}]}}"#, r#"{"detail":{"a":5.0}}"#),
            (r#"{"detail":{"a":[{"numeric":["=",3.018e2]}]}}"#, r#"{"detail":{"a":301.80}}"#),
            (r#"{"detail":{"a":[{"numeric":[">=",-5e9]}]}}"#, r#"{"detail":{"a":-5000000000}}"#),
            (r#"{"detail":{"a":[{"anything-but":"x"}]}}"#, r#"{"detail":{"a":"y"}}"#),
            (r#"{"detail":{"a":[{"anything-but":"x"}]}}"#, r#"{"detail":{"a":["x","y"]}}"#),
            (r#"{"detail":{"a":[{"anything-but":"x"}]}}"#, r#"{"detail":{"a":1}}"#),
            (r#"{"detail":{"a":[{"anything-but":"x"}]}}"#, r#"{"detail":{"a":null}}"#),
            (r#"{"detail":{"a":[{"anything-but":[1,2]}]}}"#, r#"{"detail":{"a":"1"}}"#),
            (r#"{"detail":{"a":[{"anything-but":{"prefix":"x"}}]}}"#, r#"{"detail":{"a":1}}"#),
            (r#"{"detail":{"$or":[{"a":[1]},{"b":[1]}]}}"#, r#"{"detail":{"b":1}}"#),
            (r#"{"detail":{"a":{"c":[1],"$or":[{"b":[1]},{"d":[1]}]}}}"#, r#"{"detail":{"a":[{"c":1,"d":1}]}}"#),
            (
                r#"{"$or":[{"source":["s"]},{"detail":{"$or":[{"a":[1]},{"b":[1]}]}}]}"#,
                r#"{"source":"t","detail":{"b":1}}"#,
            ),
        ] {
            assert!(matches(pattern, event), "{pattern} {event}");
        }
        for (pattern, event) in [
            (r#"{"detail":{"a":["x"]}}"#, r#"{"detail":{"a":"X"}}"#),
            (r#"{"detail":{"a":["x"]}}"#, r#"{"detail":{"a":{"x":"x"}}}"#),
            (r#"{"detail":{"a":[1]}}"#, r#"{"detail":{"a":"1"}}"#),
            (r#"{"detail":{"a":["1"]}}"#, r#"{"detail":{"a":1}}"#),
            (r#"{"detail":{"a":[true]}}"#, r#"{"detail":{"a":"true"}}"#),
            (r#"{"detail":{"a":[null]}}"#, r#"{"detail":{"a":"null"}}"#),
            (r#"{"detail":{"a":[null]}}"#, r#"{"detail":{}}"#),
            (r#"{"detail":{"a":[{"exists":true}]}}"#, r#"{"detail":{"a":[]}}"#),
            (r#"{"detail":{"a":[{"exists":true}]}}"#, r#"{"detail":{"a":{"b":1}}}"#),
            (r#"{"detail":{"a":[{"exists":false}]}}"#, r#"{"detail":{"a":null}}"#),
            (r#"{"detail":{"a":["x",{"exists":false}]}}"#, r#"{"detail":{"a":"y"}}"#),
            (r#"{"detail":{"a":{"b":[{"exists":false}]}}}"#, r#"{"detail":{"a":[{"b":1},{"c":1}]}}"#),
            (r#"{"detail":{"a":{"b":[1],"c":[{"exists":false}]}}}"#, r#"{"detail":{"a":[{"b":1,"c":1},{"b":2}]}}"#),
            (r#"{"detail":{"a":{"b":[{"exists":false}],"c":[1]}}}"#, r#"{"detail":{"a":[{"c":1},{"b":1,"c":2}]}}"#),
            (r#"{"detail":{"a":{"b":[1],"c":[2]}}}"#, r#"{"detail":{"a":[{"b":1},{"c":2}]}}"#),
            (r#"{"detail":{"a":{"b":[1],"c":[2]}}}"#, r#"{"detail":{"a":[[{"b":1}],[{"c":2}]]}}"#),
            (r#"{"detail":{"a":[{"prefix":"1"}]}}"#, r#"{"detail":{"a":12}}"#),
            (r#"{"detail":{"a":[{"equals-ignore-case":"strasse"}]}}"#, r#"{"detail":{"a":"straße"}}"#),
            (r#"{"detail":{"a":[{"equals-ignore-case":"x"}]}}"#, r#"{"detail":{"a":"xx"}}"#),
            (r#"{"detail":{"a":[{"wildcard":"x\\*"}]}}"#, r#"{"detail":{"a":"xy"}}"#),
            (r#"{"detail":{"a":[{"wildcard":"*"}]}}"#, r#"{"detail":{"a":1}}"#),
            (r#"{"detail":{"a":[{"numeric":[">",0,"<=",5]}]}}"#, r#"{"detail":{"a":0}}"#),
            (r#"{"detail":{"a":[{"numeric":["<",1]}]}}"#, r#"{"detail":{"a":"0"}}"#),
            (r#"{"detail":{"a":[{"numeric":["<",1]}]}}"#, r#"{"detail":{"a":null}}"#),
            (r#"{"detail":{"a":[{"anything-but":"x"}]}}"#, r#"{"detail":{"a":"x"}}"#),
            (r#"{"detail":{"a":[{"anything-but":"x"}]}}"#, r#"{"detail":{}}"#),
            (r#"{"detail":{"a":[{"anything-but":"x"}]}}"#, r#"{"detail":{"a":[]}}"#),
            (r#"{"detail":{"a":[{"anything-but":[1,2]}]}}"#, r#"{"detail":{"a":2.0}}"#),
            (r#"{"detail":{"a":[{"anything-but":{"prefix":["x","y"]}}]}}"#, r#"{"detail":{"a":"yz"}}"#),
            (r#"{"detail":{"a":[{"anything-but":{"suffix":"z"}}]}}"#, r#"{"detail":{"a":"yz"}}"#),
            (r#"{"detail":{"a":[{"anything-but":{"equals-ignore-case":["X","Y"]}}]}}"#, r#"{"detail":{"a":"y"}}"#),
            (r#"{"detail":{"a":[{"anything-but":{"wildcard":"*/lib/*"}}]}}"#, r#"{"detail":{"a":"/usr/lib/x"}}"#),
            (r#"{"detail":{"$or":[{"a":[1]},{"b":[1]}]}}"#, r#"{"detail":{"b":2}}"#),
            (r#"{"detail":{"c":[1],"$or":[{"a":[1]},{"b":[1]}]}}"#, r#"{"detail":{"a":1}}"#),
            (r#"{"detail":{"a":{"c":[1],"$or":[{"b":[1]},{"d":[1]}]}}}"#, r#"{"detail":{"a":[{"c":1},{"d":1}]}}"#),
            (r#"{"detail":{"a":["x"]}}"#, r#"[1]"#),
        ] {
            assert!(!matches(pattern, event), "{pattern} {event}");
        }
    }

    #[test]
    fn numbers_of_an_event_are_compared_exactly() {
        let matches = |condition: &str, number: &str| {
            let pattern = Pattern::parse(&format!(r#"{{"detail":{{"n":[{condition}]}}}}"#)).unwrap();
            pattern.matches(&format!(r#"{{"detail":{{"n":{number}}}}}"#))
        };
        for (condition, number) in [
            (r#"{"numeric":[">",5000000000]}"#, "9007199254740993"),
            (r#"{"numeric":[">",4999999999.12345]}"#, "4999999999.123450000000000001"),
            (r#"{"numeric":["<",0.1]}"#, "0.0999999999999999999999"),
            (r#"{"numeric":[">",0]}"#, "1e-400"),
            (r#"{"anything-but":0.1}"#, "0.1000000000000000000001"),
            ("100.5", "1005e-1"),
        ] {
            assert!(matches(condition, number), "{condition} {number}");
        }
        for (condition, number) in [
            ("100.5", "100.50000000000000000001"),
            (r#"{"numeric":["=",0.1]}"#, "0.1000000000000000055511151231257827"),
            (r#"{"numeric":["<=",1]}"#, "1.0000000000000000000001"),
            (r#"{"numeric":[">=",-5e9]}"#, "-1e400"),
        ] {
            assert!(!matches(condition, number), "{condition} {number}");
        }
    }

    #[test]
    fn a_list_of_many_elements_is_matched_element_by_element() {
        let items: Vec<_> = (0..50_000).map(|n| format!(r#"{{"n":1,"of":{n}}}"#)).collect();
        let event = format!(r#"{{"detail":{{"items":[{}],"tags":[{}]}}}}"#, items.join(","), items.join(","));
        let pattern =
            |of: &str| format!(r#"{{"detail":{{"items":{{"n":[1],"of":[{of}]}},"tags":{{"n":[1],"of":[{of}]}}}}}}"#);
        assert!(Pattern::parse(&pattern("49999")).unwrap().matches(&event));
        assert!(!Pattern::parse(&pattern("50000")).unwrap().matches(&event));
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
            (r#"{"$or":[]}"#, "less than two objects ($or)"),
            (r#"{"$or":{"source":["a"]}}"#, "in a list ($or)"),
            (r#"{"detail":{"$or":["x","y"]}}"#, "(detail.$or)"),
            (r#"{"detail":{"$or":[{"a":["x"]}]}}"#, "less than two objects (detail.$or)"),
            (r#"{"detail":{"$or":[{"a":["x"]},{}]}}"#, "empty object"),
            (r#"{"detail":{"$or":[{"a":["x"]},{"numeric":["x"]}]}}"#, "`numeric` below $or"),
            (r#"{"$or":[{"source":["a"]},{"a":["x"]}]}"#, "no event has a member `a`"),
            (r#"{"detail":{"a":["x"],"$or":[{"a":["y"]},{"b":["x"]}]}}"#, "duplicate path (detail.a)"),
            (r#"{"detail":{"a.b":["x"],"a":{"b":["x"]}}}"#, "duplicate path (detail.a.b)"),
            (r#"{"detail":{"a":{"a":["x"],"c":["x"]},"a.b":["x"]}}"#, "overlaps"),
            (r#"{"detail":{"a":[{"prefix":{"prefix":"a"}}]}}"#, "`prefix`"),
            (r#"{"detail":{"a":[{"prefix":["a"]}]}}"#, "`prefix`"),
            (r#"{"detail":{"a":[{"null":true}]}}"#, "`null`"),
            (r#"{"detail":{"a":[{"exactly":"x"}]}}"#, "`exactly`"),
            (r#"{"detail":{"a":[{"anything-but":null}]}}"#, "`anything-but`"),
            (r#"{"detail":{"a":[{"anything-but":true}]}}"#, "`anything-but`"),
            (r#"{"detail":{"a":[{"anything-but":["x",1]}]}}"#, "`anything-but`"),
            (r#"{"detail":{"a":[{"anything-but":{"prefix":""}}]}}"#, "`anything-but`"),
            (r#"{"detail":{"a":[{"anything-but":{"prefix":[]}}]}}"#, "`anything-but`"),
            (r#"{"detail":{"a":[{"anything-but":{"wildcard":"a**"}}]}}"#, "`anything-but`"),
            (r#"{"detail":{"a":[{"anything-but":{"exists":true}}]}}"#, "`anything-but`"),
            (r#"{"detail":{"a":[{"numeric":[]}]}}"#, "`numeric`"),
            (r#"{"detail":{"a":[{"numeric":["<",2,">",1]}]}}"#, "`numeric`"),
            (r#"{"detail":{"a":[{"numeric":[">",2,"<",1]}]}}"#, "`numeric`"),
            (r#"{"detail":{"a":[{"numeric":[">=",1,"<=",1]}]}}"#, "`numeric`"),
            (r#"{"detail":{"a":[{"numeric":["=",1,"=",1]}]}}"#, "`numeric`"),
            (r#"{"detail":{"a":[{"numeric":[">",1,"<",2,"<",3]}]}}"#, "`numeric`"),
            // Numbers that the service does not promise to compare.
            (r#"{"detail":{"a":[9007199254740993]}}"#, "9007199254740993 is none"),
            (r#"{"detail":{"a":[{"numeric":["<",5000000001]}]}}"#, "-5e9 to 5e9"),
            (r#"{"detail":{"a":[{"numeric":[">",-5000000001]}]}}"#, "-5e9 to 5e9"),
            (r#"{"detail":{"a":[{"anything-but":[1,0.1234567]}]}}"#, "six of them"),
            (r#"{"detail":{"a":[4999999999.123456]}}"#, "15 digits"),
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
    fn alternatives_of_alternatives_have_a_bound() {
        let of = |choices: usize| -> Value {
            let choices: Vec<_> = (0..choices).map(|n| serde_json::json!({ format!("m{n}"): ["x"] })).collect();
            serde_json::json!({ "$or": choices })
        };
        let pattern = |second| serde_json::json!({ "detail": { "a": of(40), "b": of(second) } });
        let event = r#"{"detail":{"a":{"m39":"x"},"b":{"m24":"x"}}}"#;
        assert!(Pattern::of(&pattern(25)).unwrap().matches(event));
        assert!(Pattern::of(&pattern(26)).unwrap_err().to_string().contains("1000 combinations"));
    }

    #[test]
    fn a_deep_event_is_matched_like_any_other() {
        let deep = format!("{{\"detail\":{{\"x\":{}1{},\"y\":2}}}}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(Pattern::parse(r#"{"detail":{"y":[2]}}"#).unwrap().matches(&deep));
        assert!(!Pattern::parse(r#"{"detail":{"x":[2]}}"#).unwrap().matches(&deep));
    }
}
