use std::cmp::Ordering;
use std::sync::Arc;

use crate::values::numeric::Numeric;

mod parser;

pub(crate) use parser::{parse, validate};

/// A `jsonb` value.
#[derive(Clone, Debug)]
pub(crate) enum Jsonb {
    Null,
    Bool(bool),
    Number(Numeric),
    String(Arc<str>),
    Array(Vec<Jsonb>),
    /// Sorted as PostgreSQL keeps the keys: the shorter one first, then by bytes. Each key is there
    /// once.
    Object(Vec<(Arc<str>, Jsonb)>),
}

impl Jsonb {
    /// An object of these members: of those with the same key the last one stays.
    pub(crate) fn object(members: impl IntoIterator<Item = (Arc<str>, Jsonb)>) -> Self {
        let mut members: Vec<_> = members.into_iter().collect();
        // The sort is stable: the last of equal keys comes last.
        members.sort_by(|left, right| compare_keys(&left.0, &right.0));
        let mut unique: Vec<(Arc<str>, Self)> = Vec::with_capacity(members.len());
        for member in members {
            match unique.last_mut() {
                Some(last) if last.0 == member.0 => *last = member,
                _ => unique.push(member),
            }
        }
        Self::Object(unique)
    }

    /// The member of an object with this key.
    pub(crate) fn member(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        let at = members.binary_search_by(|member| compare_keys(&member.0, key)).ok()?;
        members.get(at).map(|member| &member.1)
    }

    /// The bytes that it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let own = size_of::<Self>();
        own + match self {
            Self::String(text) => text.len(),
            Self::Array(elements) => elements.iter().map(Self::bytes).sum(),
            Self::Object(members) => members.iter().map(|(key, value)| key.len() + value.bytes()).sum(),
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
        }
    }

    /// The rank of its type in the order of values.
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::String(_) => 1,
            Self::Number(_) => 2,
            Self::Bool(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        }
    }
}

fn compare_keys(left: &str, right: &str) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// The order of `jsonb` values. A scalar is compared with an array as an array of one element, which
/// puts the empty array below all scalars.
pub(crate) fn compare(left: &Jsonb, right: &Jsonb) -> Ordering {
    let is_scalar = |json: &Jsonb| json.rank() < 4;
    match (left, right) {
        (Jsonb::Array(left), right) if is_scalar(right) => left.len().cmp(&1).then(Ordering::Greater),
        (left, Jsonb::Array(right)) if is_scalar(left) => 1.cmp(&right.len()).then(Ordering::Less),
        (left, right) => compare_inner(left, right),
    }
}

fn compare_inner(left: &Jsonb, right: &Jsonb) -> Ordering {
    match (left, right) {
        (Jsonb::Bool(left), Jsonb::Bool(right)) => left.cmp(right),
        (Jsonb::Number(left), Jsonb::Number(right)) => left.compare(right),
        (Jsonb::String(left), Jsonb::String(right)) => left.cmp(right),
        (Jsonb::Array(left), Jsonb::Array(right)) => left.len().cmp(&right.len()).then_with(|| {
            let orders = left.iter().zip(right).map(|(left, right)| compare_inner(left, right));
            first_unequal(orders)
        }),
        (Jsonb::Object(left), Jsonb::Object(right)) => left.len().cmp(&right.len()).then_with(|| {
            let pairs = left.iter().zip(right);
            first_unequal(
                pairs.map(|(left, right)| left.0.cmp(&right.0).then_with(|| compare_inner(&left.1, &right.1))),
            )
        }),
        (left, right) => left.rank().cmp(&right.rank()),
    }
}

fn first_unequal(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// As PostgreSQL shows it: a blank after each comma and colon.
impl std::fmt::Display for Jsonb {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Bool(truth) => write!(formatter, "{truth}"),
            Self::Number(number) => write!(formatter, "{number}"),
            Self::String(text) => formatter.write_str(&quoted(text)),
            Self::Array(elements) => {
                formatter.write_str("[")?;
                for (at, element) in elements.iter().enumerate() {
                    formatter.write_str(if at > 0 { ", " } else { "" })?;
                    write!(formatter, "{element}")?;
                }
                formatter.write_str("]")
            }
            Self::Object(members) => {
                formatter.write_str("{")?;
                for (at, (key, member)) in members.iter().enumerate() {
                    formatter.write_str(if at > 0 { ", " } else { "" })?;
                    write!(formatter, "{}: {member}", quoted(key))?;
                }
                formatter.write_str("}")
            }
        }
    }
}

/// A JSON string of this text, escaped as PostgreSQL does.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of what a thread has.
    const STACK: usize = 1 << 20;

    #[test]
    fn the_deepest_values_fit_a_small_stack() {
        let deepest = parser::MAX_DEPTH;
        let arrays = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let objects = |depth: usize| format!("{}1{}", "{\"a\": ".repeat(depth), "}".repeat(depth));
        let on_small_stack = std::thread::Builder::new().stack_size(STACK).spawn(move || {
            for text in [arrays(deepest), objects(deepest)] {
                let value = parse(&text).unwrap();
                validate(&text).unwrap();
                assert_eq!(value.to_string(), text);
                assert!(compare(&value, &value.clone()).is_eq());
            }
            for text in [arrays(deepest + 2), objects(deepest + 1), "[".repeat(1_000_000)] {
                assert_eq!(parse(&text).unwrap_err().sqlstate, "0A000");
            }
        });
        on_small_stack.unwrap().join().unwrap();
    }
}
