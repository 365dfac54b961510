//! Whether a value may be a text.
//!
//! PostgreSQL makes a date or a time of a text by reading it, and reads `today` in it as its own time.
//! Of a constant and a parameter the text is known when it is sent; that of one that is computed is not.
//! So what is made a date or a time is none of those: wherever it is not certain that a value is
//! no text, it may be one.

use crate::label::length_of_type;
use crate::moment;
use crate::tree::{Call, Expression, Piece};
use crate::words::{self, Gives};
use crate::{Refusal, steps};

/// What is known of the type of a value. An array is of the kind of its elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A string as it is written, one of several of these, or NULL: the type is that of what stands beside it.
    Constant,
    /// A parameter alone: the same.
    Parameter,
    /// Certainly no text.
    Other,
    /// A text, or what may be one.
    #[default]
    Text,
}

impl Kind {
    /// Of a value as it is printed.
    pub(crate) fn of_leaf(printed: &str) -> Self {
        let mut bytes = printed.bytes();
        match (bytes.next(), bytes.next()) {
            (Some(b'$'), Some(b'0'..=b'9')) => Self::Parameter,
            (Some(b'0'..=b'9' | b'.'), _) => Self::Other,
            _ if ["TRUE", "FALSE"].contains(&printed) => Self::Other,
            _ => Self::Constant,
        }
    }

    /// Of the column of a table, by its type as `format_type` writes it. Types of a team's own, which may
    /// be made of texts, are not told apart.
    pub(crate) fn of_column(kind: &str) -> Self {
        let end = kind.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
        let first = kind.get(..end.unwrap_or(kind.len())).unwrap_or_default();
        if words::is_no_text(first) { Self::Other } else { Self::Text }
    }

    /// Of what is one of these, as PostgreSQL finds one type for all (`select_common_type`): strings and
    /// parameters have that of the others, and are texts where there are no others.
    pub(crate) fn of_one_of(kinds: impl IntoIterator<Item = Self>) -> Self {
        let (mut has_parameter, mut common) = (false, Self::Constant);
        for kind in kinds {
            match kind {
                Self::Text => return Self::Text,
                Self::Other => common = Self::Other,
                Self::Parameter => has_parameter = true,
                Self::Constant => {}
            }
        }
        if has_parameter && common == Self::Constant { Self::Text } else { common }
    }

    /// The same where it is no longer written beside what uses it.
    pub(crate) fn computed(self) -> Self {
        if self == Self::Parameter { Self::Text } else { self }
    }

    /// Of a call with arguments of these kinds, in the order of its pieces.
    pub(crate) fn of_call(call: &Call, kinds: &[Self]) -> Self {
        let inner_before = |ends: &[&str]| {
            let is_end = |piece: &&Piece| piece.word().is_some_and(|word| ends.contains(&word));
            call.pieces.iter().take_while(|piece| !is_end(piece)).filter(|piece| piece.inner().is_some()).count()
        };
        let first = kinds.first().copied().unwrap_or_default().computed();
        match words::gives(&call.name.text) {
            Gives::Other => Self::Other,
            Gives::Text => Self::Text,
            Gives::TextUnlessOther => {
                if first == Self::Other {
                    first
                } else {
                    Self::Text
                }
            }
            Gives::First => first,
            Gives::OneOfAll => Self::of_one_of(kinds.iter().take(inner_before(&[")", "ORDER"])).copied()),
            Gives::Ordered => {
                let ordered = inner_before(&["FILTER", "OVER"]).checked_sub(1).and_then(|last| kinds.get(last));
                ordered.copied().unwrap_or_default().computed()
            }
        }
    }

