use std::borrow::Cow;

use regex_lite::Regex;
use serde_json::Value;
use tenet_core::{Digest, Number};

use crate::check::Check;
use crate::divisor::Divisor;
use crate::error::{Misfit, SchemaError};
use crate::format::Format;
use crate::reader::Reader;

/// A JSON Schema document, parsed once, for checking payloads.
///
/// ```
/// # use serde_json::json;
/// # use tenet_schema::Schema;
/// let schema = Schema::read(&json!({ "properties": { "points": { "type": "integer", "minimum": 1 } } })).unwrap();
/// assert_eq!(schema.fit(r#"{"points":7.0}"#).unwrap(), r#"{"points":7}"#);
/// assert_eq!(schema.fit(r#"{"points":-5}"#).unwrap_err().to_string(), "/points is less than 1");
/// ```
#[derive(Clone, Debug)]
pub struct Schema {
    /// The root comes first.
    pub(crate) nodes: Vec<Node>,
}

/// The index of a schema.
pub(crate) type Id = usize;

/// One schema: all its constraints have to hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) asks: Vec<Ask>,
    /// The schema of the members that no other keyword evaluates. It is checked last.
    pub(crate) unevaluated: Option<Id>,
}

/// A constraint from one or a few keywords.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// `false`: nothing matches.
    Never,
    Type(Types),
    /// `enum` and `const`, as the digests of the values.
    OneOf(Vec<Digest>),
    Minimum(Number, String),
    Maximum(Number, String),
    Above(Number, String),
    Below(Number, String),
    MultipleOf(Divisor, String),
    MinLength(u64),
    MaxLength(u64),
    Pattern(Regex),
    Format(Format),
    MinItems(u64),
    MaxItems(u64),
    UniqueItems,
    /// The schemas of the first items by position, and of the rest.
    Items(Vec<Id>, Option<Id>),
    Contains {
        fits: Id,
        least: u64,
        most: Option<u64>,
    },
    MinProperties(u64),
    MaxProperties(u64),
    Required(Vec<String>),
    DependentRequired(Vec<(String, Vec<String>)>),
    DependentSchemas(Vec<(String, Id)>),
    Members(Members),
    Names(Id),
    Reference(Id),
    All(Vec<Id>),
    Any(Vec<Id>),
    One(Vec<Id>),
    Not(Id),
    If {
        condition: Id,
        then: Option<Id>,
        otherwise: Option<Id>,
    },
}

/// `properties`, `patternProperties` and `additionalProperties`, which depend on each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    pub(crate) named: Vec<(String, Id)>,
    pub(crate) matching: Vec<(Regex, Id)>,
    pub(crate) others: Option<Id>,
}

/// The allowed types of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Types {
    pub(crate) null: bool,
    pub(crate) boolean: bool,
    pub(crate) integer: bool,
    pub(crate) number: bool,
    pub(crate) string: bool,
    pub(crate) array: bool,
    pub(crate) object: bool,
}

impl Schema {
    /// Parses a schema from its text. In addition to what [`Schema::read`] refuses, it refuses a number that serde_json
    /// cannot hold exactly.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let refuse = |error: String| SchemaError::new("", error);
        let written = Digest::of(text).map_err(|error| refuse(error.to_string()))?;
        let document: Value = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        if Digest::of(&document.to_string()).ok() != Some(written) {
            return Err(refuse("a number in it has more digits than can be kept".to_owned()));
        }
        Self::read(&document)
    }

    /// Reads a schema. Refuses an unsupported keyword, format or pattern, and a reference that points outside the
    /// document, to nothing, or in a cycle.
    pub fn read(document: &Value) -> Result<Self, SchemaError> {
        Reader::read(document)
    }

    /// The payload, with each number in plain form where an integer is required; or where it does not match.
    pub fn fit<'a>(&self, payload: &'a str) -> Result<Cow<'a, str>, Misfit> {
        Check::run(self, payload)
    }
}

impl Ask {
    /// The schemas that apply to the same value.
    pub(crate) fn in_place(&self) -> Vec<Id> {
        match self {
            Self::Reference(id) | Self::Not(id) => vec![*id],
            Self::All(ids) | Self::Any(ids) | Self::One(ids) => ids.clone(),
            Self::DependentSchemas(schemas) => schemas.iter().map(|(_, id)| *id).collect(),
            Self::If { condition, then, otherwise } => {
                [Some(*condition), *then, *otherwise].into_iter().flatten().collect()
            }
            _ => Vec::new(),
        }
    }
}
