//! The part of the parser for expressions.

use tenet_core::quote_identifier;

use crate::Refusal;
use crate::moment;
use crate::parser::Parser;
use crate::token::Kind;
use crate::tree::{Body, Call, Expression, Name, Piece, Query, With};
use crate::words;

/// The words allowed in the frame of a window, in addition to numbers.
const FRAME: &[&str] = &[
    "rows",
    "range",
    "groups",
    "between",
    "and",
    "unbounded",
    "preceding",
    "following",
    "current",
    "row",
    "exclude",
    "no",
    "others",
    "ties",
    "group",
];

/// Functions whose arguments are separated by words.
const WORDED: &[&str] = &["extract", "overlay", "position", "substring", "trim"];

/// The fields of an interval.
const FIELDS: &[&str] = &["year", "month", "day", "hour", "minute", "second"];

/// Words that take an operand before or after them, like operators.
const OPERATORS: &[&str] = &[
    "::", "[", "NOT", "IS", "ISNULL", "NOTNULL", "LIKE", "ILIKE", "SIMILAR", "ESCAPE", "BETWEEN", "IN", "OVERLAPS",
    "AT",
];

/// The length of the longest chain of operators, casts and subscripts of which each may take the
/// value of the previous one, and the place of its last one. Operators on the two sides of an AND
/// or an OR are never in one chain; a chain of AND and OR counts as one step.
fn longest_chain(pieces: &[Piece]) -> (usize, usize) {
    let (mut longest, mut steps, mut is_between) = ((0, 0), 0, false);
    for piece in pieces {
        let Piece::Word(word, at) = piece else { continue };
        match word.as_str() {
            "AND" if is_between => is_between = false,
            "AND" | "OR" => {
                (steps, is_between) = (0, false);
                longest = longest.max((1, *at));
            }
            word if OPERATORS.contains(&word) || words::is_operator(word) => {
                is_between |= word == "BETWEEN";
                steps += 1;
                longest = longest.max((steps, *at));
            }
            _ => {}
        }
    }
    longest
}

/// The content of parentheses.
enum Enclosed {
    Query(Box<Query>),
    List(Vec<Expression>),
}

