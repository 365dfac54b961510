//! Writes what came of a test into its file, as what is expected from now on.

use tenet_pipeline::Answer;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value};

use super::discovery::CAPSULE;
use super::file::{Change, TestFile};
use super::json::Json;
use super::null;
use super::outcome::{Actual, ActualStep, Answered, TestOutcome};
use crate::error::{Context, Result};

/// What became of a test's file.
#[derive(Debug)]
pub enum Update {
    /// It says what came of the test, or is none that can be updated.
    Unchanged,
    /// It was left as it is, since this step, counted from 1, failed and does not expect to.
    Failed {
        /// The number of the step.
        step: usize,
    },
    /// It was written.
    Written {
        /// Its text before.
        old: String,
        /// Its text now.
        new: String,
    },
}

impl TestOutcome {
    /// Writes what came of the test into its file, as what is expected from now on.
    ///
    /// # Errors
    /// Fails where the file cannot be written.
    pub fn update(&self) -> Result<Update> {
        if self.path.to_string_lossy().ends_with(CAPSULE) {
            return Ok(Update::Unchanged);
        }
        // What cannot be read cannot be put right.
        let Ok(file) = TestFile::read(&self.path) else { return Ok(Update::Unchanged) };
        if let Some(step) = self.actual.failed_alone.or_else(|| unexpected_failure(&file, &self.actual)) {
            return Ok(Update::Failed { step });
        }
        let new = updated(&file, &self.actual)?;
        if new == file.text {
            return Ok(Update::Unchanged);
        }
        std::fs::write(&self.path, &new).with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(Update::Written { old: file.text, new })
    }
}

/// The keys of a step that say what its answer has to be.
const VERDICTS: [&str; 6] = ["accept", "output", "reject", "fail", "unavailable", "status"];

/// The keys of a step that say what else it has to leave.
const STATEMENTS: [&str; 3] = ["events", "follow_ups", "follows"];

/// The keys of a step that expects a failure of the rule or the host.
const FAILURES: [&str; 3] = ["fail", "unavailable", "status"];

/// The number of the first step that ended in a failure of a rule or of the host, which it does not
/// expect. What such a test found is not what its author wants.
fn unexpected_failure(file: &TestFile, actual: &Actual) -> Option<usize> {
    let document: DocumentMut = file.text.parse().ok()?;
    let steps = document.get("step")?.as_array_of_tables()?;
    let failed = |(step, actual): (&Table, &Option<ActualStep>)| {
        let Some(actual) = actual else { return false };
        let followers_failed = actual.followed.iter().any(|(_, answer)| answer.status.code() >= 500);
        let is_failure = actual.answered.as_ref().is_some_and(|answered| answered.answer.status.code() >= 500);
        (is_failure && !FAILURES.iter().any(|name| step.contains_key(name)))
            || (followers_failed && actual.follows_are_unmet)
    };
    steps.iter().zip(&actual.steps).position(failed).map(|place| place + 1)
}

/// The file's text with what is not met put right; what is met and all else stay as they are. A
/// step of which nothing is expected gets its verdict and its events.
fn updated(file: &TestFile, actual: &Actual) -> Result<String> {
    let mut document: DocumentMut = file.text.parse()?;
    let mut is_new = false;
    if let Some(steps) = document.get_mut("step").and_then(Item::as_array_of_tables_mut) {
        for (step, actual) in steps.iter_mut().zip(&actual.steps) {
            let Some(actual) = actual else { continue };
            let says_nothing = STATEMENTS.iter().chain(&VERDICTS).all(|name| !step.contains_key(name));
            if let Some(answered) = &actual.answered {
                is_new |= says_nothing;
                if says_nothing || answered.verdict_is_unmet {
                    verdict(step, answered);
                }
                if answered.events_are_unmet || (says_nothing && !answered.events.is_empty()) {
                    let events: Array = answered.events.iter().filter_map(value).collect();
                    step.insert("events", Item::Value(Value::Array(events)));
                }
                if answered.follow_ups_are_unmet || (says_nothing && !answered.follow_ups.is_empty()) {
                    let follow_ups: Array = answered.follow_ups.iter().filter_map(follow_up).collect();
                    step.insert("follow_ups", Item::Value(Value::Array(follow_ups)));
                }
            }
            if actual.follows_are_unmet || (says_nothing && !actual.followed.is_empty()) {
                let follows: Array = actual.followed.iter().map(follow).collect();
                step.insert("follows", Item::Value(Value::Array(follows)));
            }
        }
    }
    if actual.rows_are_unmet || (is_new && file.rows.is_none() && file.recorded.is_none()) {
        document.insert("rows", Item::Table(rows(actual)));
    }
    Ok(document.to_string())
}

/// An operation that is scheduled.
fn follow_up(scheduled: &Json) -> Option<Value> {
    let Json::Object(members) = scheduled else { return None };
    let mut follow_up = InlineTable::new();
    for (name, member) in members {
        if let Some(member) = value(member) {
            follow_up.insert(if name == "due" { "at" } else { name }, member);
        }
    }
    Some(Value::InlineTable(follow_up))
}

/// An operation that has followed.
fn follow((operation, answer): &(String, Answer)) -> Value {
    let body = Json::parse(&answer.body).unwrap_or(Json::Null);
    let mut follow = InlineTable::new();
    follow.insert("operation", Value::from(operation.as_str()));
    match answer.status.code() {
        422 => {
            let code = if let Some(Json::Text(code)) = body.get("code") { code.as_str() } else { "" };
            follow.insert("reject", Value::from(code));
        }
        _ => drop(value(&body).and_then(|accept| follow.insert("accept", accept))),
    }
    Value::InlineTable(follow)
}

