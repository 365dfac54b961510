use serde_json::Value;

use tenet_core::Number;

use crate::documented::is_documented;
use crate::ignored_case::IgnoredCase;

/// A value of an event that is neither an object nor a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
}

/// A condition on one leaf of an event.
#[derive(Debug)]
pub(crate) enum Condition {
    Is(Leaf),
    Exists,
    /// That there is no leaf. No leaf satisfies it.
    IsAbsent,
    Text(TextTest),
    Numeric(Vec<(Comparison, Number)>),
    AnythingBut(Vec<Leaf>),
    AnythingButText(Vec<TextTest>),
}

#[derive(Debug)]
pub(crate) enum TextTest {
    Prefix(String),
    Suffix(String),
    PrefixInAnyCase(IgnoredCase),
    SuffixInAnyCase(IgnoredCase),
    EqualsIgnoreCase(IgnoredCase),
    /// The parts before, between and after the stars.
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

impl Leaf {
    /// Reads JSON text that is neither an object nor a list.
    pub(crate) fn read(text: &str) -> Option<Self> {
        Some(match text.as_bytes().first()? {
            b'"' => Self::Text(serde_json::from_str(text).ok()?),
            b't' | b'f' => Self::Bool(text == "true"),
            b'n' => Self::Null,
            _ => Self::Number(Number::parse(text)?),
        })
    }

    fn parse(value: &Value) -> Result<Self, String> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(value) => Self::Number(number(value)?),
            Value::String(value) => Self::Text(value.clone()),
            Value::Array(_) => return Err("a list in a list".to_owned()),
            Value::Object(_) => return Err("an object where a value stands".to_owned()),
        })
    }
}

/// A number in a pattern.
fn number(value: &serde_json::Number) -> Result<Number, String> {
    Number::parse(&value.to_string()).filter(is_documented).ok_or_else(|| {
        format!(
            "the number {value} is none that EventBridge promises to compare: these are -5e9 to 5e9, with up to 15 \
             digits, six of them behind the point"
        )
    })
}

impl Condition {
    /// Reads one entry of a pattern's list. The error describes what it is instead.
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        let Value::Object(members) = value else { return Leaf::parse(value).map(Self::Is) };
        let mut members = members.iter();
        let (Some((name, operand)), None) = (members.next(), members.next()) else {
            return Err("an operator is an object with one member".to_owned());
        };
        let refused = || format!("the operator `{name}` cannot have this value");
        Ok(match name.as_str() {
            "exists" => match operand.as_bool().ok_or_else(refused)? {
                true => Self::Exists,
                false => Self::IsAbsent,
            },
            "numeric" => Self::Numeric(comparisons(operand.as_array().ok_or_else(refused)?)?.ok_or_else(refused)?),
            "anything-but" => anything_but(operand)?.ok_or_else(refused)?,
            "prefix" | "suffix" | "equals-ignore-case" | "wildcard" => {
                Self::Text(TextTest::parse(name, operand).ok_or_else(refused)?)
            }
            _ => return Err(format!("the operator `{name}` is not understood")),
        })
    }

    /// Whether a leaf satisfies it.
    pub(crate) fn matches(&self, leaf: &Leaf) -> bool {
        match self {
            Self::Is(wanted) => leaf == wanted,
            Self::Exists => true,
            Self::IsAbsent => false,
            Self::Text(test) => test.matches(leaf),
            Self::Numeric(all) => match leaf {
                Leaf::Number(number) => all.iter().all(|(comparison, operand)| comparison.holds(number, operand)),
                _ => false,
            },
            Self::AnythingBut(none) => !none.contains(leaf),
            Self::AnythingButText(none) => !none.iter().any(|test| test.matches(leaf)),
        }
    }
}

/// Reads the operand of `anything-but`: a text or a number, a list of either, or conditions on
/// texts.
fn anything_but(operand: &Value) -> Result<Option<Condition>, String> {
    Ok(match operand {
        Value::String(_) | Value::Number(_) => Some(Condition::AnythingBut(vec![Leaf::parse(operand)?])),
        Value::Array(list) if list.is_empty() => None,
        Value::Array(list) if list.iter().all(Value::is_string) || list.iter().all(Value::is_number) => {
            Some(Condition::AnythingBut(list.iter().map(Leaf::parse).collect::<Result<_, _>>()?))
        }
        Value::Object(members) => {
            let mut members = members.iter();
            let (Some((name, operand)), None) = (members.next(), members.next()) else { return Ok(None) };
            let one = std::slice::from_ref(operand);
            let operands = operand.as_array().map_or(one, Vec::as_slice);
            // Every text begins and ends with the empty one.
            let is_test = |operand: &&Value| {
                operand.as_str().is_some_and(|text| !text.is_empty() || !matches!(name.as_str(), "prefix" | "suffix"))
            };
            let test = |operand| Some(operand).filter(is_test).and_then(|operand| TextTest::parse(name, operand));
            let tests: Option<Vec<_>> = operands.iter().map(test).collect();
            tests.filter(|tests| !tests.is_empty()).map(Condition::AnythingButText)
        }
        _ => None,
    })
}

/// Reads `["=", 5]` or a range, `[">", 0, "<=", 5]`: one bound or both, the lower one first.
fn comparisons(list: &[Value]) -> Result<Option<Vec<(Comparison, Number)>>, String> {
    let mut all = Vec::with_capacity(2);
    for pair in list.chunks(2) {
        let [Value::String(sign), Value::Number(operand)] = pair else { return Ok(None) };
        let Some(comparison) = Comparison::parse(sign) else { return Ok(None) };
        all.push((comparison, number(operand)?));
    }
    use Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
    let is_range = match all.as_slice() {
        [_] => true,
        [(Greater | GreaterOrEqual, bottom), (Less | LessOrEqual, top)] => bottom < top,
        _ => false,
    };
    Ok(is_range.then_some(all))
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

    fn holds(self, number: &Number, operand: &Number) -> bool {
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
        if let Value::Object(members) = operand {
            let mut members = members.iter();
            let (Some((inner, Value::String(text))), None) = (members.next(), members.next()) else { return None };
            return match (name, inner.as_str()) {
                ("prefix", "equals-ignore-case") => Some(Self::PrefixInAnyCase(IgnoredCase::new(text))),
                ("suffix", "equals-ignore-case") => Some(Self::SuffixInAnyCase(IgnoredCase::new(text))),
                _ => None,
            };
        }
        let operand = operand.as_str()?;
        match name {
            "prefix" => Some(Self::Prefix(operand.to_owned())),
            "suffix" => Some(Self::Suffix(operand.to_owned())),
            "equals-ignore-case" => Some(Self::EqualsIgnoreCase(IgnoredCase::new(operand))),
            "wildcard" => wildcard(operand).map(Self::Wildcard),
            _ => None,
        }
    }

    fn matches(&self, leaf: &Leaf) -> bool {
        let Leaf::Text(text) = leaf else { return false };
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::Suffix(suffix) => text.ends_with(suffix),
            Self::PrefixInAnyCase(prefix) => prefix.begins(text),
            Self::SuffixInAnyCase(suffix) => suffix.ends(text),
            Self::EqualsIgnoreCase(other) => other.is(text),
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

/// Splits a wildcard at its stars. `\*` and `\\` are literals; like the service, this refuses any
/// other escape and two adjacent stars.
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
}
