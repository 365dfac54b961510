//! Whether a value may be a text.
//!
//! PostgreSQL converts a text to a date or a time by parsing it, and reads `today` in it as its own
//! current date. The text of a constant or a parameter is known when the statement is sent; that of
//! a computed value is not. So a computed text is never converted to a date or a time. A value
//! counts as a text unless it is certainly none.

use crate::tree::{Call, Expression, Piece, length_of_type};
use crate::words::{self, Gives};
use crate::{Refusal, steps};

/// The operators that take a part of JSON out.
pub(crate) const JSON: &[&str] = &["->", "->>", "#>", "#>>"];

/// What is known of a value's type. The kind of an array is that of its elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A string literal, a choice of several, or NULL. Its type depends on the context.
    Constant,
    /// An array of such: a `text[]`, unless it is cast as it is written.
    Constants,
    /// A parameter alone. Its type depends on the context too.
    Parameter,
    /// Certainly not a text.
    Other,
    /// Certainly one value that `||` joins with a string to a text: a number, a boolean, a date, a
    /// time, a UUID, a range, or JSON that is no `jsonb`.
    Scalar,
    /// Certainly a `jsonb`.
    Json,
    /// Certainly one text, and no array of texts.
    String,
    /// Certainly a `text[]`.
    Strings,
    /// A text or an array of texts, or possibly one.
    #[default]
    Text,
}

impl Kind {
    /// The kind of a printed value.
    pub(crate) fn of_leaf(printed: &str) -> Self {
        let mut bytes = printed.bytes();
        match (bytes.next(), bytes.next()) {
            (Some(b'$'), Some(b'0'..=b'9')) => Self::Parameter,
            (Some(b'0'..=b'9' | b'.'), _) => Self::Scalar,
            _ if ["TRUE", "FALSE"].contains(&printed) => Self::Scalar,
            _ => Self::Constant,
        }
    }

    /// The kind of a table's column, by its type as `format_type` writes it. A team's own types may
    /// contain texts, so they count as texts.
    pub(crate) fn of_column(kind: &str) -> Self {
        let end = kind.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
        let first = kind.get(..end.unwrap_or(kind.len())).unwrap_or_default();
        let is_array = kind.ends_with(']');
        match first {
            "jsonb" if !is_array => Self::Json,
            "bytea" => Self::Other,
            _ if words::is_no_text(first) => {
                if is_array {
                    Self::Other
                } else {
                    Self::Scalar
                }
            }
            "text" if kind == first => Self::String,
            "text" if kind == "text[]" => Self::Strings,
            "character" if kind.starts_with("character varying") && !is_array => Self::String,
            _ => Self::Text,
        }
    }

    /// The kind of a value that is one of these, as PostgreSQL finds one type for all
    /// (`select_common_type`): strings and parameters get the type of the others, and are texts if
    /// there are no others.
    pub(crate) fn of_one_of(kinds: impl IntoIterator<Item = Self>) -> Self {
        let (mut has_parameter, mut common) = (false, Self::Constant);
        for kind in kinds {
            match (common, kind) {
                (_, Self::Parameter) => has_parameter = true,
                (_, Self::Constant) => {}
                (Self::Constant, _) => common = kind,
                (one, other) if one == other => {}
                (one, other) if one.is_no_text() && other.is_no_text() => common = Self::Other,
                _ => return Self::Text,
            }
        }
        if has_parameter && common == Self::Constant { Self::Text } else { common }
    }

    /// Whether it is certainly one text if nothing next to it requires another type.
    pub(crate) fn is_string(self) -> bool {
        matches!(self, Self::Constant | Self::String)
    }

    /// Whether it is certainly neither a text nor an array of texts.
    pub(crate) fn is_no_text(self) -> bool {
        matches!(self, Self::Other | Self::Scalar | Self::Json)
    }

    /// Whether it is certainly a `text[]` if nothing next to it requires another type.
    pub(crate) fn is_strings(self) -> bool {
        matches!(self, Self::Constants | Self::Strings)
    }

    /// The kind of an array whose elements have this kind. An array of arrays has the same type.
    fn of_array(self) -> Self {
        match self {
            Self::Constant | Self::Constants => Self::Constants,
            kind if kind.is_no_text() => Self::Other,
            _ => Self::Text,
        }
    }

    /// The kind of an element of an array of this kind.
    fn of_element(self) -> Self {
        match self {
            Self::Constant | Self::Constants => Self::Constant,
            kind if kind.is_no_text() => Self::Other,
            _ => Self::Text,
        }
    }

