use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use tenet_core::bundle::Operation;

use crate::json_schema::{JsonSchema, Member, Members};
use crate::manifest::nearest;

/// The member of a request that holds its idempotency key.
const KEY: &str = "idempotency_key";

/// The member of a direct invocation that names the operation.
const OPERATION: &str = "operation";

/// The descriptions of the rules' inputs and outputs, by the rules' names.
pub(crate) struct Described(BTreeMap<String, Schemas>);

/// The output of the contract's `describe` for one rule. An absent part describes nothing.
#[derive(Default, Deserialize)]
struct Schemas {
    input: Option<Value>,
    output: Option<Value>,
}

/// The descriptions of an operation's payload by its rules. All of them receive the same payload.
pub(crate) struct Payload<'a>(Vec<Members<'a>>);

/// A name in a manifest that does not match the rules' descriptions, with advice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) what: String,
    pub(crate) help: String,
}

impl Described {
    /// Reads the descriptions. An unreadable one describes nothing here; generating the OpenAPI
    /// document refuses it.
    pub(crate) fn read(descriptions: &BTreeMap<String, String>) -> Self {
        let read = |(rule, text): (&String, &String)| (rule.clone(), serde_json::from_str(text).unwrap_or_default());
        Self(descriptions.iter().map(read).collect())
    }

    /// The descriptions of an operation's payload.
    pub(crate) fn payload(&self, operation: &Operation) -> Payload<'_> {
        let input = |rule: &String| self.0.get(rule)?.input.as_ref();
        let members = |rule| input(rule).map(|schema| JsonSchema::new(schema).members()).unwrap_or_default();
        Payload(operation.rules.iter().map(members).collect())
    }

    /// Whether a value is possible at this path in the input or the output of a rule of the
    /// operation.
    pub(crate) fn may_have(&self, operation: &Operation, path: &str) -> bool {
        let path: Vec<&str> = path.split('.').collect();
        operation.rules.iter().any(|rule| {
            let Some(Schemas { input, output }) = self.0.get(rule) else { return true };
            [input, output]
                .into_iter()
                .any(|schema| schema.as_ref().is_none_or(|schema| JsonSchema::new(schema).may_have(&path)))
        })
    }
}

impl Payload<'_> {
    /// Refuses an idempotency key that a payload cannot have, that is neither a string nor a
    /// number, or that is required but that a payload may omit. Returns a warning if no rule
    /// describes the member.
    pub(crate) fn check_key(&self, key: &str, required: bool) -> Result<Option<Misfit>, Misfit> {
        let describe = "describe it in the schema of a rule's payload: a required string or number";
        let Some(Member { is_required, kinds }) = self.member(key) else {
            // A member that one rule's list excludes is excluded, even if other rules allow any
            // members.
            if !self.0.iter().any(Members::are_closed) {
                let what = "none of its rules describes such a member";
                return Ok(Some(Misfit::new(what, self.meant(key).unwrap_or_else(|| describe.to_owned()))));
            }
            let help = self.meant(key).unwrap_or_else(|| match self.names().as_slice() {
                [] => describe.to_owned(),
                names => format!("name one of its rules' members: `{}`", names.join("`, `")),
            });
            return Err(Misfit::new("none of its rules takes such a member", help));
        };
        if !(kinds.string || kinds.number) || (kinds.other && !kinds.null) {
            let what = "what its rules take there is neither a string nor a number";
            return Err(Misfit::new(what, "name a member that is one of the two"));
        }
        // All kinds at once means that the schema does not restrict the type.
        let is_unsaid = kinds.other;
        match (required, is_required && (is_unsaid || !kinds.null)) {
            (true, false) => Err(Misfit::new(
                "a request may leave the member out",
                format!(
                    "have a rule require it, or write `key = {{ member = \"{key}\", optional = true }}`: \
                     then a request without it is another one each time that it is sent"
                ),
            )),
            (false, true) if !is_unsaid => Err(Misfit::new(
                "a rule of it requires the member, which is not optional then",
                format!("write `key = \"{key}\"`"),
            )),
            _ if is_unsaid => {
                Ok(Some(Misfit::new("none of its rules says that the member is a string or a number", describe)))
            }
            _ => Ok(None),
        }
    }

    /// Refuses members that no request contains: the host takes the operation's name and the key
    /// out of the payload. Returns a warning for members that only some kinds of request can
    /// contain.
    pub(crate) fn check_names(&self) -> Result<Option<Misfit>, Misfit> {
        if self.0.iter().any(|rule| rule.get(KEY).is_some()) {
            let what =
                format!("a rule of it takes the member {KEY}, which brings a request's key and is in no payload");
            return Err(Misfit { what, help: "give it another name; the host gives a rule the key".to_owned() });
        }
        let requires = |rule: &Members<'_>| rule.get(OPERATION).is_some_and(|member| member.is_required);
        Ok(self.0.iter().any(requires).then(|| {
            let what =
                format!("a rule of it requires the member {OPERATION}, which HTTP requests and events can bring");
            let help = "in direct invocations and in a queue's messages it names the operation: \
                        give the member another name where such are to come";
            Misfit::new(&what, help)
        }))
    }

    fn member(&self, name: &str) -> Option<Member> {
        self.0.iter().cloned().reduce(Members::and)?.get(name)
    }

    fn names(&self) -> Vec<&str> {
        let names: BTreeSet<&str> = self.0.iter().flat_map(Members::names).collect();
        names.into_iter().collect()
    }

    fn meant(&self, written: &str) -> Option<String> {
        nearest(written, self.names().into_iter()).map(|name| format!("did you mean `{name}`?"))
    }
}

impl Misfit {
    fn new(what: &str, help: impl Into<String>) -> Self {
        Self { what: what.to_owned(), help: help.into() }
    }
}
