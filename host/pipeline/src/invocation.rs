use tenet_core::{Event, IdempotencyKey, Members};

/// The member that names the operation.
const OPERATION: &str = "operation";

/// The member that holds the caller's key.
const KEY: &str = "idempotency_key";

/// What a caller sent, independent of the transport.
#[derive(Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The operation.
    pub operation: String,
    /// The caller's key.
    pub key: Option<IdempotencyKey>,
    /// The members of the JSON object except those that named the operation and the key, in their order and with numbers as
    /// written. It does not depend on the transport, so the same request has the same digest on
    /// every path.
    pub payload: String,
}

impl Invocation {
    /// Reads a JSON object that names its operation in a member. The error is for the caller.
    pub fn direct(event: &str) -> Result<Self, String> {
        let Read { operation, key, payload } = Read::members(event, "A direct invocation", Some(OPERATION), None)?;
        let operation =
            operation.ok_or_else(|| format!("The member {OPERATION:?} is missing: it names the operation."))?;
        Ok(Self { operation, key, payload })
    }

    /// Reads the body of a request to `operation` that may have sent its key outside the body. An
    /// empty body is an empty object. The address names the operation, so a member `operation`
    /// belongs to the payload. A body with a different key is refused. The error is for the caller.
    pub fn addressed(operation: &str, key: Option<IdempotencyKey>, body: &str) -> Result<Self, String> {
        let body = if body.is_empty() { "{}" } else { body };
        let read = Read::members(body, "The body", None, None)?;
        let key = match (key, read.key) {
            (Some(beside), Some(within)) if beside != within => {
                return Err(format!("The member {KEY:?} and the header differ: a request has one key."));
            }
            (beside, within) => beside.or(within),
        };
        Ok(Self { operation: operation.to_owned(), key, payload: read.payload })
    }

    /// Reads the detail of an event that `operation` handles. In an event published by a host, the
    /// member `tenet` does not belong to the payload: it names the bus, and a delivery from the
    /// other region's bus is the same request. Otherwise the detail is read like the body of an
    /// addressed request. The error is for the operator.
    pub fn of_event(operation: &str, detail: &str) -> Result<Self, String> {
        let Read { key, payload, .. } = Read::members(detail, "The detail", None, Some(Event::MEMBER))?;
        Ok(Self { operation: operation.to_owned(), key, payload })
    }
}

/// The members that have a meaning here. Null counts as absent, both in these members and in the
/// one that an operation's `key` names.
struct Read {
    operation: Option<String>,
    key: Option<IdempotencyKey>,
    payload: String,
}

impl Read {
    /// Reads an object. The member `names_it`, if given, names the operation; the member `left_out`
    /// does not belong to the payload.
    fn members(object: &str, what: &str, names_it: Option<&str>, left_out: Option<&str>) -> Result<Self, String> {
        let Members(members) =
            serde_json::from_str(object).map_err(|error| format!("{what} is a JSON object: {error}."))?;
        let (mut operation, mut key, mut payload) = (None, None, String::with_capacity(object.len()));
        let (mut names_operation, mut names_key) = (false, false);
        payload.push('{');
        for (name, value) in members {
            let text = || {
                serde_json::from_str::<Option<String>>(value.get())
                    .map_err(|_| format!("The member {name:?} has to be a string."))
            };
            match name.as_str() {
                naming if Some(naming) == names_it => {
                    if std::mem::replace(&mut names_operation, true) {
                        return Err(twice(&name));
                    }
                    operation = text()?;
                }
                KEY if std::mem::replace(&mut names_key, true) => return Err(twice(&name)),
                KEY => {
                    let checked = text()?.map(IdempotencyKey::new).transpose();
                    key = checked.map_err(|error| format!("The member {name:?}: {error}."))?;
                }
                other if Some(other) == left_out => {}
                _ => {
                    if payload.len() > 1 {
                        payload.push(',');
                    }
                    payload.push_str(&serde_json::Value::from(name).to_string());
                    payload.push(':');
                    payload.push_str(value.get());
                }
            }
        }
        payload.push('}');
        Ok(Self { operation, key, payload })
    }
}