impl Parser<'_> {
    /// Operands with operators between them, in the order of the text.
    pub(crate) fn expression(&mut self) -> Result<Expression, Refusal> {
        self.deeper_in_place(|parser| {
            let mut pieces = Vec::new();
            parser.prefixes(&mut pieces)?;
            let first = parser.operand()?;
            pieces.push(Piece::Inner(first));
            while parser.infix(&mut pieces)? {
                parser.prefixes(&mut pieces)?;
                pieces.push(Piece::Inner(parser.operand()?));
            }
            let (steps, at) = longest_chain(&pieces);
            parser.rise(steps, at)?;
            Ok(match (pieces.len(), pieces.pop()) {
                (1, Some(Piece::Inner(alone))) => alone,
                (_, last) => {
                    pieces.extend(last);
                    Expression::Made(pieces)
                }
            })
        })
    }

    /// Like [`Parser::deeper`], but IN keeps its current meaning.
    fn deeper_in_place<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let in_separates = self.in_separates;
        self.deeper(|parser| {
            parser.in_separates = in_separates;
            inner(parser)
        })
    }

    fn prefixes(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        loop {
            match self.peek() {
                Kind::Word(word) if word == "not" => self.take(pieces),
                Kind::Operator(text) if ["+", "-", "~"].contains(&text.as_str()) => self.take(pieces),
                Kind::Operator(text) if text == "*" => return self.refuse("`*` does not stand for columns here"),
                Kind::Operator(text) => return self.refuse(format!("the operator {text} is not understood here")),
                _ => return Ok(()),
            }
        }
    }

    /// Parses everything that may follow an operand. True if another operand has to follow.
    fn infix(&mut self, pieces: &mut Vec<Piece>) -> Result<bool, Refusal> {
        loop {
            match self.peek() {
                Kind::Sign(':') => {
                    self.take(pieces);
                    self.data_type(pieces)?;
                }
                Kind::Sign('[') => {
                    self.take(pieces);
                    pieces.push(Piece::Inner(self.expression()?));
                    self.take_sign(']', pieces)?;
                }
                Kind::Sign('.') => return self.refuse("a field of a value is not understood"),
                Kind::Operator(text) if words::is_operator(text) => {
                    self.take(pieces);
                    if !self.quantified(pieces)? {
                        return Ok(true);
                    }
                }
                Kind::Operator(text) => return self.refuse(format!("the operator {text} is not understood")),
                Kind::Word(word) => match word.as_str() {
                    "and" | "or" | "like" | "ilike" | "escape" | "overlaps" => {
                        self.take(pieces);
                        if !self.quantified(pieces)? {
                            return Ok(true);
                        }
                    }
                    "between" => {
                        self.take(pieces);
                        if self.is_one_of(&["symmetric", "asymmetric"]) {
                            self.take(pieces);
                        }
                        return Ok(true);
                    }
                    "similar" => {
                        self.take(pieces);
                        if !self.take_words(&["to"], pieces) {
                            return self.refuse("TO is expected here");
                        }
                        return Ok(true);
                    }
                    "in" if self.in_separates => return Ok(false),
                    "in" => {
                        self.take(pieces);
                        self.enclosed_pieces(pieces)?;
                    }
                    // NOT before LIKE, IN and the like. Elsewhere NOT cannot follow an operand.
                    "not" => {
                        self.take(pieces);
                        if !self.is_one_of(&["like", "ilike", "similar", "between", "in"]) {
                            return self.refuse("this is not understood after NOT");
                        }
                    }
                    "is" => {
                        self.take(pieces);
                        self.take_words(&["not"], pieces);
                        if self.take_words(&["distinct", "from"], pieces) {
                            return Ok(true);
                        }
                        if !self.is_one_of(&["null", "true", "false", "unknown"]) {
                            return self.refuse("this is not understood after IS");
                        }
                        self.take(pieces);
                    }
                    "isnull" | "notnull" => self.take(pieces),
                    "at" if matches!(self.ahead(1), Kind::Word(time) if time == "time") => {
                        if !self.take_words(&["at", "time", "zone"], pieces) {
                            return self.refuse("AT TIME ZONE is expected here");
                        }
                        return Ok(true);
                    }
                    "collate" => return self.refuse("COLLATE is not understood"),
                    "operator" if *self.ahead(1) == Kind::Sign('(') => {
                        return self.refuse("an operator of a schema is not understood");
                    }
                    _ => return Ok(false),
                },
                _ => return Ok(false),
            }
        }
    }

    /// Parses the operand of `= ANY` and the like, if it is next.
    fn quantified(&mut self, pieces: &mut Vec<Piece>) -> Result<bool, Refusal> {
        let is = self.is_one_of(&["any", "all", "some"]);
        if is {
            self.take(pieces);
            self.enclosed_pieces(pieces)?;
        }
        Ok(is)
    }

    /// A constant, as it is printed.
    fn leaf(&mut self) -> Expression {
        let (printed, at) = (self.printed(), self.at());
        let string = self.string();
        self.skip();
        match string.map(|value| (moment::word_in(&value), value)) {
            Some((Some(word), value)) => Expression::Moment { printed, value: value.into_owned(), word, at },
            _ => Expression::Leaf(printed, at),
        }
    }

    fn operand(&mut self) -> Result<Expression, Refusal> {
        match self.peek() {
            Kind::Number | Kind::Parameter | Kind::String(_) => Ok(self.leaf()),
            Kind::Sign('(') => self.parenthesised(),
            Kind::Quoted(_) => self.named(),
            Kind::Word(word) => self.word_operand(word),
            _ => self.refuse("a value is expected here"),
        }
    }

    fn word_operand(&mut self, word: &str) -> Result<Expression, Refusal> {
        let opens = *self.ahead(1) == Kind::Sign('(');
        let mut pieces = Vec::new();
        match word {
            "null" | "true" | "false" => return Ok(self.leaf()),
            "current_date" | "current_timestamp" | "current_time" | "localtime" | "localtimestamp" => {
                return Err(Refusal::not_granted(self.at(), words::instead_of_the_moment(word)));
            }
            "case" => self.case(&mut pieces)?,
            // Inside a cast, a name is no longer a name alone.
            "cast" if opens => {
                self.take(&mut pieces);
                self.take(&mut pieces);
                self.deeper(|parser| {
                    pieces.push(Piece::Inner(parser.expression()?));
                    if !parser.take_words(&["as"], &mut pieces) {
                        return parser.refuse("AS is expected here");
                    }
                    parser.data_type(&mut pieces)
                })?;
                self.take_sign(')', &mut pieces)?;
            }
            "exists" | "array" if opens => {
                self.take(&mut pieces);
                let query = self.in_parentheses(Self::query)?;
                pieces.push(Piece::Inner(Expression::Query(Box::new(query))));
            }
            "array" if *self.ahead(1) == Kind::Sign('[') => {
                self.take(&mut pieces);
                self.elements(&mut pieces)?;
            }
            "row" if opens => {
                self.skip();
                return match self.enclosed()? {
                    Enclosed::List(values) => Ok(Expression::Row { is_named: true, values }),
                    Enclosed::Query(query) => {
                        Ok(Expression::Row { is_named: true, values: vec![Expression::Query(query)] })
                    }
                };
            }
            "interval" if matches!(self.ahead(1), Kind::String(_)) => {
                self.take(&mut pieces);
                self.take(&mut pieces);
                if self.is_one_of(FIELDS) {
                    self.take(&mut pieces);
                    if self.take_words(&["to"], &mut pieces) {
                        if !self.is_one_of(FIELDS) {
                            return self.refuse("this is not understood in an interval");
                        }
                        self.take(&mut pieces);
                    }
                }
            }
            _ if WORDED.contains(&word) && opens => return self.worded(),
            // `date '2026-01-31'`
            _ if words::is_type(word) && self.is_type_then_string() => {
                let is_time = words::is_time(&self.printed());
                self.data_type(&mut pieces)?;
                if let Some(word) = self.string().filter(|_| is_time).and_then(|value| moment::word_in(&value)) {
                    return Err(moment::refusal(word, self.at()));
                }
                self.take(&mut pieces);
            }
            _ => return self.named(),
        }
        Ok(Expression::Made(pieces))
    }

    /// Whether a type followed by a string is next.
    fn is_type_then_string(&self) -> bool {
        let is_word =
            |by: usize, words: &[&str]| matches!(self.ahead(by), Kind::Word(word) if words.contains(&word.as_str()));
        let is_string = |by: usize| matches!(self.ahead(by), Kind::String(_));
        match is_word(1, &["with", "without"]) && is_word(2, &["time"]) && is_word(3, &["zone"]) {
            true => is_string(4),
            false => is_string(1),
        }
    }

    fn elements(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        self.take_sign('[', pieces)?;
        self.deeper(|parser| {
            while !parser.is_sign(']') {
                if parser.is_sign('[') {
                    parser.elements(pieces)?;
                } else {
                    pieces.push(Piece::Inner(parser.expression()?));
                }
                if !parser.is_sign(',') {
                    break;
                }
                parser.take(pieces);
                if parser.is_sign(']') {
                    return parser.refuse("a value is expected here");
                }
            }
            Ok(())
        })?;
        self.take_sign(']', pieces)
    }

    fn case(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        self.take(pieces);
        self.deeper(|parser| {
            if !parser.is_word("when") {
                pieces.push(Piece::Inner(parser.expression()?));
            }
            while parser.take_words(&["when"], pieces) {
                pieces.push(Piece::Inner(parser.expression()?));
                if !parser.take_words(&["then"], pieces) {
                    return parser.refuse("THEN is expected here");
                }
                pieces.push(Piece::Inner(parser.expression()?));
            }
            if parser.take_words(&["else"], pieces) {
                pieces.push(Piece::Inner(parser.expression()?));
            }
            if !parser.take_words(&["end"], pieces) {
                return parser.refuse("END is expected here");
            }
            Ok(())
        })
    }

    /// The content of parentheses: a query, or values.
    fn enclosed(&mut self) -> Result<Enclosed, Refusal> {
        self.in_parentheses(|parser| {
            if parser.begins_query() {
                return parser.query().map(|query| Enclosed::Query(Box::new(query)));
            }
            if parser.is_sign(')') {
                return Ok(Enclosed::List(Vec::new()));
            }
            let mut first = parser.expression()?;
            if let Expression::Query(query) = first {
                // `((SELECT 1) UNION SELECT 2)`
                if parser.is_one_of(&["union", "intersect", "except", "order", "limit", "offset", "fetch", "for"]) {
                    let query = parser.query_from(With::default(), Body::Query(query))?;
                    return Ok(Enclosed::Query(Box::new(query)));
                }
                first = Expression::Query(query);
            }
            let mut values = vec![first];
            while parser.sign(',') {
                values.push(parser.expression()?);
            }
            Ok(Enclosed::List(values))
        })
    }

    /// A query, a row of values, or one value, whose parentheses have no meaning.
    fn parenthesised(&mut self) -> Result<Expression, Refusal> {
        Ok(match self.enclosed()? {
            Enclosed::Query(query) => Expression::Query(query),
            Enclosed::List(mut values) => match (values.len(), values.pop()) {
                (1, Some(alone)) => alone,
                (_, last) => {
                    values.extend(last);
                    Expression::Row { is_named: false, values }
                }
            },
        })
    }

    /// The parentheses and their content.
    fn enclosed_pieces(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        let opens = self.at();
        match self.enclosed()? {
            Enclosed::Query(query) => pieces.push(Piece::Inner(Expression::Query(query))),
            Enclosed::List(values) => {
                pieces.push(Piece::Word("(".to_owned(), opens));
                let compared = values.iter().filter(|value| !matches!(value, Expression::Leaf(..))).count();
                self.rise_by_values(compared, opens)?;
                for (number, value) in values.into_iter().enumerate() {
                    if number > 0 {
                        pieces.push(Piece::Word(",".to_owned(), opens));
                    }
                    pieces.push(Piece::Inner(value));
                }
                pieces.push(Piece::Word(")".to_owned(), opens));
            }
        }
        Ok(())
    }

    /// A column or a call.
    fn named(&mut self) -> Result<Expression, Refusal> {
        let calls = *self.ahead(1) == Kind::Sign('(')
            || (*self.ahead(1) == Kind::Sign('.') && *self.ahead(3) == Kind::Sign('('));
        if calls {
            return self.call().map(Expression::Call);
        }
        let name = self.name()?;
        if matches!(self.peek(), Kind::String(_)) {
            return Err(Refusal::not_understood(name.at, format!("the type {} is not understood", name.text)));
        }
        if !self.sign('.') {
            return Ok(Expression::Column(name));
        }
        if matches!(self.peek(), Kind::Operator(_)) {
            return self.refuse("`*` does not stand for columns here");
        }
        let column = self.part()?;
        if self.is_sign('.') {
            return self
                .refuse("a column with a schema before it is not understood: give the table another name with AS");
        }
        Ok(Expression::Of(name, column))
    }

    /// A name after a dot, where every word is allowed.
    fn part(&mut self) -> Result<Name, Refusal> {
        let at = self.at();
        let (Kind::Word(text) | Kind::Quoted(text)) = self.peek() else {
            return self.refuse("a name is expected here");
        };
        self.skip();
        Ok(Name { text: text.clone(), at })
    }

    pub(crate) fn call(&mut self) -> Result<Call, Refusal> {
        let at = self.at();
        let mut name = match self.peek() {
            Kind::Word(word) if words::may_call(word) => self.part()?,
            Kind::Quoted(_) => self.part()?,
            _ => return self.refuse("a name is expected here"),
        };
        if self.sign('.') {
            if name.text != "pg_catalog" {
                let what = format!("a function of the schema {} is not called", name.text);
                return Err(Refusal::not_granted(at, what));
            }
            name = self.part()?;
        }
        self.calls.push(name.text.clone());
        let literal = match (self.ahead(1), self.ahead(2)) {
            (Kind::String(value), Kind::Sign(')')) => value.clone(),
            _ => None,
        };
        let mut pieces = Vec::new();
        self.arguments(&mut pieces)?;
        if self.take_words(&["within", "group"], &mut pieces) {
            self.take_sign('(', &mut pieces)?;
            self.deeper(|parser| parser.order_pieces(&mut pieces))?;
            self.take_sign(')', &mut pieces)?;
        }
        if self.is_word("filter") && *self.ahead(1) == Kind::Sign('(') {
            self.take(&mut pieces);
            self.take(&mut pieces);
            self.deeper(|parser| {
                if !parser.take_words(&["where"], &mut pieces) {
                    return parser.refuse("WHERE is expected here");
                }
                pieces.push(Piece::Inner(parser.expression()?));
                Ok(())
            })?;
            self.take_sign(')', &mut pieces)?;
        }
        if self.take_words(&["over"], &mut pieces) {
            if self.is_sign('(') {
                self.window(&mut pieces)?;
            } else {
                pieces.push(Piece::Window(self.name()?));
            }
        }
        let is_grammar = words::is_grammar(&name.text);
        Ok(Call { name, is_grammar, pieces, literal })
    }

    fn arguments(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        self.take_sign('(', pieces)?;
        self.deeper(|parser| {
            let star =
                matches!((parser.peek(), parser.ahead(1)), (Kind::Operator(star), Kind::Sign(')')) if star == "*");
            if star {
                parser.take(pieces);
            } else if !parser.is_sign(')') {
                let _ = parser.take_words(&["distinct"], pieces) || parser.take_words(&["all"], pieces);
                parser.take_list(pieces)?;
                parser.order_pieces(pieces)?;
            }
            Ok(())
        })?;
        self.take_sign(')', pieces)
    }

    /// An ORDER BY within an expression, if it is next.
    fn order_pieces(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        if !self.take_words(&["order", "by"], pieces) {
            return Ok(());
        }
        loop {
            pieces.push(Piece::Inner(self.expression()?));
            let at = self.at();
            let words = self.order_words()?;
            if !words.is_empty() {
                pieces.push(Piece::Word(words.to_owned(), at));
            }
            if !self.is_sign(',') {
                return Ok(());
            }
            self.take(pieces);
        }
    }

    /// `substring(a FROM b FOR c)` and the like.
    fn worded(&mut self) -> Result<Expression, Refusal> {
        let name = self.part()?;
        self.calls.push(name.text.clone());
        let mut pieces = Vec::new();
        self.take_sign('(', &mut pieces)?;
        self.deeper(|parser| {
            if name.text == "extract" {
                if !matches!(parser.peek(), Kind::Word(_) | Kind::Quoted(_) | Kind::String(_)) {
                    return parser.refuse("a part of a date is expected here");
                }
                if matches!(parser.peek(), Kind::Word(word) if words::is_reserved(word)) {
                    return parser.refuse("a part of a date is expected here");
                }
                match parser.peek() {
                    // The field is a name here, although it may be a key word elsewhere.
                    Kind::Word(word) => pieces.push(Piece::Word(quote_identifier(word), parser.at())),
                    _ => pieces.push(Piece::Word(parser.printed(), parser.at())),
                }
                parser.skip();
                if !parser.take_words(&["from"], &mut pieces) {
                    return parser.refuse("FROM is expected here");
                }
            }
            if name.text == "trim" {
                let _ = ["both", "leading", "trailing"].iter().any(|word| parser.take_words(&[word], &mut pieces));
                parser.take_words(&["from"], &mut pieces);
            }
            parser.in_separates = name.text == "position";
            loop {
                pieces.push(Piece::Inner(parser.expression()?));
                if parser.is_sign(',') || parser.is_one_of(&["from", "for", "in", "placing"]) {
                    parser.take(&mut pieces);
                } else {
                    return Ok(());
                }
            }
        })?;
        self.take_sign(')', &mut pieces)?;
        Ok(Expression::Call(Call { name, is_grammar: true, pieces, literal: None }))
    }

    /// `(NAME PARTITION BY ... ORDER BY ... FRAME)`
    pub(crate) fn window(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        self.take_sign('(', pieces)?;
        self.deeper(|parser| {
            let begins = ["partition", "order", "rows", "range", "groups"];
            if !parser.is_sign(')') && !parser.is_one_of(&begins) {
                pieces.push(Piece::Window(parser.name()?));
            }
            if parser.take_words(&["partition", "by"], pieces) {
                parser.take_list(pieces)?;
            }
            parser.order_pieces(pieces)?;
            while !parser.is_sign(')') {
                if !parser.is_one_of(FRAME) && !matches!(parser.peek(), Kind::Number | Kind::Parameter) {
                    return parser.refuse("this is not understood in a window's frame");
                }
                parser.take(pieces);
            }
            Ok(())
        })?;
        self.take_sign(')', pieces)
    }

    /// A listed type, with a size, a time zone and brackets.
    fn data_type(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        let at = self.at();
        let word = match self.peek() {
            Kind::Word(word) if words::is_type(word) => word,
            Kind::Word(word) if word == "pg_catalog" && *self.ahead(1) == Kind::Sign('.') => {
                return self.refuse("a type is written without its schema");
            }
            Kind::Word(word) | Kind::Quoted(word) => {
                return Err(Refusal::not_granted(
                    at,
                    format!("the type {word} is not on the list of those that may be used"),
                ));
            }
            _ => return self.refuse("a type is expected here"),
        };
        self.take(pieces);
        match word.as_str() {
            "double" if !self.take_words(&["precision"], pieces) => return self.refuse("PRECISION is expected here"),
            "character" | "char" => {
                self.take_words(&["varying"], pieces);
            }
            _ => {}
        }
        if self.is_sign('(') {
            self.take(pieces);
            loop {
                if *self.peek() != Kind::Number {
                    return self.refuse("a size is a number");
                }
                self.take(pieces);
                if !self.is_sign(',') {
                    break;
                }
                self.take(pieces);
            }
            self.take_sign(')', pieces)?;
        }
        if matches!(word.as_str(), "time" | "timestamp") {
            let _ = self.take_words(&["with", "time", "zone"], pieces)
                || self.take_words(&["without", "time", "zone"], pieces);
        }
        while self.is_sign('[') && *self.ahead(1) == Kind::Sign(']') {
            self.take(pieces);
            self.take(pieces);
        }
        if self.is_sign('.') {
            return self.refuse("a type is written without its schema");
        }
        Ok(())
    }
}
