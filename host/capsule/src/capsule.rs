use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tenet_core::bundle::{Index, Operation};
use tenet_core::{IdempotencyKey, Receipt, SourceKey, Timestamp, unhex};

use crate::wire::{
    Event, FollowUp, Outcome, RecordedFault, RecordedVault, Schedule, SqlError, Statement, Stored, VaultCall,
};
use crate::{CapsuleError, Key, Names};

/// The version of the format that this code writes.
pub const VERSION: u32 = 5;

/// The oldest version that it reads: one without [`Request::delivery_key`], whose operations do not require keys.
const OLDEST: u32 = 2;

/// A recording of one request: the request, each attempt, and the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capsule {
    /// SHA-256 of the component of each of the operation's rules, by name.
    pub rules: BTreeMap<String, String>,
    /// The operation from the bundle. Its `secret` includes the columns that its rules may seal and open.
    pub operation: Operation,
    /// The request.
    pub request: Request,
    /// Each attempt, in order.
    pub attempts: Vec<Attempt>,
    /// The response to the caller.
    pub answer: Answer,
    /// What it cost: counts, and microseconds if the name ends in `_us`. This is the only part of a capsule that
    /// differs between runs.
    pub receipt: BTreeMap<String, u64>,
    /// The names that may be shown where values may not. Not written: a capsule that was read has none.
    #[serde(skip)]
    pub names: Names,
}

/// The request and everything that the host knew about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `tenet_core::Request`")]
pub struct Request {
    pub operation: String,
    pub key: Option<String>,
    /// The id of an event.
    pub source_key: Option<String>,
    /// The id of a delivery, instead of an event's.
    #[serde(default)]
    pub delivery_key: Option<String>,
    pub payload: String,
    pub caller: Option<String>,
    pub region: String,
    /// Microseconds since 1970.
    pub now: i64,
    /// Hexadecimal.
    pub seed: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<FollowUp>,
}

/// One attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// The host calls of its rules, in order.
    pub entries: Vec<Entry>,
    /// How it ended; none if it was dropped.
    pub ended: Option<Ended>,
}

/// A host call and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say themselves")]
pub struct Entry {
    pub rule: String,
    #[serde(flatten)]
    pub call: Call,
}

/// A host call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Statements that were sent to the database in one round trip.
    Run {
        /// In order.
        statements: Vec<Statement>,
        /// Their result.
        #[serde(flatten)]
        told: Recorded,
    },
    /// Statements that the host did not send, and the error that the rule received.
    Refused {
        /// In order; none if the host could not read them.
        statements: Vec<Statement>,
        /// The error.
        error: SqlError,
    },
    /// An event.
    Publish {
        /// The event.
        event: Event,
        /// Its id, if it was accepted.
        id: Option<String>,
        /// Why it was refused.
        refused: Option<String>,
    },
    /// An operation that was scheduled.
    Schedule {
        /// What the rule asked for.
        schedule: Schedule,
        /// Its id, if it was accepted.
        id: Option<String>,
        /// Why it was refused.
        refused: Option<String>,
    },
    /// A call of the vault.
    Vault {
        /// The call.
        call: VaultCall,
        /// Its result.
        told: RecordedVault,
    },
    /// A log line.
    Log {
        /// `debug`, `info`, `warn` or `error`.
        level: String,
        /// The line.
        message: String,
    },
    /// A number of bytes from the request's random sequence.
    Random(u32),
}

/// The result of a round trip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// The outcome of each statement.
    Outcomes(Vec<Outcome>),
    /// The key already had an answer.
    Answered(Stored),
    /// It failed.
    Fault(RecordedFault),
}

/// How an attempt was ended, and the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// The intended end.
    pub by: End,
    /// The answer that the key already had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Stored>,
    /// Why it failed, or why the outcome is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<RecordedFault>,
}

/// How an attempt can be ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Commit the output with these events.
    Accept {
        /// The output.
        output: String,
        /// In order.
        events: Vec<Event>,
        /// The operations that follow, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        follow_ups: Vec<FollowUp>,
    },
    /// Commit only this rejection, and what follows it.
    Reject(String),
    /// Roll back.
    RollBack,
}