    /// The kind of a value cast to the type at the start of these pieces.
    pub(crate) fn of_type(kind: &[Piece]) -> Self {
        let word = |at: usize| kind.get(at).and_then(Piece::word);
        let is_array = length_of_type(kind).checked_sub(1).and_then(word) == Some("]");
        match word(0) {
            Some("TEXT" | "VARCHAR") if !is_array => Self::String,
            Some("TEXT") => Self::Strings,
            Some("JSONB") if !is_array => Self::Json,
            Some(word) if words::is_text(word) => Self::Text,
            Some("BYTEA") => Self::Other,
            Some(_) if !is_array => Self::Scalar,
            Some(_) => Self::Other,
            None => Self::Text,
        }
    }

    /// The kind if the value is not written directly where it is used.
    pub(crate) fn computed(self) -> Self {
        if self == Self::Parameter { Self::Text } else { self }
    }

    /// The kind of a call with arguments of these kinds, in the order of its pieces.
    pub(crate) fn of_call(call: &Call, kinds: &[Self]) -> Self {
        let inner_before = |ends: &[&str]| {
            let is_end = |piece: &&Piece| piece.word().is_some_and(|word| ends.contains(&word));
            call.pieces.iter().take_while(|piece| !is_end(piece)).filter(|piece| piece.inner().is_some()).count()
        };
        let first = kinds.first().copied().unwrap_or_default().computed();
        match words::gives(&call.name.text) {
            Gives::Other if words::gives_scalar(&call.name.text) => Self::Scalar,
            Gives::Other => Self::Other,
            Gives::Texts => Self::Text,
            Gives::Text | Gives::TextUnlessOther if first == Self::String => first,
            Gives::TextUnlessOther if first.is_no_text() => first,
            Gives::Text | Gives::TextUnlessOther => Self::Text,
            Gives::First => first,
            Gives::OneOfAll => {
                let one = Self::of_one_of(kinds.iter().take(inner_before(&[")", "ORDER"])).copied());
                match call.name.text.as_str() {
                    _ if call.is_grammar => one,
                    "unnest" => one.of_element(),
                    _ => one.of_array(),
                }
            }
            Gives::Ordered => {
                let ordered = inner_before(&["FILTER", "OVER"]).checked_sub(1).and_then(|last| kinds.get(last));
                // With an array of fractions it returns an array.
                if ordered.is_some_and(|kind| kind.is_no_text()) { Self::Other } else { Self::Text }
            }
        }
    }

    /// The kind of an expression with parts of these kinds, in the order of the pieces.
    ///
    /// # Errors
    ///
    /// A value that may be a text is converted to a date or a time.
    pub(crate) fn of_made(pieces: &[Piece], kinds: &[Self]) -> Result<Self, Refusal> {
        let word = |at: usize| pieces.get(at).and_then(Piece::word).unwrap_or_default();
        let made = match word(0) {
            "CASE" => {
                let is_result = |(before, _): &(&Piece, &Piece)| matches!(before.word(), Some("THEN" | "ELSE"));
                let parts = pieces.iter().zip(pieces.iter().skip(1));
                let inner = parts.filter(|(_, piece)| piece.inner().is_some());
                // The first piece is a word, so each part has a word before it.
                Self::of_one_of(inner.zip(kinds).filter(|(part, _)| is_result(part)).map(|(_, kind)| *kind))
            }
            "CAST" => {
                let value =
                    Value { kind: kinds.first().copied().unwrap_or_default(), is_alone: is_alone(pieces.get(2)) };
                value.cast(pieces.get(4..).unwrap_or_default())?.kind
            }
            "ARRAY" => Self::of_one_of(kinds.iter().copied()).of_array(),
            "EXISTS" | "INTERVAL" => Self::Scalar,
            // `date '2026-01-31'`
            first if kinds.is_empty() && first != "(" => {
                if words::is_text(first) {
                    Self::Text
                } else {
                    Self::of_type(pieces)
                }
            }
            _ => Self::of_operands(pieces, kinds)?,
        };
        // A parameter that was cast to a text.
        Ok(if made == Self::Parameter { Self::String } else { made })
    }

