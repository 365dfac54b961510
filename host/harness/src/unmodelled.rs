use std::fmt;

use tenet_capsule::{Attempt, Call, Recorded, RecordedFault, SqlError, Statement};
use tenet_dsql::UNKNOWN;

use crate::error::Error;

/// The SQLSTATE of what a server does not support.
const NOT_SUPPORTED: &str = "0A000";

/// SQLSTATEs of what the model did not understand: syntax, names, types and depth. Whether Aurora DSQL would, only
/// another server says, which answers with the same error if the statement is wrong.
const NOT_UNDERSTOOD: [&str; 13] = [
    "42601", "42602", "42622", "42703", "42704", "42725", "42804", "42809", "42846", "42883", "42P01", "42P18", "54001",
];

/// What the model of Aurora DSQL does not know, which Aurora DSQL may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmodelled {
    /// The statement; none where it was not a rule's.
    pub statement: Option<String>,
    /// What the model says of it.
    pub message: String,
}

impl Unmodelled {
    /// The first statement in these attempts that the model did not know.
    pub fn of(attempts: &[Attempt]) -> Option<Self> {
        Self::first(attempts, is_unknown)
    }

    /// The first statement in these attempts that the model did not know or did not understand.
    pub(crate) fn maybe_of(attempts: &[Attempt]) -> Option<Self> {
        Self::first(attempts, |error| is_unknown(error) || NOT_UNDERSTOOD.contains(&error.sqlstate.as_str()))
    }

    fn first(attempts: &[Attempt], is_unknown: fn(&SqlError) -> bool) -> Option<Self> {
        let unknown = |fault: &RecordedFault| match fault {
            RecordedFault::Sql(error) if is_unknown(error) => Some(error.clone()),
            _ => None,
        };
        attempts.iter().find_map(|attempt| {
            let of_rule = attempt.entries.iter().find_map(|entry| match &entry.call {
                Call::Run { statements, told: Recorded::Fault(fault) } => {
                    let error = unknown(fault)?;
                    let statement = of_error(statements, &error).map(|statement| statement.sql.clone());
                    Some(Self { statement, message: error.message })
                }
                _ => None,
            });
            let of_host = || {
                let error = attempt.ended.as_ref()?.fault.as_ref().and_then(unknown)?;
                Some(Self { statement: None, message: error.message })
            };
            of_rule.or_else(of_host)
        })
    }

    /// What is not of a rule's statement: what it was about, and why it was refused.
    pub(crate) fn of_error(what: &str, error: &Error) -> Self {
        Self { statement: None, message: format!("the model of Aurora DSQL does not take {what}: {error:#}") }
    }
}

fn is_unknown(error: &SqlError) -> bool {
    error.sqlstate == NOT_SUPPORTED && error.message.ends_with(UNKNOWN)
}

/// The statement of a batch that an error is of: the one that it names, or the only one.
fn of_error<'s>(statements: &'s [Statement], error: &SqlError) -> Option<&'s Statement> {
    let named = error.details.iter().find(|(name, _)| name == "statement");
    let place = named.and_then(|(_, number)| number.parse::<usize>().ok()).unwrap_or(1);
    statements.get(place.checked_sub(1)?)
}

impl fmt::Display for Unmodelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.statement {
            Some(statement) => write!(f, "`{statement}`: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use tenet_capsule::Entry;

    use super::*;

    fn attempt(sqlstate: &str, message: &str, details: &[(&str, &str)]) -> Attempt {
        let statement = |sql: &str| Statement { sql: sql.to_owned(), parameters: Vec::new() };
        let details = details.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let error = SqlError {
            sqlstate: sqlstate.to_owned(),
            message: message.to_owned(),
            constraint: None,
            table: None,
            column: None,
            details,
        };
        let told = Recorded::Fault(RecordedFault::Sql(error));
        let call = Call::Run { statements: vec![statement("SELECT 1"), statement("SELECT 2")], told };
        Attempt { entries: vec![Entry { rule: "rule".to_owned(), call }], ended: None }
    }

    #[test]
    fn a_statement_that_the_model_does_not_know_is_found_and_one_that_dsql_refuses_is_not() {
        let message = format!("SELECT 2 {UNKNOWN}");
        let found = Unmodelled::of(&[Attempt::default(), attempt("0A000", &message, &[("statement", "2")])]);
        assert_eq!(found.map(|found| found.to_string()), Some(format!("`SELECT 2`: {message}")));
        let found = Unmodelled::of(&[attempt("0A000", &message, &[])]);
        assert_eq!(found.and_then(|found| found.statement).as_deref(), Some("SELECT 1"));
        assert_eq!(Unmodelled::of(&[attempt("0A000", "unsupported statement: Lock", &[])]), None);
        // A wrong statement looks like one that the model does not read.
        for sqlstate in ["42601", "42883", "42809", "42P01", "42P18", "54001"] {
            assert_eq!(Unmodelled::of(&[attempt(sqlstate, "syntax error", &[])]), None, "{sqlstate}");
            assert!(Unmodelled::maybe_of(&[attempt(sqlstate, "syntax error", &[])]).is_some(), "{sqlstate}");
        }
        for sqlstate in ["40001", "23505", "22012", "53200"] {
            assert_eq!(Unmodelled::maybe_of(&[attempt(sqlstate, &message, &[])]), None, "{sqlstate}");
        }
    }
}