/// The response to a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// JSON text.
    pub body: String,
    /// Whether an earlier request had stored it.
    pub repeated: bool,
    /// The key under which it is stored.
    pub key: Option<String>,
}

/// How a capsule is protected when it is written.
#[derive(Debug)]
pub enum Secrecy<'a> {
    /// Unprotected.
    Open,
    /// Encrypted with a key.
    Sealed(&'a Key),
    /// Without values from the caller, from rows or from rules, and with no names from rules except those of the
    /// bundle. Of a statement only key words and these names remain; counts, codes and times are kept. Such a capsule
    /// cannot be replayed.
    LeftOut,
}

/// The file: exactly one member is set.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    left_out: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capsule: Option<Capsule>,
}

impl Capsule {
    /// The recording of a request; none if the bundle has no such operation.
    pub fn new(
        index: &Index,
        request: &tenet_core::Request,
        attempts: Vec<Attempt>,
        answer: Answer,
        receipt: &Receipt,
    ) -> Option<Self> {
        let operation = index.operations.iter().find(|operation| operation.name == request.operation)?;
        let mut operation = operation.clone();
        for column in sealed(index, &operation, &attempts) {
            if !operation.secret.contains(&column) {
                operation.secret.push(column);
            }
        }
        let names = Names::of(index, &operation);
        let digest = |name: &String| Some((name.clone(), index.rule(name)?.component.sha256.clone()));
        Some(Self {
            rules: operation.rules.iter().filter_map(digest).collect(),
            operation,
            request: Request::of(request),
            attempts,
            answer,
            receipt: receipt.each().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            names,
        })
    }

    /// How a capsule of this operation is protected: if the operation has secret values, it is sealed with the key, or
    /// written without values if there is no key.
    pub fn secrecy<'a>(operation: &Operation, key: Option<&'a Key>) -> Secrecy<'a> {
        match key {
            _ if operation.secret.is_empty() => Secrecy::Open,
            Some(key) => Secrecy::Sealed(key),
            None => Secrecy::LeftOut,
        }
    }

    /// A unique name for its file: the operation and the beginning of the seed.
    pub fn file_name(&self) -> String {
        let seed = self.request.seed.get(..16).unwrap_or_default();
        format!("{}-{seed}.capsule.json", self.operation.name.replace('/', "-"))
    }

    /// The capsule as text. Equal capsules give equal text, unless they are sealed.
    pub fn to_text(&self, secrecy: &Secrecy<'_>) -> Result<String, CapsuleError> {
        let mut file = File { version: VERSION, sealed: None, left_out: false, capsule: None };
        match secrecy {
            Secrecy::Open => file.capsule = Some(self.clone()),
            Secrecy::Sealed(key) => file.sealed = Some(key.seal(&json(self)?)?),
            Secrecy::LeftOut => {
                file.left_out = true;
                file.capsule = Some(self.without_values());
            }
        }
        Ok(json(&file)? + "\n")
    }

    /// Reads a capsule. The key opens a sealed one.
    pub fn parse(text: &str, key: Option<&Key>) -> Result<Self, CapsuleError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let invalid = |error: serde_json::Error| {
            CapsuleError::new(format!("not a capsule: line {}, column {}", error.line(), error.column()))
        };
        let Versioned { version } = serde_json::from_str(text).map_err(invalid)?;
        if !(OLDEST..=VERSION).contains(&version) {
            let what =
                format!("the capsule has version {version}, and this tenet reads the versions {OLDEST} to {VERSION}");
            return Err(CapsuleError::new(what));
        }
        let file: File = serde_json::from_str(text).map_err(invalid)?;
        match (file.capsule, file.sealed, key) {
            (Some(_), None, _) if file.left_out => {
                Err(CapsuleError::new("the capsule was written without its values, which its operation keeps secret"))
            }
            (Some(capsule), None, _) => Ok(capsule),
            (None, Some(sealed), Some(key)) => serde_json::from_str(&key.open(&sealed)?).map_err(invalid),
            (None, Some(_), None) => Err(CapsuleError::sealed("the capsule is sealed, and no key is given")),
            _ => Err(CapsuleError::new("not a capsule: it has to hold one thing")),
        }
    }
}

