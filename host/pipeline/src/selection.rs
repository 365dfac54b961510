use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde_json::value::RawValue;
use tenet_core::bundle::{self, Index};
use tenet_core::{Digest, IdempotencyKey, Mode, Number, OperationCall, Random, Request, ScheduleError, SourceKey, hex};
use tenet_schema::SchemaError;

use crate::chained_rule::ChainedRule;

/// The operations of a bundle, as the pipeline needs them.
#[derive(Clone, Debug)]
pub struct Operations {
    all: Vec<Selected>,
    /// After how many failures a rule is suspended, and for how long.
    pub(crate) breaker: (u32, Duration),
    /// How many requests are decided concurrently.
    pub(crate) connections: u32,
}

/// An operation names a rule that is not in the index or whose schema is unusable.
#[derive(Debug)]
pub struct UnusableOperation {
    operation: String,
    rule: String,
    schema: Option<SchemaError>,
}

/// One operation and what its rules may use.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    pub(crate) rules: Vec<ChainedRule>,
    of_index: bundle::Operation,
}

/// The key under which a request runs, if it writes.
pub(crate) struct Keyed {
    pub(crate) mode: Mode,
    /// The digest of the payload.
    pub(crate) digest: Digest,
    /// Whether the host generated the key, so that the caller has to learn it.
    pub(crate) is_given: bool,
}

impl Operations {
    /// The operations of an index.
    pub fn new(index: &Index) -> Result<Self, UnusableOperation> {
        Self::read(index, false)
    }

    /// Like `new`, but also checks outputs against their schemas. For tests.
    pub fn strict(index: &Index) -> Result<Self, UnusableOperation> {
        Self::read(index, true)
    }

    fn read(index: &Index, holds_outputs: bool) -> Result<Self, UnusableOperation> {
        let select = |operation: &bundle::Operation| {
            let chained = |name: &String| {
                let unusable =
                    |schema| UnusableOperation { operation: operation.name.clone(), rule: name.clone(), schema };
                let rule = index.rule(name).ok_or_else(|| unusable(None))?;
                ChainedRule::new(rule, holds_outputs).map_err(|error| unusable(Some(error)))
            };
            let rules = operation.rules.iter().map(chained).collect::<Result<_, _>>()?;
            Ok(Selected { rules, of_index: operation.clone() })
        };
        let breaker = (index.host.rule_failures, Duration::from_secs(index.host.rule_rest_s));
        let all = index.operations.iter().map(select).collect::<Result<_, _>>()?;
        Ok(Self { all, breaker, connections: index.host.connections })
    }

    /// The operation that a caller named, or a message that lists the operations.
    pub(crate) fn select(&self, name: &str) -> Result<&Selected, String> {
        self.all.iter().find(|operation| operation.name() == name).ok_or_else(|| {
            let names: Vec<_> = self.all.iter().map(Selected::name).collect();
            format!("There is no operation {name:?}. There are: {}.", names.join(", "))
        })
    }

    /// Checks that what a rule schedules has a payload that each rule of the operation takes. Otherwise it would be
    /// committed, and fail each time that it runs.
    pub(crate) fn check(&self, call: &OperationCall) -> Result<(), ScheduleError> {
        let Ok(Selected { rules, .. }) = self.select(&call.operation) else { return Ok(()) };
        match rules.iter().find_map(|rule| rule.misfit(&call.payload)) {
            Some(misfit) => Err(ScheduleError::misfit(&call.operation, &misfit)),
            None => Ok(()),
        }
    }
}

