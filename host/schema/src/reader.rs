use std::collections::HashMap;

use regex_lite::Regex;
use serde_json::{Map, Value};
use tenet_core::{Digest, Number};

use crate::divisor::Divisor;
use crate::error::SchemaError;
use crate::format::Format;
use crate::schema::{Ask, Id, Members, Node, Schema, Types};

/// Reads a document into a [`Schema`].
#[derive(Default)]
pub(crate) struct Reader {
    nodes: Vec<Node>,
    /// By their position in the document.
    read: HashMap<String, Id>,
    /// References that have not been read yet.
    waiting: Vec<(String, Id)>,
}

/// Keywords without constraints.
const SILENT: [&str; 19] = [
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "example",
    "examples",
    "externalDocs",
    "nullable",
    "readOnly",
    "title",
    "writeOnly",
    "xml",
];

/// Keywords that are read together with another one.
const TOGETHER: [&str; 10] = [
    "additionalProperties",
    "const",
    "else",
    "items",
    "maxContains",
    "minContains",
    "patternProperties",
    "prefixItems",
    "then",
    "unevaluatedProperties",
];

impl Reader {
    pub(crate) fn read(document: &Value) -> Result<Schema, SchemaError> {
        let mut reader = Self::default();
        reader.schema(document, String::new())?;
        // Iterative, so that a chain of references uses no stack.
        while let Some((pointer, id)) = reader.waiting.pop() {
            let schema = document.pointer(&pointer);
            let schema = schema.ok_or_else(|| SchemaError::new(&pointer, "a `$ref` points to nothing"))?;
            let node = reader.node(schema, &pointer)?;
            reader.put(id, node);
        }
        let schema = Schema { nodes: reader.nodes };
        ends(&schema)?;
        Ok(schema)
    }

    fn put(&mut self, id: Id, node: Node) {
        if let Some(place) = self.nodes.get_mut(id) {
            *place = node;
        }
    }

    fn reserve(&mut self, pointer: &str) -> Id {
        let id = self.nodes.len();
        self.nodes.push(Node::default());
        self.read.insert(pointer.to_owned(), id);
        id
    }

    /// A subschema.
    fn schema(&mut self, schema: &Value, pointer: String) -> Result<Id, SchemaError> {
        if let Some(id) = self.read.get(&pointer) {
            return Ok(*id);
        }
        let id = self.reserve(&pointer);
        let node = self.node(schema, &pointer)?;
        self.put(id, node);
        Ok(id)
    }

    fn reference(&mut self, target: &Value, at: &str) -> Result<Id, SchemaError> {
        let refuse = || SchemaError::new(at, "a `$ref` points outside the document: only `#` and `#/...` are followed");
        let pointer = target.as_str().and_then(|target| target.strip_prefix('#')).ok_or_else(refuse)?;
        if !(pointer.is_empty() || pointer.starts_with('/')) || pointer.contains('%') {
            return Err(refuse());
        }
        if let Some(id) = self.read.get(pointer) {
            return Ok(*id);
        }
        let id = self.reserve(pointer);
        self.waiting.push((pointer.to_owned(), id));
        Ok(id)
    }

    fn node(&mut self, schema: &Value, at: &str) -> Result<Node, SchemaError> {
        let keywords = match schema {
            Value::Bool(true) => return Ok(Node::default()),
            Value::Bool(false) => return Ok(Node { asks: vec![Ask::Never], unevaluated: None }),
            Value::Object(keywords) => keywords,
            _ => return Err(SchemaError::new(at, "a schema is an object, `true` or `false`")),
        };
        let mut node = Node::default();
        for (keyword, value) in keywords {
            let at = format!("{at}/{}", escaped(keyword));
            if let Some(ask) = self.ask(keyword, value, &at)? {
                node.asks.push(ask);
            }
        }
        self.values(keywords, at, &mut node)?;
        self.items(keywords, at, &mut node)?;
        self.members(keywords, at, &mut node)?;
        // The most helpful message comes first: check the type before other constraints.
        node.asks.sort_by_key(|ask| !matches!(ask, Ask::Type(_)));
        Ok(node)
    }

