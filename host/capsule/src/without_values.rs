//! A capsule without values. This module decides for each text whether it is kept.
//!
//! Kept is what the host, the bundle or the database's schema defines: the operation and its rules,
//! the region, times, counts, SQLSTATEs, codes, the types of values, and the constraint, table and
//! column that the database names in an error. Names from a rule (columns, tables, events, fields
//! of the vault) are kept if the bundle has them too: [`Names`]. Of a statement's text these names
//! and SQL key words are kept, because a rule can build the rest from its input.
//!
//! Everything else is removed: the caller's data and the answer, keys, parameters and rows, details
//! of events, sealed and opened values, log lines of rules, and messages, which quote the others.
//! Digests are removed too, including event ids: an unsalted digest can be guessed.

use tenet_core::OperationCall;

use crate::Names;
use crate::capsule::{Answer, Attempt, Call, Capsule, End, Ended, Entry, Recorded, Request};
use crate::wire::{
    Column, Event, Outcome, RecordedFault, RecordedVault, Schedule, SqlError, Statement, Stored, VaultCall,
};

impl Capsule {
    pub(crate) fn without_values(&self) -> Self {
        let mut capsule = self.clone();
        let Self { rules: _, operation: _, request, attempts, answer, receipt: _, names } = &mut capsule;
        request.leave_values_out();
        answer.leave_values_out();
        attempts.iter_mut().for_each(|attempt| attempt.leave_values_out(names));
        capsule
    }
}

impl Request {
    fn leave_values_out(&mut self) {
        let Self { operation: _, key, source_key, delivery_key, payload, caller, region: _, now: _, seed, follow_up } =
            self;
        (*key, *source_key, *delivery_key, *caller, *follow_up) = (None, None, None, None, None);
        payload.clear();
        seed.clear();
    }
}

impl Answer {
    fn leave_values_out(&mut self) {
        let Self { status: _, body, repeated: _, key } = self;
        body.clear();
        *key = None;
    }
}

impl Attempt {
    fn leave_values_out(&mut self, names: &Names) {
        let Self { entries, ended } = self;
        for Entry { rule: _, call } in entries {
            call.leave_values_out(names);
        }
        if let Some(Ended { by, answered, fault }) = ended {
            by.leave_values_out(names);
            answered.iter_mut().for_each(Stored::leave_values_out);
            fault.iter_mut().for_each(RecordedFault::leave_values_out);
        }
    }
}

impl End {
    fn leave_values_out(&mut self, names: &Names) {
        match self {
            Self::Accept { output, events, follow_ups } => {
                output.clear();
                // Their number is a count; what they are is in the calls.
                follow_ups.clear();
                events.iter_mut().for_each(|event| event.leave_values_out(names));
            }
            Self::Reject(body) => body.clear(),
            Self::RollBack => {}
        }
    }
}

impl Call {
    fn leave_values_out(&mut self, names: &Names) {
        match self {
            Self::Run { statements, told } => {
                statements.iter_mut().for_each(|statement| statement.leave_values_out(names));
                match told {
                    Recorded::Outcomes(outcomes) => {
                        outcomes.iter_mut().for_each(|outcome| outcome.leave_values_out(names))
                    }
                    Recorded::Answered(stored) => stored.leave_values_out(),
                    Recorded::Fault(fault) => fault.leave_values_out(),
                }
            }
            Self::Refused { statements, error } => {
                statements.iter_mut().for_each(|statement| statement.leave_values_out(names));
                error.leave_values_out();
            }
            Self::Publish { event, id, refused } => {
                event.leave_values_out(names);
                [id, refused].into_iter().flatten().for_each(String::clear);
            }
            Self::Schedule { schedule, id, refused } => {
                schedule.leave_values_out(names);
                [id, refused].into_iter().flatten().for_each(String::clear);
            }
            Self::Vault { call, told } => {
                call.leave_values_out(names);
                told.leave_values_out();
            }
            Self::Log { level: _, message } => message.clear(),
            Self::Random(_) => {}
        }
    }
}

impl Statement {
    fn leave_values_out(&mut self, names: &Names) {
        let Self { sql, parameters } = self;
        *sql = names.statement(sql, parameters.len());
        parameters.clear();
    }
}

impl Outcome {
    fn leave_values_out(&mut self, names: &Names) {
        let Self { columns, rows: _, bytes: _, affected: _, written: _ } = self;
        for Column { name, values, nulls } in columns {
            names.leave_out_others(name);
            *values = values.none();
            nulls.clear();
        }
    }
}

