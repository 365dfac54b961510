//! Strings that PostgreSQL reads as its current date or time: `now`, `today`, `tomorrow`,
//! `yesterday`, with or without a time and a zone next to them (`datetktbl` in
//! `src/backend/utils/adt/datetime.c`).
//!
//! An untyped string gets its type from the context. So such a string is sent as text, which
//! PostgreSQL does not convert to a date where none is required, and it is refused where a date is
//! required.

use std::collections::HashMap;

use crate::check::Checker;
use crate::scope::{Found, Scope};
use crate::token::{self, Kind};
use crate::tree::{Expression, Piece, length_of_type};
use crate::{Refusal, steps, words};

/// The words in PostgreSQL's date parser that depend on the current time.
const WORDS: &[&str] = &["now", "today", "tomorrow", "yesterday"];

/// The first of these words in a string. In an array or a range, a backslash and a quote may stand
/// between the letters of a word.
pub(crate) fn word_in(text: &str) -> Option<&'static str> {
    let plain = |text: &str| {
        let mut parts = text.split(|letter: char| !letter.is_ascii_alphabetic());
        parts.find_map(|part| WORDS.iter().find(|word| part.eq_ignore_ascii_case(word)).copied())
    };
    plain(text).or_else(|| if text.contains(['\\', '"']) { plain(&text.replace(['\\', '"'], "")) } else { None })
}

/// Whether a column's type, as `format_type` writes it, contains dates or times: arrays and ranges
/// too.
fn is_type_of_column(kind: &str) -> bool {
    ["date", "time", "tsrange", "tstz", "tsmulti"].iter().any(|start| kind.starts_with(start))
}

pub(crate) fn refusal(word: &str, at: usize) -> Refusal {
    Refusal::not_granted(at, words::instead_of_the_moment(&format!("'{word}'")))
}

/// The refusal of such a string as the zone of AT TIME ZONE.
fn no_zone(word: &str, at: usize) -> Refusal {
    Refusal::not_granted(at, format!("'{word}' is no time zone: write one, as in 'UTC', or send it as a parameter"))
}

/// The word and the place of a piece, if it is a string with one of the words.
fn moment(piece: &Piece) -> Option<(&'static str, usize)> {
    match piece.inner()? {
        Expression::Moment { word, at, .. } => Some((word, *at)),
        _ => None,
    }
}

/// The type of the casts at the start of these pieces, if it is a date or a time.
fn cast_to_a_time(mut pieces: &[Piece]) -> bool {
    while let [cast, kind @ ..] = pieces
        && cast.word() == Some("::")
    {
        steps::add(1);
        if kind.first().and_then(Piece::word).is_some_and(words::is_time) {
            return true;
        }
        pieces = kind.get(length_of_type(kind)..).unwrap_or_default();
    }
    false
}

/// The string with one of the words that an expression contains at any depth, unless it is cast to
/// a type.
fn within(expression: &Expression) -> Option<(&'static str, usize)> {
    steps::add(1);
    let of_pieces = |pieces: &[Piece]| pieces.iter().filter_map(Piece::inner).find_map(within);
    match expression {
        Expression::Moment { word, at, .. } => Some((word, *at)),
        Expression::Call(call) => of_pieces(&call.pieces),
        Expression::Row { values, .. } => values.iter().find_map(within),
        Expression::Made(pieces) => {
            let is_typed = pieces.get(1).and_then(Piece::word) == Some("::");
            if is_typed { None } else { of_pieces(pieces) }
        }
        Expression::Leaf(..) | Expression::Column(_) | Expression::Of(..) | Expression::Query(_) => None,
    }
}