    fn ask(&mut self, keyword: &str, value: &Value, at: &str) -> Result<Option<Ask>, SchemaError> {
        Ok(Some(match keyword {
            "type" => Ask::Type(types(value, at)?),
            "enum" => {
                let values = value.as_array().ok_or_else(|| SchemaError::new(at, "`enum` is a list"))?;
                Ask::OneOf(values.iter().map(|value| digest(value, at)).collect::<Result<_, _>>()?)
            }
            "minimum" => number(value, at).map(|(number, text)| Ask::Minimum(number, text))?,
            "maximum" => number(value, at).map(|(number, text)| Ask::Maximum(number, text))?,
            "exclusiveMinimum" => number(value, at).map(|(number, text)| Ask::Above(number, text))?,
            "exclusiveMaximum" => number(value, at).map(|(number, text)| Ask::Below(number, text))?,
            "multipleOf" => {
                let (number, text) = number(value, at)?;
                let refuse = || SchemaError::new(at, "`multipleOf` is a number above zero of up to 18 digits");
                Ask::MultipleOf(Divisor::of(&number).ok_or_else(refuse)?, text)
            }
            "minLength" => Ask::MinLength(count(value, at)?),
            "maxLength" => Ask::MaxLength(count(value, at)?),
            "pattern" => Ask::Pattern(pattern(value.as_str(), at)?),
            "format" => {
                let named = value.as_str().and_then(Format::named);
                let refuse = || {
                    let help = format!("write a `pattern`, or one of: {}", Format::NAMES);
                    SchemaError::new(at, format!("the format {value} is not supported: {help}"))
                };
                Ask::Format(named.ok_or_else(refuse)?)
            }
            "minItems" => Ask::MinItems(count(value, at)?),
            "maxItems" => Ask::MaxItems(count(value, at)?),
            "uniqueItems" => match value.as_bool() {
                Some(true) => Ask::UniqueItems,
                Some(false) => return Ok(None),
                None => return Err(SchemaError::new(at, "`uniqueItems` is true or false")),
            },
            "minProperties" => Ask::MinProperties(count(value, at)?),
            "maxProperties" => Ask::MaxProperties(count(value, at)?),
            "required" => Ask::Required(names(value, at)?),
            "dependentRequired" => {
                let lists = object(value, at)?.iter();
                let lists = lists.map(|(name, list)| Ok((name.clone(), names(list, at)?)));
                Ask::DependentRequired(lists.collect::<Result<_, _>>()?)
            }
            "dependentSchemas" => Ask::DependentSchemas(self.named(value, at)?),
            "propertyNames" => Ask::Names(self.schema(value, at.to_owned())?),
            "$ref" => Ask::Reference(self.reference(value, at)?),
            "allOf" => Ask::All(self.list(value, at)?),
            "anyOf" => Ask::Any(self.list(value, at)?),
            "oneOf" => Ask::One(self.list(value, at)?),
            "not" => Ask::Not(self.schema(value, at.to_owned())?),
            // Read together with the keywords that belong to them.
            "if" | "contains" | "properties" => return Ok(None),
            name if TOGETHER.contains(&name) || SILENT.contains(&name) || name.starts_with("x-") => return Ok(None),
            _ => {
                let what = format!("the keyword `{keyword}` is not supported");
                return Err(SchemaError::new(at, what));
            }
        }))
    }

    fn values(&mut self, keywords: &Map<String, Value>, at: &str, node: &mut Node) -> Result<(), SchemaError> {
        if let Some(value) = keywords.get("const") {
            node.asks.push(Ask::OneOf(vec![digest(value, at)?]));
        }
        if let Some(condition) = keywords.get("if") {
            let condition = self.schema(condition, format!("{at}/if"))?;
            let then = self.maybe(keywords, "then", at)?;
            let otherwise = self.maybe(keywords, "else", at)?;
            node.asks.push(Ask::If { condition, then, otherwise });
        }
        Ok(())
    }