impl Schedule {
    fn leave_values_out(&mut self, names: &Names) {
        let Self { call, due: _, on_rejection, on_failure, label } = self;
        for OperationCall { operation, payload } in
            [Some(call), on_rejection.as_mut(), on_failure.as_mut()].into_iter().flatten()
        {
            names.leave_out_others(operation);
            payload.clear();
        }
        *label = None;
    }
}

impl Event {
    fn leave_values_out(&mut self, names: &Names) {
        let Self { source, detail_type, detail } = self;
        names.leave_out_others(source);
        names.leave_out_others(detail_type);
        detail.clear();
    }
}

impl VaultCall {
    fn leave_values_out(&mut self, names: &Names) {
        let Self { verb: _, table, column, row_key, bytes } = self;
        names.leave_out_others(table);
        names.leave_out_others(column);
        row_key.clear();
        bytes.clear();
    }
}

impl RecordedVault {
    fn leave_values_out(&mut self) {
        match self {
            Self::Gave(bytes) => bytes.clear(),
            Self::Refused { code: _, message } => message.clear(),
            Self::Nothing => {}
        }
    }
}

impl Stored {
    fn leave_values_out(&mut self) {
        let Self { accepted: _, body, digest, now: _ } = self;
        body.clear();
        digest.clear();
    }
}

impl SqlError {
    fn leave_values_out(&mut self) {
        let Self { sqlstate: _, message, constraint: _, table: _, column: _, details } = self;
        message.clear();
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        details.retain(|(name, value)| matches!(name.as_str(), "position" | "statement") && is_number(value));
    }
}

