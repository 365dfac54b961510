use std::collections::BTreeMap;

use serde_json::Value;

/// A JSON Schema, from which the members of a matching object are determined.
///
/// It supports the keywords `properties`, `required`, `$ref`, `allOf`, `anyOf` and `oneOf`. Any
/// other keyword that can name members counts as one that allows more of them.
#[derive(Clone)]
pub(crate) struct JsonSchema<'a> {
    schema: &'a Value,
    /// The document in which references are resolved.
    root: &'a Value,
    /// The references followed so far, to detect cycles.
    followed: Vec<&'a str>,
}

/// The members of an object: their names, whether they are required, and their kinds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members<'a> {
    named: BTreeMap<&'a str, Member>,
    /// Whether the schema lists members at all; the list may be empty.
    are_listed: bool,
    /// Whether it explicitly allows other members.
    are_open: bool,
}

/// A member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Whether an object without it does not match.
    pub(crate) is_required: bool,
    pub(crate) kinds: Kinds,
}

/// The kinds of value that are allowed at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds {
    pub(crate) string: bool,
    pub(crate) number: bool,
    pub(crate) null: bool,
    /// Objects, arrays, true and false.
    pub(crate) other: bool,
}

/// Unsupported keywords that name members, or may name them.
const OTHERS: [&str; 7] =
    ["patternProperties", "propertyNames", "if", "dependentSchemas", "dependencies", "not", "$dynamicRef"];

impl<'a> JsonSchema<'a> {
    /// A schema that is a whole document.
    pub(crate) fn new(document: &'a Value) -> Self {
        Self { schema: document, root: document, followed: Vec::new() }
    }

    /// The members of a matching object.
    pub(crate) fn members(&self) -> Members<'a> {
        let mut members = self.own_members();
        for part in self.reference().into_iter().chain(self.list("allOf")) {
            members = members.and(part.members());
        }
        for variants in ["anyOf", "oneOf"] {
            // A variant that allows no object does not describe one.
            let variants = self.list(variants).filter(|variant| variant.kinds().other);
            if let Some(either) = variants.map(|variant| variant.members()).reduce(Members::or) {
                members = members.and(either);
            }
        }
        members
    }

    /// Whether a value is possible at this path, including paths through elements of arrays.
    pub(crate) fn may_have(&self, path: &[&str]) -> bool {
        let Some((name, rest)) = path.split_first() else { return true };
        let Some(schema) = self.schema.as_object() else { return *self.schema != Value::Bool(false) };
        let own = self.own_members();
        let leads = |keyword, path| schema.get(keyword).is_some_and(|schema| self.at(schema).may_have(path));
        let property = schema.get("properties").and_then(|properties| properties.get(*name));
        let parts = ["allOf", "anyOf", "oneOf"].map(|keyword| self.list(keyword).collect::<Vec<_>>());
        let mut parts = self.reference().into_iter().chain(parts.into_iter().flatten()).peekable();
        // A schema that neither lists members nor refers to another may have any, unless it is a
        // scalar.
        let is_silent = !own.are_listed && !schema.contains_key("items") && parts.peek().is_none();
        let is_scalar = matches!(schema.get("type").and_then(Value::as_str), Some("boolean"));
        property.is_some_and(|schema| self.at(schema).may_have(rest))
            || own.are_open
            || is_silent && !is_scalar && self.kinds().other
            || leads("items", path)
            || parts.any(|part| part.may_have(path))
    }

    /// The members without those from references.
    fn own_members(&self) -> Members<'a> {
        let Some(schema) = self.schema.as_object() else { return Members::default() };
        let mut members = Members::default();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            members.named.insert(name, Member { is_required: false, kinds: self.at(schema).kinds() });
        }
        for name in self.values("required").filter_map(Value::as_str) {
            let unsaid = Member { is_required: true, kinds: Kinds::ANY };
            members.named.entry(name).and_modify(|member| member.is_required = true).or_insert(unsaid);
        }
        let additional = ["additionalProperties", "unevaluatedProperties"].map(|keyword| schema.get(keyword));
        let refuses = |value: &Option<&Value>| *value == Some(&Value::Bool(false));
        members.are_listed = properties.is_some() || additional.iter().any(refuses);
        members.are_open = additional.iter().any(|value| value.is_some() && !refuses(value))
            || OTHERS.iter().any(|keyword| schema.contains_key(*keyword));
        members
    }

    /// The kinds of value that match.
    fn kinds(&self) -> Kinds {
        let schema = match self.schema {
            Value::Bool(false) => return Kinds::NONE,
            Value::Object(schema) => schema,
            _ => return Kinds::ANY,
        };
        let mut kinds = match schema.get("type") {
            Some(Value::Array(types)) => Kinds::any_of(types.iter().map(Kinds::named)),
            Some(one) => Kinds::named(one),
            None => Kinds::ANY,
        };
        if let Some(value) = schema.get("const") {
            kinds = kinds.and(Kinds::of_value(value));
        }
        if schema.contains_key("enum") {
            kinds = kinds.and(Kinds::any_of(self.values("enum").map(Kinds::of_value)));
        }
        for part in self.reference().into_iter().chain(self.list("allOf")) {
            kinds = kinds.and(part.kinds());
        }
        for variants in ["anyOf", "oneOf"].into_iter().filter(|variants| schema.contains_key(*variants)) {
            kinds = kinds.and(Kinds::any_of(self.list(variants).map(|variant| variant.kinds())));
        }
        kinds
    }

    /// The schema that this one refers to, unless the reference is broken or cyclic.
    fn reference(&self) -> Option<Self> {
        let target = self.schema.get("$ref")?.as_str()?;
        if self.followed.contains(&target) {
            return None;
        }
        let mut reference = self.at(self.root.pointer(target.strip_prefix('#')?)?);
        reference.followed.push(target);
        Some(reference)
    }

    /// A sub-schema.
    fn at(&self, schema: &'a Value) -> Self {
        Self { schema, ..self.clone() }
    }

    fn list(&self, keyword: &str) -> impl Iterator<Item = Self> {
        self.values(keyword).map(|schema| self.at(schema))
    }

    fn values(&self, keyword: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.schema.get(keyword).and_then(Value::as_array).into_iter().flatten()
    }
}

