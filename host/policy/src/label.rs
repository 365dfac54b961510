//! The names that PostgreSQL gives to result columns without an alias (`FigureColname` in
//! `src/backend/parser/parse_target.c`).

use crate::kind::Kind;
use crate::tree::{Call, Expression, Piece, length_of_type};
use crate::words;

/// PostgreSQL's name for a column without one.
pub(crate) const NONE: &str = "?column?";

/// What is known of a value: the name that its expression gives it, and its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'t> {
    pub(crate) label: Label<'t>,
    pub(crate) kind: Kind,
}

/// A name that an expression gives to its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Label<'t> {
    #[default]
    None,
    /// One that another name replaces: a type's, or that of a CASE.
    Weak(&'t str),
    Strong(&'t str),
}

impl<'t> Label<'t> {
    /// The name of the column.
    pub(crate) fn text(self) -> &'t str {
        match self {
            Self::None => NONE,
            Self::Weak(text) | Self::Strong(text) => text,
        }
    }

    /// This name if it is strong, else `weak`.
    fn or_weak(self, weak: &'t str) -> Self {
        match self {
            Self::Strong(_) => self,
            Self::None | Self::Weak(_) => Self::Weak(weak),
        }
    }
}

/// The label of a call.
pub(crate) fn of_call(call: &Call) -> Label<'_> {
    let second = call.pieces.get(1).and_then(Piece::word);
    Label::Strong(match (call.name.text.as_str(), second) {
        ("trim", Some("LEADING")) if call.is_grammar => "ltrim",
        ("trim", Some("TRAILING")) if call.is_grammar => "rtrim",
        ("trim", _) if call.is_grammar => "btrim",
        (name, _) => name,
    })
}

/// The label of an expression made of others. The labels of its first and last operand are given.
pub(crate) fn of_made<'t>(pieces: &'t [Piece], first: Label<'t>, last: Label<'t>) -> Label<'t> {
    let Some(word) = pieces.first().and_then(Piece::word) else { return of_operand(pieces, first) };
    match word {
        "EXISTS" => Label::Strong("exists"),
        "ARRAY" => Label::Strong("array"),
        "CASE" => {
            let before_last = pieces.len().checked_sub(3).and_then(|at| pieces.get(at));
            let otherwise = if before_last.and_then(Piece::word) == Some("ELSE") { last } else { Label::None };
            otherwise.or_weak("case")
        }
        "CAST" => {
            let kind = pieces.iter().position(|piece| piece.word() == Some("AS")).and_then(|at| pieces.get(at + 1..));
            first.or_weak(of_type(kind.unwrap_or_default()))
        }
        // `date '2026-01-31'`, which has no operand.
        _ if pieces.iter().all(|piece| piece.inner().is_none()) => Label::Weak(of_type(pieces)),
        // Signs before an operand.
        _ => of_operand(pieces, first),
    }
}

/// The label of operands with operators between, before and after them.
fn of_operand<'t>(pieces: &'t [Piece], first: Label<'t>) -> Label<'t> {
    if let [Piece::Inner(Expression::Row { .. }), between, Piece::Inner(Expression::Row { .. })] = pieces
        && between.word() == Some("OVERLAPS")
    {
        return Label::Strong("overlaps");
    }
    // A sign binds closer than AT TIME ZONE, and other words before an operand do not.
    let unsigned = after(pieces, &["+", "-"]);
    let [Piece::Inner(_), rest @ ..] = unsigned else { return Label::None };
    let (label, mut rest) = behind(rest, first);
    if rest.is_empty() {
        return if unsigned.len() == pieces.len() { label } else { Label::None };
    }
    while let Some("AT") = rest.first().and_then(Piece::word) {
        let zone = after(rest.get(3..).unwrap_or_default(), &["+", "-", "~", "NOT"]);
        rest = behind(zone.get(1..).unwrap_or_default(), Label::None).1;
    }
    if rest.is_empty() { Label::Strong("timezone") } else { Label::None }
}

/// The label of an operand with its casts and subscripts, and the pieces after these.
fn behind<'t>(mut pieces: &'t [Piece], mut label: Label<'t>) -> (Label<'t>, &'t [Piece]) {
    loop {
        let length = match pieces {
            [cast, kind @ ..] if cast.word() == Some("::") => {
                label = label.or_weak(of_type(kind));
                1 + length_of_type(kind)
            }
            [opens, Piece::Inner(_), ..] if opens.word() == Some("[") => 3,
            _ => return (label, pieces),
        };
        pieces = pieces.get(length..).unwrap_or_default();
    }
}

/// PostgreSQL's name for the type at the start of these pieces.
fn of_type(pieces: &[Piece]) -> &'static str {
    let kind: Vec<&str> = pieces.iter().take(length_of_type(pieces)).filter_map(Piece::word).collect();
    let first = kind.first().copied().unwrap_or_default();
    let is_zoned = kind.contains(&"WITH");
    match first {
        "BIGINT" => "int8",
        "BOOLEAN" => "bool",
        "CHAR" | "CHARACTER" if kind.contains(&"VARYING") => "varchar",
        "CHAR" | "CHARACTER" => "bpchar",
        "DEC" | "DECIMAL" => "numeric",
        "FLOAT" => match kind.get(2).and_then(|digits| digits.parse::<u32>().ok()) {
            Some(..=24) => "float4",
            _ => "float8",
        },
        "DOUBLE" => "float8",
        "INT" | "INTEGER" => "int4",
        "REAL" => "float4",
        "SMALLINT" => "int2",
        "TIME" if is_zoned => "timetz",
        "TIMESTAMP" if is_zoned => "timestamptz",
        _ => words::type_named(first),
    }
}

/// The pieces after leading words of this list.
fn after<'t>(mut pieces: &'t [Piece], words: &[&str]) -> &'t [Piece] {
    while let [word, rest @ ..] = pieces
        && word.word().is_some_and(|word| words.contains(&word))
    {
        pieces = rest;
    }
    pieces
}
