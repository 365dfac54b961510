//! Strings with a word that PostgreSQL reads as its current time, and whose type is not written.
//!
//! Each is sent with a type, which is never a date or a time. Most are texts, whatever is next to
//! them. One that may contain several values, as `(now)` or `{now}`, could be an array, a range or
//! JSON. It gets the type that PostgreSQL certainly finds for it, or is refused.
//!
//! PostgreSQL's rules: <https://www.postgresql.org/docs/16/typeconv-oper.html> for operators, and
//! <https://www.postgresql.org/docs/16/typeconv-union-case.html> for values with one common type.

use crate::kind::{Kind, Value};
use crate::resolved::Resolved;
use crate::tree::{Call, Expression, Piece};
use crate::{Refusal, steps, words};

/// The types that such a string can get.
const TEXT: &str = "TEXT";
const TEXTS: &str = "TEXT[]";
const JSON: &str = "JSONB";

/// Operators that bind closer than `||` and take no texts.
const CLOSE: &[&str] = &["+", "-", "*", "/", "%", "^", "AT", "TIME", "ZONE"];

/// The comparisons, which bind less close than `||`.
const COMPARISONS: &[&str] = &["=", "<>", "!=", "<", ">", "<=", ">="];

/// The operators that match a text with a pattern.
const PATTERNS: &[&str] = &["~", "~*", "!~", "!~*", "~~", "!~~", "~~*", "!~~*"];

/// A string that contains one of the words and may contain several values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    word: &'static str,
    at: usize,
}

impl Open {
    /// The string, if the expression is one.
    pub(crate) fn of(expression: &Expression) -> Option<Self> {
        match expression {
            Expression::Moment { value, word, at, .. } if value.trim_start().starts_with(['{', '[', '(', '"']) => {
                Some(Self { word, at: *at })
            }
            _ => None,
        }
    }

    /// Sets the type that it is sent with.
    fn settle(self, kind: Option<&'static str>, resolved: &mut Resolved<'_>) -> Result<(), Refusal> {
        match kind {
            Some(TEXT) => {}
            Some(kind) => drop(resolved.strings.insert(self.at, kind)),
            None => return Err(self.refusal()),
        }
        Ok(())
    }

    fn refusal(self) -> Refusal {
        let what = format!(
            "`{}` could be the time of the database here: write the type behind the string, as in ::text, ::text[] or \
             ::jsonb",
            self.word
        );
        Refusal::not_understood(self.at, what)
    }
}

/// Values that PostgreSQL finds one type for, and operands that are compared with each other.
#[derive(Debug, Default)]
pub(crate) struct Together {
    /// The strings among them.
    open: Vec<Open>,
    /// The kinds of the others.
    kinds: Vec<Kind>,
    /// Whether a string may have another type than the others.
    is_apart: bool,
    /// Whether one is compared with each element of the other, which is an array.
    is_array: bool,
    /// Whether PostgreSQL may find another type for each pair, so that only texts are certain.
    is_in_pairs: bool,
}

impl Together {
    pub(crate) fn add(&mut self, value: &Expression, kind: Kind) {
        match Open::of(value) {
            Some(open) => self.open.push(open),
            None => self.kinds.push(kind),
        }
    }

    pub(crate) fn add_open(&mut self, open: Open) {
        self.open.push(open);
    }

    pub(crate) fn add_kind(&mut self, kind: Kind) {
        self.kinds.push(kind);
    }

    /// A column of rows that are compared in pairs.
    pub(crate) fn compare_in_pairs(&mut self) {
        self.is_in_pairs = true;
    }

    /// Compares what was added with each of what is added from now on.
    fn compare_with_each(&mut self) {
        let left = Kind::of_one_of(self.kinds.iter().copied());
        self.is_in_pairs |= !self.open.is_empty() || left == Kind::Constant;
    }

    /// The kind of them all.
    pub(crate) fn kind(&self) -> Kind {
        Kind::of_one_of(self.kinds.iter().copied().chain(self.open.first().map(|_| Kind::String)))
    }