impl<'a> Members<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<Member> {
        self.named.get(name).copied()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.named.keys().copied()
    }

    /// Whether members that are not listed are excluded.
    pub(crate) fn are_closed(&self) -> bool {
        self.are_listed && !self.are_open
    }

    /// The members of an object that has to match both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (name, member) in other.named {
            let both = |known: &mut Member| {
                known.is_required |= member.is_required;
                known.kinds = known.kinds.and(member.kinds);
            };
            self.named.entry(name).and_modify(both).or_insert(member);
        }
        self.are_listed |= other.are_listed;
        self.are_open |= other.are_open;
        self
    }

    /// The members of an object that has to match one of the two.
    fn or(mut self, other: Self) -> Self {
        for (name, known) in &mut self.named {
            known.is_required &= other.named.get(name).is_some_and(|member| member.is_required);
        }
        for (name, member) in other.named {
            let either = |known: &mut Member| known.kinds = known.kinds.or(member.kinds);
            let only_there = Member { is_required: false, ..member };
            self.named.entry(name).and_modify(either).or_insert(only_there);
        }
        self.are_open |= other.are_open || self.are_listed != other.are_listed;
        self.are_listed |= other.are_listed;
        self
    }
}

impl Kinds {
    const ANY: Self = Self { string: true, number: true, null: true, other: true };

    const NONE: Self = Self { string: false, number: false, null: false, other: false };

    fn and(self, with: Self) -> Self {
        Self {
            string: self.string && with.string,
            number: self.number && with.number,
            null: self.null && with.null,
            other: self.other && with.other,
        }
    }

    fn or(self, with: Self) -> Self {
        Self {
            string: self.string || with.string,
            number: self.number || with.number,
            null: self.null || with.null,
            other: self.other || with.other,
        }
    }

