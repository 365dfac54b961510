//! Parses tokens into a tree.
//!
//! Accepting a text that PostgreSQL refuses does no harm. A text that both accept must mean the
//! same: the same tables, columns and functions, each in the same place. So this follows
//! PostgreSQL's grammar (`src/backend/parser/gram.y`) where it decides what a name refers to, and
//! ignores operator precedence.

use std::borrow::Cow;

use tenet_core::quote_identifier;

use crate::Refusal;
use crate::token::{self, Kind, Token};
use crate::tree::{
    Alias, Arm, Assignment, Body, Bound, Conflict, Delete, Expression, Insert, Item, Join, Lock, Name, Order, Piece,
    Query, Select, Source, Statement, TableName, Update, With, WithTable,
};
use crate::{steps, words};

/// The deepest nesting of a statement. It bounds all recursion, here and over the tree: a rule's
/// statement is parsed on the stack of the rule's own fiber.
const DEEPEST: u32 = 40;

/// The most queries between UNION, INTERSECT and EXCEPT. PostgreSQL recurses over them; this parser
/// does not.
const MOST_ARMS: usize = 200;

/// The greatest height of PostgreSQL's own tree of a statement. Signs, operators, casts and queries
/// that take the preceding expression need no parentheses, and each adds one step.
///
/// PostgreSQL 15 with its default `max_stack_depth` of 2 MB accepts 1,600 nested queries, 2,000
/// CASEs, 2,500 EXCEPTs, and 4,000 operators, casts and calls. More is an error (54001, or 42601
/// `memory exhausted`). The documentation of DSQL names no such limit.
const HIGHEST: usize = 250;

/// The number of IN values, compared one by one, that count as one step. PostgreSQL accepts 7,900
/// such values.
const COMPARED_A_STEP: usize = 8;

pub(crate) struct Parser<'t> {
    sql: &'t str,
    tokens: &'t [Token],
    pub(crate) next: usize,
    depth: u32,
    /// The height of the tree parsed so far, that of the highest among siblings.
    height: usize,
    /// The most values of an IN that are compared one by one, and its place.
    compared: (usize, usize),
    /// Whether a part of the statement writes.
    pub(crate) writes: bool,
    /// The functions that it calls.
    pub(crate) calls: Vec<String>,
    /// Whether IN separates arguments here and is not an operator.
    pub(crate) in_separates: bool,
}

/// Parses the one statement of a text.
pub(crate) fn parse(parser: &mut Parser<'_>) -> Result<Statement, Refusal> {
    let statement = parser.statement()?;
    parser.sign(';');
    match parser.peek() {
        Kind::End => Ok(statement),
        _ if parser.previous_is(';') => parser.refuse("a second statement is not sent"),
        _ => parser.refuse("this is not understood here"),
    }
}

impl<'t> Parser<'t> {
    pub(crate) fn new(sql: &'t str, tokens: &'t [Token]) -> Self {
        Self {
            sql,
            tokens,
            next: 0,
            depth: 0,
            height: 0,
            compared: (0, 0),
            writes: false,
            calls: Vec::new(),
            in_separates: false,
        }
    }

    // Reading tokens.