    /// Gives each string the type of the others.
    ///
    /// # Errors
    ///
    /// The type is not certain.
    pub(crate) fn settle(&self, resolved: &mut Resolved<'_>) -> Result<(), Refusal> {
        if self.open.is_empty() {
            return Ok(());
        }
        let kind = match Kind::of_one_of(self.kinds.iter().copied()) {
            _ if self.is_apart => None,
            Kind::String if self.is_array => Some(TEXTS),
            kind if self.is_array && kind.is_strings() => Some(TEXT),
            _ if self.is_array => None,
            Kind::String | Kind::Constant => Some(TEXT),
            _ if self.is_in_pairs => None,
            Kind::Strings | Kind::Constants => Some(TEXTS),
            Kind::Json => Some(JSON),
            Kind::Parameter | Kind::Other | Kind::Scalar | Kind::Text => None,
        };
        self.open.iter().try_for_each(|open| open.settle(kind, resolved))
    }
}

/// Gives each string without a type in an expression the type that PostgreSQL finds for it.
///
/// # Errors
///
/// The type of one that may contain several values is not certain.
pub(crate) fn check_made(pieces: &[Piece], kinds: &[Kind], resolved: &mut Resolved<'_>) -> Result<(), Refusal> {
    if !pieces.iter().filter_map(Piece::inner).any(|inner| Open::of(inner).is_some()) {
        return Ok(());
    }
    let word = |at: Option<usize>| at.and_then(|at| pieces.get(at)).and_then(Piece::word);
    let values = pieces.iter().enumerate().filter_map(|(at, piece)| Some((at, piece.inner()?))).zip(kinds);
    match word(Some(0)) {
        Some("CASE") => {
            let is_compared = pieces.get(1).is_some_and(|piece| piece.inner().is_some());
            let (mut results, mut compared) =
                (Together::default(), Together { is_apart: !is_compared, ..Together::default() });
            for ((at, value), kind) in values {
                let is_result = matches!(word(at.checked_sub(1)), Some("THEN" | "ELSE"));
                if is_result { &mut results } else { &mut compared }.add(value, *kind);
            }
            compared.settle(resolved).and_then(|()| results.settle(resolved))
        }
        Some("CAST") => Ok(()),
        // The expressions of a window are not next to each other.
        _ if pieces.iter().any(|piece| piece.word() == Some("BY")) => {
            let open = pieces.iter().filter_map(Piece::inner).find_map(Open::of);
            open.map_or(Ok(()), |open| Err(open.refusal()))
        }
        Some("ARRAY") => {
            let mut elements = Together::default();
            values.for_each(|((_, value), kind)| elements.add(value, *kind));
            elements.settle(resolved)
        }
        _ => check_operands(pieces, kinds, resolved),
    }
}

/// An operand: a string, or a value.
#[derive(Clone, Copy)]
enum Operand {
    Open(Open),
    Of(Kind),
}

/// Operands between two comparisons, with the operators that bind closer.
#[derive(Default)]
struct Run<'p> {
    /// What the operators so far give.
    left: Option<Operand>,
    /// The operator that waits for its right operand.
    operator: Option<&'p str>,
    /// The operand that is read, as far as it is known.
    right: Option<Operand>,
    /// Whether an operator that binds closer than `||` belongs to it.
    is_close: bool,
}

impl<'p> Run<'p> {
    /// Adds an operand, to the one before it if an operator that binds closer is between them.
    fn operand(&mut self, operand: Operand, resolved: &mut Resolved<'_>) -> Result<(), Refusal> {
        let before = self.right.take();
        if !self.is_close {
            self.right = Some(operand);
            return Ok(());
        }
        let mut kinds = Vec::new();
        for operand in before.into_iter().chain([operand]) {
            match operand {
                Operand::Open(open) => open.settle(None, resolved)?,
                Operand::Of(kind) => kinds.push(kind),
            }
        }
        let is_plain = |kind: &Kind| matches!(kind, Kind::Scalar | Kind::Constant | Kind::String);
        let is_scalar = kinds.iter().all(is_plain) && kinds.contains(&Kind::Scalar);
        self.right = Some(Operand::Of(if is_scalar { Kind::Scalar } else { Kind::Other }));
        Ok(())
    }