    /// The kind with this name in `type`.
    fn named(kind: &Value) -> Self {
        match kind.as_str() {
            Some("string") => Self { string: true, ..Self::NONE },
            Some("number" | "integer") => Self { number: true, ..Self::NONE },
            Some("null") => Self { null: true, ..Self::NONE },
            _ => Self { other: true, ..Self::NONE },
        }
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::String(_) => Self { string: true, ..Self::NONE },
            Value::Number(_) => Self { number: true, ..Self::NONE },
            Value::Null => Self { null: true, ..Self::NONE },
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => Self { other: true, ..Self::NONE },
        }
    }

    fn any_of(kinds: impl Iterator<Item = Self>) -> Self {
        kinds.fold(Self::NONE, Self::or)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRING: Kinds = Kinds { string: true, ..Kinds::NONE };
    const NUMBER: Kinds = Kinds { number: true, ..Kinds::NONE };
    const OTHER: Kinds = Kinds { other: true, ..Kinds::NONE };

    fn id(schema: &str) -> Option<Member> {
        JsonSchema::new(&serde_json::from_str(schema).unwrap()).members().get("id")
    }

    fn is_closed(schema: &str) -> bool {
        JsonSchema::new(&serde_json::from_str(schema).unwrap()).members().are_closed()
    }

    #[test]
    fn a_member_is_found_where_schemars_writes_it() {
        for (schema, is_required, kinds) in [
            (r#"{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}"#, true, STRING),
            (r#"{"properties":{"id":{"type":"string","format":"uuid"}}}"#, false, STRING),
            (r#"{"properties":{"id":{"type":["string","null"]}}}"#, false, Kinds { null: true, ..STRING }),
            (r#"{"properties":{"id":{"type":"integer"}},"required":["id"]}"#, true, NUMBER),
            (r#"{"properties":{"id":{"type":"number"}}}"#, false, NUMBER),
            (r#"{"properties":{"id":{"type":"boolean"}}}"#, false, OTHER),
            (r#"{"properties":{"id":{}},"required":["id"]}"#, true, Kinds::ANY),
            (r#"{"properties":{"id":true}}"#, false, Kinds::ANY),
            (r#"{"required":["id"]}"#, true, Kinds::ANY),
            (r#"{"properties":{"id":{"enum":["a","b"]}}}"#, false, STRING),
            (r#"{"properties":{"id":{"const":7}}}"#, false, NUMBER),
            // A newtype, and an optional one.
            (
                r##"{"properties":{"id":{"$ref":"#/$defs/Id"}},"required":["id"],"$defs":{"Id":{"type":"string"}}}"##,
                true,
                STRING,
            ),
            (
                r##"{"properties":{"id":{"anyOf":[{"$ref":"#/$defs/Id"},{"type":"null"}]}},"$defs":{"Id":{"type":"string"}}}"##,
                false,
                Kinds { null: true, ..STRING },
            ),
            // A flattened struct.
            (
                r##"{"$ref":"#/$defs/A","properties":{"b":{}},"$defs":{"A":{"properties":{"id":{"type":"string"}},"required":["id"]}}}"##,
                true,
                STRING,
            ),
            (r#"{"allOf":[{"properties":{"id":{"type":"string"}}},{"required":["id"]}]}"#, true, STRING),
            // An enum: the member is in all variants, or only in one.
            (
                r#"{"oneOf":[{"properties":{"id":{"type":"string"}},"required":["id"]},
                             {"properties":{"id":{"type":"string"},"b":{}},"required":["id","b"]}]}"#,
                true,
                STRING,
            ),
            (
                r#"{"oneOf":[{"properties":{"id":{"type":"string"}},"required":["id"]},{"properties":{"b":{}}}]}"#,
                false,
                STRING,
            ),
            // A payload is always an object.
            (r#"{"anyOf":[{"properties":{"id":{"type":"string"}},"required":["id"]},{"type":"null"}]}"#, true, STRING),
        ] {
            assert_eq!(id(schema), Some(Member { is_required, kinds }), "{schema}");
        }
    }

    #[test]
    fn a_schema_that_leads_back_to_itself_ends() {
        let own = r##"{"$ref":"#","allOf":[{"$ref":"#"}],"properties":{"id":{"$ref":"#/properties/id"}}}"##;
        assert_eq!(id(own), Some(Member { is_required: false, kinds: Kinds::ANY }));
        assert_eq!(id(r##"{"$ref":"#/$defs/Gone"}"##), None);
    }

    #[test]
    fn a_list_of_members_is_whole_unless_it_says_otherwise() {
        for closed in [
            r#"{"properties":{"a":{}}}"#,
            r#"{"properties":{}}"#,
            r#"{"properties":{"a":{}},"additionalProperties":false}"#,
            r#"{"additionalProperties":false}"#,
            r#"{"oneOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}]}"#,
        ] {
            assert!(is_closed(closed), "{closed}");
        }
        for open in [
            "true",
            "{}",
            r#"{"type":"object"}"#,
            r#"{"properties":{"a":{}},"additionalProperties":true}"#,
            r#"{"properties":{"a":{}},"additionalProperties":{"type":"string"}}"#,
            r#"{"properties":{"a":{}},"patternProperties":{"^x":{}}}"#,
            r#"{"properties":{"a":{}},"allOf":[{"additionalProperties":true}]}"#,
            r#"{"oneOf":[{"properties":{"a":{}}},{"type":"object"}]}"#,
        ] {
            assert!(!is_closed(open), "{open}");
        }
    }

    #[test]
    fn a_path_leads_through_objects_arrays_and_references_and_anywhere_where_nothing_is_said() {
        let may_have = |schema: &str, path: &str| {
            let path: Vec<_> = path.split('.').collect();
            JsonSchema::new(&serde_json::from_str(schema).unwrap()).may_have(&path)
        };
        let cards = r##"{"properties":{"cards":{"type":"array","items":{"$ref":"#/$defs/Card"}},"extra":{}},
                        "$defs":{"Card":{"properties":{"number":{"type":"string"}}}}}"##;
        for (path, found) in [
            ("cards", true),
            ("cards.number", true),
            ("cards.nmber", false),
            ("cards.number.digits", false),
            ("crads", false),
            ("extra.anything", true),
        ] {
            assert_eq!(may_have(cards, path), found, "{path}");
        }
        for says_nothing in ["true", "{}", r#"{"type":"object"}"#, r#"{"properties":{},"additionalProperties":{}}"#] {
            assert!(may_have(says_nothing, "a.b"), "{says_nothing}");
        }
        for no_object in ["false", r#"{"type":"string"}"#, r#"{"type":"integer"}"#, r#"{"type":"null"}"#] {
            assert!(!may_have(no_object, "a"), "{no_object}");
        }
        let recursive = r##"{"properties":{"next":{"$ref":"#"},"id":{"type":"string"}}}"##;
        assert!(may_have(recursive, "next.id") && !may_have(recursive, "next.di"));
    }
}
