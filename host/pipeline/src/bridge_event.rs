use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use tenet_core::IdempotencyKey;

use crate::Invocation;

/// An event delivered by EventBridge, or by a bus that stands in for it.
#[derive(Debug)]
pub struct BridgeEvent<'a> {
    source: String,
    detail_type: String,
    id: Option<String>,
    /// Unparsed JSON text.
    detail: &'a str,
}

impl<'a> BridgeEvent<'a> {
    /// Reads an event without parsing its detail. The error says what is missing.
    pub fn read(event: &'a str) -> Result<Self, String> {
        let missing = |what: &str| format!("this is not an EventBridge event: {what}");
        let members: HashMap<String, &'a RawValue> =
            serde_json::from_str(event).map_err(|_| missing("it is not an object"))?;
        // Null counts as absent.
        let get = |name: &str| members.get(name).map(|value| value.get()).filter(|value| *value != "null");
        let text = |name: &str| {
            let text = get(name).and_then(|value| serde_json::from_str::<String>(value).ok());
            text.ok_or_else(|| missing(&format!("it lacks `{name}`, a string")))
        };
        // An `id` that is not a string would differ between delivery paths.
        let id = get("id").map(|_| text("id")).transpose()?;
        let detail = get("detail").ok_or_else(|| missing("it lacks `detail`"))?;
        Ok(Self { source: text("source")?, detail_type: text("detail-type")?, id, detail })
    }

    /// The id that all deliveries of the event share. For an event published by a Tenet host this
    /// is the host's id: it is the same on both buses and when the event is published again.
    /// Otherwise it is EventBridge's id.
    ///
    /// An id that cannot be a key is an error, which becomes the answer: any substitute would
    /// differ between deliveries.
    pub fn key(&self) -> Result<Option<IdempotencyKey>, String> {
        let id = self.published().or_else(|| self.id.clone());
        let key = id.map(IdempotencyKey::new).transpose();
        key.map_err(|error| format!("The event's id is its key, and it cannot be one: {error}."))
    }

    /// Whether a Tenet host published it.
    pub fn is_published(&self) -> bool {
        self.published().is_some()
    }

    /// The id that a Tenet host assigned.
    fn published(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Detail {
            tenet: Published,
        }
        #[derive(Deserialize)]
        struct Published {
            id: String,
        }
        serde_json::from_str(self.detail).ok().map(|Detail { tenet }| tenet.id)
    }

    /// The request for an operation that handles the event. The error is for the response.
    pub fn invocation(&self, operation: &str) -> Result<Invocation, String> {
        Invocation::of_event(operation, self.detail)
    }

    /// How a message names the event, without any part of its detail.
    pub fn name(&self) -> String {
        let Self { source, detail_type, .. } = self;
        format!("the event {detail_type:?} of {source:?}")
    }
}

#[cfg(test)]
mod tests {
    use tenet_core::{CallerId, Event, EventId, StagedEvent, Timestamp};

    use super::*;

    fn event(detail: &str) -> String {
        format!(r#"{{"id":"of-the-bus","source":"bank","detail-type":"Paid","detail":{detail}}}"#)
    }

    #[test]
    fn a_detail_becomes_a_payload_with_its_numbers_untouched() {
        let event = event(r#"{ "amount": 100.50, "huge": 1e400, "tenet": {"id":"t","bus":"us-east-1"}, "x": [] }"#);
        let event = BridgeEvent::read(&event).unwrap();
        assert_eq!(event.invocation("write").unwrap().payload, r#"{"amount":100.50,"huge":1e400,"x":[]}"#);
    }

    #[test]
    fn its_key_is_the_id_that_a_host_gave_it_and_else_the_one_of_the_bus() {
        let (at, of) = (Timestamp(7), IdempotencyKey::new("k").unwrap());
        let published = StagedEvent {
            id: EventId::derive("write", CallerId::ANONYMOUS, &of, at, 0),
            operation: "write".into(),
            caller: CallerId::ANONYMOUS,
            key: of,
            ordinal: 0,
            event: Event { source: "bank".into(), detail_type: "Paid".into(), detail: r#"{"amount":1.50}"#.into() },
            region: "us-east-1".into(),
            at,
            trace: None,
        };
        for bus in ["us-east-1", "us-west-2"] {
            let delivered = event(&published.detail_for(bus));
            let delivered = BridgeEvent::read(&delivered).unwrap();
            assert_eq!(delivered.key().unwrap().unwrap().as_str(), published.id.to_string());
            assert_eq!(delivered.invocation("write").unwrap().payload, published.event.detail);
        }
        let key =
            |detail: &str| BridgeEvent::read(&event(detail)).unwrap().key().map(|key| key.unwrap().as_str().to_owned());
        for detail in [r#"{}"#, r#"{"tenet":7}"#, r#"{"tenet":{"id":7}}"#, "[]", r#""{}""#] {
            assert_eq!(key(detail).as_deref(), Ok("of-the-bus"), "{detail}");
        }
        let long = format!(r#"{{"tenet":{{"id":"{}"}}}}"#, "x".repeat(256));
        for (detail, says) in
            [(r#"{"tenet":{"id":""}}"#, "at least one"), (r#"{"tenet":{"id":"a\u0000"}}"#, "U+0000"), (&long, "256")]
        {
            let error = key(detail).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        let anonymous = BridgeEvent::read(r#"{"source":"bank","detail-type":"Paid","detail":{}}"#).unwrap();
        assert_eq!(anonymous.key(), Ok(None));
    }

    #[test]
    fn what_lacks_something_is_refused_with_what_that_is() {
        let error = BridgeEvent::read(r#"{"source":"bank","detail-type":"Paid"}"#).unwrap_err();
        assert!(error.contains("not an EventBridge event") && error.contains("`detail`"), "{error}");
        for (event, missing) in [
            (r#"{"source":"bank","detail-type":"Paid","detail":null}"#, "`detail`"),
            (r#"{"source":7,"detail-type":"Paid","detail":{}}"#, "`source`"),
            (r#"{"source":"bank","detail-type":[],"detail":{}}"#, "`detail-type`"),
            (r#"{"source":"bank","detail-type":"Paid","id":7,"detail":{}}"#, "`id`"),
        ] {
            let error = BridgeEvent::read(event).unwrap_err();
            assert!(error.contains(missing), "{event}: {error}");
        }
    }

    #[test]
    fn members_that_are_not_needed_may_be_anything() {
        for more in [r#""time":null,"resources":null"#, r#""time":"2026-01-31","version":0,"account":123456789012"#] {
            let event = format!(r#"{{"id":null,"source":"bank","detail-type":"Paid","detail":{{"a":1}},{more}}}"#);
            let event = BridgeEvent::read(&event).unwrap();
            assert_eq!((event.key(), event.invocation("write").unwrap().payload.as_str()), (Ok(None), r#"{"a":1}"#));
        }
    }
}
