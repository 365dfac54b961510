//! Strings with a word that PostgreSQL reads as its current time, and whose type is not written.
//!
//! They are sent as texts. One that may contain several values, as `(now)` or `{now}`, could be
//! meant as an array, a range or JSON. So it is refused unless the values next to it prove that it
//! is a text in PostgreSQL's own reading too. All others have no other meaning.

use crate::kind::{JSON, Kind};
use crate::tree::{Call, Expression, Piece, length_of_type};
use crate::{Refusal, steps, words};

/// Whether a string can contain several values or a quoted one: an array, a range, JSON.
fn has_a_form(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '(', '"'])
}

fn refusal(word: &str, at: usize) -> Refusal {
    let what = format!(
        "`{word}` could be the time of the database here: write the type behind the string, as in ::text or ::jsonb"
    );
    Refusal::not_understood(at, what)
}

/// Values that PostgreSQL finds one type for, and operands that are next to each other.
#[derive(Debug, Default)]
pub(crate) struct Together {
    /// The first string that contains one of the words and may contain several values.
    open: Option<(&'static str, usize)>,
    /// The kinds of the others.
    kinds: Vec<Kind>,
    /// Whether such a string may be no text although all others are.
    is_open: bool,
    /// Whether `||` stands between them.
    is_joined: bool,
}

impl Together {
    pub(crate) fn add(&mut self, value: &Expression, kind: Kind) {
        match value {
            Expression::Moment { value, word, at, .. } if has_a_form(value) => {
                self.open.get_or_insert((word, *at));
            }
            _ => self.kinds.push(kind),
        }
    }

    /// The kind of them all.
    pub(crate) fn kind(&self) -> Kind {
        Kind::of_one_of(self.kinds.iter().copied().chain(self.open.map(|_| Kind::String)))
    }

    /// Refuses a string among them that is not certainly a text.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        // A parameter may be an array, to which `||` adds.
        let is_open = self.is_open || self.is_joined && self.kinds.contains(&Kind::Parameter);
        match self.open {
            Some((word, at)) if is_open || !Kind::of_one_of(self.kinds.iter().copied()).is_string() => {
                Err(refusal(word, at))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses a string without a type that may contain several values and is not certainly a text.
pub(crate) fn check_made(pieces: &[Piece], kinds: &[Kind]) -> Result<(), Refusal> {
    if !pieces.iter().any(is_open) {
        return Ok(());
    }
    let word = |at: Option<usize>| at.and_then(|at| pieces.get(at)).and_then(Piece::word);
    let values = pieces.iter().enumerate().filter_map(|(at, piece)| Some((at, piece.inner()?))).zip(kinds);
    match word(Some(0)) {
        Some("CASE") => {
            let is_compared = pieces.get(1).is_some_and(|piece| piece.inner().is_some());
            let (mut results, mut compared) =
                (Together::default(), Together { is_open: !is_compared, ..Together::default() });
            for ((at, value), kind) in values {
                let is_result = matches!(word(at.checked_sub(1)), Some("THEN" | "ELSE"));
                if is_result { &mut results } else { &mut compared }.add(value, *kind);
            }
            compared.check().and_then(|()| results.check())
        }
        Some("CAST") => Ok(()),
        Some("ARRAY") => {
            let mut elements = Together::default();
            values.for_each(|((_, value), kind)| elements.add(value, *kind));
            elements.check()
        }
        _ => check_operands(pieces, kinds),
    }
}

/// The same for operands with operators between them. Those on the two sides of an AND or an OR are
/// not next to each other.
fn check_operands(pieces: &[Piece], kinds: &[Kind]) -> Result<(), Refusal> {
    let mut kinds = kinds.iter().copied();
    let (mut these, mut is_between, mut is_key) = (Together::default(), false, false);
    let mut before = None;
    for (number, piece) in pieces.iter().enumerate() {
        steps::add(1);
        match piece {
            Piece::Inner(inner) => {
                let kind = kinds.next().unwrap_or_default();
                match cast_to(pieces.get(number + 1..).unwrap_or_default()) {
                    _ if is_key && is_open(piece) => {
                        these.is_open = true;
                        these.add(inner, kind);
                    }
                    _ if is_key => {}
                    Some(cast) => these.kinds.push(cast),
                    None => these.add(inner, kind),
                }
                is_key = false;
            }
            Piece::Word(word, _) => match word.as_str() {
                "BETWEEN" => is_between = true,
                "AND" if is_between => is_between = false,
                "AND" | "OR" => std::mem::take(&mut these).check()?,
                "||" => these.is_joined = true,
                word if JSON.contains(&word) => {
                    // `||` does not bind closer.
                    these.is_open |= these.is_joined || before.is_some_and(is_open);
                    let kind = if word.ends_with(">>") { Kind::String } else { Kind::Other };
                    these.kinds.last_mut().into_iter().for_each(|last| *last = kind);
                    is_key = true;
                }
                "ANY" | "ALL" | "SOME" | "AT" | "OVERLAPS" | "[" => these.is_open = true,
                _ => {}
            },
            Piece::Window(_) => {}
        }
        before = Some(piece);
    }
    these.check()
}

/// Whether a piece is a string that contains one of the words and may contain several values.
fn is_open(piece: &Piece) -> bool {
    matches!(piece.inner(), Some(Expression::Moment { value, .. }) if has_a_form(value))
}

/// The kind of the type of the last of the casts at the start of these pieces.
fn cast_to(mut pieces: &[Piece]) -> Option<Kind> {
    let mut kind = None;
    while let [cast, behind @ ..] = pieces
        && cast.word() == Some("::")
    {
        steps::add(1);
        kind = Some(Kind::of_type(behind));
        pieces = behind.get(length_of_type(behind)..).unwrap_or_default();
    }
    kind
}

/// Refuses a string in a call that may contain several values and is not certainly a text.
pub(crate) fn check_call(call: &Call, kinds: &[Kind]) -> Result<(), Refusal> {
    if words::takes_text(&call.name.text) {
        return Ok(());
    }
    let mut arguments = Together { is_open: !call.is_grammar, ..Together::default() };
    call.pieces.iter().filter_map(Piece::inner).zip(kinds).for_each(|(value, kind)| arguments.add(value, *kind));
    arguments.check()
}

/// Refuses a string as the value of a column of this type if it may contain several values and the
/// column is no text.
pub(crate) fn check_value(value: &Expression, kind: &str) -> Result<(), Refusal> {
    let mut column = Together::default();
    column.add(value, Kind::Constant);
    column.kinds.push(Kind::of_column(kind));
    column.check()
}

/// Refuses one that may contain several values if nothing determines its type.
pub(crate) fn check_alone(expression: &Expression) -> Result<(), Refusal> {
    let mut alone = Together { is_open: true, ..Together::default() };
    alone.add(expression, Kind::String);
    alone.check()
}
