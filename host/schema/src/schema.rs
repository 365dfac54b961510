use std::borrow::Cow;

use regex_lite::Regex;
use serde_json::Value;
use tenet_core::{Digest, Number};

use crate::check::Check;
use crate::divisor::Divisor;
use crate::error::{Misfit, SchemaError};
use crate::format::Format;
use crate::reader::Reader;

/// What a payload has to be: a document of JSON Schema, read once.
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

/// Where a schema stands among all.
pub(crate) type Id = usize;

/// One schema: everything that it asks for has to be so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) asks: Vec<Ask>,
    /// What the members are that nothing else of it has to do with. It comes last.
    pub(crate) unevaluated: Option<Id>,
}

/// What one or a few keywords ask for.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// `false`: nothing fits.
    Never,
    Type(Types),
    /// `enum` and `const`, by the digests of the values.
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
    /// The first ones by place, and the rest.
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

/// `properties`, `patternProperties` and `additionalProperties`, which know of each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    pub(crate) named: Vec<(String, Id)>,
    pub(crate) matching: Vec<(Regex, Id)>,
    pub(crate) others: Option<Id>,
}

/// Which kinds of value there may be.
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
    /// Reads a schema from its text. Beside what [`Schema::read`] refuses, it refuses a number that
    /// serde_json does not hold as it is written.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let refuse = |error: String| SchemaError::new("", error);
        let written = Digest::of(text).map_err(|error| refuse(error.to_string()))?;
        let document: Value = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        if Digest::of(&document.to_string()).ok() != Some(written) {
            return Err(refuse("a number in it has more digits than can be kept".to_owned()));
        }
        Self::read(&document)
    }

    /// Reads a schema, and refuses one with a keyword, a format or a pattern that is not held, or
    /// with a reference that leads out of the document, nowhere, or round in a circle.
    pub fn read(document: &Value) -> Result<Self, SchemaError> {
        Reader::read(document)
    }

    /// The payload, with each number in its plain form where an integer is asked for; or where it
    /// does not fit.
    pub fn fit<'a>(&self, payload: &'a str) -> Result<Cow<'a, str>, Misfit> {
        Check::run(self, payload)
    }
}

impl Ask {
    /// The schemas that are held against the same value.
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