impl Request {
    /// Records a request.
    pub fn of(request: &tenet_core::Request) -> Self {
        let text = |key: &IdempotencyKey| Some(key.as_str().to_owned());
        let (source_key, delivery_key) = match &request.source_key {
            Some(SourceKey::Event(key)) => (text(key), None),
            Some(SourceKey::Delivery(key)) => (None, text(key)),
            None => (None, None),
        };
        Self {
            operation: request.operation.clone(),
            key: request.key.as_ref().and_then(text),
            source_key,
            delivery_key,
            payload: request.payload.clone(),
            caller: request.caller.clone(),
            region: request.region.clone(),
            now: request.now.micros(),
            seed: tenet_core::hex(&request.seed),
            follow_up: request.follow_up.as_deref().map(Into::into),
        }
    }

    /// Restores the request, for a caller who waits until `deadline`.
    pub fn to_core(&self, deadline: Instant) -> Result<tenet_core::Request, CapsuleError> {
        let key = |key: &Option<String>| {
            let key = key.as_ref().map(IdempotencyKey::new).transpose();
            key.map_err(|error| CapsuleError::new(format!("the capsule's key: {error}")))
        };
        let of_event = key(&self.source_key)?.map(SourceKey::Event);
        let of_delivery = key(&self.delivery_key)?.map(SourceKey::Delivery);
        let seed = unhex(&self.seed).and_then(|seed| seed.try_into().ok());
        Ok(tenet_core::Request {
            operation: self.operation.clone(),
            key: key(&self.key)?,
            source_key: of_event.or(of_delivery),
            payload: self.payload.clone(),
            caller: self.caller.clone(),
            region: self.region.clone(),
            now: Timestamp(self.now),
            seed: seed.ok_or_else(|| CapsuleError::new("the capsule's seed has to have 64 hexadecimal digits"))?,
            deadline,
            trace: None,
            follow_up: self.follow_up.as_ref().map(FollowUp::to_core).transpose()?.map(Arc::new),
        })
    }
}

/// What the rules of an operation may seal and open, or tried to.
fn sealed(index: &Index, operation: &Operation, attempts: &[Attempt]) -> BTreeSet<String> {
    let rules = operation.rules.iter().chain(operation.shadow.values()).filter_map(|name| index.rule(name));
    let mut sealed: BTreeSet<String> = rules.flat_map(|rule| rule.grants.sealed_columns()).collect();
    let mut entries = attempts.iter().flat_map(|attempt| &attempt.entries);
    if sealed.is_empty() && entries.any(|entry| matches!(entry.call, Call::Vault { .. })) {
        // The names in a refused call are chosen by the rule and may contain anything.
        sealed.insert("what the vault refused".to_owned());
    }
    sealed
}

