use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;
use tenet_core::{Decimal, Members};

/// How deep lists and objects may lie in each other: each level is read once more.
const DEEPEST: usize = 128;

/// JSON with its numbers as they are written: an amount of 100.50 is not 100.5 on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Self>),
    /// In the order of the text.
    Object(Vec<(String, Self)>),
}

impl Json {
    /// Reads a text; none where it is not JSON, or is deeper than anybody means.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::at(text, 0)
    }

    fn at(text: &str, depth: usize) -> Option<Self> {
        let depth = depth + 1;
        if depth > DEEPEST {
            return None;
        }
        let text = text.trim();
        Some(match text.as_bytes().first()? {
            b'{' => {
                let Members(members) = serde_json::from_str(text).ok()?;
                let read = |(name, value): (String, &RawValue)| Some((name, Self::at(value.get(), depth)?));
                Self::Object(members.into_iter().map(read).collect::<Option<_>>()?)
            }
            b'[' => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(text).ok()?;
                Self::List(items.iter().map(|item| Self::at(item.get(), depth)).collect::<Option<_>>()?)
            }
            b'"' => Self::Text(serde_json::from_str(text).ok()?),
            b't' | b'f' => Self::Bool(serde_json::from_str(text).ok()?),
            b'n' => serde_json::from_str(text).ok().map(|()| Self::Null)?,
            _ => Self::Number(serde_json::from_str::<Box<RawValue>>(text).ok()?.get().to_owned()),
        })
    }

    /// The member of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// Where `found` is not what is expected here, each place with what was expected and what
    /// there is. An object may have more members than are expected; a list has just its items.
    pub(crate) fn unmet(&self, found: &Self) -> Vec<String> {
        let mut unmet = Vec::new();
        self.compare(found, "", &mut unmet);
        unmet
    }

    fn compare(&self, found: &Self, at: &str, unmet: &mut Vec<String>) {
        let place = if at.is_empty() { String::new() } else { format!("{at}: ") };
        match (self, found) {
            (Self::Object(expected), Self::Object(_)) => {
                for (name, value) in expected {
                    let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                    match found.get(name) {
                        Some(found) => value.compare(found, &at, unmet),
                        None => unmet.push(format!("{at}: expected {value}, and it is not there")),
                    }
                }
            }
            (Self::List(expected), Self::List(items)) if expected.len() == items.len() => {
                for (number, (value, found)) in expected.iter().zip(items).enumerate() {
                    value.compare(found, &format!("{at}[{number}]"), unmet);
                }
            }
            (Self::List(expected), Self::List(items)) => {
                let (expected, found) = (expected.len(), items.len());
                unmet.push(format!("{place}expected {expected} items, found {found}"));
            }
            (expected, found) if expected.is(found) => {}
            (expected, found) => unmet.push(format!("{place}expected {expected}, found {found}")),
        }
    }

    /// Whether both mean the same value: 100.5 is 100.50.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => {
                let normal = |text: &str| Decimal::parse(text).map(|decimal| decimal.normalized());
                one == two || matches!((normal(one), normal(two)), (Ok(one), Ok(two)) if one == two)
            }
            _ => self == other,
        }
    }
}

/// What a column makes of a number that it does not hold as it is written, if there is one: its
/// name, and the number that it holds instead.
pub(crate) fn rounded<'a>(written: &'a Row, held: &'a Row) -> Option<(&'a str, &'a Json)> {
    let both = written.iter().filter_map(|(name, value)| Some((name.as_str(), value, held.get(name)?)));
    let mut numbers = both.filter(|(_, value, held)| matches!((value, held), (Json::Number(_), Json::Number(_))));
    numbers.find(|(_, value, held)| !value.is(held)).map(|(name, _, held)| (name, held))
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(text) => f.write_str(text),
            Self::Text(text) => f.write_str(&serde_json::Value::from(text.as_str()).to_string()),
            Self::List(items) => {
                f.write_str("[")?;
                for (number, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if number > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (number, (name, value)) in members.iter().enumerate() {
                    let name = serde_json::Value::from(name.as_str());
                    write!(f, "{}{name}:{value}", if number > 0 { "," } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A row, by column.
pub(crate) type Row = BTreeMap<String, Json>;

/// The members of an object.
pub(crate) fn row(json: &Json) -> Row {
    match json {
        Json::Object(members) => members.iter().cloned().collect(),
        _ => Row::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    #[test]
    fn a_number_that_a_column_would_round_is_seen_and_zeros_at_its_end_are_none() {
        let of = |written, held| {
            let (written, held) = (row(&Json::parse(written).unwrap()), row(&Json::parse(held).unwrap()));
            rounded(&written, &held).map(|(name, held)| format!("{name} {held}"))
        };
        assert_eq!(of(r#"{"id":"1","n":99.999}"#, r#"{"id":"1","n":100.00,"m":null}"#).as_deref(), Some("n 100.00"));
        assert_eq!(of(r#"{"n":1.5}"#, r#"{"n":2}"#).as_deref(), Some("n 2"));
        assert_eq!(of(r#"{"n":1,"m":1.50,"t":"1"}"#, r#"{"n":1.00,"m":1.5,"t":1}"#), None);
    }

    #[test]
    fn what_is_read_is_written_as_it_was() {
        for text in [r#"{"b":100.50,"a":[1e400,null,true,"\"ü"],"c":{}}"#, "-0", "\"\"", "[]"] {
            assert_eq!(json(text).to_string(), text);
        }
        for text in ["", "{", "nul", "[1,]", "01", "{\"a\":1}x"] {
            assert_eq!(Json::parse(text), None, "{text}");
        }
        assert_eq!(Json::parse(&"[".repeat(100_000)), None);
        assert_eq!(Json::parse(&format!("{}{}", "[".repeat(200), "]".repeat(200))), None);
        assert!(Json::parse(&format!("{}{}", "[".repeat(100), "]".repeat(100))).is_some());
    }

    #[test]
    fn what_is_expected_may_be_a_part_and_the_rest_is_told_with_its_place() {
        let found = json(r#"{"id":"t","amount":40.50,"list":[{"a":1,"b":2}],"more":1}"#);
        assert_eq!(json(r#"{"amount":40.5,"list":[{"b":2}]}"#).unmet(&found), Vec::<String>::new());
        assert_eq!(
            json(r#"{"id":"u","amount":40,"list":[{"b":3}],"gone":null,"more":[]}"#).unmet(&found),
            [
                r#"id: expected "u", found "t""#,
                "amount: expected 40, found 40.50",
                "list[0].b: expected 3, found 2",
                "gone: expected null, and it is not there",
                "more: expected [], found 1",
            ]
        );
        assert_eq!(json("[1]").unmet(&json("[1,2]")), ["expected 1 items, found 2"]);
        assert_eq!(json("\"1\"").unmet(&json("1")).len(), 1);
    }
}