    /// Applies the operator that waits to the operand behind it.
    fn apply(&mut self, resolved: &mut Resolved<'_>) -> Result<(), Refusal> {
        self.is_close = false;
        let operator = self.operator.take();
        let Some(right) = self.right.take() else { return Ok(()) };
        let Some((operator, left)) = operator.zip(self.left) else {
            self.left = Some(right);
            return Ok(());
        };
        self.left = Some(Operand::Of(combined(operator, left, right, resolved)?));
        Ok(())
    }

    fn operator(&mut self, operator: &'p str, resolved: &mut Resolved<'_>) -> Result<(), Refusal> {
        self.apply(resolved)?;
        self.operator = Some(operator);
        Ok(())
    }

    /// Ends it, and compares what it gives with others.
    fn end(&mut self, compared: &mut Together, resolved: &mut Resolved<'_>) -> Result<(), Refusal> {
        self.apply(resolved)?;
        match std::mem::take(self).left {
            Some(Operand::Open(open)) => compared.open.push(open),
            Some(Operand::Of(kind)) => compared.kinds.push(kind),
            None => {}
        }
        Ok(())
    }
}

/// The kind that an operator gives, after a string on either side got its type.
fn combined(operator: &str, left: Operand, right: Operand, resolved: &mut Resolved<'_>) -> Result<Kind, Refusal> {
    let (open, kind) = match (left, right) {
        (Operand::Of(left), Operand::Of(right)) => return Ok(given(operator, left, right)),
        (Operand::Open(open), Operand::Of(kind)) | (Operand::Of(kind), Operand::Open(open)) => (vec![open], kind),
        (Operand::Open(left), Operand::Open(right)) => (vec![left, right], Kind::Constant),
    };
    let is_text = matches!(kind, Kind::String | Kind::Constant);
    let is_left = matches!(left, Operand::Open(_));
    let (string, gives) = match operator {
        "||" if is_text || kind == Kind::Scalar => (Some(TEXT), Kind::String),
        "||" if kind == Kind::Json => (Some(JSON), Kind::Json),
        "||" if kind.is_strings() => (Some(TEXTS), Kind::Strings),
        "@>" | "<@" if kind == Kind::Json => (Some(JSON), Kind::Scalar),
        "@>" | "<@" | "&&" if kind.is_strings() => (Some(TEXTS), Kind::Scalar),
        _ if PATTERNS.contains(&operator) && is_text => (Some(TEXT), Kind::Scalar),
        "->" | "->>" | "?" if kind == Kind::Json && !is_left => (Some(TEXT), given(operator, kind, Kind::String)),
        "#>" | "#>>" | "#-" | "?|" | "?&" if kind == Kind::Json && !is_left => {
            (Some(TEXTS), given(operator, kind, Kind::Strings))
        }
        _ => (None, Kind::Text),
    };
    open.into_iter().try_for_each(|open| open.settle(string, resolved))?;
    Ok(gives)
}

/// The kind that an operator gives for values of these kinds.
fn given(operator: &str, left: Kind, right: Kind) -> Kind {
    let is_joined = |kind| matches!(kind, Kind::String | Kind::Constant | Kind::Scalar);
    match operator {
        "->>" | "#>>" => Kind::String,
        "->" | "#>" | "#-" if left == Kind::Json => Kind::Json,
        "||" if is_joined(left) && is_joined(right) => Kind::String,
        "||" if left == Kind::Json && matches!(right, Kind::Json | Kind::Constant) => Kind::Json,
        "||" => Kind::Text,
        "@>" | "<@" | "&&" | "?" | "?|" | "?&" => Kind::Scalar,
        _ if PATTERNS.contains(&operator) => Kind::Scalar,
        _ => Kind::Other,
    }
}