/// Refuses such a string if the expression converts it to a date or a time.
pub(crate) fn check_made<'t>(checker: &Checker<'t>, pieces: &'t [Piece], scope: &Scope<'_, 't>) -> Result<(), Refusal> {
    let is_cast = pieces.first().and_then(Piece::word) == Some("CAST");
    // The column that is compared with the next operand, and whether an AND belongs to a BETWEEN.
    let (mut beside, mut between) = (None, false);
    for (number, piece) in pieces.iter().enumerate() {
        let rest = pieces.get(number + 1..).unwrap_or_default();
        match piece {
            Piece::Word(word, _) => match word.as_str() {
                "BETWEEN" => between = true,
                "AND" if between => between = false,
                "AND" | "OR" | "WHEN" | "THEN" | "ELSE" => beside = None,
                _ => {}
            },
            Piece::Inner(inner) => {
                let kind = rest.get(1).and_then(Piece::word).filter(|_| is_cast);
                let found = (cast_to_a_time(rest) || kind.is_some_and(words::is_time)).then(|| within(inner)).flatten();
                if let Some((word, at)) = found {
                    return Err(refusal(word, at));
                }
                let before = number.checked_sub(1).and_then(|at| pieces.get(at)).and_then(Piece::word);
                let Some((word, at)) = moment(piece) else {
                    if matches!(inner, Expression::Column(_) | Expression::Of(..)) {
                        let is_joined = [before, behind_casts(rest)].contains(&Some("||"));
                        beside = column(inner, rest).map(|column| (column, is_joined));
                    }
                    continue;
                };
                let next = rest.first().and_then(Piece::word);
                if is_cast || next == Some("::") {
                    continue;
                }
                let is_apart = matches!(next, Some("AND" | "OR" | "WHEN" | "THEN"));
                let behind = rest.get(2..).unwrap_or_default();
                let after = || {
                    let column = column(rest.get(1).filter(|_| !is_apart)?.inner()?, behind)?;
                    Some((column, behind_casts(behind) == Some("||")))
                };
                let Some((column, is_joined)) = beside.or_else(after) else { continue };
                // `||` makes a text of anything but an array.
                let is_joined = is_joined || [before, next].contains(&Some("||"));
                let kind = checker.kind_of(column, scope);
                if kind.is_some_and(|kind| is_type_of_column(kind) && (!is_joined || kind.ends_with(']'))) {
                    return Err(if before == Some("ZONE") { no_zone(word, at) } else { refusal(word, at) });
                }
            }
            Piece::Window(_) => {}
        }
    }
    Ok(())
}

/// The word behind the casts at the start of these pieces.
fn behind_casts(mut pieces: &[Piece]) -> Option<&str> {
    while let [cast, kind @ ..] = pieces
        && cast.word() == Some("::")
    {
        steps::add(1);
        pieces = kind.get(length_of_type(kind)..).unwrap_or_default();
    }
    pieces.first().and_then(Piece::word)
}

/// The expression, if it is a column that the pieces behind it cast to no other type than a date or
/// a time.
fn column<'t>(expression: &'t Expression, rest: &[Piece]) -> Option<&'t Expression> {
    let is_column = matches!(expression, Expression::Column(_) | Expression::Of(..));
    let is_cast = rest.first().and_then(Piece::word) == Some("::");
    (is_column && (!is_cast || cast_to_a_time(rest))).then_some(expression)
}

/// Refuses such a string as the value of a column of a date or a time.
pub(crate) fn check_value(value: &Expression, kind: &str) -> Result<(), Refusal> {
    match value {
        Expression::Moment { word, at, .. } if is_type_of_column(kind) => Err(refusal(word, *at)),
        _ => Ok(()),
    }
}

impl<'t> Checker<'t> {
    /// The type of the column, if the expression is a column.
    fn kind_of(&self, expression: &Expression, scope: &Scope<'_, 't>) -> Option<&'t str> {
        let (relation, name) = match expression {
            Expression::Column(name) => match scope.outwards().find_map(|outer| outer.column(&name.text))? {
                Found::Column(relation) => (relation, name),
                Found::Merged | Found::Two => return None,
            },
            Expression::Of(of, name) => (scope.outwards().find_map(|outer| outer.relation(&of.text))?, name),
            _ => return None,
        };
        relation.kind_of(&name.text)
    }
}

