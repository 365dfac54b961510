use std::fmt;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::request::derived_id::{DerivedId, add_text};
use crate::{CallerId, IdempotencyKey, Mutant, Timestamp, Trace};

/// An event as a rule publishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The source: `dsql.application`.
    pub source: String,
    /// The detail-type: `Transaction Created`.
    pub detail_type: String,
    /// A JSON object as text, with its numbers as written.
    pub detail: String,
}

/// What is wrong with an [`Event`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EventError(String);

/// Identifies an event across attempts, retries, relays and regions.
///
/// A UUID (version 8) made of SHA-256 over the operation, the caller if there is one, the key, the time stored in the
/// key row, and the event's ordinal over all rules of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(DerivedId);

/// An event bound to a transaction: a row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedEvent {
    /// Which event it is.
    pub id: EventId,
    /// The operation whose transaction staged it.
    pub operation: String,
    /// The owner of the key.
    pub caller: CallerId,
    /// The key of that transaction.
    pub key: IdempotencyKey,
    /// Its place among the events of the request, from 0.
    pub ordinal: u32,
    /// The event that the rule published.
    pub event: Event,
    /// The region that committed it.
    pub region: String,
    /// The time of its request.
    pub at: Timestamp,
    /// The trace of its request. It is sent in its own field, not in the detail.
    pub trace: Option<Trace>,
}

impl Event {
    /// The longest `source` that EventBridge accepts, in characters
    /// (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_EventBridgeParameters.html>).
    pub const MAX_SOURCE: usize = 256;

    /// The longest `detail-type` that EventBridge accepts, in characters
    /// (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html>).
    pub const MAX_DETAIL_TYPE: usize = 128;

    /// The prefix of the sources of AWS's own services. EventBridge refuses them in PutEvents.
    const RESERVED: &'static str = "aws.";

    /// The member of a detail that the host adds.
    pub const MEMBER: &'static str = "tenet";

