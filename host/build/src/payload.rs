use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use tenet_core::bundle::Operation;

use crate::json_schema::{JsonSchema, Member, Members};
use crate::manifest::nearest;

/// The member of a request that holds its key.
const KEY: &str = "idempotency_key";

/// The member of a direct invocation that names the operation.
const OPERATION: &str = "operation";

/// What the rules of a bundle say that they take and give, by their names.
pub(crate) struct Described(BTreeMap<String, Schemas>);

/// What one says, as the contract's `describe` has it. A part that is absent says nothing.
#[derive(Default, Deserialize)]
struct Schemas {
    input: Option<Value>,
    output: Option<Value>,
}

/// What an operation's rules say of its payload, which goes to all of them.
pub(crate) struct Payload<'a>(Vec<Members<'a>>);

/// A name in a manifest that does not fit what the rules say, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) what: String,
    pub(crate) help: String,
}

impl Described {
    /// Reads the descriptions. One that cannot be read says nothing here: the maker of the API's
    /// description of it refuses it.
    pub(crate) fn read(descriptions: &BTreeMap<String, String>) -> Self {
        let read = |(rule, text): (&String, &String)| (rule.clone(), serde_json::from_str(text).unwrap_or_default());
        Self(descriptions.iter().map(read).collect())
    }

    /// What they say of an operation's payload.
    pub(crate) fn payload(&self, operation: &Operation) -> Payload<'_> {
        let input = |rule: &String| self.0.get(rule)?.input.as_ref();
        let members = |rule| input(rule).map(|schema| JsonSchema::new(schema).members()).unwrap_or_default();
        Payload(operation.rules.iter().map(members).collect())
    }

    /// Whether there may be a value at this path of what a rule of the operation takes or gives.
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
    /// Refuses a member as the idempotency key that a payload cannot have, that is neither a string
    /// nor a number, or that is not there in each request although it is required. What none of the rules says is
    /// the warning that is given.
    pub(crate) fn check_key(&self, key: &str, required: bool) -> Result<Option<Misfit>, Misfit> {
        let describe = "describe it in the schema of a rule's payload: a required string or number";
        let Some(Member { is_required, kinds }) = self.member(key) else {
            // What other rules leave open does not make a payload out of what one of them lists.
            if !self.0.iter().any(Members::are_closed) {
                let what = "no rule of it says that there is such a member";
                return Ok(Some(Misfit::new(what, self.meant(key).unwrap_or_else(|| describe.to_owned()))));
            }
            let help = self.meant(key).unwrap_or_else(|| match self.names().as_slice() {
                [] => describe.to_owned(),
                names => format!("name one of its rules' members: `{}`", names.join("`, `")),
            });
            return Err(Misfit::new("no rule of it takes such a member", help));
        };
        if !(kinds.string || kinds.number) || (kinds.other && !kinds.null) {
            let what = "what its rules take there is neither a string nor a number";
            return Err(Misfit::new(what, "name a member that is one of the two"));
        }
        // All kinds at once is what a schema says that says nothing.
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
                Ok(Some(Misfit::new("no rule of it says that the member is a string or a number", describe)))
            }
            _ => Ok(None),
        }
    }

    /// Refuses members that no request brings: those that say what is asked and under which key are
    /// taken out of the payload. What some ways bring and others do not is the warning that is given.
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
