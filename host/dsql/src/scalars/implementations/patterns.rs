//! LIKE and ILIKE.

use crate::scalars::Call;
use crate::scalars::implementations::{bytes_at, text, text_at};
use crate::sql_error::SqlError;
use crate::values::value::Value;

/// One part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<T> {
    /// `%`.
    Any,
    /// `_`.
    One,
    Exactly(T),
}

fn unfinished() -> SqlError {
    SqlError::new("22025", "LIKE pattern must not end with escape character")
}

/// Whether a text is as a pattern says, where a backslash escapes. Like PostgreSQL, it complains of
/// the end of a pattern only if it comes there.
fn matches<T: Copy + PartialEq + From<u8>>(text: &[T], pattern: &[T]) -> Result<bool, SqlError> {
    let is = |one: T, letter: u8| one == T::from(letter);
    // The part at the start of a pattern, and what is left of it.
    let part = |pattern: &[T]| -> Result<Option<(Part<T>, usize)>, SqlError> {
        Ok(match pattern {
            [] => None,
            [one, ..] if is(*one, b'%') => Some((Part::Any, 1)),
            [one, ..] if is(*one, b'_') => Some((Part::One, 1)),
            [one] if is(*one, b'\\') => return Err(unfinished()),
            [one, escaped, ..] if is(*one, b'\\') => Some((Part::Exactly(*escaped), 2)),
            [one, ..] => Some((Part::Exactly(*one), 1)),
        })
    };
    let (mut at, mut place) = (0, 0);
    // Where to go on after the last `%`: the place behind it, and the place in the text to try next.
    let mut back: Option<(usize, usize)> = None;
    loop {
        let left = text.get(at..).unwrap_or(&[]);
        let Some(next) = left.first() else {
            // Only `%` may be left.
            let rest = pattern.get(place..).unwrap_or(&[]);
            return Ok(rest.iter().all(|one| is(*one, b'%')));
        };
        match part(pattern.get(place..).unwrap_or(&[]))? {
            Some((Part::Any, size)) => {
                place += size;
                if place >= pattern.len() {
                    return Ok(true);
                }
                back = Some((place, at));
                continue;
            }
            Some((Part::One, size)) => {
                (at, place) = (at + 1, place + size);
                continue;
            }
            Some((Part::Exactly(one), size)) if one == *next => {
                (at, place) = (at + 1, place + size);
                continue;
            }
            _ => {}
        }
        match &mut back {
            Some((behind, tried)) => {
                *tried += 1;
                (at, place) = (*tried, *behind);
            }
            None => return Ok(false),
        }
    }
}

fn like(values: &[Value], ignores_case: bool) -> Result<bool, SqlError> {
    let letters = |text: &str| -> Vec<u32> {
        text.chars().map(|one| if ignores_case { one.to_ascii_lowercase() } else { one }.into()).collect()
    };
    matches(&letters(text_at(values, 0)?), &letters(text_at(values, 1)?))
}

fn like_bytes(values: &[Value]) -> Result<bool, SqlError> {
    matches(bytes_at(values, 0)?, bytes_at(values, 1)?)
}

/// A pattern with another escape character, as one with a backslash.
fn escape(values: &[Value]) -> Result<Value, SqlError> {
    let (pattern, escape) = (text_at(values, 0)?, text_at(values, 1)?);
    let mut letters = escape.chars();
    let escape = letters.next();
    if letters.next().is_some() {
        return Err(
            SqlError::new("22025", "invalid escape string").with_hint("Escape string must be empty or one character.")
        );
    }
    if escape == Some('\\') {
        return Ok(text(pattern));
    }
    let mut out = String::new();
    let mut is_escaped = false;
    for one in pattern.chars() {
        if Some(one) == escape && !is_escaped {
            out.push('\\');
            is_escaped = true;
        } else {
            if one == '\\' && !is_escaped {
                out.push('\\');
            }
            out.push(one);
            is_escaped = false;
        }
    }
    Ok(text(out))
}

pub(super) fn find(source: &str) -> Option<Call> {
    Some(Call::Plain(match source {
        "textlike" | "namelike" | "bpcharlike" => |values| like(values, false).map(Value::Bool),
        "textnlike" | "namenlike" | "bpcharnlike" => |values| like(values, false).map(|does| Value::Bool(!does)),
        "texticlike" | "nameiclike" | "bpchariclike" => |values| like(values, true).map(Value::Bool),
        "texticnlike" | "nameicnlike" | "bpcharicnlike" => |values| like(values, true).map(|does| Value::Bool(!does)),
        "bytealike" => |values| like_bytes(values).map(Value::Bool),
        "byteanlike" => |values| like_bytes(values).map(|does| Value::Bool(!does)),
        "like_escape" => escape,
        _ => return None,
    }))
}