    pub(crate) fn peek(&self) -> &'t Kind {
        self.ahead(0)
    }

    pub(crate) fn ahead(&self, by: usize) -> &'t Kind {
        steps::add(1);
        self.tokens.get(self.next + by).map_or(&Kind::End, |token| &token.kind)
    }

    pub(crate) fn at(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |token| token.at)
    }

    pub(crate) fn skip(&mut self) {
        self.next += 1;
    }

    /// The next token, as it is printed if it is not a name.
    pub(crate) fn printed(&self) -> String {
        match self.peek() {
            Kind::Word(word) => word.to_ascii_uppercase(),
            Kind::Quoted(name) => quote_identifier(name),
            Kind::Operator(text) => text.clone(),
            Kind::Sign(':') => "::".to_owned(),
            Kind::Sign(sign) => sign.to_string(),
            Kind::String(Some(value)) => format!("'{}'", value.replace('\'', "''")),
            Kind::String(None) | Kind::Number | Kind::Parameter => {
                let token = self.tokens.get(self.next);
                token.and_then(|token| self.sql.get(token.at..token.end)).unwrap_or_default().to_owned()
            }
            Kind::End => String::new(),
        }
    }

    /// The value of the next token, if it is a string.
    pub(crate) fn string(&self) -> Option<Cow<'t, str>> {
        match self.peek() {
            Kind::String(Some(value)) => Some(Cow::Borrowed(value)),
            Kind::String(None) => {
                let token = self.tokens.get(self.next)?;
                self.sql.get(token.at..token.end).map(token::unescaped)
            }
            _ => None,
        }
    }

    /// Consumes the next token, as it is printed.
    pub(crate) fn take(&mut self, pieces: &mut Vec<Piece>) {
        pieces.push(Piece::Word(self.printed(), self.at()));
        self.skip();
    }

    /// Consumes these words, if they are next.
    pub(crate) fn take_words(&mut self, words: &[&str], pieces: &mut Vec<Piece>) -> bool {
        let are = words.iter().enumerate().all(|(by, word)| matches!(self.ahead(by), Kind::Word(text) if text == word));
        if are {
            words.iter().for_each(|_| self.take(pieces));
        }
        are
    }

    /// Consumes this sign, or refuses the next token.
    pub(crate) fn take_sign(&mut self, sign: char, pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        if !self.is_sign(sign) {
            return self.refuse(format!("`{sign}` is expected here"));
        }
        self.take(pieces);
        Ok(())
    }

    /// Consumes expressions separated by commas.
    pub(crate) fn take_list(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        loop {
            pieces.push(Piece::Inner(self.expression()?));
            if !self.is_sign(',') {
                return Ok(());
            }
            self.take(pieces);
        }
    }

    fn previous_is(&self, sign: char) -> bool {
        self.next.checked_sub(1).and_then(|at| self.tokens.get(at)).is_some_and(|token| token.kind == Kind::Sign(sign))
    }

    pub(crate) fn refuse<T>(&self, what: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal::not_understood(self.at(), what))
    }

    /// Runs `inner` one nesting level deeper.
    pub(crate) fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.refuse("it is nested too deeply");
        }
        let outer = std::mem::replace(&mut self.in_separates, false);
        let beside = std::mem::take(&mut self.height);
        let result = inner(self);
        self.in_separates = outer;
        self.height = beside.max(self.height + 1);
        self.depth -= 1;
        result
    }

    /// Raises the height of what was parsed in this level by so many steps.
    pub(crate) fn rise(&mut self, steps: usize, at: usize) -> Result<(), Refusal> {
        self.height += steps;
        if steps > 0 && self.height > HIGHEST {
            let (values, of) = self.compared;
            if values / COMPARED_A_STEP > HIGHEST / 2 {
                let most = HIGHEST * COMPARED_A_STEP;
                let what = format!(
                    "this IN has {values} values that are computed or rows, which PostgreSQL compares one by one, and some \
                     {most} are the most: pass an array, `= ANY ($1)`, or write `IN (VALUES (...), (...))`"
                );
                return Err(Refusal::not_understood(of, what));
            }
            let what = format!(
                "operators, casts and queries are nested in each other more than {HIGHEST} times, with parentheses or \
                 without"
            );
            return Err(Refusal::not_understood(at, what));
        }
        Ok(())
    }

    /// The same for the values of an IN at this place.
    pub(crate) fn rise_by_values(&mut self, values: usize, at: usize) -> Result<(), Refusal> {
        self.compared = self.compared.max((values, at));
        self.rise(values / COMPARED_A_STEP, at)
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Kind::Word(text) if text == word)
    }

    pub(crate) fn is_one_of(&self, words: &[&str]) -> bool {
        matches!(self.peek(), Kind::Word(text) if words.contains(&text.as_str()))
    }

    pub(crate) fn word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.next += usize::from(is);
        is
    }

    /// Consumes all of these words in order, or none.
    pub(crate) fn words(&mut self, words: &[&str]) -> bool {
        let are = words.iter().enumerate().all(|(by, word)| matches!(self.ahead(by), Kind::Word(text) if text == word));
        self.next += if are { words.len() } else { 0 };
        are
    }

    pub(crate) fn expect_word(&mut self, word: &str) -> Result<(), Refusal> {
        if self.word(word) { Ok(()) } else { self.refuse(format!("{} is expected here", word.to_uppercase())) }
    }

    pub(crate) fn is_sign(&self, sign: char) -> bool {
        *self.peek() == Kind::Sign(sign)
    }

    pub(crate) fn sign(&mut self, sign: char) -> bool {
        let is = self.is_sign(sign);
        self.next += usize::from(is);
        is
    }

    pub(crate) fn expect(&mut self, sign: char) -> Result<(), Refusal> {
        if self.sign(sign) { Ok(()) } else { self.refuse(format!("`{sign}` is expected here")) }
    }

    fn operator(&mut self, operator: &str) -> bool {
        let is = matches!(self.peek(), Kind::Operator(text) if text == operator);
        self.next += usize::from(is);
        is
    }

    /// Parses a name of a column or a table.
    pub(crate) fn name(&mut self) -> Result<Name, Refusal> {
        let at = self.at();
        let text = match self.peek() {
            Kind::Word(text) if !words::is_reserved(text) => text,
            Kind::Quoted(text) => text,
            _ => return self.refuse("a name is expected here"),
        };
        self.skip();
        Ok(Name { text: text.clone(), at })
    }

    /// Parses a name after AS, where every word is allowed.
    fn label(&mut self) -> Result<Name, Refusal> {
        let at = self.at();
        let (Kind::Word(text) | Kind::Quoted(text)) = self.peek() else {
            return self.refuse("a name is expected here");
        };
        self.skip();
        Ok(Name { text: text.clone(), at })
    }

    pub(crate) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, Refusal>) -> Result<Vec<T>, Refusal> {
        let mut list = vec![one(self)?];
        while self.sign(',') {
            list.push(one(self)?);
        }
        Ok(list)
    }

    pub(crate) fn in_parentheses<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.expect('(')?;
        let inner = self.deeper(inner)?;
        self.expect(')')?;
        Ok(inner)
    }

    fn names(&mut self) -> Result<Vec<Name>, Refusal> {
        self.in_parentheses(|parser| parser.list(Self::name))
    }

    // Statements.

    fn statement(&mut self) -> Result<Statement, Refusal> {
        self.deeper(|parser| {
            let with = parser.with()?;
            match parser.peek() {
                Kind::Word(word) if word == "insert" => Ok(Statement::Insert(Box::new(parser.insert(with)?))),
                Kind::Word(word) if word == "update" => Ok(Statement::Update(Box::new(parser.update(with)?))),
                Kind::Word(word) if word == "delete" => Ok(Statement::Delete(Box::new(parser.delete(with)?))),
                _ => Ok(Statement::Query(parser.query_after(with)?)),
            }
        })
    }

    fn with(&mut self) -> Result<With, Refusal> {
        if !self.word("with") {
            return Ok(With::default());
        }
        let recursive = self.word("recursive");
        let tables = self.list(|parser| {
            let name = parser.name()?;
            let columns = if parser.is_sign('(') { parser.names()? } else { Vec::new() };
            parser.expect_word("as")?;
            let materialized = match parser.words(&["not", "materialized"]) {
                true => Some(false),
                false => parser.word("materialized").then_some(true),
            };
            let statement = parser.in_parentheses(Self::statement)?;
            Ok(WithTable { name, columns, materialized, statement })
        })?;
        Ok(With { recursive, tables })
    }

    pub(crate) fn begins_query(&self) -> bool {
        self.is_one_of(&["select", "values", "with"])
    }

    pub(crate) fn query(&mut self) -> Result<Query, Refusal> {
        self.deeper(|parser| {
            let with = parser.with()?;
            parser.query_after(with)
        })
    }

    fn query_after(&mut self, with: With) -> Result<Query, Refusal> {
        let body = self.body_part()?;
        self.query_from(with, body)
    }

    /// Parses the rest of a query after the first part of its body.
    pub(crate) fn query_from(&mut self, with: With, first: Body) -> Result<Query, Refusal> {
        let mut arms = Vec::new();
        while self.is_one_of(&["union", "intersect", "except"]) {
            if arms.len() + 2 > MOST_ARMS {
                return self.refuse(format!("more than {MOST_ARMS} queries are made into one"));
            }
            let operator = self.set_operator();
            arms.push(Arm { operator, body: self.body_part()? });
        }
        self.rise(arms.len(), self.at())?;
        let body = match arms.is_empty() {
            true => first,
            false => Body::Set(std::iter::once(Arm { operator: "", body: first }).chain(arms).collect()),
        };
        let order_at = self.at();
        let order = self.order()?;
        let mut query = Query { with, body, order, order_at, limits: Vec::new(), locks: Vec::new() };
        loop {
            if self.word("limit") {
                let limit = if self.word("all") { None } else { Some(self.expression()?) };
                query.limits.push(Bound::Limit(limit));
            } else if self.word("offset") {
                query.limits.push(Bound::Offset(self.expression()?));
                let _ = self.word("row") || self.word("rows");
            } else if self.word("fetch") {
                if !(self.word("first") || self.word("next")) {
                    return self.refuse("FIRST is expected here");
                }
                let rows = if self.is_one_of(&["row", "rows"]) { None } else { Some(self.expression()?) };
                query.limits.push(Bound::Fetch(rows));
                if !((self.word("row") || self.word("rows")) && self.word("only")) {
                    return self.refuse("ROWS ONLY is expected here");
                }
            } else if self.is_word("for") {
                let at = self.at();
                self.skip();
                let no_key = self.words(&["no", "key", "update"]);
                if !(no_key || self.word("update")) {
                    return self.refuse("of locks there are FOR UPDATE and FOR NO KEY UPDATE");
                }
                let of = if self.word("of") { self.list(Self::name)? } else { Vec::new() };
                let wait = match self.word("nowait") {
                    true => "NOWAIT",
                    false if self.words(&["skip", "locked"]) => "SKIP LOCKED",
                    false => "",
                };
                query.locks.push(Lock { no_key, of, wait, at });
            } else {
                return Ok(query);
            }
        }
    }

    fn set_operator(&mut self) -> &'static str {
        let [plain, all] = match self.word("union") {
            true => ["UNION", "UNION ALL"],
            false if self.word("intersect") => ["INTERSECT", "INTERSECT ALL"],
            false => {
                self.skip();
                ["EXCEPT", "EXCEPT ALL"]
            }
        };
        if self.word("all") {
            return all;
        }
        self.word("distinct");
        plain
    }

    fn body_part(&mut self) -> Result<Body, Refusal> {
        if self.is_sign('(') {
            let query = self.in_parentheses(Self::query)?;
            return Ok(Body::Query(Box::new(query)));
        }
        if self.word("values") {
            let row = |parser: &mut Self| parser.in_parentheses(|parser| parser.list(Self::value));
            return Ok(Body::Values(self.list(row)?));
        }
        if self.is_word("select") {
            return Ok(Body::Select(Box::new(self.select()?)));
        }
        self.refuse("of statements there are SELECT, VALUES, INSERT, UPDATE and DELETE, each after a WITH too")
    }

    fn select(&mut self) -> Result<Select, Refusal> {
        self.expect_word("select")?;
        let mut distinct_on = Vec::new();
        let distinct = self.word("distinct");
        if distinct {
            if self.word("on") {
                distinct_on = self.in_parentheses(|parser| parser.list(Self::expression))?;
            }
        } else {
            self.word("all");
        }
        let items = self.items()?;
        let from = if self.word("from") { self.list(Self::source)? } else { Vec::new() };
        let filter = self.filter()?;
        let mut group = Vec::new();
        if self.words(&["group", "by"]) {
            group = self.list(Self::expression)?;
        }
        let having = if self.word("having") { Some(self.expression()?) } else { None };
        let mut windows = Vec::new();
        if self.word("window") {
            windows = self.list(|parser| {
                let name = parser.name()?;
                parser.expect_word("as")?;
                let mut pieces = Vec::new();
                parser.window(&mut pieces)?;
                Ok((name, Expression::Made(pieces)))
            })?;
        }
        Ok(Select { distinct, distinct_on, items, from, filter, group, having, windows })
    }

    fn items(&mut self) -> Result<Vec<Item>, Refusal> {
        self.list(|parser| {
            let at = parser.at();
            if parser.operator("*") {
                return Ok(Item::All { of: None, at });
            }
            if let (Kind::Word(_) | Kind::Quoted(_), Kind::Sign('.'), Kind::Operator(star)) =
                (parser.peek(), parser.ahead(1), parser.ahead(2))
                && star == "*"
            {
                let of = Some(parser.name()?);
                parser.next += 2;
                return Ok(Item::All { of, at });
            }
            let expression = parser.expression()?;
            let alias = if parser.word("as") {
                Some(parser.label()?)
            } else {
                match parser.peek() {
                    Kind::Quoted(_) => Some(parser.name()?),
                    Kind::Word(word) if words::is_label(word) => Some(parser.name()?),
                    _ => None,
                }
            };
            Ok(Item::One { expression, alias, at })
        })
    }

    fn source(&mut self) -> Result<Source, Refusal> {
        self.deeper(|parser| {
            let first = parser.source_part()?;
            let mut joins = Vec::new();
            loop {
                let crossed = parser.words(&["cross", "join"]);
                let words = if crossed { "CROSS JOIN" } else { parser.join()? };
                if words.is_empty() {
                    return Ok(match joins.is_empty() {
                        true => first,
                        false => Source::Joined { first: Box::new(first), joins },
                    });
                }
                let right = if crossed { parser.source_part()? } else { parser.source()? };
                let (mut on, mut using) = (None, Vec::new());
                if !crossed {
                    if parser.word("using") {
                        using = parser.names()?;
                        if parser.is_word("as") {
                            return parser.refuse("a name for the joined columns is not understood");
                        }
                    } else {
                        parser.expect_word("on")?;
                        on = Some(parser.expression()?);
                    }
                }
                joins.push(Join { words, right, on, using });
            }
        })
    }

    /// The words of a join that requires ON or USING; empty if there is none here.
    fn join(&mut self) -> Result<&'static str, Refusal> {
        let kinds = [("left", "LEFT JOIN"), ("right", "RIGHT JOIN"), ("full", "FULL JOIN")];
        if let Some((_, words)) = kinds.into_iter().find(|(kind, _)| self.word(kind)) {
            self.word("outer");
            self.expect_word("join")?;
            return Ok(words);
        }
        if self.word("inner") {
            self.expect_word("join")?;
            return Ok("JOIN");
        }
        if self.is_word("natural") {
            return self.refuse("NATURAL JOIN does not say which columns it reads");
        }
        Ok(if self.word("join") { "JOIN" } else { "" })
    }

    fn source_part(&mut self) -> Result<Source, Refusal> {
        let lateral = self.word("lateral");
        if self.is_sign('(') {
            self.expect('(')?;
            if self.begins_query() {
                let query = Box::new(self.query()?);
                self.expect(')')?;
                let alias = self.alias()?;
                return Ok(Source::Query { query, alias, lateral });
            }
            let source = self.source()?;
            self.expect(')')?;
            return match source {
                // `((SELECT 1)) AS x`
                Source::Query { query, alias: None, lateral: inner } => {
                    let alias = self.alias()?;
                    Ok(Source::Query { query, alias, lateral: lateral || inner })
                }
                Source::Joined { .. } if !lateral => match self.alias()? {
                    None => Ok(source),
                    Some(_) => self.refuse("a name for a whole join is not understood"),
                },
                _ => self.refuse("this is not understood here"),
            };
        }
        if self.is_word("only") {
            return self.refuse("ONLY is not understood");
        }
        let is_call = *self.ahead(1) == Kind::Sign('(')
            || (*self.ahead(1) == Kind::Sign('.') && *self.ahead(3) == Kind::Sign('('));
        if is_call {
            let call = self.call()?;
            let ordinality = self.words(&["with", "ordinality"]);
            let alias = self.alias()?;
            return Ok(Source::Function { call, ordinality, alias });
        }
        if lateral {
            return self.refuse("LATERAL stands before a query or a function");
        }
        let table = self.table()?;
        if matches!(self.peek(), Kind::Operator(star) if star == "*") {
            return self.refuse("`*` after a table is not understood");
        }
        let alias = self.alias()?;
        if self.is_word("tablesample") {
            return self.refuse("TABLESAMPLE is not understood");
        }
        Ok(Source::Table { table, alias })
    }

    fn table(&mut self) -> Result<TableName, Refusal> {
        let name = self.name()?;
        if !self.sign('.') {
            return Ok(TableName { schema: None, name });
        }
        let schema = Some(name);
        let name = self.label()?;
        if self.is_sign('.') {
            return self.refuse("the name of a database is not understood");
        }
        Ok(TableName { schema, name })
    }

    fn alias(&mut self) -> Result<Option<Alias>, Refusal> {
        let name = if self.word("as") {
            self.name()?
        } else {
            match self.peek() {
                Kind::Quoted(_) => self.name()?,
                Kind::Word(word) if !words::is_reserved(word) => self.name()?,
                _ => return Ok(None),
            }
        };
        let columns = if self.is_sign('(') { self.names()? } else { Vec::new() };
        Ok(Some(Alias { name, columns }))
    }

    fn filter(&mut self) -> Result<Option<Expression>, Refusal> {
        if !self.word("where") {
            return Ok(None);
        }
        if self.is_word("current") && matches!(self.ahead(1), Kind::Word(of) if of == "of") {
            return self.refuse("a cursor is not understood");
        }
        self.expression().map(Some)
    }

    fn order(&mut self) -> Result<Vec<Order>, Refusal> {
        if !self.words(&["order", "by"]) {
            return Ok(Vec::new());
        }
        self.list(|parser| {
            let by = parser.expression()?;
            Ok(Order { by, words: parser.order_words()? })
        })
    }

    /// The words that may follow an expression of ORDER BY.
    pub(crate) fn order_words(&mut self) -> Result<&'static str, Refusal> {
        let [plain, first, last] = match self.word("desc") {
            true => ["DESC", "DESC NULLS FIRST", "DESC NULLS LAST"],
            false if self.word("asc") => ["ASC", "ASC NULLS FIRST", "ASC NULLS LAST"],
            false => ["", "NULLS FIRST", "NULLS LAST"],
        };
        if !self.word("nulls") {
            return Ok(plain);
        }
        match self.word("first") {
            true => Ok(first),
            false if self.word("last") => Ok(last),
            false => self.refuse("FIRST or LAST is expected here"),
        }
    }

    fn returning(&mut self) -> Result<Vec<Item>, Refusal> {
        if self.word("returning") { self.items() } else { Ok(Vec::new()) }
    }

    /// A value, or DEFAULT.
    fn value(&mut self) -> Result<Expression, Refusal> {
        let at = self.at();
        if self.word("default") { Ok(Expression::Leaf("DEFAULT".to_owned(), at)) } else { self.expression() }
    }

    fn insert(&mut self, with: With) -> Result<Insert, Refusal> {
        self.writes = true;
        self.expect_word("insert")?;
        self.expect_word("into")?;
        let table = self.table()?;
        let alias = if self.word("as") { Some(self.name()?) } else { None };
        let mut columns = None;
        if self.is_sign('(')
            && !matches!(self.ahead(1), Kind::Word(word) if ["select", "with", "values"].contains(&word.as_str()))
        {
            // `((SELECT ...))` is a query too, and no column's name begins with a parenthesis.
            if !matches!(self.ahead(1), Kind::Sign('(')) {
                columns = Some(self.names()?);
            }
        }
        if self.is_word("overriding") {
            return self.refuse("OVERRIDING is not understood");
        }
        let rows = if self.words(&["default", "values"]) { None } else { Some(self.query()?) };
        let conflict = if self.words(&["on", "conflict"]) { Some(self.conflict()?) } else { None };
        let returning = self.returning()?;
        Ok(Insert { with, table, alias, columns, rows, conflict, returning })
    }

    fn conflict(&mut self) -> Result<Conflict, Refusal> {
        let (mut columns, mut constraint, mut index_filter) = (Vec::new(), None, None);
        if self.is_sign('(') {
            columns = self.names()?;
            index_filter = self.filter()?;
        } else if self.words(&["on", "constraint"]) {
            constraint = Some(self.name()?);
        }
        self.expect_word("do")?;
        if self.word("nothing") {
            return Ok(Conflict { columns, constraint, index_filter, set: Vec::new(), filter: None });
        }
        self.expect_word("update")?;
        let set = self.set()?;
        let filter = self.filter()?;
        Ok(Conflict { columns, constraint, index_filter, set, filter })
    }

    fn set(&mut self) -> Result<Vec<Assignment>, Refusal> {
        self.expect_word("set")?;
        self.list(|parser| {
            let is_row = parser.is_sign('(');
            let columns = if is_row { parser.names()? } else { vec![parser.name()?] };
            if parser.is_sign('.') || parser.is_sign('[') {
                return parser.refuse("a part of a column cannot be set");
            }
            if !parser.operator("=") {
                return parser.refuse("`=` is expected here");
            }
            Ok(Assignment { columns, is_row, value: parser.value()? })
        })
    }

    fn target(&mut self) -> Result<(TableName, Option<Name>), Refusal> {
        if self.is_word("only") {
            return self.refuse("ONLY is not understood");
        }
        let table = self.table()?;
        let alias = if self.word("as") {
            Some(self.name()?)
        } else {
            match self.peek() {
                Kind::Quoted(_) => Some(self.name()?),
                Kind::Word(word) if word != "set" && !words::is_reserved(word) => Some(self.name()?),
                _ => None,
            }
        };
        Ok((table, alias))
    }

    fn update(&mut self, with: With) -> Result<Update, Refusal> {
        self.writes = true;
        self.expect_word("update")?;
        let (table, alias) = self.target()?;
        let set = self.set()?;
        let from = if self.word("from") { self.list(Self::source)? } else { Vec::new() };
        let filter = self.filter()?;
        let returning = self.returning()?;
        Ok(Update { with, table, alias, set, from, filter, returning })
    }

    fn delete(&mut self, with: With) -> Result<Delete, Refusal> {
        self.writes = true;
        self.expect_word("delete")?;
        self.expect_word("from")?;
        let (table, alias) = self.target()?;
        let using = if self.word("using") { self.list(Self::source)? } else { Vec::new() };
        let filter = self.filter()?;
        let returning = self.returning()?;
        Ok(Delete { with, table, alias, using, filter, returning })
    }
}