/// The same for operands with operators between them. Those on the two sides of an AND or an OR are
/// not compared with each other.
fn check_operands(pieces: &[Piece], kinds: &[Kind], resolved: &mut Resolved<'_>) -> Result<(), Refusal> {
    let mut kinds = kinds.iter().copied();
    let (mut run, mut compared, mut is_between) = (Run::default(), Together::default(), false);
    let mut rest = pieces;
    while let [piece, behind @ ..] = rest {
        steps::add(1);
        let Some(word) = piece.word() else {
            if let Some(inner) = piece.inner() {
                let (value, length) = Value::first(rest, &mut kinds)?;
                let open = Open::of(inner).filter(|_| length == 1);
                // `ANY (SELECT ..)` compares with values and no array.
                compared.is_array &= !(length == 1 && matches!(inner, Expression::Query(_)));
                run.operand(open.map_or(Operand::Of(value.kind), Operand::Open), resolved)?;
                rest = rest.get(length..).unwrap_or_default();
            } else {
                rest = behind;
            }
            continue;
        };
        rest = behind;
        match word {
            word if CLOSE.contains(&word) => run.is_close = true,
            word if words::is_operator(word) && !COMPARISONS.contains(&word) => run.operator(word, resolved)?,
            word => {
                run.end(&mut compared, resolved)?;
                match word {
                    "BETWEEN" => {
                        is_between = true;
                        compared.compare_with_each();
                    }
                    "IN" => compared.compare_with_each(),
                    "AND" if is_between => is_between = false,
                    "AND" | "OR" => std::mem::take(&mut compared).settle(resolved)?,
                    "ANY" | "ALL" | "SOME" => compared.is_array = true,
                    "OVERLAPS" => compared.is_apart = true,
                    _ => {}
                }
            }
        }
    }
    run.end(&mut compared, resolved)?;
    compared.settle(resolved)
}

/// Gives each string without a type in a call the type that PostgreSQL finds for it.
///
/// # Errors
///
/// The type of one that may contain several values is not certain.
pub(crate) fn check_call(call: &Call, kinds: &[Kind], resolved: &mut Resolved<'_>) -> Result<(), Refusal> {
    let name = call.name.text.as_str();
    if words::takes_text(name) {
        return Ok(());
    }
    // What FILTER, ORDER BY and OVER have is no argument.
    let is_end = |piece: &&Piece| matches!(piece.word(), Some(")" | "ORDER"));
    let arguments =
        call.pieces.iter().take_while(|piece| !is_end(piece)).filter(|piece| piece.inner().is_some()).count();
    let (mut alike, mut apart) = (Together::default(), Together { is_apart: true, ..Together::default() });
    let are_alike = call.is_grammar || words::takes_alike(name);
    for (number, (value, kind)) in call.pieces.iter().filter_map(Piece::inner).zip(kinds).enumerate() {
        match (Open::of(value), words::takes(name, number)) {
            (Some(open), Some(kind)) if number < arguments => open.settle(Some(kind), resolved)?,
            _ if are_alike && number < arguments => alike.add(value, *kind),
            _ => apart.add(value, *kind),
        }
    }
    alike.settle(resolved).and_then(|()| apart.settle(resolved))
}

/// Gives a string as the value of a column of this type the type of the column.
///
/// # Errors
///
/// It may contain several values, and the column is neither a text, an array of texts nor a `jsonb`.
pub(crate) fn check_value(open: Open, kind: &str, resolved: &mut Resolved<'_>) -> Result<(), Refusal> {
    Together { open: vec![open], kinds: vec![Kind::of_column(kind)], ..Together::default() }.settle(resolved)
}

/// Refuses one that may contain several values where nothing determines its type.
pub(crate) fn check_alone(expression: &Expression) -> Result<(), Refusal> {
    match Open::of(expression) {
        Some(open) => Err(open.refusal()),
        None => Ok(()),
    }
}