impl Selected {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.of_index.name
    }

    /// Whether the caller may use the operation. The error is for the caller.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), &'static str> {
        match &request.caller {
            // A rule that is granted the operation has scheduled it.
            _ if request.follow_up.is_some() => Ok(()),
            _ if self.of_index.callers.as_ref().is_some_and(Vec::is_empty) => {
                Err("This operation is open to no caller: it only follows others.")
            }
            caller if self.of_index.admits(caller.as_deref()) => Ok(()),
            Some(_) => Err("This operation is not open to this caller."),
            None => Err("This operation is open to some callers only, and this caller is not authenticated."),
        }
    }

    /// Selects the key: the caller's key, else the member of the payload that the manifest names,
    /// else the id from the source of the request, else a generated one. If the member is required,
    /// only an event's id can replace it: with any other key, a repeated request would count as a
    /// new one. The error is for the caller.
    pub(crate) fn keyed(&self, request: &Request) -> Result<Keyed, String> {
        // This also checks that the payload is JSON that every parser reads in the same way.
        let digest = Digest::of(&request.payload).map_err(|error| format!("The payload is {error}."))?;
        if self.of_index.read_only {
            if request.follow_up.is_some() {
                // It has no transaction that could end the follow-up, so it would run at each turn.
                return Err(format!("The operation {:?} only reads, so it cannot follow another one.", self.name()));
            }
            return Ok(Keyed { mode: Mode::Read, digest, is_given: false });
        }
        if let Some(follow_up) = &request.follow_up {
            // Of its own, whatever the payload says: it is no second request of a caller's.
            let key = follow_up.id.key().map_err(|error| error.to_string())?;
            return Ok(Keyed { mode: Mode::Write { key, digest }, digest, is_given: false });
        }
        let named = match (&request.key, &self.of_index.key) {
            (Some(key), _) => Some(key.clone()),
            (None, Some(member)) => key_in_payload(&request.payload, member)?,
            (None, None) => None,
        };
        let is_given = named.is_none();
        let required = self.of_index.key.as_ref().filter(|_| self.of_index.key_required);
        let key = match (named, &request.source_key, required) {
            (Some(key), _, _) => key,
            (None, Some(SourceKey::Event(key)), _) | (None, Some(SourceKey::Delivery(key)), None) => key.clone(),
            (None, _, Some(member)) => return Err(missing(member)),
            (None, None, None) => new_key(&request.seed)?,
        };
        Ok(Keyed { mode: Mode::Write { key, digest }, digest, is_given })
    }
}

fn key_in_payload(payload: &str, member: &str) -> Result<Option<IdempotencyKey>, String> {
    let members: HashMap<String, &RawValue> =
        serde_json::from_str(payload).map_err(|_| "The payload is not a JSON object.".to_owned())?;
    let Some(value) = members.get(member) else { return Ok(None) };
    let key = match serde_json::from_str::<Option<String>>(value.get()) {
        Ok(None) => return Ok(None),
        Ok(Some(text)) => IdempotencyKey::new(text),
        Err(_) => match Number::parse(value.get()) {
            Some(number) => IdempotencyKey::of_number(&number),
            None => {
                let message =
                    format!("The member {member:?} is the idempotency key: it has to be a string or a number.");
                return Err(message);
            }
        },
    };
    key.map(Some).map_err(|error| format!("The member {member:?}: {error}."))
}

fn missing(member: &str) -> String {
    // A different key would not help: the rule requires the member too.
    format!("The member {member:?} is missing: it is the idempotency key.")
}

fn new_key(seed: &[u8; 32]) -> Result<IdempotencyKey, String> {
    IdempotencyKey::new(hex(&Random::new(seed, "key", 0).bytes(16))).map_err(|error| error.to_string())
}

impl fmt::Display for UnusableOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, rule, schema } = self;
        match schema {
            None => write!(f, "the operation {operation} names the rule {rule}, which the index lacks"),
            Some(_) => write!(f, "the operation {operation} has the rule {rule}, whose schema cannot be held"),
        }
    }
}

impl std::error::Error for UnusableOperation {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.schema.as_ref().map(|error| error as _)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tenet_core::Timestamp;

    use super::*;

    fn selected() -> Selected {
        Selected {
            rules: Vec::new(),
            of_index: bundle::Operation {
                name: "write".into(),
                rules: vec!["record".into()],
                key: Some("transaction_id".into()),
                read_only: false,
                callers: None,
                events: vec![],
                ..bundle::Operation::default()
            },
        }
    }

    fn request(payload: &str) -> Request {
        Request {
            operation: "write".into(),
            key: None,
            source_key: None,
            payload: payload.into(),
            caller: None,
            region: "us-east-1".into(),
            now: Timestamp(0),
            seed: [3; 32],
            deadline: Instant::now(),
            trace: None,
            follow_up: None,
        }
    }

    fn key_of(request: &Request) -> Result<(String, bool), String> {
        key_by(&selected(), request)
    }

    fn key_by(selected: &Selected, request: &Request) -> Result<(String, bool), String> {
        match selected.keyed(request)? {
            Keyed { mode: Mode::Write { key, .. }, is_given, .. } => Ok((key.as_str().to_owned(), is_given)),
            Keyed { mode: Mode::Read, .. } => Err("a reader".into()),
        }
    }

