//! What a request did, as texts: its statements with parameters and rows, its log, its events.

use tenet_capsule::{Attempt, Call, End, Outcome, Recorded, RecordedVault};
use tenet_core::Code;

/// Rows of one statement that are shown.
const MOST_ROWS: u32 = 5;

/// The longest line.
const WIDTH: usize = 400;

/// The last line that the last attempt has logged as an error.
pub(crate) fn last_error(attempts: &[Attempt]) -> Option<&str> {
    attempts.last()?.entries.iter().rev().find_map(|entry| match &entry.call {
        Call::Log { level, message } if level == "error" => Some(message.as_str()),
        _ => None,
    })
}

/// The attempts of a request, a text for each thing that was done.
pub fn texts(attempts: &[Attempt]) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, attempt) in attempts.iter().enumerate() {
        if attempts.len() > 1 {
            lines.push(format!("attempt {}", number + 1));
        }
        for entry in &attempt.entries {
            each(&entry.call, &mut |text| lines.push(cut(&format!("  {:<10} {text}", entry.rule))));
        }
        if let Some(ended) = &attempt.ended {
            let by = match &ended.by {
                End::Accept { output, .. } => format!("commit {output}"),
                End::Reject(body) => format!("roll back, commit the rejection {body}"),
                End::RollBack => "roll back".to_owned(),
            };
            let then = match (&ended.answered, &ended.fault) {
                (Some(stored), _) => format!(" -> the key has the answer {}", stored.body),
                (_, Some(fault)) => format!(" -> {}", fault_text(fault)),
                _ => String::new(),
            };
            lines.push(cut(&format!("  {by}{then}")));
        }
    }
    lines
}

fn each(call: &Call, line: &mut impl FnMut(String)) {
    match call {
        Call::Run { statements, told } => {
            for (place, statement) in statements.iter().enumerate() {
                line(statement.to_string());
                match told {
                    Recorded::Outcomes(outcomes) => {
                        outcomes.get(place).into_iter().for_each(|outcome| rows(outcome, line));
                    }
                    Recorded::Answered(stored) => line(format!("  -> the key has the answer {}", stored.body)),
                    Recorded::Fault(fault) => line(format!("  -> {}", fault_text(fault))),
                }
            }
        }
        Call::Refused { statements, error } => {
            statements.iter().for_each(|statement| line(statement.to_string()));
            let code = match error.sqlstate.as_str() {
                "42501" => format!("{} ", Code::StatementNotGranted),
                "42601" | "42703" => format!("{} ", Code::StatementNotUnderstood),
                _ => String::new(),
            };
            line(format!("  -> not sent: {code}{} (SQLSTATE {})", error.message, error.sqlstate));
        }
        Call::Publish { event, refused, .. } => {
            let refused = refused
                .as_ref()
                .map(|why| format!("  -> not taken: {} {why}", Code::EventNotGranted))
                .unwrap_or_default();
            line(format!("publish {} {:?} {}{refused}", event.source, event.detail_type, event.detail));
        }
        Call::Schedule { schedule, refused, .. } => {
            let refused = refused.as_ref().map(|why| format!("  -> not taken: {why}")).unwrap_or_default();
            line(format!("schedule {schedule}{refused}"));
        }
        Call::Vault { call, told } => match told {
            // Neither the value nor what it is sealed to is for a terminal.
            RecordedVault::Gave(_) => line(format!("{call}")),
            RecordedVault::Refused { code, message } => {
                line(format!("{call}  -> refused: {} {message} ({code})", Code::VaultRefused));
            }
            RecordedVault::Nothing => line(format!("{call}  -> the keys are out of reach")),
        },
        Call::Log { level, message } => line(format!("log {level}: {message}")),
        Call::Random(_) => {}
    }
}

fn rows(outcome: &Outcome, line: &mut impl FnMut(String)) {
    if outcome.columns.is_empty() {
        line(format!("  -> {} rows", outcome.affected));
    }
    for row in 0..outcome.rows.min(MOST_ROWS) {
        let cells = outcome.columns.iter().enumerate().map(|(place, column)| {
            format!("{} = {}", column.name, outcome.text(place, row).unwrap_or_else(|| "NULL".to_owned()))
        });
        line(format!("  -> {}", cells.collect::<Vec<_>>().join(", ")));
    }
    if !outcome.columns.is_empty() && outcome.rows == 0 {
        line("  -> no row".to_owned());
    }
    if outcome.rows > MOST_ROWS {
        line(format!("  -> and {} rows more", outcome.rows - MOST_ROWS));
    }
}

fn fault_text(fault: &tenet_capsule::RecordedFault) -> String {
    use tenet_capsule::RecordedFault;
    match fault {
        RecordedFault::Conflict { message, .. } => format!("conflict: {message}"),
        RecordedFault::Sql(error) => format!("{} (SQLSTATE {})", error.message, error.sqlstate),
        RecordedFault::Limit { limit, .. } => format!("the limit {limit} was passed"),
        RecordedFault::UnknownCommit { message }
        | RecordedFault::Unavailable { message, .. }
        | RecordedFault::Deadline { message }
        | RecordedFault::Other { message, .. } => message.clone(),
    }
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}
