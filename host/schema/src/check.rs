use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use serde_json::value::RawValue;
use tenet_core::{Digest, Members as Object, Number};

use crate::error::Misfit;
use crate::schema::{Ask, Id, Members, Schema, Types};

/// The validation of one payload against a schema.
pub(crate) struct Check<'s, 'a> {
    schema: &'s Schema,
    payload: &'a str,
    /// How many schemas may still be checked: nested alternatives can multiply.
    left: usize,
    /// The integers that are not in plain form, with their range in the payload.
    integers: Vec<(Range<usize>, String)>,
}

/// The most schemas checked for one payload, per byte of the payload. The shortest value with its
/// separator has two bytes.
const MOST_A_BYTE: usize = 5;
const MOST_ANYWAY: usize = 10_000;

/// The longest integer that is written in plain form: more than a rule's language could use.
const MOST_DIGITS: usize = 1000;

/// The deepest nesting of schemas. A payload nests at most 128 levels.
const DEEPEST: u32 = 400;

/// A value of the payload, parsed one level deep.
struct Value<'a> {
    text: &'a RawValue,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Null,
    Boolean,
    Number(Number),
    String(Cow<'a, str>),
    Array(Vec<&'a RawValue>),
    Object(Vec<(String, &'a RawValue)>),
}

/// The path of a value: its own step after those of its parents.
#[derive(Clone, Copy)]
struct Path<'p> {
    before: Option<&'p Path<'p>>,
    step: Step<'p>,
    depth: u32,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Payload,
    Member(&'p str),
    Item(usize),
}

type Held = Result<(), Misfit>;

impl<'a> Check<'_, 'a> {
    pub(crate) fn run(schema: &Schema, payload: &'a str) -> Result<Cow<'a, str>, Misfit> {
        let root = Path { before: None, step: Step::Payload, depth: 0 };
        let text: &RawValue = serde_json::from_str(payload).map_err(|_| root.misfit("is not JSON"))?;
        let left = payload.len().saturating_mul(MOST_A_BYTE).saturating_add(MOST_ANYWAY);
        let mut check = Check { schema, payload, left, integers: Vec::new() };
        check.text(0, text, &root)?;
        Ok(check.plain())
    }

    /// The payload with its integers in plain form.
    fn plain(mut self) -> Cow<'a, str> {
        if self.integers.is_empty() {
            return Cow::Borrowed(self.payload);
        }
        self.integers.sort_by_key(|(place, _)| place.start);
        self.integers.dedup_by_key(|(place, _)| place.start);
        let mut plain = String::with_capacity(self.payload.len());
        let mut from = 0;
        for (place, integer) in self.integers {
            plain.push_str(self.payload.get(from..place.start).unwrap_or_default());
            plain.push_str(&integer);
            from = place.end;
        }
        plain.push_str(self.payload.get(from..).unwrap_or_default());
        Cow::Owned(plain)
    }

    fn text(&mut self, id: Id, text: &'a RawValue, at: &Path<'_>) -> Held {
        let value = Value::open(text).ok_or_else(|| at.misfit("cannot be read"))?;
        self.value(id, &value, at)
    }

    fn value(&mut self, id: Id, value: &Value<'a>, at: &Path<'_>) -> Held {
        self.left = self.left.checked_sub(1).ok_or_else(|| at.misfit("takes too long to check"))?;
        let at = &Path { depth: at.depth + 1, ..*at };
        if at.depth > DEEPEST {
            return Err(at.misfit("is nested too deep"));
        }
        let schema = self.schema;
        let Some(node) = schema.nodes.get(id) else { return Ok(()) };
        for ask in &node.asks {
            self.ask(ask, value, at)?;
        }
        match (node.unevaluated, &value.kind) {
            (Some(rest), Kind::Object(members)) => {
                let mut known = HashSet::new();
                for ask in &node.asks {
                    self.evaluated(ask, value, at, &mut known);
                }
                let unknown = members.iter().filter(|(name, _)| !known.contains(name.as_str()));
                unknown.into_iter().try_for_each(|(name, text)| self.text(rest, text, &at.to(Step::Member(name))))
            }
            _ => Ok(()),
        }
    }

    fn ask(&mut self, ask: &Ask, value: &Value<'a>, at: &Path<'_>) -> Held {
        match ask {
            Ask::Never => return Err(at.misfit("is not allowed")),
            Ask::Type(types) => return self.types(*types, value, at),
            Ask::OneOf(digests) => {
                let own = Digest::of(value.text.get()).ok();
                return at.held(own.is_some_and(|own| digests.contains(&own)), "is not one of the allowed values");
            }
            Ask::Reference(id) => return self.value(*id, value, at),
            Ask::All(ids) => return ids.iter().try_for_each(|id| self.value(*id, value, at)),
            Ask::Any(ids) => return self.any(ids, value, at),
            Ask::One(ids) => {
                let fitting = ids.iter().filter(|id| self.attempt(**id, value, at).is_ok()).count();
                return match fitting {
                    0 => self.any(ids, value, at),
                    1 => Ok(()),
                    _ => Err(at.misfit("matches more than one of the alternatives")),
                };
            }
            Ask::Not(id) => {
                let before = self.integers.len();
                let fits = self.attempt(*id, value, at).is_ok();
                self.integers.truncate(before);
                return at.held(!fits, "matches an excluded schema");
            }
            Ask::If { condition, then, otherwise } => {
                let branch = if self.attempt(*condition, value, at).is_ok() { then } else { otherwise };
                return branch.map_or(Ok(()), |id| self.value(id, value, at));
            }
            _ => {}
        }
        match &value.kind {
            Kind::Number(number) => number_fits(ask, number, at),
            Kind::String(text) => text_fits(ask, text, at),
            Kind::Array(items) => self.items(ask, items, at),
            Kind::Object(members) => self.object(ask, value, members, at),
            Kind::Null | Kind::Boolean => Ok(()),
        }
    }

    fn types(&mut self, types: Types, value: &Value<'a>, at: &Path<'_>) -> Held {
        let fits = match &value.kind {
            Kind::Null => types.null,
            Kind::Boolean => types.boolean,
            Kind::String(_) => types.string,
            Kind::Array(_) => types.array,
            Kind::Object(_) => types.object,
            Kind::Number(number) => {
                if types.integer && !types.number && number.is_integer() {
                    self.integer(number, value, at)?;
                }
                types.number || types.integer && number.is_integer()
            }
        };
        if fits { Ok(()) } else { Err(at.misfit(format!("is not {}", types.named()))) }
    }

    fn integer(&mut self, number: &Number, value: &Value<'a>, at: &Path<'_>) -> Held {
        let text = value.text.get();
        let plain = number.plain(MOST_DIGITS).ok_or_else(|| at.misfit("is an integer with too many digits"))?;
        if plain != text {
            // The value is a part of the payload.
            let from = (text.as_ptr() as usize).saturating_sub(self.payload.as_ptr() as usize);
            self.integers.push((from..from + text.len(), plain));
        }
        Ok(())
    }

    /// Tries an optional schema. What it recorded is kept only if it matches.
    fn attempt(&mut self, id: Id, value: &Value<'a>, at: &Path<'_>) -> Held {
        let before = self.integers.len();
        let held = self.value(id, value, at);
        if held.is_err() {
            self.integers.truncate(before);
        }
        held
    }

    fn any(&mut self, ids: &[Id], value: &Value<'a>, at: &Path<'_>) -> Held {
        let mut closest: Option<Misfit> = None;
        let mut fits = false;
        for id in ids {
            match self.attempt(*id, value, at) {
                Ok(()) => fits = true,
                // The alternative that matches down to the deepest value was probably intended.
                Err(misfit) if closest.as_ref().is_none_or(|closest| closest.depth() < misfit.depth()) => {
                    closest = Some(misfit);
                }
                Err(_) => {}
            }
        }
        let own = at.pointer();
        match closest {
            _ if fits => Ok(()),
            Some(misfit) if ids.len() == 1 || misfit.path.len() > own.len() => Err(misfit),
            _ => Err(at.misfit("matches none of the alternatives")),
        }
    }

    fn items(&mut self, ask: &Ask, items: &[&'a RawValue], at: &Path<'_>) -> Held {
        let count = items.len() as u64;
        match ask {
            Ask::MinItems(least) => at.held(count >= *least, format!("has fewer than {least} items")),
            Ask::MaxItems(most) => at.held(count <= *most, format!("has more than {most} items")),
            Ask::UniqueItems => {
                let mut known = HashSet::new();
                let twice = items.iter().any(|item| Digest::of(item.get()).is_ok_and(|digest| !known.insert(digest)));
                at.held(!twice, "has an item twice")
            }
            Ask::Items(first, rest) => {
                let schemas = first.iter().copied().map(Some).chain(std::iter::repeat(*rest));
                items.iter().zip(schemas).enumerate().try_for_each(|(place, (item, schema))| match schema {
                    Some(schema) => self.text(schema, item, &at.to(Step::Item(place))),
                    None => Ok(()),
                })
            }
            Ask::Contains { fits, least, most } => {
                let mut count = 0_u64;
                for (place, item) in items.iter().enumerate() {
                    let before = self.integers.len();
                    match self.text(*fits, item, &at.to(Step::Item(place))) {
                        Ok(()) => count += 1,
                        Err(_) => self.integers.truncate(before),
                    }
                }
                at.held(count >= *least, format!("has fewer than {least} matching items"))?;
                let too_many = most.filter(|most| count > *most);
                too_many.map_or(Ok(()), |most| Err(at.misfit(format!("has more than {most} matching items"))))
            }
            _ => Ok(()),
        }
    }

    fn object(&mut self, ask: &Ask, value: &Value<'a>, members: &[(String, &'a RawValue)], at: &Path<'_>) -> Held {
        let count = members.len() as u64;
        let has = |name: &String| members.iter().any(|(member, _)| member == name);
        match ask {
            Ask::MinProperties(least) => at.held(count >= *least, format!("has fewer than {least} members")),
            Ask::MaxProperties(most) => at.held(count <= *most, format!("has more than {most} members")),
            Ask::Required(names) => match names.iter().find(|name| !has(name)) {
                Some(missing) => Err(at.to(Step::Member(missing)).misfit("is missing")),
                None => Ok(()),
            },
            Ask::DependentRequired(lists) => {
                let wanted = lists.iter().filter(|(name, _)| has(name)).flat_map(|(_, names)| names);
                match wanted.into_iter().find(|name| !has(name)) {
                    Some(missing) => Err(at.to(Step::Member(missing)).misfit("is missing")),
                    None => Ok(()),
                }
            }
            Ask::DependentSchemas(schemas) => {
                schemas.iter().filter(|(name, _)| has(name)).try_for_each(|(_, id)| self.value(*id, value, at))
            }
            Ask::Members(schemas) => members.iter().try_for_each(|(name, text)| {
                let at = at.to(Step::Member(name));
                schemas.of(name).try_for_each(|id| self.text(id, text, &at))
            }),
            Ask::Names(id) => members.iter().try_for_each(|(name, _)| {
                let quoted = serde_json::Value::from(name.as_str()).to_string();
                let at = at.to(Step::Member(name));
                let names = Check { schema: self.schema, payload: &quoted, left: self.left, integers: Vec::new() };
                names.name(*id, &at)
            }),
            _ => Ok(()),
        }
    }

    /// Checks a schema against a name in the payload.
    fn name(mut self, id: Id, at: &Path<'_>) -> Held {
        let text: &'a RawValue = serde_json::from_str(self.payload).map_err(|_| at.misfit("cannot be read"))?;
        self.text(id, text, at).map_err(|misfit| at.misfit(format!("is a name that {}", misfit.reason)))
    }

    /// The members that a matching schema evaluates.
    fn evaluated(&mut self, ask: &Ask, value: &Value<'a>, at: &Path<'_>, known: &mut HashSet<String>) {
        let Kind::Object(members) = &value.kind else { return };
        let of_node = |check: &mut Self, id: Id, known: &mut HashSet<String>| {
            let schema = check.schema;
            let Some(node) = schema.nodes.get(id) else { return };
            if node.unevaluated.is_some() {
                known.extend(members.iter().map(|(name, _)| name.clone()));
            }
            let deeper = Path { depth: at.depth + 1, ..*at };
            if deeper.depth <= DEEPEST {
                node.asks.iter().for_each(|ask| check.evaluated(ask, value, &deeper, known));
            }
        };
        let optional: &[Id] = match ask {
            Ask::Members(schemas) => {
                let named = members.iter().filter(|(name, _)| schemas.of(name).next().is_some());
                known.extend(named.map(|(name, _)| name.clone()));
                return;
            }
            Ask::Reference(id) => return of_node(self, *id, known),
            Ask::All(ids) => return ids.iter().for_each(|id| of_node(self, *id, known)),
            Ask::DependentSchemas(schemas) => {
                let has = |name: &String| members.iter().any(|(member, _)| member == name);
                return schemas.iter().filter(|(name, _)| has(name)).for_each(|(_, id)| of_node(self, *id, known));
            }
            Ask::If { condition, then, otherwise } => {
                let holds = self.value(*condition, value, at).is_ok();
                if holds {
                    of_node(self, *condition, known);
                }
                let branch = if holds { then } else { otherwise };
                return branch.iter().for_each(|id| of_node(self, *id, known));
            }
            Ask::Any(ids) | Ask::One(ids) => ids,
            _ => return,
        };
        for id in optional {
            if self.value(*id, value, at).is_ok() {
                of_node(self, *id, known);
            }
        }
    }
}

fn number_fits(ask: &Ask, number: &Number, at: &Path<'_>) -> Held {
    match ask {
        Ask::Minimum(least, text) => at.held(number >= least, format!("is less than {text}")),
        Ask::Maximum(most, text) => at.held(number <= most, format!("is more than {text}")),
        Ask::Above(bound, text) => at.held(number > bound, format!("is not more than {text}")),
        Ask::Below(bound, text) => at.held(number < bound, format!("is not less than {text}")),
        Ask::MultipleOf(divisor, text) => at.held(divisor.divides(number), format!("is not a multiple of {text}")),
        Ask::Format(format) => format.misses_number(number).map_or(Ok(()), |what| Err(at.misfit(what))),
        _ => Ok(()),
    }
}

fn text_fits(ask: &Ask, text: &str, at: &Path<'_>) -> Held {
    let characters = || text.chars().count() as u64;
    match ask {
        Ask::MinLength(least) => at.held(characters() >= *least, format!("has fewer than {least} characters")),
        Ask::MaxLength(most) => at.held(characters() <= *most, format!("has more than {most} characters")),
        Ask::Pattern(pattern) => at.held(pattern.is_match(text), format!("does not match {}", pattern.as_str())),
        Ask::Format(format) => format.misses_text(text).map_or(Ok(()), |what| Err(at.misfit(what))),
        _ => Ok(()),
    }
}

impl Members {
    /// The schemas for a member with this name.
    fn of(&self, name: &str) -> impl Iterator<Item = Id> {
        let named = self.named.iter().find(|(own, _)| own == name).map(|(_, id)| *id);
        let matching = self.matching.iter().filter(|(pattern, _)| pattern.is_match(name)).map(|(_, id)| *id);
        let all: Vec<Id> = named.into_iter().chain(matching).collect();
        let others = self.others.filter(|_| all.is_empty());
        all.into_iter().chain(others)
    }
}

impl Types {
    fn named(self) -> String {
        let named = [
            (self.string, "a string"),
            (self.number, "a number"),
            (self.integer && !self.number, "an integer"),
            (self.boolean, "true or false"),
            (self.object, "an object"),
            (self.array, "an array"),
            (self.null, "null"),
        ];
        named.into_iter().filter(|(is_taken, _)| *is_taken).map(|(_, name)| name).collect::<Vec<_>>().join(" or ")
    }
}

impl<'a> Value<'a> {
    /// None for a text that is not Unicode.
    fn open(text: &'a RawValue) -> Option<Self> {
        let json = text.get();
        let kind = match json.as_bytes().first()? {
            b'n' => Kind::Null,
            b't' | b'f' => Kind::Boolean,
            b'"' => match json.get(1..json.len().saturating_sub(1)) {
                Some(plain) if !plain.contains('\\') => Kind::String(Cow::Borrowed(plain)),
                _ => Kind::String(Cow::Owned(serde_json::from_str(json).ok()?)),
            },
            b'[' => Kind::Array(serde_json::from_str(json).ok()?),
            b'{' => Kind::Object(serde_json::from_str::<Object<'a>>(json).ok()?.0),
            _ => Kind::Number(Number::parse(json)?),
        };
        Some(Self { text, kind })
    }
}

impl<'p> Path<'p> {
    fn to(&'p self, step: Step<'p>) -> Self {
        Self { before: Some(self), step, depth: self.depth }
    }

    fn held(&self, holds: bool, otherwise: impl Into<String>) -> Held {
        if holds { Ok(()) } else { Err(self.misfit(otherwise)) }
    }

    fn misfit(&self, reason: impl Into<String>) -> Misfit {
        Misfit { path: self.pointer(), reason: reason.into() }
    }

    fn pointer(&self) -> String {
        let mut steps = Vec::new();
        let mut path = Some(self);
        while let Some(Path { before, step, .. }) = path {
            match step {
                Step::Payload => {}
                Step::Member(name) => steps.push(name.replace('~', "~0").replace('/', "~1")),
                Step::Item(place) => steps.push(place.to_string()),
            }
            path = *before;
        }
        steps.iter().rev().fold(String::new(), |pointer, step| pointer + "/" + step)
    }
}

impl Misfit {
    fn depth(&self) -> usize {
        self.path.matches('/').count()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fit(schema: &serde_json::Value, payload: &str) -> Result<String, String> {
        let schema = Schema::read(schema).unwrap();
        schema.fit(payload).map(Cow::into_owned).map_err(|misfit| misfit.to_string())
    }

    #[test]
    fn a_misfit_says_where_and_why_and_has_no_value_in_it() {
        let schema = json!({
            "type": "object",
            "properties": {
                "points": { "type": "integer", "minimum": 1 },
                "note": { "type": ["string", "null"], "maxLength": 3, "pattern": "^[a-z]*$" },
                "lines": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/Line" } },
                "kind": { "enum": ["a", 1.0] },
                "id": { "type": "string", "format": "uuid" },
                "count": { "type": "integer", "format": "int32" },
            },
            "required": ["points"],
            "additionalProperties": false,
            "$defs": { "Line": { "properties": { "a/b": { "multipleOf": 0.01 } }, "required": ["a/b"] } },
        });
        for (payload, says) in [
            ("[]", "it is not an object"),
            ("{}", "/points is missing"),
            (r#"{"points":-5}"#, "/points is less than 1"),
            (r#"{"points":"5"}"#, "/points is not an integer"),
            (r#"{"points":1.5}"#, "/points is not an integer"),
            (r#"{"points":1,"note":7}"#, "/note is not a string or null"),
            (r#"{"points":1,"note":"abcd"}"#, "/note has more than 3 characters"),
            (r#"{"points":1,"note":"A"}"#, "/note does not match ^[a-z]*$"),
            (r#"{"points":1,"lines":[]}"#, "/lines has fewer than 1 items"),
            (r#"{"points":1,"lines":[{"a/b":1},{"a/b":1.005}]}"#, "/lines/1/a~1b is not a multiple of 0.01"),
            (r#"{"points":1,"lines":[{}]}"#, "/lines/0/a~1b is missing"),
            (r#"{"points":1,"kind":"b"}"#, "/kind is not one of the allowed values"),
            (r#"{"points":1,"id":"x"}"#, "/id is not a UUID"),
            (r#"{"points":1,"count":2147483648}"#, "/count is out of range for an int32"),
            (r#"{"points":1,"other":1}"#, "/other is not allowed"),
        ] {
            assert_eq!(fit(&schema, payload), Err(says.to_owned()), "{payload}");
        }
        let whole = r#"{"points":1,"note":null,"lines":[{"a/b":10.05}],"kind":1,"count":-2147483648}"#;
        assert_eq!(fit(&schema, whole).as_deref(), Ok(whole));
    }

    #[test]
    fn integers_are_handed_on_in_their_plain_form_and_nothing_else_is_touched() {
        let schema = json!({ "properties": {
            "n": { "type": "integer" },
            "list": { "items": { "anyOf": [{ "type": "integer", "minimum": 5 }, { "type": "string" }, { "type": "number" }] } },
            "amount": { "type": "number" },
            "not": { "not": { "type": "integer", "minimum": 5 } },
        } });
        let payload = r#"{ "n": 1.0, "list": [5e0, 4.0, "4.0", -0], "amount": 100.00, "other": 1.0, "not": 4.0 }"#;
        let plain = r#"{ "n": 1, "list": [5, 4.0, "4.0", -0], "amount": 100.00, "other": 1.0, "not": 4.0 }"#;
        assert_eq!(fit(&schema, payload).as_deref(), Ok(plain));
        assert_eq!(fit(&schema, r#"{"n":-0}"#).as_deref(), Ok(r#"{"n":0}"#));
        assert_eq!(fit(&schema, r#"{"n":1e400000}"#), Err("/n is an integer with too many digits".into()));
    }

    #[test]
    fn of_several_forms_the_closest_one_says_why() {
        let schema = json!({ "oneOf": [
            { "properties": { "do": { "const": "get" }, "id": { "type": "string" } }, "required": ["do", "id"] },
            { "properties": { "do": { "const": "put" }, "value": { "type": "object", "required": ["x"] } }, "required": ["do", "value"] },
        ] });
        assert_eq!(fit(&schema, r#"{"do":"put","value":{}}"#), Err("/value/x is missing".into()));
        assert!(fit(&schema, r#"{"do":"get","id":"a"}"#).is_ok());
        assert_eq!(fit(&schema, "1"), Err("it matches more than one of the alternatives".into()));
        let nullable = json!({ "properties": { "a": { "anyOf": [{ "type": "string" }, { "type": "null" }] } } });
        assert_eq!(fit(&nullable, r#"{"a":1}"#), Err("/a matches none of the alternatives".into()));
    }

    #[test]
    fn what_nothing_names_is_refused_through_references_and_alternatives() {
        let schema = json!({
            "$ref": "#/$defs/Base",
            "properties": { "own": {} },
            "oneOf": [{ "properties": { "a": { "type": "string" } }, "required": ["a"] }, { "properties": { "b": {} }, "required": ["b"] }],
            "unevaluatedProperties": false,
            "$defs": { "Base": { "properties": { "id": {} } } },
        });
        assert!(fit(&schema, r#"{"own":1,"id":2,"a":"x"}"#).is_ok());
        assert_eq!(fit(&schema, r#"{"own":1,"b":2,"c":3}"#), Err("/c is not allowed".into()));
    }

    #[test]
    fn a_check_ends_however_much_is_asked_for() {
        // Each level holds the next one twice.
        let mut definitions = serde_json::Map::new();
        for level in 0..40 {
            let next = json!({ "$ref": format!("#/$defs/{}", level + 1) });
            definitions.insert(level.to_string(), json!({ "anyOf": [next, next] }));
        }
        definitions.insert("40".into(), json!({ "type": "string" }));
        let schema = json!({ "$defs": definitions, "$ref": "#/$defs/0" });
        assert!(fit(&schema, "1").is_err());
        let nested = json!({ "items": { "$ref": "#" } });
        assert!(fit(&nested, &format!("{}{}", "[".repeat(100), "]".repeat(100))).is_ok());
        let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
        let wrapped = json!({ "allOf": [{ "allOf": [{ "allOf": [{ "items": { "$ref": "#" } }] }] }] });
        assert_eq!(
            fit(&wrapped, &deep).unwrap_err().split(' ').skip(1).collect::<Vec<_>>().join(" "),
            "is nested too deep"
        );
    }
}