    /// The kind of operands with operators between, before and after them.
    fn of_operands(pieces: &[Piece], kinds: &[Self]) -> Result<Self, Refusal> {
        let (mut kinds, mut values, mut operators) = (kinds.iter().copied(), Vec::new(), Vec::new());
        let mut rest = pieces;
        while let [piece, behind @ ..] = rest {
            steps::add(1);
            if piece.inner().is_some() {
                let (value, length) = Value::first(rest, &mut kinds)?;
                values.push(value.kind);
                rest = rest.get(length..).unwrap_or_default();
            } else if piece.word() == Some("::") {
                // Behind parentheses that belong to an operator.
                Value { kind: values.last().copied().unwrap_or_default(), is_alone: false }.cast(behind)?;
                rest = behind.get(length_of_type(behind)..).unwrap_or_default();
            } else {
                operators.extend(piece.word());
                rest = behind;
            }
        }
        let are_all = |words: &[&str]| operators.iter().all(|operator| words.contains(operator));
        let is_joined = |kind: &Self| kind.is_string() || *kind == Self::Scalar;
        let is_scalar = values.iter().all(is_joined) && values.contains(&Self::Scalar);
        Ok(match (operators.last().copied(), &values[..]) {
            (None, [value, ..]) => *value,
            (Some("->>" | "#>>"), _) if are_all(JSON) => Self::String,
            (_, [Self::Json, ..]) if are_all(&["->", "#>"]) => Self::Json,
            _ if are_all(&["||"]) && values.iter().all(is_joined) => Self::String,
            // No other listed operator returns a text.
            _ if operators.iter().any(|operator| ["||", "->>", "#>>"].contains(operator)) => Self::Text,
            // The operators on these give one of them.
            _ if is_scalar => Self::Scalar,
            _ => Self::Other,
        })
    }
}

/// A value and the casts after it.
#[derive(Clone, Copy)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    /// Whether it is a constant or a parameter that no cast has shortened, so that its text is
    /// known when it is sent.
    is_alone: bool,
}

impl Value {
    /// The value at the start of these pieces with its casts and subscripts, and how many pieces it
    /// has.
    pub(crate) fn first(pieces: &[Piece], kinds: &mut impl Iterator<Item = Kind>) -> Result<(Self, usize), Refusal> {
        let mut value = Self { kind: kinds.next().unwrap_or_default(), is_alone: is_alone(pieces.first()) };
        let mut length = 1;
        loop {
            steps::add(1);
            let rest = pieces.get(length..).unwrap_or_default();
            match rest.first().and_then(Piece::word) {
                Some("::") => {
                    let kind = rest.get(1..).unwrap_or_default();
                    value = value.cast(kind)?;
                    length += 1 + length_of_type(kind);
                }
                // An element of an array, or of JSON.
                Some("[") => {
                    kinds.next();
                    let kind = if value.kind == Kind::Json { value.kind } else { value.kind.of_element() };
                    value = Self { kind, is_alone: false };
                    length += 3;
                }
                // A parameter that was cast to a text.
                Some(_) | None if length > 1 && value.kind == Kind::Parameter => {
                    return Ok((Self { kind: Kind::String, ..value }, length));
                }
                _ => return Ok((value, length)),
            }
        }
    }

    /// The value cast to the type at the start of these pieces.
    fn cast(self, kind: &[Piece]) -> Result<Self, Refusal> {
        let Some(Piece::Word(word, at)) = kind.first() else { return Ok(Self { kind: Kind::Text, is_alone: false }) };
        if words::is_time(word) {
            let may_be_text = match self.kind {
                Kind::String | Kind::Strings | Kind::Text => true,
                Kind::Parameter => !self.is_alone,
                Kind::Constant | Kind::Constants | Kind::Other | Kind::Scalar | Kind::Json => false,
            };
            return if may_be_text {
                Err(computed(word, *at))
            } else {
                Ok(Self { kind: Kind::of_type(kind), is_alone: false })
            };
        }
        // `CHARACTER` without a length has one character.
        let is_whole = matches!(word.as_str(), "TEXT" | "VARCHAR" | "BPCHAR") && length_of_type(kind) == 1;
        let is_alone = self.is_alone && is_whole;
        Ok(Self { kind: if is_alone { self.kind } else { Kind::of_type(kind) }, is_alone })
    }
}

/// Whether a piece is a constant or a parameter.
fn is_alone(piece: Option<&Piece>) -> bool {
    matches!(piece.and_then(Piece::inner), Some(Expression::Leaf(..)))
}

/// The refusal of converting a possible text to this type.
fn computed(kind: &str, at: usize) -> Refusal {
    let what = format!(
        "a text that is computed is not made a {kind}: PostgreSQL reads 'today' and the like in it as its own time. Send \
         the value with its type, cast the parameter itself, or read the text and convert it in the rule"
    );
    Refusal::not_granted(at, what)
}