/// The first of these texts that becomes the time of the database, and the word in it that does so.
/// Each is sent as the parameter of its number, and the statement, as it is sent, casts that
/// parameter to a date or a time. The check ensures that no text computed from a parameter becomes
/// a date.
pub fn moment_in_parameters<'a>(
    sent: &str,
    texts: impl Iterator<Item = (usize, &'a str)>,
) -> Option<(usize, &'static str)> {
    let has_word = |(number, text): (usize, &str)| Some((number, word_in(text)?));
    let moments: HashMap<usize, &'static str> = texts.filter_map(has_word).collect();
    if moments.is_empty() {
        return None;
    }
    let tokens = token::cut(sent).ok()?;
    let word = |at: usize| match tokens.get(at).map(|token| &token.kind) {
        Some(Kind::Word(word)) => word.as_str(),
        _ => "",
    };
    let is_type_at = |at: usize| words::is_time(&word(at).to_ascii_uppercase());
    let is_made = |at: usize| {
        let mut next = at + 1;
        while tokens.get(next).is_some_and(|token| token.kind == Kind::Sign(':')) {
            if is_type_at(next + 1) {
                return true;
            }
            next += 2;
        }
        word(next) == "as" && is_type_at(next + 1)
    };
    tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Parameter).find_map(|(at, token)| {
        let number = sent.get(token.at + 1..token.end)?.parse().ok()?;
        let moment = moments.get(&number)?;
        is_made(at).then_some((number, *moment))
    })
}

/// Whether the default of a column, in PostgreSQL's spelling, has a new value each time because it
/// contains the database's time or a random value.
pub fn is_default_of_the_moment(expression: &str) -> bool {
    let Ok(tokens) = token::tokens(expression) else { return false };
    let has = |is: &dyn Fn(&Kind) -> bool| tokens.iter().any(|token| is(&token.kind));
    let is_time = |kind: &Kind| matches!(kind, Kind::Word(word) if words::is_time(&word.to_ascii_uppercase()));
    let is_moment = |kind: &Kind| matches!(kind, Kind::String(Some(text)) if word_in(text).is_some());
    has(&|kind| matches!(kind, Kind::Word(word) if words::is_of_the_moment(word))) || has(&is_moment) && has(&is_time)
}

