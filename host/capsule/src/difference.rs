use std::fmt::Display;

use crate::capsule::{Attempt, Call, Capsule, End, Recorded};
use crate::wire::Statement;

/// The differences between two recordings of one request: the verdict, the statements, their
/// results, and the events. One line each, for people. Costs are ignored.
pub fn differences(old: &Capsule, new: &Capsule) -> Vec<String> {
    let mut lines = Vec::new();
    if old.answer.status != new.answer.status {
        lines.push(format!("status: {} before, {} now", old.answer.status, new.answer.status));
    }
    if old.answer.body != new.answer.body {
        lines.push(format!("answer: {} before", old.answer.body));
        lines.push(format!("        {} now", new.answer.body));
    }
    if old.attempts.len() != new.attempts.len() {
        lines.push(format!("attempts: {} before, {} now", old.attempts.len(), new.attempts.len()));
    }
    // Earlier attempts changed nothing.
    let (old, new) = (old.attempts.last(), new.attempts.last());
    lists("statement", &asked(old), &asked(new), &mut lines);
    lists("vault", &vaulted(old), &vaulted(new), &mut lines);
    lists("event", &events(old), &events(new), &mut lines);
    lists("log", &logged(old), &logged(new), &mut lines);
    lines
}

/// The elements that are in only one of two lists, as often as they occur.
pub(crate) fn lists<T: PartialEq + Display>(what: &str, old: &[T], new: &[T], lines: &mut Vec<String>) {
    let before = lines.len();
    let mut rest: Vec<&T> = new.iter().collect();
    for item in old {
        match rest.iter().position(|other| *other == item) {
            Some(place) => drop(rest.remove(place)),
            None => lines.push(format!("{what} before: {item}")),
        }
    }
    lines.extend(rest.into_iter().map(|item| format!("{what} now:    {item}")));
    if lines.len() == before && old != new {
        lines.push(format!("{what}s: the same in another order"));
    }
}

#[derive(PartialEq)]
struct Asked<'a> {
    statement: &'a Statement,
    told: String,
}

impl Display for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}  {}", self.statement, self.told)
    }
}

fn asked(attempt: Option<&Attempt>) -> Vec<Asked<'_>> {
    let mut asked = Vec::new();
    for entry in attempt.into_iter().flat_map(|attempt| &attempt.entries) {
        match &entry.call {
            Call::Run { statements, told } => {
                for (place, statement) in statements.iter().enumerate() {
                    let told = match told {
                        Recorded::Outcomes(outcomes) => {
                            outcomes.get(place).map(|outcome| format!("{} rows", outcome.affected)).unwrap_or_default()
                        }
                        Recorded::Answered(_) => "answered before".to_owned(),
                        Recorded::Fault(_) => "failed".to_owned(),
                    };
                    asked.push(Asked { statement, told });
                }
            }
            Call::Refused { statements, error } => {
                let told = format!("refused: {}", error.sqlstate);
                asked.extend(statements.iter().map(|statement| Asked { statement, told: told.clone() }));
            }
            _ => {}
        }
    }
    asked
}

fn events(attempt: Option<&Attempt>) -> Vec<String> {
    let ended = attempt.and_then(|attempt| attempt.ended.as_ref());
    let Some(End::Accept { events, .. }) = ended.map(|ended| &ended.by) else { return Vec::new() };
    events.iter().map(|event| format!("{} {:?} {}", event.source, event.detail_type, event.detail)).collect()
}

fn vaulted(attempt: Option<&Attempt>) -> Vec<String> {
    let entries = attempt.into_iter().flat_map(|attempt| &attempt.entries);
    entries
        .filter_map(|entry| match &entry.call {
            Call::Vault { call, .. } => Some(call.to_string()),
            _ => None,
        })
        .collect()
}

fn logged(attempt: Option<&Attempt>) -> Vec<String> {
    let entries = attempt.into_iter().flat_map(|attempt| &attempt.entries);
    let line = |call: &Call| match call {
        Call::Log { level, message } => Some(format!("{level} {message}")),
        _ => None,
    };
    entries.filter_map(|entry| line(&entry.call)).collect()
}

impl Display for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sql.split_whitespace().collect::<Vec<_>>().join(" "))?;
        if !self.parameters.is_empty() {
            let parameters: Vec<String> = self.parameters.iter().map(ToString::to_string).collect();
            write!(f, "  [{}]", parameters.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capsule::tests::capsule;

    #[test]
    fn what_is_not_the_same_is_told_and_what_it_cost_is_not() {
        let old = capsule();
        let mut new = capsule();
        new.receipt.clear();
        assert_eq!(differences(&old, &new), Vec::<String>::new());
        new.answer.status = 422;
        let last = new.attempts.first().cloned().unwrap();
        new.attempts.push(last);
        let told = differences(&old, &new);
        assert_eq!(told[0], "status: 200 before, 422 now");
        assert_eq!(told[1], "attempts: 2 before, 3 now");
        assert!(told.contains(&"statement now:    SELECT a FROM t WHERE b = $1  [\"SECRET\"]  1 rows".to_owned()));
        assert!(told.iter().any(|line| line.starts_with("event now:    s \"t\"")), "{told:?}");
    }
}