    /// Checks what EventBridge requires and what the host's own member needs: a valid [source](Event::check_source) and
    /// [detail-type](Event::check_detail_type), and a detail that is a JSON object without a member `tenet`.
    pub fn check(&self) -> Result<(), EventError> {
        let error = |text: String| Err(EventError(text));
        Self::check_source(&self.source)?;
        Self::check_detail_type(&self.detail_type)?;
        match serde_json::from_str::<std::collections::HashMap<String, &RawValue>>(&self.detail) {
            // The parser's message quotes its input, and this error appears where details must not.
            Err(problem) => error(format!(
                "an event's detail is a JSON object, and this one is not: line {}, column {}",
                problem.line(),
                problem.column()
            )),
            Ok(members) if members.contains_key(Self::MEMBER) => {
                error("an event's detail may not have a member `tenet`: the host adds it".to_owned())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Checks that EventBridge would accept events with this source: 1 to 256 characters without U+0000, and without
    /// the prefix of AWS's own services.
    pub fn check_source(source: &str) -> Result<(), EventError> {
        if source.starts_with(Self::RESERVED) {
            return Err(EventError(format!(
                "an event's source does not begin with \"{}\", which EventBridge keeps to AWS's own services; this \
                 one is {source:?}",
                Self::RESERVED
            )));
        }
        Self::check_length("source", source, Self::MAX_SOURCE)
    }

    /// Checks that EventBridge would accept events with this detail-type: 1 to 128 characters without U+0000.
    pub fn check_detail_type(detail_type: &str) -> Result<(), EventError> {
        Self::check_length("detail-type", detail_type, Self::MAX_DETAIL_TYPE)
    }

    fn check_length(name: &str, text: &str, most: usize) -> Result<(), EventError> {
        let length = text.chars().count();
        if (1..=most).contains(&length) && !text.contains('\0') {
            return Ok(());
        }
        let rule = format!("an event's {name} has 1 to {most} characters and no U+0000");
        Err(EventError(format!("{rule}; this one has {length}")))
    }
}

impl EventError {
    /// A read-only operation has no commit that an event could be bound to.
    pub fn read_only() -> Self {
        Self("a read-only operation may not publish".to_owned())
    }

    /// The rule is not granted events of this source and detail-type.
    pub fn not_granted(event: &Event) -> Self {
        let (detail_type, source) = (&event.detail_type, &event.source);
        Self(format!(
            "publishing {detail_type:?} of {source:?} is not granted to this rule: add it to `{source}` under [events] in \
             rule.toml, then `tenet grant`"
        ))
    }
}

impl EventId {
    /// The id of the event with this ordinal in the transaction that stored the `caller`'s `key` of `operation` at the
    /// time `now`.
    pub fn derive(operation: &str, caller: CallerId, key: &IdempotencyKey, now: Timestamp, ordinal: u32) -> Self {
        let mut hash = Sha256::new();
        let operation = if Mutant::EventIdWithoutOperation.is_alive() { "" } else { operation };
        [operation, key.as_str()].iter().for_each(|text| add_text(&mut hash, text));
        hash.update(now.micros().to_be_bytes());
        hash.update(ordinal.to_be_bytes());
        // The parts before it are length-prefixed, so a caller cannot be confused with them.
        if let Some(caller) = caller.as_bytes() {
            hash.update(caller);
        }
        Self(DerivedId::of(hash))
    }

    /// Reads what [`Display`](fmt::Display) writes, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        DerivedId::parse(text).map(Self)
    }

    /// The id whose UUID has these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(DerivedId::from_bytes(bytes))
    }

    /// The bytes of the UUID.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl StagedEvent {
    /// The detail as it is published: the rule's object with the member `tenet`, which holds the event's `id`, its
    /// `operation`, the `region` that committed it, and `bus`, the region whose bus receives the entry. Forwarding
    /// between the two buses filters on `bus`.
    pub fn detail_for(&self, bus: &str) -> String {
        let whole = self.event.detail.trim_end();
        let open = whole.strip_suffix('}').unwrap_or(whole);
        let comma = if open.trim_end().ends_with('{') { "" } else { "," };
        let text = |value: &str| serde_json::Value::from(value).to_string();
        format!(
            "{open}{comma}\"{}\":{{\"id\":\"{}\",\"operation\":{},\"region\":{},\"bus\":{}}}}}",
            Event::MEMBER,
            self.id,
            text(&self.operation),
            text(&self.region),
            text(bus),
        )
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::new(text).unwrap()
    }

    fn staged(detail: &str) -> StagedEvent {
        StagedEvent {
            id: EventId::derive("write", CallerId::ANONYMOUS, &key("k"), Timestamp(1), 0),
            operation: "write".into(),
            caller: CallerId::ANONYMOUS,
            key: key("k"),
            ordinal: 0,
            event: Event { source: "s".into(), detail_type: "t".into(), detail: detail.into() },
            region: "us-east-1".into(),
            at: Timestamp(1),
            trace: None,
        }
    }

    #[test]
    fn an_id_depends_on_each_of_its_parts() {
        let id = EventId::derive("write", CallerId::ANONYMOUS, &key("a"), Timestamp(1), 0);
        assert_eq!(id, EventId::derive("write", CallerId::ANONYMOUS, &key("a"), Timestamp(1), 0));
        for other in [
            EventId::derive("writ", CallerId::ANONYMOUS, &key("ea"), Timestamp(1), 0),
            EventId::derive("write", CallerId::ANONYMOUS, &key("b"), Timestamp(1), 0),
            EventId::derive("write", CallerId::ANONYMOUS, &key("a"), Timestamp(2), 0),
            EventId::derive("write", CallerId::ANONYMOUS, &key("a"), Timestamp(1), 1),
            EventId::derive("write", CallerId::of(Some("ann")), &key("a"), Timestamp(1), 0),
        ] {
            assert_ne!(id, other);
        }
    }

    type Parts = (String, Option<String>, String, i64, u32);

    /// Few letters and numbers, so that different parts would collide if they were concatenated.
    fn parts() -> impl Strategy<Value = Parts> {
        ("[ab]{0,3}", proptest::option::of("[ab]{0,3}"), "[ab]{1,3}", 0..3_i64, 0..3_u32)
    }

    /// Two events that have some parts in common.
    fn pair() -> impl Strategy<Value = (Parts, Parts)> {
        (parts(), parts(), any::<[bool; 5]>()).prop_map(|(one, other, common)| {
            let mixed = (
                if common[0] { one.0.clone() } else { other.0 },
                if common[1] { one.1.clone() } else { other.1 },
                if common[2] { one.2.clone() } else { other.2 },
                if common[3] { one.3 } else { other.3 },
                if common[4] { one.4 } else { other.4 },
            );
            (one, mixed)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn two_events_have_one_id_only_if_all_their_parts_are_the_same((one, other) in pair()) {
            let id = |(operation, caller, text, now, ordinal): &Parts| {
                EventId::derive(operation, CallerId::of(caller.as_deref()), &key(text), Timestamp(*now), *ordinal)
            };
            prop_assert_eq!(id(&one) == id(&other), one == other);
        }
    }

    #[test]
    fn an_id_is_a_version_8_uuid_and_never_changes_between_releases() {
        let id = EventId::derive("write", CallerId::ANONYMOUS, &key("test-001"), Timestamp(1_700_000_000_000_000), 0)
            .to_string();
        assert_eq!(id.len(), 36);
        assert_eq!((id.as_bytes()[14], id.matches('-').count()), (b'8', 4));
        assert_eq!(id, "38c98d45-d830-81dc-93bf-6c716ff912cb");
        for text in [id.clone(), id.to_uppercase()] {
            assert_eq!(EventId::parse(&text).unwrap().to_string(), id);
        }
        for text in ["", "38c98d45", &id.replace('-', ""), &format!("{id}0")] {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_published_detail_keeps_numbers_and_gains_one_member() {
        for (detail, start) in [
            ("{\"amount\":100.50} ", "{\"amount\":100.50,\"tenet\":{\"id\":\""),
            ("{}", "{\"tenet\":{\"id\":\""),
            ("{\"a\":{}}", "{\"a\":{},\"tenet\":{\"id\":\""),
            ("{ }", "{ \"tenet\":{\"id\":\""),
        ] {
            let published = staged(detail).detail_for("us-west-2");
            assert!(published.starts_with(start), "{published}");
            assert!(published.ends_with(",\"region\":\"us-east-1\",\"bus\":\"us-west-2\"}}"), "{published}");
            serde_json::from_str::<serde_json::Value>(&published).unwrap();
        }
    }

    #[test]
    fn refuses_what_could_not_be_published() {
        let check = |source: &str, kind: &str, detail: &str| {
            Event { source: source.into(), detail_type: kind.into(), detail: detail.into() }.check().is_ok()
        };
        assert!(check("s", "t", "{\"x\":1}"));
        assert!(!check("", "t", "{}"));
        assert!(check(&"s".repeat(256), "t", "{}") && !check(&"s".repeat(257), "t", "{}"));
        assert!(check("aws", "t", "{}") && check("awsome.bank", "t", "{}"));
        let reserved = Event { source: "aws.ec2".into(), detail_type: "t".into(), detail: "{}".into() };
        assert!(reserved.check().unwrap_err().to_string().contains("\"aws.ec2\""));
        assert!(!check("s", &"t".repeat(129), "{}"));
        assert!(!check("s", "t", "[]"));
        assert!(!check("s", "t", "{\"x\":"));
        let secret = Event { source: "s".into(), detail_type: "t".into(), detail: "\"secret\"".into() };
        assert!(!secret.check().unwrap_err().to_string().contains("secret"));
        assert!(!check("s", "t", "{\"tenet\":1}"));
        assert!(!check("s", "t", "{\"\\u0074enet\":1}"));
    }
}