    fn items(&mut self, keywords: &Map<String, Value>, at: &str, node: &mut Node) -> Result<(), SchemaError> {
        let first = match keywords.get("prefixItems") {
            Some(list) => self.list(list, &format!("{at}/prefixItems"))?,
            None => Vec::new(),
        };
        let rest = self.maybe(keywords, "items", at)?;
        if !first.is_empty() || rest.is_some() {
            node.asks.push(Ask::Items(first, rest));
        }
        if let Some(fits) = self.maybe(keywords, "contains", at)? {
            let bound = |keyword| keywords.get(keyword).map(|value| count(value, at)).transpose();
            let (least, most) = (bound("minContains")?.unwrap_or(1), bound("maxContains")?);
            node.asks.push(Ask::Contains { fits, least, most });
        }
        Ok(())
    }

    fn members(&mut self, keywords: &Map<String, Value>, at: &str, node: &mut Node) -> Result<(), SchemaError> {
        let mut members = Members { others: self.maybe(keywords, "additionalProperties", at)?, ..Members::default() };
        if let Some(named) = keywords.get("properties") {
            members.named = self.named(named, &format!("{at}/properties"))?;
        }
        if let Some(matching) = keywords.get("patternProperties") {
            let at = format!("{at}/patternProperties");
            for (text, id) in self.named(matching, &at)? {
                members.matching.push((pattern(Some(&text), &at)?, id));
            }
        }
        if members.others.is_some() || !members.named.is_empty() || !members.matching.is_empty() {
            node.asks.push(Ask::Members(members));
        }
        node.unevaluated = self.maybe(keywords, "unevaluatedProperties", at)?;
        Ok(())
    }

    fn maybe(&mut self, keywords: &Map<String, Value>, keyword: &str, at: &str) -> Result<Option<Id>, SchemaError> {
        keywords.get(keyword).map(|schema| self.schema(schema, format!("{at}/{keyword}"))).transpose()
    }

    fn list(&mut self, list: &Value, at: &str) -> Result<Vec<Id>, SchemaError> {
        let refuse = || SchemaError::new(at, "this is a list of at least one schema");
        let list = list.as_array().filter(|list| !list.is_empty()).ok_or_else(refuse)?;
        list.iter().enumerate().map(|(place, schema)| self.schema(schema, format!("{at}/{place}"))).collect()
    }

    fn named(&mut self, named: &Value, at: &str) -> Result<Vec<(String, Id)>, SchemaError> {
        let named = object(named, at)?.iter();
        named
            .map(|(name, schema)| Ok((name.clone(), self.schema(schema, format!("{at}/{}", escaped(name)))?)))
            .collect()
    }
}

/// Refuses schemas that would be applied to one value endlessly.
fn ends(schema: &Schema) -> Result<(), SchemaError> {
    let next = |id: Id| schema.nodes.get(id).into_iter().flat_map(|node| &node.asks).flat_map(Ask::in_place);
    // The edges between schemas that apply to the same value. A graph without cycles can be sorted
    // topologically.
    let mut before = vec![0_usize; schema.nodes.len()];
    (0..schema.nodes.len()).flat_map(next).for_each(|id| {
        if let Some(count) = before.get_mut(id) {
            *count += 1;
        }
    });
    let mut free: Vec<Id> = before.iter().enumerate().filter(|(_, count)| **count == 0).map(|(id, _)| id).collect();
    let mut taken = 0;
    while let Some(id) = free.pop() {
        taken += 1;
        for id in next(id) {
            let Some(count) = before.get_mut(id) else { continue };
            *count -= 1;
            if *count == 0 {
                free.push(id);
            }
        }
    }
    if taken == schema.nodes.len() { Ok(()) } else { Err(SchemaError::new("", "its references form a cycle")) }
}

/// Escapes a name for a JSON Pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn object<'v>(value: &'v Value, at: &str) -> Result<&'v Map<String, Value>, SchemaError> {
    value.as_object().ok_or_else(|| SchemaError::new(at, "this is an object"))
}

fn names(value: &Value, at: &str) -> Result<Vec<String>, SchemaError> {
    let names = value.as_array().and_then(|list| list.iter().map(|name| name.as_str().map(str::to_owned)).collect());
    names.ok_or_else(|| SchemaError::new(at, "this is a list of names"))
}