fn json(value: &impl Serialize) -> Result<String, CapsuleError> {
    serde_json::to_string(value).map_err(|error| CapsuleError::new(format!("the capsule cannot be written: {error}")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::wire::{Column, Value, Values};

    fn vault_call(verb: &str, bytes: &str) -> VaultCall {
        VaultCall {
            verb: verb.into(),
            table: "t".into(),
            column: "card".into(),
            row_key: "SECRET".into(),
            bytes: tenet_core::hex(bytes.as_bytes()),
        }
    }

    /// The index of a bundle with one operation without secret values, and one rule with these grants.
    pub(crate) fn index(grants: &str) -> Index {
        let component = tenet_core::bundle::File { path: "r.wasm".into(), sha256: "00".into() };
        let rule = tenet_core::bundle::Rule {
            name: "r".into(),
            description: String::new(),
            component,
            compiled: None,
            limits: tenet_core::Limits::default(),
            grants: serde_json::from_str(grants).unwrap(),
            input: None,
            output: None,
        };
        Index {
            version: tenet_core::bundle::VERSION,
            contract: String::new(),
            contract_sha256: String::new(),
            sources: String::new(),
            compiled_for: None,
            bootstrap: None,
            host: tenet_core::HostSettings::default(),
            ceilings: tenet_core::Limits::ceilings(),
            operations: vec![Operation { secret: Vec::new(), ..capsule().operation }],
            rules: vec![rule],
            schema: vec![],
            catalog: tenet_core::Catalog::default(),
            openapi: None,
            api: tenet_core::bundle::Api::default(),
        }
    }

    pub(crate) fn capsule() -> Capsule {
        let statement =
            Statement { sql: "SELECT a FROM t WHERE b = $1".into(), parameters: vec![Value::Text("SECRET".into())] };
        let outcome = Outcome {
            columns: vec![Column { name: "a".into(), values: Values::Text(vec!["SECRET".into()]), nulls: vec![] }],
            rows: 1,
            bytes: 6,
            affected: 1,
            written: 0,
        };
        let error = SqlError {
            sqlstate: "22P02".into(),
            message: "SECRET".into(),
            constraint: None,
            table: None,
            column: None,
            details: vec![("detail".into(), "SECRET".into()), ("position".into(), "3".into())],
        };
        let event = Event { source: "s".into(), detail_type: "t".into(), detail: "\"SECRET\"".into() };
        let stored = Stored { accepted: true, body: "SECRET".into(), digest: "00".repeat(32), now: 1 };
        let entry = |call| Entry { rule: "r".into(), call };
        let call = tenet_core::OperationCall { operation: "SECRET".into(), payload: "\"SECRET\"".into() };
        Capsule {
            rules: BTreeMap::from([("r".into(), "00".into())]),
            operation: Operation {
                name: "o".into(),
                rules: vec!["r".into()],
                key: None,
                key_required: false,
                read_only: false,
                callers: None,
                events: vec![],
                secret: vec!["card".into()],
                shadow: BTreeMap::new(),
            },
            request: Request {
                operation: "o".into(),
                key: Some("SECRET".into()),
                source_key: None,
                delivery_key: Some("SECRET".into()),
                payload: "{\"card\":\"SECRET\"}".into(),
                caller: Some("SECRET".into()),
                region: "us-east-1".into(),
                now: 7,
                seed: "01".repeat(32),
                follow_up: None,
            },
            attempts: vec![
                Attempt {
                    entries: vec![
                        entry(Call::Run {
                            statements: vec![statement.clone()],
                            told: Recorded::Outcomes(vec![outcome]),
                        }),
                        entry(Call::Run {
                            statements: vec![statement.clone()],
                            told: Recorded::Fault(RecordedFault::Sql(error.clone())),
                        }),
                        entry(Call::Run { statements: vec![], told: Recorded::Answered(stored.clone()) }),
                        entry(Call::Refused { statements: vec![statement], error }),
                        entry(Call::Publish { event: event.clone(), id: None, refused: None }),
                        entry(Call::Schedule {
                            schedule: Schedule {
                                call: call.clone(),
                                due: crate::wire::ScheduledDue::After(60_000_000),
                                on_rejection: Some(call.clone()),
                                on_failure: Some(call),
                                label: Some("SECRET".into()),
                            },
                            id: Some("SECRET".into()),
                            refused: None,
                        }),
                        entry(Call::Vault {
                            call: vault_call("seal", "SECRET"),
                            told: RecordedVault::Gave(tenet_core::hex(b"sealed")),
                        }),
                        entry(Call::Vault {
                            call: vault_call("open", "sealed"),
                            told: RecordedVault::Gave(tenet_core::hex(b"SECRET")),
                        }),
                        entry(Call::Log { level: "info".into(), message: "SECRET".into() }),
                        entry(Call::Random(16)),
                    ],
                    ended: Some(Ended {
                        by: End::Accept { output: "SECRET".into(), events: vec![event], follow_ups: Vec::new() },
                        answered: Some(stored),
                        fault: Some(RecordedFault::Conflict {
                            sqlstate: Some("40001".into()),
                            message: "SECRET".into(),
                        }),
                    }),
                },
                Attempt {
                    entries: vec![],
                    ended: Some(Ended { by: End::Reject("SECRET".into()), answered: None, fault: None }),
                },
            ],
            answer: Answer { status: 200, body: "SECRET".into(), repeated: false, key: Some("SECRET".into()) },
            receipt: BTreeMap::from([("attempts".into(), 2)]),
            names: Names::default(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = capsule().to_text(&Secrecy::Open).unwrap();
        assert_eq!(Capsule::parse(&text, None).unwrap(), capsule());
        assert_eq!(text, capsule().to_text(&Secrecy::Open).unwrap());
    }

    #[test]
    fn the_id_of_an_event_and_of_a_delivery_come_back_as_what_they_were() {
        for of in [SourceKey::Event, SourceKey::Delivery] {
            let source_key = IdempotencyKey::new("id").ok().map(of);
            let deadline = Instant::now();
            let request = tenet_core::Request { source_key, ..capsule().request.to_core(deadline).unwrap() };
            assert_eq!(Request::of(&request).to_core(deadline).unwrap().source_key, request.source_key);
        }
    }

    #[test]
    fn a_capsule_of_the_version_before_is_read_and_requires_no_key() {
        let mut text: serde_json::Value = serde_json::from_str(&capsule().to_text(&Secrecy::Open).unwrap()).unwrap();
        text["version"] = 2.into();
        text["capsule"]["operation"]["key"] = "id".into();
        text["capsule"]["operation"].as_object_mut().unwrap().remove("key_required").unwrap();
        text["capsule"]["request"].as_object_mut().unwrap().remove("delivery_key").unwrap();
        let read = Capsule::parse(&text.to_string(), None).unwrap();
        assert!(!read.operation.key_required && read.request.delivery_key.is_none());
        text["version"] = 1.into();
        let error = Capsule::parse(&text.to_string(), None).unwrap_err().to_string();
        assert_eq!(error, "the capsule has version 1, and this tenet reads the versions 2 to 5");
    }

    #[test]
    fn nothing_secret_is_in_what_is_sealed_or_left_out() {
        let key = Key::parse(&"07".repeat(32)).unwrap();
        let sealed = capsule().to_text(&Secrecy::Sealed(&key)).unwrap();
        let hex = tenet_core::hex(b"SECRET");
        assert!(!sealed.contains("SECRET") && !sealed.contains("SELECT") && !sealed.contains(&hex));
        assert_eq!(Capsule::parse(&sealed, Some(&key)).unwrap(), capsule());
        assert!(Capsule::parse(&sealed, None).unwrap_err().is_sealed());
        let left_out = capsule().to_text(&Secrecy::LeftOut).unwrap();
        assert!(!left_out.contains("SECRET") && !left_out.contains(&hex), "{left_out}");
        assert!(Capsule::parse(&left_out, None).unwrap_err().to_string().contains("without its values"));
    }

    #[test]
    fn whoever_may_use_the_vault_or_tries_to_keeps_something_secret() {
        let secret = |vault: &str, attempts: Vec<Attempt>| {
            let index = index(&format!(r#"{{"vault":{vault}}}"#));
            let request = capsule().request.to_core(Instant::now()).unwrap();
            let receipt = Receipt::default();
            Capsule::new(&index, &request, attempts, capsule().answer, &receipt).unwrap().operation.secret
        };
        assert_eq!(secret(r#"{"t":{"seal":["card"],"open":["card","pin"]}}"#, vec![]), ["t.card", "t.pin"]);
        assert_eq!(secret("{}", capsule().attempts), ["what the vault refused"]);
        assert!(secret("{}", vec![]).is_empty());
    }

    #[test]
    fn another_version_is_refused_by_name_and_a_damaged_file_is_refused() {
        let text = capsule().to_text(&Secrecy::Open).unwrap();
        let other = text.replacen("\"version\":5", "\"version\":1", 1);
        assert!(Capsule::parse(&other, None).unwrap_err().to_string().contains("version 1"));
        for bad in ["", "{}", "{\"version\":5}", "{\"version\":5,\"surprise\":true}"] {
            assert!(Capsule::parse(bad, None).is_err(), "{bad}");
        }
        let refused = Capsule::parse(&text[..text.len() / 2], None).unwrap_err().to_string();
        assert!(!refused.contains("SECRET"), "{refused}");
    }
}
