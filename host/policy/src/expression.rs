//! Expressions: the rest of the parser.

use crate::Refusal;
use crate::parser::Parser;
use crate::token::Kind;
use crate::tree::{Body, Call, Expression, Name, With};
use crate::words;

/// What may stand in the frame of a window, beside numbers.
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

/// Functions whose arguments have words between them.
const WORDED: &[&str] = &["extract", "overlay", "position", "substring", "trim"];

/// What an interval may be made of.
const FIELDS: &[&str] = &["year", "month", "day", "hour", "minute", "second"];

impl Parser<'_> {
    /// Operands with operators between them, in the order of the text.
    pub(crate) fn expression(&mut self) -> Result<Expression, Refusal> {
        self.deeper_in_place(|parser| {
            let begins = parser.next;
            parser.prefixes()?;
            let is_bare = parser.next == begins;
            let first = parser.operand()?;
            let ends = parser.next;
            let mut parts = vec![first];
            while parser.infix(&mut parts)? {
                parser.prefixes()?;
                parts.push(parser.operand()?);
            }
            if is_bare && parser.next == ends {
                return Ok(parts.pop().unwrap_or(Expression::Leaf));
            }
            Ok(Expression::Made(parts))
        })
    }

    /// As [`Parser::deeper`], where IN keeps what it means.
    fn deeper_in_place<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let in_separates = self.in_separates;
        self.deeper(|parser| {
            parser.in_separates = in_separates;
            inner(parser)
        })
    }

    fn prefixes(&mut self) -> Result<(), Refusal> {
        loop {
            match self.peek() {
                Kind::Word(word) if word == "not" => self.skip(),
                Kind::Operator(text) if ["+", "-", "~"].contains(&text.as_str()) => self.skip(),
                Kind::Operator(text) if text == "*" => return self.refuse("`*` does not stand for columns here"),
                Kind::Operator(text) => return self.refuse(format!("the operator {text} is not understood here")),
                _ => return Ok(()),
            }
        }
    }

    /// Whatever may follow an operand. True if another operand comes next.
    fn infix(&mut self, parts: &mut Vec<Expression>) -> Result<bool, Refusal> {
        loop {
            match self.peek() {
                Kind::Sign(':') => {
                    self.skip();
                    self.data_type()?;
                }
                Kind::Sign('[') => {
                    self.skip();
                    let inside = self.expression()?;
                    parts.push(inside);
                    self.expect(']')?;
                }
                Kind::Sign('.') => return self.refuse("a field of a value is not understood"),
                Kind::Operator(text) if words::is_operator(text) => {
                    self.skip();
                    if !self.quantified(parts)? {
                        return Ok(true);
                    }
                }
                Kind::Operator(text) => return self.refuse(format!("the operator {text} is not understood")),
                Kind::Word(word) => match word.as_str() {
                    "and" | "or" | "like" | "ilike" | "escape" | "overlaps" => {
                        self.skip();
                        if !self.quantified(parts)? {
                            return Ok(true);
                        }
                    }
                    "between" => {
                        self.skip();
                        let _ = self.word("symmetric") || self.word("asymmetric");
                        return Ok(true);
                    }
                    "similar" => {
                        self.skip();
                        self.expect_word("to")?;
                        return Ok(true);
                    }
                    "in" if self.in_separates => return Ok(false),
                    "in" => {
                        self.skip();
                        let inside = self.parenthesised()?;
                        parts.push(inside);
                    }
                    // NOT before LIKE, IN and the like; elsewhere an operand has an end before it.
                    "not" => {
                        self.skip();
                        if !self.is_one_of(&["like", "ilike", "similar", "between", "in"]) {
                            return self.refuse("this is not understood after NOT");
                        }
                    }
                    "is" => {
                        self.skip();
                        self.word("not");
                        if self.words(&["distinct", "from"]) {
                            return Ok(true);
                        }
                        if !self.is_one_of(&["null", "true", "false", "unknown"]) {
                            return self.refuse("this is not understood after IS");
                        }
                        self.skip();
                    }
                    "isnull" | "notnull" => self.skip(),
                    "at" if matches!(self.ahead(1), Kind::Word(time) if time == "time") => {
                        self.skip();
                        self.skip();
                        self.expect_word("zone")?;
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

    /// Takes what `= ANY` and its like stand before, if one of them is here.
    fn quantified(&mut self, parts: &mut Vec<Expression>) -> Result<bool, Refusal> {
        let is = self.is_one_of(&["any", "all", "some"]);
        if is {
            self.skip();
            parts.push(self.parenthesised()?);
        }
        Ok(is)
    }

    fn operand(&mut self) -> Result<Expression, Refusal> {
        match self.peek() {
            Kind::Number | Kind::Parameter | Kind::String(_) => {
                self.skip();
                Ok(Expression::Leaf)
            }
            Kind::Sign('(') => self.parenthesised(),
            Kind::Quoted(_) => self.named(),
            Kind::Word(word) => self.word_operand(word),
            _ => self.refuse("a value is expected here"),
        }
    }

    fn word_operand(&mut self, word: &str) -> Result<Expression, Refusal> {
        let opens = *self.ahead(1) == Kind::Sign('(');
        match word {
            "null" | "true" | "false" | "current_date" | "current_timestamp" | "current_time" | "localtime"
            | "localtimestamp" => {
                self.skip();
                if opens {
                    self.skip();
                    if *self.peek() != Kind::Number {
                        return self.refuse("a precision is a number");
                    }
                    self.skip();
                    self.expect(')')?;
                }
                Ok(Expression::Leaf)
            }
            "case" => self.case(),
            "cast" if opens => {
                self.skip();
                // It is no longer the name alone that it may be around.
                self.in_parentheses(|parser| {
                    let inside = parser.expression()?;
                    parser.expect_word("as")?;
                    parser.data_type()?;
                    Ok(Expression::Made(vec![inside]))
                })
            }
            "exists" if opens => {
                self.skip();
                self.in_parentheses(Self::query).map(|query| Expression::Query(Box::new(query)))
            }
            "array" if opens => {
                self.skip();
                self.in_parentheses(Self::query).map(|query| Expression::Query(Box::new(query)))
            }
            "array" if *self.ahead(1) == Kind::Sign('[') => {
                self.skip();
                self.elements()
            }
            "row" if opens => {
                self.skip();
                self.parenthesised().map(|inside| Expression::Made(vec![inside]))
            }
            "interval" if matches!(self.ahead(1), Kind::String(_)) => {
                self.skip();
                self.skip();
                if self.is_one_of(FIELDS) {
                    self.skip();
                    if self.word("to") {
                        if !self.is_one_of(FIELDS) {
                            return self.refuse("this is not understood in an interval");
                        }
                        self.skip();
                    }
                }
                Ok(Expression::Leaf)
            }
            _ if WORDED.contains(&word) && opens => self.worded(),
            // `date '2026-01-31'`
            _ if words::is_type(word) && self.type_then_string()? => Ok(Expression::Leaf),
            _ => self.named(),
        }
    }

    /// Takes a type and a string after it; nothing if they are not there.
    fn type_then_string(&mut self) -> Result<bool, Refusal> {
        let zoned = [Kind::Word("time".into()), Kind::Word("zone".into())];
        let with = matches!(self.ahead(1), Kind::Word(word) if word == "with" || word == "without");
        if with && *self.ahead(2) == zoned[0] && *self.ahead(3) == zoned[1] {
            if !matches!(self.ahead(4), Kind::String(_)) {
                return Ok(false);
            }
        } else if !matches!(self.ahead(1), Kind::String(_)) {
            return Ok(false);
        }
        self.data_type()?;
        self.skip();
        Ok(true)
    }

    fn elements(&mut self) -> Result<Expression, Refusal> {
        self.expect('[')?;
        let elements = self.deeper(|parser| {
            if parser.is_sign(']') {
                return Ok(Vec::new());
            }
            parser.list(|parser| if parser.is_sign('[') { parser.elements() } else { parser.expression() })
        })?;
        self.expect(']')?;
        Ok(Expression::Made(elements))
    }

    fn case(&mut self) -> Result<Expression, Refusal> {
        self.expect_word("case")?;
        self.deeper(|parser| {
            let mut parts = Vec::new();
            if !parser.is_word("when") {
                parts.push(parser.expression()?);
            }
            while parser.word("when") {
                parts.push(parser.expression()?);
                parser.expect_word("then")?;
                parts.push(parser.expression()?);
            }
            if parser.word("else") {
                parts.push(parser.expression()?);
            }
            parser.expect_word("end")?;
            Ok(Expression::Made(parts))
        })
    }

    /// A query, a list of values or one.
    fn parenthesised(&mut self) -> Result<Expression, Refusal> {
        self.in_parentheses(|parser| {
            if parser.begins_query() {
                return parser.query().map(|query| Expression::Query(Box::new(query)));
            }
            if parser.is_sign(')') {
                return Ok(Expression::Made(Vec::new()));
            }
            let mut first = parser.expression()?;
            if let Expression::Query(query) = first {
                // `((SELECT 1) UNION SELECT 2)`
                if !parser.is_one_of(&["union", "intersect", "except", "order", "limit", "offset", "fetch", "for"]) {
                    first = Expression::Query(query);
                } else {
                    let query = parser.query_from(With::default(), Body::Query(query))?;
                    return Ok(Expression::Query(Box::new(query)));
                }
            }
            let mut parts = vec![first];
            while parser.sign(',') {
                parts.push(parser.expression()?);
            }
            Ok(Expression::Made(parts)).map(|made| match made {
                Expression::Made(mut parts) if parts.len() == 1 => parts.pop().unwrap_or(Expression::Leaf),
                made => made,
            })
        })
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

    /// A name after a dot, where any word will do.
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
        let mut inside = self.in_parentheses(Self::arguments)?;
        if self.words(&["within", "group"]) {
            inside.extend(self.in_parentheses(Self::order)?);
        }
        if self.is_word("filter") && *self.ahead(1) == Kind::Sign('(') {
            self.skip();
            inside.push(self.in_parentheses(|parser| {
                parser.expect_word("where")?;
                parser.expression()
            })?);
        }
        if self.is_word("over") {
            self.skip();
            if self.is_sign('(') {
                inside.push(self.window()?);
            } else {
                self.name()?;
            }
        }
        Ok(Call { name, inside, literal })
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, Refusal> {
        if self.is_sign(')') {
            return Ok(Vec::new());
        }
        if matches!((self.peek(), self.ahead(1)), (Kind::Operator(star), Kind::Sign(')')) if star == "*") {
            self.skip();
            return Ok(Vec::new());
        }
        let _ = self.word("distinct") || self.word("all");
        let mut inside = self.list(Self::expression)?;
        inside.extend(self.order()?);
        Ok(inside)
    }

    /// `substring(a FROM b FOR c)` and its like.
    fn worded(&mut self) -> Result<Expression, Refusal> {
        let name = self.part()?;
        self.calls.push(name.text.clone());
        let inside = self.in_parentheses(|parser| {
            let mut inside = Vec::new();
            if name.text == "extract" {
                if !matches!(parser.peek(), Kind::Word(_) | Kind::String(_)) {
                    return parser.refuse("a part of a date is expected here");
                }
                parser.skip();
                parser.expect_word("from")?;
            }
            if name.text == "trim" {
                let _ = parser.word("both") || parser.word("leading") || parser.word("trailing");
                parser.word("from");
            }
            parser.in_separates = name.text == "position";
            loop {
                inside.push(parser.expression()?);
                let goes_on = parser.sign(',') || ["from", "for", "in", "placing"].iter().any(|word| parser.word(word));
                if !goes_on {
                    return Ok(inside);
                }
            }
        })?;
        Ok(Expression::Call(Call { name, inside, literal: None }))
    }

    /// `(NAME PARTITION BY ... ORDER BY ... FRAME)`
    pub(crate) fn window(&mut self) -> Result<Expression, Refusal> {
        self.in_parentheses(|parser| {
            let mut inside = Vec::new();
            let begins = ["partition", "order", "rows", "range", "groups"];
            if !parser.is_sign(')') && !parser.is_one_of(&begins) {
                parser.name()?;
            }
            if parser.words(&["partition", "by"]) {
                inside.extend(parser.list(Self::expression)?);
            }
            inside.extend(parser.order()?);
            while !parser.is_sign(')') {
                if parser.is_one_of(FRAME) {
                    parser.skip();
                } else {
                    match parser.peek() {
                        Kind::Number | Kind::Parameter => parser.skip(),
                        _ => return parser.refuse("this is not understood in a window's frame"),
                    }
                }
            }
            Ok(Expression::Made(inside))
        })
    }

    /// A type of the list, with a size, a time zone and brackets.
    fn data_type(&mut self) -> Result<(), Refusal> {
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
        self.skip();
        match word.as_str() {
            "double" => self.expect_word("precision")?,
            "character" | "char" => {
                self.word("varying");
            }
            _ => {}
        }
        if self.is_sign('(') {
            self.in_parentheses(|parser| {
                parser.list(|parser| match parser.peek() {
                    Kind::Number => {
                        parser.skip();
                        Ok(())
                    }
                    _ => parser.refuse("a size is a number"),
                })
            })?;
        }
        if matches!(word.as_str(), "time" | "timestamp") {
            let _ = self.words(&["with", "time", "zone"]) || self.words(&["without", "time", "zone"]);
        }
        while self.is_sign('[') && *self.ahead(1) == Kind::Sign(']') {
            self.skip();
            self.skip();
        }
        if self.is_sign('.') {
            return self.refuse("a type is written without its schema");
        }
        Ok(())
    }
}
