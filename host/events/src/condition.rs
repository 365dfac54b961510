use serde_json::Value;
use serde_json::value::RawValue;

/// A value of an event that is neither an object nor a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Leaf {
    Null,
    Bool(bool),
    /// As a float: enough to compare, and nothing is sent on from here.
    Number(f64),
    Text(String),
}

/// What one leaf of an event may be.
#[derive(Debug)]
pub(crate) enum Condition {
    Is(Leaf),
    Exists(bool),
    Text(TextTest),
    Numeric(Vec<(Comparison, f64)>),
    AnythingBut(Vec<Leaf>),
    AnythingButText(TextTest),
}

#[derive(Debug)]
pub(crate) enum TextTest {
    Prefix(String),
    Suffix(String),
    EqualsIgnoreCase(String),
    /// What stands before, between and after the stars.
    Wildcard(Vec<String>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The leaves of a member; those of a list are as if the member had each of them. An
/// object is none, nor is a member that is not there.
pub(crate) fn leaves(member: Option<&RawValue>) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let mut rest: Vec<&RawValue> = member.into_iter().collect();
    while let Some(value) = rest.pop() {
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'{') => {}
            Some(b'[') => rest.extend(serde_json::from_str::<Vec<&RawValue>>(text).unwrap_or_default()),
            Some(b'"') => leaves.extend(serde_json::from_str(text).ok().map(Leaf::Text)),
            Some(b't' | b'f') => leaves.push(Leaf::Bool(text == "true")),
            Some(b'n') => leaves.push(Leaf::Null),
            _ => leaves.extend(text.parse().ok().map(Leaf::Number)),
        }
    }
    leaves
}

impl Leaf {
    fn parse(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(value) => Self::Number(value.as_f64()?),
            Value::String(value) => Self::Text(value.clone()),
            Value::Array(_) | Value::Object(_) => return None,
        })
    }
}

impl Condition {
    /// Reads one entry of a pattern's list, or says what it is instead.
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        let Value::Object(members) = value else {
            return Leaf::parse(value).map(Self::Is).ok_or_else(|| "a list in a list".to_owned());
        };
        let mut members = members.iter();
        let (Some((name, operand)), None) = (members.next(), members.next()) else {
            return Err("an operator is an object with one member".to_owned());
        };
        let condition = match name.as_str() {
            "exists" => operand.as_bool().map(Self::Exists),
            "numeric" => operand.as_array().and_then(|list| comparisons(list)).map(Self::Numeric),
            "anything-but" => anything_but(operand),
            "prefix" | "suffix" | "equals-ignore-case" | "wildcard" => TextTest::parse(name, operand).map(Self::Text),
            _ => return Err(format!("the operator `{name}` is not understood")),
        };
        condition.ok_or_else(|| format!("the operator `{name}` cannot have this value"))
    }

    /// Whether one of these leaves of a member satisfies it.
    pub(crate) fn matches(&self, leaves: &[Leaf]) -> bool {
        match self {
            Self::Is(wanted) => leaves.contains(wanted),
            Self::Exists(wanted) => *wanted != leaves.is_empty(),
            Self::Text(test) => leaves.iter().any(|leaf| test.matches(leaf)),
            Self::Numeric(all) => leaves.iter().any(|leaf| match leaf {
                Leaf::Number(number) => all.iter().all(|(comparison, operand)| comparison.holds(*number, *operand)),
                _ => false,
            }),
            Self::AnythingBut(none) => leaves.iter().any(|leaf| !none.contains(leaf)),
            Self::AnythingButText(test) => leaves.iter().any(|leaf| !test.matches(leaf)),
        }
    }
}

fn anything_but(operand: &Value) -> Option<Condition> {
    match operand {
        Value::Array(list) if list.is_empty() => None,
        Value::Array(list) => list.iter().map(Leaf::parse).collect::<Option<_>>().map(Condition::AnythingBut),
        Value::Object(members) => {
            let mut members = members.iter();
            match (members.next(), members.next()) {
                (Some((name, operand)), None) => TextTest::parse(name, operand).map(Condition::AnythingButText),
                _ => None,
            }
        }
        _ => Leaf::parse(operand).map(|leaf| Condition::AnythingBut(vec![leaf])),
    }
}

