use std::fmt;

use tenet_capsule::{Attempt, Call, Recorded, RecordedFault, SqlError, Statement};
use tenet_dsql::UNKNOWN;

use crate::error::Error;

/// The SQLSTATE of what a server does not support.
const NOT_SUPPORTED: &str = "0A000";

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
        attempts.iter().find_map(|attempt| {
            let of_rule = attempt.entries.iter().find_map(|entry| match &entry.call {
                Call::Run { statements, told: Recorded::Fault(fault) } => {
                    let error = unknown(fault)?;
                    let statement = of_error(statements, error).map(|statement| statement.sql.clone());
                    Some(Self { statement, message: error.message.clone() })
                }
                _ => None,
            });
            let of_host = || {
                let error = attempt.ended.as_ref()?.fault.as_ref().and_then(unknown)?;
                Some(Self { statement: None, message: error.message.clone() })
            };
            of_rule.or_else(of_host)
        })
    }

    /// What is not of a rule's statement: what it was about, and why it was refused.
    pub(crate) fn of_error(what: &str, error: &Error) -> Self {
        Self { statement: None, message: format!("the model of Aurora DSQL does not take {what}: {error:#}") }
    }
}

/// The error of a fault, if it is one of the model's own.
fn unknown(fault: &RecordedFault) -> Option<&SqlError> {
    match fault {
        RecordedFault::Sql(error) => Some(error),
        _ => None,
    }
    .filter(|error| error.sqlstate == NOT_SUPPORTED && error.message.ends_with(UNKNOWN))
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
        assert_eq!(Unmodelled::of(&[attempt("42601", &message, &[])]), None);
    }
}
