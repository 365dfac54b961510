use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::request::derived_id::{DerivedId, add_text};
use crate::{CallerId, Digest, IdempotencyKey, KeyError, SqlError, Statement, Timestamp, Trace, Value};

/// An operation and what it is run with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationCall {
    /// The operation's name.
    pub operation: String,
    /// JSON text, with its numbers as written.
    pub payload: String,
}

/// What a rule asks for when it schedules an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What follows.
    pub call: OperationCall,
    /// When.
    pub due: Due,
    /// What runs if the follow-up is rejected.
    pub on_rejection: Option<OperationCall>,
    /// What runs if it is given up.
    pub on_failure: Option<OperationCall>,
    /// What people read.
    pub label: Option<String>,
}

/// When a follow-up is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// As soon as the transaction is committed.
    AtOnce,
    /// This long after the request's time.
    After(Duration),
    /// At this moment.
    At(Timestamp),
}

/// What is wrong with a [`Schedule`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(String);

/// Identifies a follow-up across attempts, retries, relays and regions.
///
/// A UUID (version 8) made of SHA-256 over the operation, the caller if there is one, and the key of the request that
/// scheduled it, the time stored in that request's key row, and the follow-up's ordinal over all rules of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FollowUpId(DerivedId);

/// An operation that runs after the commit of the transaction that scheduled it: a row of the table `tenet.follow_ups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// Which one it is.
    pub id: FollowUpId,
    /// What is run.
    pub call: OperationCall,
    /// Not before this time.
    pub due: Timestamp,
    /// The identity of the caller whose request began the chain, as the authoriser reported it.
    pub caller: Option<String>,
    /// The first follow-up of the chain: its own id, unless a follow-up has scheduled it.
    pub chain: FollowUpId,
    /// The follow-up that scheduled it, or whose end it follows.
    pub parent: Option<FollowUpId>,
    /// What runs if it is rejected.
    pub on_rejection: Option<OperationCall>,
    /// What runs if it is given up.
    pub on_failure: Option<OperationCall>,
    /// What people read.
    pub label: Option<String>,
    /// The region that committed it, which runs it first.
    pub region: String,
    /// The trace of the request that scheduled it.
    pub trace: Option<Trace>,
    /// How many times it has failed.
    pub failures: u32,
}

impl Schedule {
    /// The longest label, in characters.
    pub const MAX_LABEL: usize = 200;

    /// The longest time until a follow-up is due.
    pub const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

    /// Checks what can be checked without the bundle: that payloads are JSON, the time, and the label.
    ///
    /// # Errors
    /// Says what is wrong. The text holds nothing of a payload.
    pub fn check(&self, now: Timestamp) -> Result<(), ScheduleError> {
        let error = |text: String| Err(ScheduleError(text));
        for call in self.calls() {
            if Digest::of(&call.payload).is_err() {
                return error(format!("the payload for {:?} is no JSON text that can be read", call.operation));
            }
        }
        if self.due(now).micros().saturating_sub(now.micros()) > micros(Self::LONGEST) {
            return error(format!("a follow-up is due within {} days", Self::LONGEST.as_secs() / 86_400));
        }
        match &self.label {
            Some(label) if label.chars().count() > Self::MAX_LABEL || label.contains('\0') => {
                error(format!("a label has at most {} characters and no U+0000", Self::MAX_LABEL))
            }
            _ => Ok(()),
        }
    }

    /// When it is due: not before `now`, the time of the request.
    pub fn due(&self, now: Timestamp) -> Timestamp {
        match self.due {
            Due::AtOnce => now,
            Due::After(span) => Timestamp(now.micros().saturating_add(micros(span))),
            Due::At(moment) => moment.max(now),
        }
    }

    /// What runs after the request, in any case.
    pub fn calls(&self) -> impl Iterator<Item = &OperationCall> {
        [Some(&self.call), self.on_rejection.as_ref(), self.on_failure.as_ref()].into_iter().flatten()
    }