fn twice(name: &str) -> String {
    format!("The member {name:?} appears twice.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<IdempotencyKey> {
        IdempotencyKey::new(text).ok()
    }

    #[test]
    fn the_way_a_request_came_does_not_show_in_its_payload() {
        let direct = Invocation::direct(r#"{"operation":"write","idempotency_key":"k","amount":1.50}"#).unwrap();
        for (beside, body) in [(key("k"), r#"{"amount":1.50}"#), (None, r#"{"amount":1.50,"idempotency_key":"k"}"#)] {
            assert_eq!(Invocation::addressed("write", beside, body).unwrap(), direct, "{body}");
        }
        assert_eq!(Invocation::addressed("read", None, "").unwrap().payload, "{}");
    }

    #[test]
    fn an_event_is_the_same_request_from_whichever_bus_it_comes() {
        let direct = Invocation::direct(r#"{"operation":"write","amount":1.50,"a":{"tenet":1}}"#).unwrap();
        for detail in [
            r#"{"amount":1.50,"a":{"tenet":1}}"#,
            r#"{"amount":1.50,"a":{"tenet":1},"tenet":{"id":"1","region":"us-east-1","bus":"us-east-1"}}"#,
            r#"{"tenet":{"id":"1","region":"us-east-1","bus":"us-west-2"},"amount":1.50,"a":{"tenet":1}}"#,
        ] {
            assert_eq!(Invocation::of_event("write", detail).unwrap(), direct, "{detail}");
        }
        assert_eq!(Invocation::of_event("write", r#"{"idempotency_key":"k"}"#).unwrap().key, key("k"));
        for (detail, says) in [("[]", "The detail is a JSON object"), (r#""{}""#, "The detail is a JSON object")] {
            let error = Invocation::of_event("write", detail).unwrap_err();
            assert!(error.contains(says), "{detail}: {error}");
        }
    }

    #[test]
    fn what_is_addressed_may_have_a_member_operation_of_its_own() {
        for payload in [r#"{"operation":"insert","seq":7}"#, r#"{"operation":{"of":1}}"#, r#"{"operation":"apply"}"#] {
            for read in [Invocation::addressed("apply", None, payload), Invocation::of_event("apply", payload)] {
                let read = read.unwrap();
                assert_eq!((read.operation.as_str(), read.payload.as_str()), ("apply", payload));
            }
        }
    }

    #[test]
    fn null_says_nothing_wherever_a_key_or_an_operation_may_stand() {
        let bare = Invocation::direct(r#"{"operation":"write","amount":1}"#).unwrap();
        let named = r#"{"operation":"write","idempotency_key":null,"amount":1}"#;
        assert_eq!(Invocation::direct(named).unwrap(), bare);
        let null = r#"{"idempotency_key":null,"amount":1}"#;
        assert_eq!(Invocation::addressed("write", None, null).unwrap(), bare);
        assert_eq!(Invocation::of_event("write", null).unwrap(), bare);
        let beside = Invocation::addressed("write", key("k"), null).unwrap();
        assert_eq!(beside.key, key("k"));
        for (event, says) in [
            (r#"{"operation":null}"#, "missing"),
            (r#"{"operation":"write","idempotency_key":null,"idempotency_key":"k"}"#, "twice"),
            (r#"{"operation":"write","idempotency_key":"k","idempotency_key":null}"#, "twice"),
            (r#"{"operation":null,"operation":"write"}"#, "twice"),
        ] {
            let error = Invocation::direct(event).unwrap_err();
            assert!(error.contains(says), "{event}: {error}");
        }
    }

    #[test]
    fn a_body_that_contradicts_its_address_is_refused() {
        for (body, says) in [
            (r#"{"idempotency_key":"other"}"#, "one key"),
            (r#"{"idempotency_key":7}"#, "string"),
            ("[]", "The body is a JSON object"),
            ("{", "The body is a JSON object"),
        ] {
            let error = Invocation::addressed("write", key("k"), body).unwrap_err();
            assert!(error.contains(says), "{body}: {error}");
        }
    }
}