fn types(value: &Value, at: &str) -> Result<Types, SchemaError> {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut types = Types::default();
    for name in list {
        match name.as_str() {
            Some("null") => types.null = true,
            Some("boolean") => types.boolean = true,
            Some("integer") => types.integer = true,
            Some("number") => types.number = true,
            Some("string") => types.string = true,
            Some("array") => types.array = true,
            Some("object") => types.object = true,
            _ => return Err(SchemaError::new(at, format!("{name} is not a type"))),
        }
    }
    Ok(types)
}

fn number(value: &Value, at: &str) -> Result<(Number, String), SchemaError> {
    let text = value.as_number().map(ToString::to_string);
    let number = text.as_ref().and_then(|text| Number::parse(text));
    number.zip(text).ok_or_else(|| SchemaError::new(at, "this is a number"))
}

/// A count may be written as `1.0`.
fn count(value: &Value, at: &str) -> Result<u64, SchemaError> {
    let (number, _) = number(value, at)?;
    let plain = number.plain(20).and_then(|plain| plain.parse().ok());
    plain.ok_or_else(|| SchemaError::new(at, "this is an integer of zero or more"))
}

fn pattern(text: Option<&str>, at: &str) -> Result<Regex, SchemaError> {
    let text = text.ok_or_else(|| SchemaError::new(at, "a pattern is a text"))?;
    Regex::new(text).map_err(|error| SchemaError::new(at, format!("the pattern {text:?} is not supported: {error}")))
}

fn digest(value: &Value, at: &str) -> Result<Digest, SchemaError> {
    Digest::of(&value.to_string()).map_err(|error| SchemaError::new(at, error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_would_not_be_held_is_refused_by_name_and_place() {
        for (schema, says) in [
            (
                json!({ "properties": { "a": { "minimun": 1 } } }),
                "`minimun` is not supported (at /properties/a/minimun)",
            ),
            (json!({ "format": "email" }), "\"email\" is not supported"),
            (json!({ "pattern": "(?=a)" }), "pattern"),
            (json!({ "unevaluatedItems": false }), "`unevaluatedItems` is not supported"),
            (json!({ "$dynamicRef": "#a" }), "`$dynamicRef` is not supported"),
            (json!({ "$ref": "https://example.com/a" }), "points outside the document"),
            (json!({ "$ref": "#/$defs/Gone" }), "points to nothing"),
            (json!({ "$ref": "#" }), "form a cycle"),
            (
                json!({ "$defs": { "A": { "anyOf": [{ "$ref": "#/$defs/B" }] }, "B": { "$ref": "#/$defs/A" } }, "$ref": "#/$defs/A" }),
                "form a cycle",
            ),
            (json!({ "type": "int" }), "\"int\" is not a type"),
            (json!({ "multipleOf": 0 }), "above zero"),
            (json!({ "minLength": -1 }), "zero or more"),
            (json!({ "required": "a" }), "list of names"),
            (json!({ "allOf": [] }), "at least one"),
            (json!({ "items": [{}] }), "a schema is an object"),
            (json!([]), "a schema is an object"),
        ] {
            let error = Schema::read(&schema).unwrap_err().to_string();
            assert!(error.contains(says), "{schema}: {error}");
        }
    }

    #[test]
    fn what_only_describes_is_taken_and_a_schema_may_contain_itself() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x", "title": "T", "description": "d",
            "default": 1, "examples": [1], "deprecated": true, "$comment": "c", "x-note": 1,
            "properties": { "next": { "$ref": "#" }, "a/b~c": { "$ref": "#/properties/a~1b~0c/anyOf/0", "anyOf": [{}] } },
        });
        assert!(Schema::read(&schema).is_ok());
    }

    #[test]
    fn a_long_chain_of_references_takes_no_stack() {
        let mut definitions = Map::new();
        for number in 0..100_000 {
            definitions.insert(number.to_string(), json!({ "items": { "$ref": format!("#/$defs/{}", number + 1) } }));
        }
        definitions.insert("100000".into(), json!({ "type": "integer" }));
        assert!(Schema::read(&json!({ "$defs": definitions, "$ref": "#/$defs/0" })).is_ok());
    }
}