    /// Of what is made of parts of these kinds, in the order of the pieces.
    ///
    /// # Errors
    ///
    /// Something is made a date or a time that may be a text.
    pub(crate) fn of_made(pieces: &[Piece], kinds: &[Self]) -> Result<Self, Refusal> {
        let word = |at: usize| pieces.get(at).and_then(Piece::word).unwrap_or_default();
        let made = match word(0) {
            "CASE" => {
                let is_result = |(before, _): &(&Piece, &Piece)| matches!(before.word(), Some("THEN" | "ELSE"));
                let parts = pieces.iter().zip(pieces.iter().skip(1));
                let inner = parts.filter(|(_, piece)| piece.inner().is_some());
                // The first piece is a word, so that each part has one before it.
                Self::of_one_of(inner.zip(kinds).filter(|(part, _)| is_result(part)).map(|(_, kind)| *kind))
            }
            "CAST" => {
                let value =
                    Value { kind: kinds.first().copied().unwrap_or_default(), is_alone: is_alone(pieces.get(2)) };
                value.cast(pieces.get(4..).unwrap_or_default())?.kind
            }
            "ARRAY" => Self::of_one_of(kinds.iter().copied()),
            "EXISTS" | "INTERVAL" => Self::Other,
            // `date '2026-01-31'`
            first if kinds.is_empty() && first != "(" => {
                if words::is_text(first) {
                    Self::Text
                } else {
                    Self::Other
                }
            }
            _ => Self::of_operands(pieces, kinds)?,
        };
        Ok(made.computed())
    }

    /// Of operands with operators between, before and behind them.
    fn of_operands(pieces: &[Piece], kinds: &[Self]) -> Result<Self, Refusal> {
        let mut kinds = kinds.iter().copied();
        let mut value = Value { kind: Self::Other, is_alone: false };
        let (mut has_operator, mut gives_text) = (false, false);
        let mut rest = pieces;
        while let [piece, behind @ ..] = rest {
            steps::add(1);
            rest = behind;
            match (piece, piece.word()) {
                (Piece::Inner(_), _) => {
                    value = Value { kind: kinds.next().unwrap_or_default(), is_alone: is_alone(Some(piece)) };
                }
                (_, Some("::")) => {
                    value = value.cast(rest)?;
                    rest = rest.get(length_of_type(rest)..).unwrap_or_default();
                }
                // What is taken out of an array, and out of JSON.
                (_, Some("[")) => {
                    kinds.next();
                    value.is_alone = false;
                    rest = rest.get(2..).unwrap_or_default();
                }
                (_, Some("||" | "->>" | "#>>")) => (has_operator, gives_text) = (true, true),
                // No other operator of the list gives one.
                _ => has_operator = true,
            }
        }
        Ok(match (gives_text, has_operator) {
            (true, _) => Self::Text,
            (false, true) => Self::Other,
            (false, false) => value.kind,
        })
    }
}

/// A value, with the casts behind it.
#[derive(Clone, Copy)]
struct Value {
    kind: Kind,
    /// Whether it is a constant or a parameter that no cast has shortened: then its text is known when it
    /// is sent.
    is_alone: bool,
}

impl Value {
    /// The same as a value of the type that these begin with.
    fn cast(self, kind: &[Piece]) -> Result<Self, Refusal> {
        let Some(Piece::Word(word, at)) = kind.first() else { return Ok(Self { kind: Kind::Text, is_alone: false }) };
        if moment::is_type(word) {
            let may_be_text = match self.kind {
                Kind::Text => true,
                Kind::Parameter => !self.is_alone,
                Kind::Constant | Kind::Other => false,
            };
            return if may_be_text {
                Err(moment::computed(word, *at))
            } else {
                Ok(Self { kind: Kind::Other, is_alone: false })
            };
        }
        if !words::is_text(word) {
            return Ok(Self { kind: Kind::Other, is_alone: false });
        }
        // `CHARACTER` alone has one letter.
        let is_whole = matches!(word.as_str(), "TEXT" | "VARCHAR" | "BPCHAR") && length_of_type(kind) == 1;
        let is_alone = self.is_alone && is_whole;
        Ok(Self { kind: if is_alone { self.kind } else { Kind::Text }, is_alone })
    }
}

/// Whether a piece is a constant or a parameter.
fn is_alone(piece: Option<&Piece>) -> bool {
    matches!(piece.and_then(Piece::inner), Some(Expression::Leaf(..)))
}