/// The place in a schema step of a default that PostgreSQL converts to a date or a time when the
/// step is applied, as `at timestamptz DEFAULT 'now'`. Its value differs between databases and then
/// stays constant.
pub fn frozen_default(step: &str) -> Option<usize> {
    let tokens = token::tokens(step).ok()?;
    // Whether the part of this column read so far has a type of a date or a time.
    let mut has_type = false;
    for (number, token) in tokens.iter().enumerate() {
        match &token.kind {
            Kind::Sign(',') => has_type = false,
            Kind::Word(word) if words::is_time(&word.to_ascii_uppercase()) => has_type = true,
            Kind::Word(word) if word == "default" => {
                let rest = tokens.get(number + 1..).unwrap_or_default();
                let opens = rest.iter().take_while(|token| token.kind == Kind::Sign('(')).count();
                let rest = rest.get(opens..).unwrap_or_default();
                let typed = |kind: Option<&token::Token>| matches!(kind.map(|it| &it.kind), Some(Kind::Word(it)) if words::is_time(&it.to_ascii_uppercase()));
                let (has_own, rest) = if typed(rest.first()) { (true, rest.get(1..)?) } else { (false, rest) };
                if let [string, cast, kind, ..] = rest
                    && let Kind::String(Some(text)) = &string.kind
                    && word_in(text).is_some()
                    && (has_own || if cast.kind == Kind::Sign(':') { typed(Some(kind)) } else { has_type })
                {
                    return Some(token.at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PostgreSQL 15 and 16 parse them: `SELECT 'today 10:00 Europe/Paris'::timestamptz`.
    #[test]
    fn a_word_of_the_moment_is_found_wherever_postgresql_finds_one() {
        for text in [
            "now",
            " NOW ",
            "\"now\"",
            "(now)",
            "{now}",
            "{{now},{today}}",
            "[0:0]={now}",
            "[now,)",
            "{to\\day}",
            "[to\"day\",)",
            "today 10:00",
            "10:00today",
            "today10:00",
            "today@10:00 Europe/Paris",
            "at now",
            "yesterday allballs",
            "\tTomorrow\n",
        ] {
            assert!(word_in(text).is_some(), "{text}");
        }
        for text in ["", "epoch", "infinity", "allballs", "2026-01-31", "nowadays", "todayz", "n.o.w", "snow"] {
            assert_eq!(word_in(text), None, "{text}");
        }
    }

    /// As PostgreSQL 15 prints them: the text of `DEFAULT 'now'` of a timestamptz is a constant.
    #[test]
    fn a_default_that_is_another_each_time_is_told_from_a_text_and_from_a_constant() {
        for (expression, is) in [
            ("now()", true),
            ("CURRENT_DATE", true),
            ("(gen_random_uuid())::text", true),
            ("('now'::text)::date", true),
            ("COALESCE(NULL::text, 'today'::text)::timestamp with time zone", true),
            ("'now'::text", false),
            ("'now()'::text", false),
            ("'2026-11-29 19:37:29.138106+00'::timestamp with time zone", false),
        ] {
            assert_eq!(is_default_of_the_moment(expression), is, "{expression}");
        }
    }

    #[test]
    fn a_default_that_is_the_time_of_the_step_is_found() {
        for (step, is) in [
            ("CREATE TABLE t (id text, at timestamptz NOT NULL DEFAULT 'now')", true),
            ("CREATE TABLE t (at timestamp(3) with time zone DEFAULT ('now'), a int)", true),
            ("CREATE TABLE t (day text DEFAULT date 'today')", true),
            ("ALTER TABLE t ALTER day SET DEFAULT 'today'::date", true),
            ("CREATE TABLE t (at timestamptz, state text DEFAULT 'today')", false),
            ("CREATE TABLE t (day date DEFAULT '2026-01-31', at timestamptz DEFAULT 'epoch')", false),
            ("CREATE TABLE t (day date DEFAULT 'today'::text)", false),
        ] {
            assert_eq!(frozen_default(step).is_some(), is, "{step}");
        }
    }

    #[test]
    fn a_text_that_is_made_a_time_is_found_in_what_is_sent() {
        let made = |sent: &str, text: &str| moment_in_parameters(sent, [(1, text)].into_iter());
        for (sent, is) in [
            ("SELECT $1::TIMESTAMPTZ", true),
            ("SELECT $1::TEXT::DATE", true),
            ("SELECT CAST( $1 AS TIMESTAMP WITH TIME ZONE)", true),
            ("SELECT $1::DATE[]", true),
            ("SELECT $1::TEXT, $2::DATE", false),
            ("SELECT $11::DATE", false),
            ("SELECT '$1::DATE', $1 AS \"date\"", false),
        ] {
            assert_eq!(made(sent, "now"), is.then_some((1, "now")), "{sent}");
        }
        assert_eq!(made("SELECT $1::DATE", "2026-01-31"), None);
        // PostgreSQL skips white space and punctuation, of any length.
        assert!(made("SELECT $1::DATE", &format!("{:5000}now{:5000}", "", "")).is_some());
        assert!(made("SELECT $1::DATE", &format!("now{}", ",".repeat(5000))).is_some());
        assert!(made("SELECT $1::DATE[]", &format!(" {{{}now}}", "2026-01-31,".repeat(20))).is_some());
        // The sent text may be longer than the original.
        assert!(made(&format!("SELECT '{}', $1::DATE", " ".repeat(70_000)), "now").is_some());
    }
}