    #[test]
    fn the_callers_key_comes_first_then_the_payloads_then_the_sources() {
        let key = |text| IdempotencyKey::new(text).ok();
        let mut full = request(r#"{"transaction_id":"from-payload"}"#);
        full.key = key("from-caller");
        full.source_key = key("from-source").map(SourceKey::Delivery);
        assert_eq!(key_of(&full).unwrap().0, "from-caller");
        full.key = None;
        assert_eq!(key_of(&full).unwrap(), ("from-payload".into(), false));
        full.payload = r#"{"transaction_id":null}"#.into();
        assert_eq!(key_of(&full).unwrap(), ("from-source".into(), true));
        full.source_key = None;
        let (made, is_given) = key_of(&full).unwrap();
        assert!(is_given && made.len() == 32, "{made}");
    }

    #[test]
    fn a_number_of_the_payload_is_a_key_by_its_value() {
        for payload in [r#"{"transaction_id":17}"#, r#"{"transaction_id": 17.0 }"#, r#"{"transaction_id":1.7e1}"#] {
            assert_eq!(key_of(&request(payload)).unwrap(), ("17".into(), false), "{payload}");
        }
    }

    #[test]
    fn a_required_member_that_is_missing_is_refused_unless_the_request_has_a_key_that_lasts() {
        let key = |text| IdempotencyKey::new(text).unwrap();
        let mut required = selected();
        required.of_index.key_required = true;
        for payload in ["{}", r#"{"transaction_id":null}"#, r#"{"transfer_id":"from-payload"}"#] {
            let mut bare = request(payload);
            for source_key in [None, Some(SourceKey::Delivery(key("from-delivery")))] {
                bare.source_key = source_key;
                let error = key_by(&required, &bare).unwrap_err();
                assert!(error.starts_with("The member \"transaction_id\" is missing"), "{error}");
            }
            bare.source_key = Some(SourceKey::Event(key("from-event")));
            assert_eq!(key_by(&required, &bare).unwrap(), ("from-event".into(), true));
            bare.key = Some(key("from-caller"));
            assert_eq!(key_by(&required, &bare).unwrap(), ("from-caller".into(), false));
        }
        let full = request(r#"{"transaction_id":"from-payload"}"#);
        assert_eq!(key_by(&required, &full).unwrap(), ("from-payload".into(), false));
    }

    #[test]
    fn a_key_that_cannot_be_one_is_refused_before_anything_is_tried() {
        let long = format!(r#"{{"transaction_id":"{}"}}"#, "x".repeat(300));
        for (payload, says) in [
            (long.as_str(), "300"),
            (r#"{"transaction_id":""}"#, "at least one"),
            (r#"{"transaction_id":true}"#, "a string or a number"),
            (r#"{"transaction_id":["a"]}"#, "a string or a number"),
            (r#"{"transaction_id":1e300}"#, "255"),
            (r#"{"transaction_id":"\u0000"}"#, "U+0000"),
            ("[1]", "object"),
            ("{", "not JSON"),
            (r#"{"a":1,"a":2}"#, "twice"),
        ] {
            let error = key_of(&request(payload)).unwrap_err();
            assert!(error.contains(says), "{payload}: {error}");
        }
    }

    #[test]
    fn an_unknown_operation_is_told_which_there_are() {
        let error = Operations { all: vec![selected()], breaker: (0, Duration::ZERO), connections: 1 }
            .select("wriet")
            .unwrap_err();
        assert_eq!(error, "There is no operation \"wriet\". There are: write.");
    }

    #[test]
    fn who_may_ask_is_what_the_authoriser_vouches_for_and_never_what_the_payload_says() {
        let mut closed = selected();
        closed.of_index.callers = Some(vec![bundle::Caller("ann".into())]);
        let mut asked = request(r#"{"caller":"ann"}"#);
        assert!(closed.admit(&asked).unwrap_err().contains("not authenticated"));
        asked.caller = Some("bob".into());
        assert!(closed.admit(&asked).unwrap_err().contains("this caller"));
        asked.caller = Some("ann".into());
        assert_eq!(closed.admit(&asked), Ok(()));
        assert_eq!(selected().admit(&request("{}")), Ok(()));
    }
}
