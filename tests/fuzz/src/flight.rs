//! Runs one statement in a transaction of its own, with the queries that check its effects.

use futures_util::future::join5;
use tokio_postgres::Client;

use crate::outcome::{Outcome, in_one};
use crate::words;

/// One flight: a transaction around one statement.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) outcome: Outcome,
    pub(crate) begun: Option<String>,
    /// The session's state in the transaction after the statement; `None` if that query failed.
    pub(crate) now: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) locks: Option<String>,
    pub(crate) transaction: Option<String>,
    /// The results of the queries about rows.
    pub(crate) rows: Vec<Option<String>>,
    pub(crate) traces: Vec<Option<String>>,
    pub(crate) lost: bool,
}

/// The database and the role of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Owner,
    Second,
    Role,
    /// With the rule's role, and the text as it was written.
    Written,
}

/// The text before a statement with parameters.
pub(crate) const PREPARE: &str = "PREPARE tried AS ";

/// Runs one statement in a transaction of its own, which is rolled back.
pub(crate) async fn fly(client: &Client, sql: &str, who: Who, given: &str) -> Flight {
    let parameters = parameters(sql);
    // The text as written needs the search path that its author expects.
    let begin = client.simple_query(match who {
        Who::Written => {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; SET LOCAL search_path = public; SELECT now()::text"
        }
        _ => "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; SELECT now()::text",
    });
    let text = with_parameters(sql, parameters, given);
    let tried = client.simple_query(&text);
    let asked = client.simple_query(match who {
        Who::Owner => "EXECUTE asked_of_locks; EXECUTE asked_of_session; EXECUTE asked_of_rows",
        Who::Second => "EXECUTE asked_of_session",
        Who::Role | Who::Written => "EXECUTE asked_of_session; SELECT CASE WHEN pg_current_xact_id_if_assigned() IS NULL THEN '' ELSE trace.everything() END",
    });
    let end = client.simple_query(match who {
        Who::Role | Who::Written => "ROLLBACK",
        _ => "ROLLBACK; EXECUTE asked_before",
    });
    let forget = async {
        if parameters > 0 {
            // This fails if the statement could not be prepared, which is fine.
            let _ = client.simple_query("DEALLOCATE tried").await;
        }
    };
    let (begun, tried, asked, ended, ()) = join5(begin, tried, asked, end, forget).await;
    let lost = client.is_closed();
    let offset = if parameters > 0 { PREPARE.len() } else { 0 };
    let outcome = Outcome::of(tried, offset);
    // Without time for the queries, nothing is known.
    let outcome = match &asked {
        Err(error) if error.code().is_some_and(|code| code.code() == "57014") => Outcome::Unsteady("57014".to_owned()),
        _ => outcome,
    };
    // The same if there was no time to begin.
    let outcome = match &begun {
        Err(error) if error.code().is_some_and(|code| code.code() == "57014") => Outcome::Unsteady("57014".to_owned()),
        _ => outcome,
    };
    let begun = in_one(begun).into_iter().next().and_then(|row| row.into_iter().next().flatten());
    let mut asked = in_one(asked).into_iter();
    let locks = if who == Who::Owner { asked.next().and_then(|row| row.into_iter().next().flatten()) } else { None };
    let session = asked.next().unwrap_or_default();
    let get = |at: usize| session.get(at).cloned().flatten();
    Flight {
        outcome,
        begun,
        now: get(0),
        session: get(1),
        locks,
        transaction: get(2),
        rows: asked.next().unwrap_or_default(),
        traces: in_one(ended).into_iter().next().unwrap_or_default(),
        lost,
    }
}

/// A statement as one text, with values for its parameters.
pub(crate) fn with_parameters(sql: &str, parameters: usize, given: &str) -> String {
    match parameters {
        0 => sql.to_owned(),
        count => format!("{PREPARE}{sql}\n; EXECUTE tried ({})", vec![given; count].join(", ")),
    }
}

/// The value of all parameters of a statement.
pub(crate) fn given(sql: &str) -> &'static str {
    if sql.len().is_multiple_of(2) { "NULL" } else { "'1'" }
}

/// The greatest parameter number.
pub(crate) fn parameters(sql: &str) -> usize {
    if !sql.contains('$') {
        return 0;
    }
    let number = |word: String| word.strip_prefix('$').and_then(|digits| digits.parse().ok());
    words::cut(sql).into_iter().filter_map(number).max().unwrap_or(0).min(20)
}