/// Reads `[">", 0, "<=", 5]`.
fn comparisons(list: &[Value]) -> Option<Vec<(Comparison, f64)>> {
    if !matches!(list.len(), 2 | 4) {
        return None;
    }
    list.chunks_exact(2)
        .map(|pair| match pair {
            [Value::String(sign), Value::Number(operand)] => Some((Comparison::parse(sign)?, operand.as_f64()?)),
            _ => None,
        })
        .collect()
}

impl Comparison {
    fn parse(sign: &str) -> Option<Self> {
        Some(match sign {
            "=" => Self::Equal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, number: f64, operand: f64) -> bool {
        match self {
            Self::Equal => number == operand,
            Self::Less => number < operand,
            Self::LessOrEqual => number <= operand,
            Self::Greater => number > operand,
            Self::GreaterOrEqual => number >= operand,
        }
    }
}

impl TextTest {
    fn parse(name: &str, operand: &Value) -> Option<Self> {
        let operand = operand.as_str()?.to_owned();
        match name {
            "prefix" => Some(Self::Prefix(operand)),
            "suffix" => Some(Self::Suffix(operand)),
            "equals-ignore-case" => Some(Self::EqualsIgnoreCase(operand)),
            "wildcard" => wildcard(&operand).map(Self::Wildcard),
            _ => None,
        }
    }

    fn matches(&self, leaf: &Leaf) -> bool {
        let Leaf::Text(text) = leaf else { return false };
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::Suffix(suffix) => text.ends_with(suffix),
            Self::EqualsIgnoreCase(other) => text.to_lowercase() == other.to_lowercase(),
            Self::Wildcard(parts) => match &parts[..] {
                [] => false,
                [whole] => text == whole,
                [first, between @ .., last] => {
                    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
                    for part in between {
                        let Some((_, after)) = rest.split_once(part.as_str()) else { return false };
                        rest = after;
                    }
                    rest.ends_with(last)
                }
            },
        }
    }
}

/// Cuts a wildcard at its stars. `\*` and `\\` stand for themselves; the service refuses
/// any other escape, and two stars together.
fn wildcard(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![];
    let mut part = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' if characters.peek() == Some(&'*') => return None,
            '*' => parts.push(std::mem::take(&mut part)),
            '\\' => part.push(characters.next().filter(|escaped| matches!(escaped, '*' | '\\'))?),
            other => part.push(other),
        }
    }
    parts.push(part);
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_between_their_stars() {
        let test = |pattern: &str, text: &str| {
            TextTest::parse("wildcard", &pattern.into()).unwrap().matches(&Leaf::Text(text.into()))
        };
        for (pattern, text) in [
            ("*", ""),
            ("a*", "a"),
            ("a*a", "aa"),
            ("a*b*c", "a-b-b-c"),
            ("*b", "ab"),
            ("a", "a"),
            ("\\\\\\**", "\\*x"),
        ] {
            assert!(test(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*a", "a"), ("a*b*c", "a-c-b"), ("a", "ab"), ("", "a"), ("\\*", "a"), ("*b*b", "ab")]
        {
            assert!(!test(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn leaves_are_what_stands_in_a_member_at_any_depth_of_lists() {
        let of = |text: &str| leaves(Some(serde_json::from_str(text).unwrap()));
        assert_eq!(of("[1,[null,{\"a\":1}]]").len(), 2);
        assert_eq!(of("\"\\u0061\""), [Leaf::Text("a".into())]);
        assert_eq!(of("100.50"), [Leaf::Number(100.5)]);
        assert_eq!((of("{}").len(), of("[]").len(), leaves(None).len()), (0, 0, 0));
    }
}