impl RecordedFault {
    fn leave_values_out(&mut self) {
        match self {
            Self::Sql(error) => error.leave_values_out(),
            Self::Conflict { sqlstate: _, message }
            | Self::UnknownCommit { message }
            | Self::Unavailable { sqlstate: _, shut: _, message }
            | Self::Deadline { message }
            | Self::Other { sqlstate: _, message } => message.clear(),
            Self::Limit { limit: _, allowed: _, used: _ } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tenet_core::Receipt;

    use super::*;
    use crate::capsule::tests::{capsule, index};
    use crate::wire::{FollowUp, ScheduledDue, Value, Values};
    use crate::{Key, Secrecy};

    /// The grants of the rule: all names that its bundle defines.
    const GRANTS: &str = r#"{
        "tables": {"accounts": {"select": ["id", "balance"]}},
        "events": {"bank": ["Paid", "Refused"]},
        "vault": {"accounts": {"seal": ["iban"]}},
        "operations": {"schedule": ["release", "undo"]}
    }"#;

    /// Texts defined by the host, the bundle or the schema, by the end of their paths.
    const FIXED: &[&str] = &[
        ".request.operation",
        ".request.region",
        ".follow_up.region",
        ".follow_ups.region",
        ".rule",
        ".level",
        ".verb",
        ".code",
        ".sqlstate",
        ".limit",
        ".error.constraint",
        ".error.table",
        ".error.column",
        ".sql.constraint",
        ".sql.table",
        ".sql.column",
    ];

    /// Words of the format.
    const WORDS: &[&str] = &["detail", "hint", "position", "nothing", "roll_back"];

    /// A recording with these statements, in which every text that a caller or a rule can control
    /// contains the canary.
    fn recorded(canary: &str, sql: &[String]) -> Capsule {
        let text = || format!("of {canary}!");
        let hex = || tenet_core::hex(canary.as_bytes());
        let statements = || -> Vec<Statement> {
            let parameters =
                vec![Value::Text(text()), Value::Json(text()), Value::Bytea(hex()), Value::Numeric(text())];
            sql.iter().map(|sql| Statement { sql: sql.clone(), parameters: parameters.clone() }).collect()
        };
        let column = |values| Column { name: text(), values, nulls: vec![0] };
        let outcome = Outcome {
            columns: vec![
                column(Values::Text(vec![text()])),
                column(Values::Json(vec![text()])),
                column(Values::Bytea(vec![hex()])),
                column(Values::Uuid(vec![text()])),
                column(Values::Numeric(vec![text()])),
                column(Values::Float8(vec![text()])),
            ],
            rows: 1,
            ..Outcome::default()
        };
        let error = || SqlError {
            sqlstate: "23505".into(),
            message: text(),
            constraint: Some("accounts_pkey".into()),
            table: Some("accounts".into()),
            column: Some("id".into()),
            details: ["detail", "hint", "position"].map(|name| (name.to_owned(), text())).to_vec(),
        };
        let event = || Event { source: text(), detail_type: text(), detail: text() };
        let operation = || OperationCall { operation: text(), payload: text() };
        let schedule = || Schedule {
            call: operation(),
            due: ScheduledDue::At(1),
            on_rejection: Some(operation()),
            on_failure: Some(operation()),
            label: Some(text()),
        };
        let follow_up = || FollowUp {
            id: text(),
            call: operation(),
            due: 1,
            caller: Some(text()),
            chain: text(),
            parent: Some(text()),
            on_rejection: Some(operation()),
            on_failure: Some(operation()),
            label: Some(text()),
            region: "us-east-1".into(),
            failures: 1,
        };
        let stored = || Stored { accepted: true, body: text(), digest: hex(), now: 1 };
        let vault_call =
            || VaultCall { verb: "open".into(), table: text(), column: text(), row_key: text(), bytes: hex() };
        let sqlstate = Some("40001".to_owned());
        let faults = [
            RecordedFault::Conflict { sqlstate: sqlstate.clone(), message: text() },
            RecordedFault::UnknownCommit { message: text() },
            RecordedFault::Sql(error()),
            RecordedFault::Limit { limit: "rows_read".into(), allowed: Some(1), used: Some(2) },
            RecordedFault::Unavailable { sqlstate: sqlstate.clone(), shut: false, message: text() },
            RecordedFault::Deadline { message: text() },
            RecordedFault::Other { sqlstate, message: text() },
        ];
        let run = |told| Call::Run { statements: statements(), told };
        let mut calls = vec![
            run(Recorded::Outcomes(vec![outcome])),
            run(Recorded::Answered(stored())),
            Call::Refused { statements: statements(), error: error() },
            Call::Publish { event: event(), id: Some(text()), refused: None },
            Call::Publish { event: event(), id: None, refused: Some(text()) },
            Call::Schedule { schedule: schedule(), id: Some(text()), refused: None },
            Call::Schedule { schedule: schedule(), id: None, refused: Some(text()) },
            Call::Vault { call: vault_call(), told: RecordedVault::Gave(hex()) },
            Call::Vault {
                call: vault_call(),
                told: RecordedVault::Refused { code: "not-granted".into(), message: text() },
            },
            Call::Vault { call: vault_call(), told: RecordedVault::Nothing },
            Call::Log { level: "info".into(), message: text() },
            Call::Random(16),
        ];
        calls.extend(faults.iter().map(|fault| run(Recorded::Fault(fault.clone()))));
        let entries: Vec<Entry> = calls.into_iter().map(|call| Entry { rule: "r".into(), call }).collect();
        let ends = [
            End::Accept { output: text(), events: vec![event()], follow_ups: vec![follow_up()] },
            End::Reject(text()),
            End::RollBack,
        ];
        let attempt = |by: &End| Attempt {
            entries: entries.clone(),
            ended: Some(Ended { by: by.clone(), answered: Some(stored()), fault: faults.first().cloned() }),
        };
        let answer = Answer { status: 200, body: text(), repeated: false, key: Some(text()) };
        let request = capsule().request.to_core(std::time::Instant::now()).unwrap();
        let index = index(GRANTS);
        let recorded = Capsule::new(&index, &request, ends.iter().map(attempt).collect(), answer, &Receipt::default());
        let request = Request {
            key: Some(text()),
            source_key: Some(text()),
            delivery_key: Some(text()),
            payload: text(),
            caller: Some(text()),
            seed: hex(),
            follow_up: Some(follow_up()),
            ..capsule().request
        };
        Capsule { request, ..recorded.unwrap() }
    }

    /// Each string in JSON, with its path.
    fn texts(json: &serde_json::Value, place: String, out: &mut Vec<(String, String)>) {
        match json {
            serde_json::Value::String(text) => out.push((place, text.clone())),
            serde_json::Value::Array(all) => all.iter().for_each(|one| texts(one, place.clone(), out)),
            serde_json::Value::Object(members) => {
                members.iter().for_each(|(name, value)| texts(value, format!("{place}.{name}"), out));
            }
            _ => {}
        }
    }

    fn has(text: &str, canary: &str) -> bool {
        let text = text.to_ascii_lowercase();
        text.contains(canary) || text.contains(&tenet_core::hex(canary.as_bytes()))
    }

    /// Fragments of statements, and of text that a rule may use as one; `@` is the canary.
    const PIECES: &[&str] = &[
        "SELECT ",
        "id",
        "accounts",
        ", ",
        "$1",
        "$9",
        " ",
        "'@'",
        "'it''s @'",
        "E'\\'@'",
        "e'@\\\\'",
        "\"@\"",
        "@",
        "1@",
        "$@",
        "$$@$$",
        "$q$@$q$",
        "$@$x$@$",
        "-- @\n",
        "/* @ */",
        "/* /* */ @ */",
        "'",
        "\"",
        "$$",
        "/*",
        "*/",
        "\\",
        "U&'@'",
        "AS @ ",
        "= @",
        "é@",
        "@é",
        "\u{a0}@",
        "\0",
    ];

    fn sql() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(PIECES), 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn nothing_that_a_caller_or_a_rule_can_fill_is_in_it(
            canary in "zq[a-z0-9]{4,10}",
            sql in prop::collection::vec(sql(), 1..4),
        ) {
            let sql: Vec<String> = sql.iter().map(|sql| format!("@ {sql}").replace('@', &canary)).collect();
            let recorded = recorded(&canary, &sql);
            // The canary has to be everywhere: add a new text here, or to the list of fixed ones.
            let open = recorded.to_text(&Secrecy::Open).unwrap();
            let mut all = Vec::new();
            texts(&serde_json::from_str(&open).unwrap(), String::new(), &mut all);
            for (place, text) in all {
                let is_fixed = place.starts_with(".capsule.rules.") || place.starts_with(".capsule.operation.");
                let is_fixed = is_fixed || FIXED.iter().any(|end| place.ends_with(end));
                prop_assert!(has(&text, &canary) || is_fixed || WORDS.contains(&text.as_str()), "{place}: {text}");
            }
            let left_out = recorded.to_text(&Secrecy::LeftOut).unwrap();
            prop_assert!(!has(&left_out, &canary) && !left_out.contains("nulls"), "{left_out}");
            let sealed = recorded.to_text(&Secrecy::Sealed(&Key::parse(&"07".repeat(32)).unwrap())).unwrap();
            prop_assert!(!has(&sealed, &canary), "{sealed}");
        }
    }

