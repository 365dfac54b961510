use tenet_core::SqlError;

use crate::moment;
use crate::token::{self, Kind};

/// What helps where PostgreSQL finds a text in the place of a date or a time because the policy sends a string such as
/// `'today'` as a text: PostgreSQL's own advice, a cast, would be refused.
///
/// `at` is the place of the error in the text of the rule, if it is known.
pub(crate) fn of_a_text_for_a_time(sql: &str, at: Option<usize>, error: &SqlError) -> Option<String> {
    let is_mismatch = ["42804", "42883"].contains(&error.sqlstate.as_str());
    if !is_mismatch || !is_of_a_text_and_a_time(&error.message) {
        return None;
    }
    let tokens = token::tokens(sql).ok()?;
    let mut strings = tokens.iter().zip(tokens.iter().skip(1)).filter_map(|(token, next)| {
        let Kind::String(Some(text)) = &token.kind else { return None };
        // Its type is not written.
        let word = moment::word_in(text).filter(|_| next.kind != Kind::Sign(':'))?;
        Some((token.at..token.end, word))
    });
    let first = strings.next()?;
    let is_meant = |(place, _): &(std::ops::Range<usize>, _)| at.is_some_and(|at| place.contains(&at));
    let (_, word) = std::iter::once(first.clone()).chain(strings).find(is_meant).unwrap_or(first);
    Some(format!(
        "a string with `{word}` in it is sent as a text, because PostgreSQL would read its own time in it. If a date or a \
         time is meant here, send it as a parameter: the request's context has the time"
    ))
}

/// Whether PostgreSQL's message names a text, and a function or a type of a date or a time.
fn is_of_a_text_and_a_time(message: &str) -> bool {
    let words = || message.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let is_time = |word: &str| word == "function" || ["date", "time", "ts"].iter().any(|start| word.starts_with(start));
    words().any(|word| word == "text") && words().any(is_time)
}