    /// The bytes that it takes in a row.
    pub fn bytes(&self) -> u64 {
        let calls = self.calls().map(OperationCall::bytes).sum::<u64>();
        calls + self.label.as_ref().map_or(0, |label| label.len() as u64)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl OperationCall {
    /// The bytes of its texts.
    pub fn bytes(&self) -> u64 {
        (self.operation.len() + self.payload.len()) as u64
    }
}

impl ScheduleError {
    /// A read-only operation has no commit that a follow-up could be bound to.
    pub fn read_only() -> Self {
        Self("a read-only operation may not schedule".to_owned())
    }

    /// This text is no id of a follow-up.
    pub fn no_id(text: &str) -> Self {
        let text: String = text.chars().take(50).collect();
        Self(format!("{text:?} is no id of a follow-up, which is a UUID"))
    }

    /// The end of the request ends it anyhow.
    pub fn of_this_request() -> Self {
        Self("a follow-up that the request is, or has scheduled, cannot be cancelled by it".to_owned())
    }

    /// The database could not remove it.
    pub fn database(error: &SqlError) -> Self {
        Self(error.to_string())
    }

    /// The payload does not fit what the operation takes. `why` holds nothing of it.
    pub fn misfit(operation: &str, why: &dyn fmt::Display) -> Self {
        Self(format!("the payload for {operation:?} does not fit: {why}"))
    }

    /// The rule is not granted this operation.
    pub fn not_granted(operation: &str) -> Self {
        Self(format!(
            "scheduling {operation:?} is not granted to this rule: add it to `schedule` under [operations] in \
             rule.toml, then `tenet grant`"
        ))
    }
}

impl FollowUpId {
    /// The id of the follow-up with this ordinal in the transaction that stored the `caller`'s `key` of `operation` at
    /// the time `now`.
    pub fn derive(operation: &str, caller: CallerId, key: &IdempotencyKey, now: Timestamp, ordinal: u32) -> Self {
        let mut hash = Sha256::new();
        ["follow-up", operation, key.as_str()].iter().for_each(|text| add_text(&mut hash, text));
        hash.update(now.micros().to_be_bytes());
        hash.update(ordinal.to_be_bytes());
        // The parts before it are length-prefixed, so a caller cannot be confused with them.
        if let Some(caller) = caller.as_bytes() {
            hash.update(caller);
        }
        Self(DerivedId::of(hash))
    }

    /// The id of what follows its end. One end is committed, so one id is enough.
    pub fn of_what_follows_its_end(self) -> Self {
        let mut hash = Sha256::new();
        add_text(&mut hash, "end of a follow-up");
        hash.update(self.as_bytes());
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

    /// The statement that removes it for a rule. It gives the name of its operation, or no row if it does not wait.
    ///
    /// It is sent, recorded and replayed as the rule's own statements are.
    pub fn cancellation(self) -> Statement {
        let sql = "DELETE FROM tenet.follow_ups WHERE id = $1 RETURNING operation";
        Statement::new(sql, vec![Value::Uuid(*self.as_bytes())])
    }

    /// The bytes of the UUID.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The idempotency key under which it runs.
    ///
    /// # Errors
    /// Does not fail: a UUID's text is a key.
    pub fn key(&self) -> Result<IdempotencyKey, KeyError> {
        IdempotencyKey::new(self.to_string())
    }
}

impl FollowUp {
    /// The bytes that it takes in a row, without what all rows have.
    pub fn bytes(&self) -> u64 {
        let Self { call, on_rejection, on_failure, label, caller, .. } = self;
        let calls = [Some(call), on_rejection.as_ref(), on_failure.as_ref()].into_iter().flatten();
        let texts = [label, caller].into_iter().flatten().map(|text| text.len() as u64);
        calls.map(OperationCall::bytes).chain(texts).sum()
    }

    /// Whose answers those of its runs are. No caller's: a caller who knows its id cannot take its key.
    pub fn scope(&self) -> CallerId {
        CallerId::of_follow_up(self.caller.as_deref())
    }

    /// What follows its rejection, which the request with the time `now` commits.
    pub fn after_rejection(&self, now: Timestamp, region: &str) -> Option<Self> {
        self.on_rejection.as_ref().map(|call| self.after_end(call, now, region))
    }

    /// What follows when it is given up.
    pub fn after_failure(&self, now: Timestamp, region: &str) -> Option<Self> {
        self.on_failure.as_ref().map(|call| self.after_end(call, now, region))
    }

    fn after_end(&self, call: &OperationCall, now: Timestamp, region: &str) -> Self {
        Self {
            id: self.id.of_what_follows_its_end(),
            call: call.clone(),
            due: now,
            parent: Some(self.id),
            on_rejection: None,
            on_failure: None,
            region: region.to_owned(),
            failures: 0,
            ..self.clone()
        }
    }
}

impl fmt::Display for FollowUpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventId;

    fn call(operation: &str, payload: &str) -> OperationCall {
        OperationCall { operation: operation.into(), payload: payload.into() }
    }

    fn schedule(due: Due) -> Schedule {
        Schedule { call: call("release", "{}"), due, on_rejection: None, on_failure: None, label: None }
    }

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::new(text).unwrap()
    }

    #[test]
    fn an_id_is_no_event_s_and_never_changes_between_releases() {
        let now = Timestamp(1_700_000_000_000_000);
        let id = FollowUpId::derive("write", CallerId::ANONYMOUS, &key("test-001"), now, 0);
        assert_ne!(id.to_string(), EventId::derive("write", CallerId::ANONYMOUS, &key("test-001"), now, 0).to_string());
        assert_eq!(FollowUpId::parse(&id.to_string()), Some(id));
        assert_eq!(id.key().unwrap().as_str(), id.to_string());
        assert_eq!(id.to_string(), "878a33f5-2050-8cd4-b192-ffb98dbedcee");
    }

    #[test]
    fn it_is_due_no_sooner_than_its_request_and_within_ten_years() {
        let now = Timestamp(1_000_000);
        let due = |due| schedule(due).due(now).micros();
        assert_eq!(due(Due::AtOnce), 1_000_000);
        assert_eq!(due(Due::After(Duration::from_secs(2))), 3_000_000);
        assert_eq!(due(Due::At(Timestamp(5))), 1_000_000);
        assert_eq!(due(Due::At(Timestamp(1_000_001))), 1_000_001);
        assert!(schedule(Due::After(Schedule::LONGEST)).check(now).is_ok());
        for late in [Due::After(Schedule::LONGEST + Duration::from_micros(1)), Due::At(Timestamp(i64::MAX))] {
            assert!(schedule(late).check(now).unwrap_err().to_string().contains("3650 days"));
        }
        assert!(schedule(Due::After(Duration::MAX)).check(now).is_err());
    }

    #[test]
    fn what_no_row_could_hold_is_refused_without_a_word_of_the_payload() {
        let now = Timestamp(0);
        let mut wrong = schedule(Due::AtOnce);
        wrong.on_failure = Some(call("undo", "SECRET"));
        let error = wrong.check(now).unwrap_err().to_string();
        assert!(error.contains("\"undo\"") && !error.contains("SECRET"), "{error}");
        for label in ["x".repeat(201), "\0".to_owned()] {
            let labelled = Schedule { label: Some(label), ..schedule(Due::AtOnce) };
            assert!(labelled.check(now).is_err());
        }
        assert!(Schedule { label: Some("é".repeat(200)), ..schedule(Due::AtOnce) }.check(now).is_ok());
    }

    #[test]
    fn what_follows_an_end_belongs_to_the_chain_and_has_one_id_whatever_the_end() {
        let id = FollowUpId::derive("pay", CallerId::ANONYMOUS, &key("k"), Timestamp(0), 0);
        let follow_up = FollowUp {
            id,
            call: call("ship", "{}"),
            due: Timestamp(5),
            caller: Some("ann".into()),
            chain: id,
            parent: None,
            on_rejection: Some(call("unpay", "1")),
            on_failure: Some(call("unpay", "2")),
            label: Some("order 1".into()),
            region: "us-east-1".into(),
            trace: None,
            failures: 7,
        };
        let rejected = follow_up.after_rejection(Timestamp(9), "us-west-2").unwrap();
        let failed = follow_up.after_failure(Timestamp(9), "us-west-2").unwrap();
        assert_eq!(rejected.id, failed.id);
        assert_eq!((rejected.chain, rejected.parent, rejected.caller.as_deref()), (id, Some(id), Some("ann")));
        assert_eq!((rejected.failures, rejected.due, rejected.region.as_str()), (0, Timestamp(9), "us-west-2"));
        assert_eq!((rejected.after_rejection(Timestamp(9), ""), failed.after_failure(Timestamp(9), "")), (None, None));
        assert_ne!(follow_up.scope(), CallerId::of(Some("ann")));
    }
}