fn verdict(step: &mut Table, actual: &Answered) {
    let body = Json::parse(&actual.answer.body).unwrap_or(Json::Null);
    let had = |name: &str| step.contains_key(name);
    let (had_output, had_whole) = (had("output"), step.get("reject").is_some_and(|reject| !reject.is_str()));
    let repeated = step.contains_key("repeated");
    VERDICTS.iter().for_each(|name| drop(step.remove(name)));
    let text = |text: &str| Item::Value(Value::from(text));
    let code = || match body.get("code") {
        Some(Json::Text(code)) => code.clone(),
        _ => String::new(),
    };
    match actual.answer.status.code() {
        200 if had_output => drop(step.insert("output", text(&actual.answer.body))),
        200 => match value(&body) {
            Some(value) if matches!(body, Json::Object(_)) => drop(step.insert("accept", Item::Value(value))),
            _ => drop(step.insert("output", text(&actual.answer.body))),
        },
        422 if had_whole => {
            if let Some(value) = value(&body) {
                step.insert("reject", Item::Value(value));
            }
        }
        422 => drop(step.insert("reject", text(&code()))),
        500 => drop(step.insert("fail", text(actual.reason.as_deref().unwrap_or_default()))),
        503 => drop(step.insert("unavailable", text(&code()))),
        status => drop(step.insert("status", Item::Value(Value::from(i64::from(status))))),
    }
    if repeated || actual.answer.repeated {
        step.insert("repeated", Item::Value(Value::from(actual.answer.repeated)));
    }
}

fn rows(actual: &Actual) -> Table {
    let mut rows = Table::new();
    for (name, change) in &actual.rows {
        let Change { changed, added, gone } = change;
        let mut table = Table::new();
        table.set_implicit(true);
        for (kind, rows) in [("changed", changed), ("added", added), ("gone", gone)] {
            let mut each = ArrayOfTables::new();
            for row in rows {
                let Json::Object(members) = row else { continue };
                let mut of = Table::new();
                for (column, content) in members {
                    of.insert(column, Item::Value(value(content).unwrap_or_else(null::written)));
                }
                each.push(of);
            }
            if !each.is_empty() {
                table.insert(kind, Item::ArrayOfTables(each));
            }
        }
        rows.insert(name, Item::Table(table));
    }
    rows.set_implicit(!actual.rows.is_empty());
    rows
}

/// JSON as TOML, with the digits of its numbers; none where it is null.
fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => Value::from(*value),
        Json::Text(text) => Value::from(text.as_str()),
        // Where TOML has no such number it is text, which the next run of the test reports.
        Json::Number(text) => text.parse().unwrap_or_else(|_| Value::from(text.as_str())),
        Json::List(items) => Value::Array(items.iter().filter_map(value).collect()),
        Json::Object(members) => {
            let mut table = InlineTable::new();
            for (name, member) in members {
                if let Some(value) = value(member) {
                    table.insert(name, value);
                }
            }
            Value::InlineTable(table)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tenet_pipeline::Status;

    use super::*;

    #[test]
    fn json_becomes_toml_with_its_digits() {
        let json = Json::parse(r#"{"a":100.50,"b":null,"c":[1,"x",true],"d":{"e f":-2}}"#).unwrap();
        let text = value(&json).unwrap().to_string();
        assert_eq!(text, r#"{ a = 100.50, c = [1, "x", true], d = { "e f" = -2 } }"#);
        assert_eq!(value(&Json::Null).map(|value| value.to_string()), None);
    }

    #[test]
    fn what_is_scheduled_and_what_a_relay_has_run_are_written() {
        let text = "version = 1\n\n[[step]]\noperation = \"order\"\nfollow_ups = []\n\n[[step]]\nrelay = true\nadvance = \"3 days\"\n";
        let file = TestFile::parse(Path::new("t.toml"), text).unwrap();
        let answer = |body: &str| Answer {
            status: Status::Accepted,
            body: body.to_owned(),
            key: None,
            key_is_given: false,
            repeated: false,
            again_after: None,
        };
        let scheduled = r#"{"operation":"ship","payload":{"id":1},"due":"2026-01-04T00:00:00Z","label":"x"}"#;
        let of_order = Answered {
            answer: answer("{}"),
            reason: None,
            events: Vec::new(),
            follow_ups: vec![Json::parse(scheduled).unwrap()],
            verdict_is_unmet: false,
            events_are_unmet: false,
            follow_ups_are_unmet: true,
        };
        let order = ActualStep { answered: Some(of_order), followed: Vec::new(), follows_are_unmet: false };
        let followed = vec![("ship".to_owned(), answer(r#"{"sent":true}"#))];
        let relay = ActualStep { answered: None, followed, follows_are_unmet: false };
        let actual = Actual { steps: vec![Some(order), Some(relay)], ..Actual::default() };
        let updated = updated(&file, &actual).unwrap();
        let at =
            r#"follow_ups = [{ operation = "ship", payload = { id = 1 }, at = "2026-01-04T00:00:00Z", label = "x" }]"#;
        assert!(updated.contains(at), "{updated}");
        let follows = r#"follows = [{ operation = "ship", accept = { sent = true } }]"#;
        assert!(updated.contains(&format!("advance = \"3 days\"\n{follows}\n")), "{updated}");
        assert_eq!(TestFile::parse(Path::new("t.toml"), &updated).unwrap().steps.len(), 2);
    }
}