    #[test]
    fn what_the_bundle_names_stays() {
        let mut recorded = recorded("zq", &["SELECT id FROM accounts WHERE note = 'zq' AND id = $1".to_owned()]);
        let [first, ..] = recorded.attempts.as_mut_slice() else { panic!() };
        for Entry { call, .. } in &mut first.entries {
            match call {
                Call::Run { told: Recorded::Outcomes(outcomes), .. } => outcomes[0].columns[0].name = "balance".into(),
                Call::Schedule { schedule, .. } => {
                    schedule.call.operation = "release".into();
                    schedule.on_failure.as_mut().unwrap().operation = "undo".into();
                }
                Call::Publish { event, .. } => (event.source, event.detail_type) = ("bank".into(), "Paid".into()),
                Call::Vault { call, .. } => (call.table, call.column) = ("accounts".into(), "iban".into()),
                _ => {}
            }
        }
        let left_out = recorded.to_text(&Secrecy::LeftOut).unwrap();
        for stays in [
            r#""sql":"SELECT id FROM accounts WHERE ? = ? AND id = $1""#,
            r#"{"name":"balance","values":{"text":[]}}"#,
            r#"{"source":"bank","detail_type":"Paid","detail":""}"#,
            r#"{"call":{"operation":"release","payload":""},"due":{"at":1}"#,
            r#""on_rejection":{"operation":"","payload":""},"on_failure":{"operation":"undo","payload":""}"#,
            r#""table":"accounts","column":"iban","row_key":"""#,
            r#""constraint":"accounts_pkey""#,
            r#""code":"not-granted""#,
            r#""operation":"o""#,
            r#""region":"us-east-1""#,
        ] {
            assert!(left_out.contains(stays), "{stays}: {left_out}");
        }
    }

    #[test]
    fn what_says_where_an_error_is_stays_as_long_as_it_is_a_number() {
        let details = [("position", "17"), ("statement", "1"), ("position", "at zq"), ("detail", "17")];
        let details = details.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let mut error = SqlError {
            details,
            ..SqlError::from(&tenet_core::SqlError::new(tenet_core::SqlState::SYNTAX_ERROR, "zq"))
        };
        error.leave_values_out();
        assert_eq!(error.details, [("position".to_owned(), "17".to_owned()), ("statement".to_owned(), "1".to_owned())]);
    }
}
