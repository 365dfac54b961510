//! The canonical text of a statement, printed from the tree that was checked. It is the text that
//! is sent.
//!
//! Names are quoted. Tables and functions have their schema, columns their relation, and result
//! columns their name. Compound operands are in parentheses, constants are unchanged, and comments
//! are removed. Operators keep their order: PostgreSQL applies its precedence, which does not
//! change what is accessed.

use tenet_core::quote_identifier;

use crate::label;
use crate::resolved::{Column, LONGEST_SENT, Resolved, too_long};
use crate::tree::{
    Alias, Assignment, Body, Bound, Call, Conflict, Delete, Expression, Insert, Item, Lock, Name, Order, Piece, Query,
    Select, Source, Statement, TableName, Update, With, WithTable,
};
use crate::{Refusal, steps};

/// A printed statement.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) text: String,
    /// Pairs of a place in the printed text and the place in the original text, sorted by the
    /// first.
    places: Vec<(usize, usize)>,
}

impl Printed {
    /// The place in the original text of what begins at this character, counted from 1, of the
    /// printed text. `None` if nothing from the original begins there.
    pub(crate) fn place_of(&self, position: usize) -> Option<usize> {
        let (at, _) = self.text.char_indices().nth(position.checked_sub(1)?)?;
        let found = self.places.binary_search_by_key(&at, |(printed, _)| *printed).ok()?;
        self.places.get(found).map(|(_, read)| *read)
    }
}

/// Prints a statement with the resolved names.
///
/// # Errors
///
/// A name was not looked up, or the text is too long to be sent.
pub(crate) fn print(statement: &Statement, resolved: &Resolved<'_>) -> Result<Printed, Refusal> {
    let printed = Printed { text: String::new(), places: Vec::new() };
    let mut printer = Printer { printed, resolved, unknown: None, joins: false };
    printer.statement(statement);
    let Printer { printed, unknown, .. } = printer;
    match unknown {
        Some(at) => Err(Refusal::not_understood(at, "what this name stands for was not looked up")),
        None if printed.text.len() > LONGEST_SENT => Err(too_long(0)),
        None => Ok(printed),
    }
}

struct Printer<'a> {
    printed: Printed,
    resolved: &'a Resolved<'a>,
    /// The place of a name that was not looked up.
    unknown: Option<usize>,
    /// Whether the next word follows without a space.
    joins: bool,
}

impl Printer<'_> {
    /// A word or a sign, with a space before it where one is usual.
    fn word(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        steps::add(1 + word.len() / 8);
        let text = &mut self.printed.text;
        let is_apart = match word {
            "[" => text.ends_with(','),
            word => ![")", "]", ",", "::"].contains(&word),
        };
        if is_apart && !self.joins && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
        self.joins = ["(", "[", "::"].contains(&word);
    }

    /// A word from this place of the original text.
    fn word_at(&mut self, word: &str, at: usize) {
        self.word(word);
        let begins = self.printed.text.len() - word.len();
        self.printed.places.push((begins, at));
    }

    /// A sign without a space before it.
    fn close(&mut self, sign: &str) {
        self.printed.text.push_str(sign);
        self.joins = ["(", ".", "::"].contains(&sign);
    }

    fn name(&mut self, name: &Name) {
        self.word_at(&quote_identifier(&name.text), name.at);
    }

    fn list<T>(&mut self, list: &[T], mut one: impl FnMut(&mut Self, &T)) {
        for (number, each) in list.iter().enumerate() {
            if number > 0 {
                self.close(",");
            }
            one(self, each);
        }
    }

    fn names(&mut self, names: &[Name]) {
        self.word("(");
        self.list(names, Self::name);
        self.close(")");
    }

    fn in_parentheses(&mut self, inner: impl FnOnce(&mut Self)) {
        self.word("(");
        inner(self);
        self.close(")");
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Query(query) => self.query(query),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
        }
    }

    fn with(&mut self, With { recursive, tables }: &With) {
        if tables.is_empty() {
            return;
        }
        self.word(if *recursive { "WITH RECURSIVE" } else { "WITH" });
        self.list(tables, |printer, WithTable { name, columns, materialized, statement }| {
            printer.name(name);
            if !columns.is_empty() {
                printer.names(columns);
            }
            printer.word("AS");
            printer.word(match materialized {
                None => "",
                Some(true) => "MATERIALIZED",
                Some(false) => "NOT MATERIALIZED",
            });
            printer.in_parentheses(|printer| printer.statement(statement));
        });
    }

    fn query(&mut self, Query { with, body, order, order_at: _, limits, locks }: &Query) {
        self.with(with);
        self.body(body);
        if !order.is_empty() {
            self.word("ORDER BY");
            self.list(order, |printer, Order { by, words }| {
                printer.expression(by);
                printer.word(words);
            });
        }
        for limit in limits {
            match limit {
                Bound::Limit(None) => self.word("LIMIT ALL"),
                Bound::Limit(Some(limit)) => {
                    self.word("LIMIT");
                    self.expression(limit);
                }
                Bound::Offset(offset) => {
                    self.word("OFFSET");
                    self.expression(offset);
                }
                Bound::Fetch(rows) => {
                    self.word("FETCH FIRST");
                    rows.iter().for_each(|rows| self.operand(rows));
                    self.word("ROWS ONLY");
                }
            }
        }
        for Lock { no_key, of, wait, at } in locks {
            self.word_at(if *no_key { "FOR NO KEY UPDATE" } else { "FOR UPDATE" }, *at);
            if !of.is_empty() {
                self.word("OF");
                self.list(of, Self::name);
            }
            self.word(wait);
        }
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Select(select) => self.select(select),
            Body::Query(query) => self.in_parentheses(|printer| printer.query(query)),
            Body::Set(arms) => {
                for arm in arms {
                    self.word(arm.operator);
                    self.body(&arm.body);
                }
            }
            Body::Values(rows) => {
                self.word("VALUES");
                self.list(rows, |printer, row| {
                    printer.in_parentheses(|printer| printer.list(row, Self::expression));
                });
            }
        }
    }

    fn select(&mut self, select: &Select) {
        let Select { distinct, distinct_on, items, from, filter, group, having, windows } = select;
        self.word(if *distinct { "SELECT DISTINCT" } else { "SELECT" });
        if !distinct_on.is_empty() {
            self.word("ON");
            self.in_parentheses(|printer| printer.list(distinct_on, Self::expression));
        }
        self.list(items, Self::item);
        self.sources("FROM", from);
        self.clause("WHERE", filter.as_ref());
        if !group.is_empty() {
            self.word("GROUP BY");
            self.list(group, Self::expression);
        }
        self.clause("HAVING", having.as_ref());
        if !windows.is_empty() {
            self.word("WINDOW");
            self.list(windows, |printer, (name, window)| {
                printer.name(name);
                printer.word("AS");
                printer.expression(window);
            });
        }
    }

    fn clause(&mut self, word: &str, expression: Option<&Expression>) {
        if let Some(expression) = expression {
            self.word(word);
            self.expression(expression);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::All { at, .. } => match self.resolved.stars.get(at) {
                Some(columns) => self.list(columns, |printer, (relation, column)| {
                    if let Some(relation) = relation {
                        printer.word_at(&quote_identifier(relation), *at);
                        printer.close(".");
                    }
                    printer.word_at(&quote_identifier(column), *at);
                }),
                None => self.unknown = Some(*at),
            },
            Item::One { expression, alias, at } => {
                self.expression(expression);
                let own = match expression {
                    Expression::Column(name) | Expression::Of(_, name) => Some(name.text.as_str()),
                    _ => None,
                };
                let label = match alias {
                    Some(alias) => &alias.text,
                    None => self.resolved.labels.get(at).copied().unwrap_or(label::NONE),
                };
                if own != Some(label) {
                    self.word("AS");
                    self.word_at(&quote_identifier(label), alias.as_ref().map_or(*at, |alias| alias.at));
                }
            }
        }
    }

    fn returning(&mut self, items: &[Item]) {
        if !items.is_empty() {
            self.word("RETURNING");
            self.list(items, Self::item);
        }
    }

    fn sources(&mut self, word: &str, sources: &[Source]) {
        if !sources.is_empty() {
            self.word(word);
            self.list(sources, Self::source);
        }
    }

    fn source(&mut self, source: &Source) {
        match source {
            Source::Table { table, alias } => {
                match table.schema.is_none() && self.resolved.of_with.contains(&table.name.at) {
                    true => self.name(&table.name),
                    false => self.table(table),
                }
                self.alias(alias.as_ref());
            }
            Source::Query { query, alias, lateral } => {
                self.word(if *lateral { "LATERAL" } else { "" });
                self.in_parentheses(|printer| printer.query(query));
                self.alias(alias.as_ref());
            }
            Source::Function { call, ordinality, alias } => {
                self.call(call);
                self.word(if *ordinality { "WITH ORDINALITY" } else { "" });
                self.alias(alias.as_ref());
            }
            Source::Joined { first, joins } => {
                self.joined(first);
                for join in joins {
                    self.word(join.words);
                    self.joined(&join.right);
                    self.clause("ON", join.on.as_ref());
                    if !join.using.is_empty() {
                        self.word("USING");
                        self.names(&join.using);
                    }
                }
            }
        }
    }

    /// A source of a join. Another join is printed in parentheses.
    fn joined(&mut self, source: &Source) {
        match source {
            Source::Joined { .. } => self.in_parentheses(|printer| printer.source(source)),
            source => self.source(source),
        }
    }

    fn table(&mut self, TableName { schema, name }: &TableName) {
        match schema {
            Some(schema) => self.name(schema),
            None => self.word_at("\"public\"", name.at),
        }
        self.close(".");
        self.name(name);
    }

    fn alias(&mut self, alias: Option<&Alias>) {
        if let Some(Alias { name, columns }) = alias {
            self.word("AS");
            self.name(name);
            if !columns.is_empty() {
                self.names(columns);
            }
        }
    }

    fn insert(&mut self, insert: &Insert) {
        let Insert { with, table, alias, columns, rows, conflict, returning } = insert;
        self.with(with);
        self.word("INSERT INTO");
        self.target(table, alias.as_ref());
        match (columns, self.resolved.inserted.get(&table.name.at)) {
            (Some(columns), _) => self.names(columns),
            (None, Some(columns)) => self.in_parentheses(|printer| {
                printer.list(columns, |printer, column| printer.word_at(&quote_identifier(column), table.name.at));
            }),
            (None, None) if rows.is_some() => self.unknown = Some(table.name.at),
            (None, None) => {}
        }
        match rows {
            Some(rows) => self.query(rows),
            None => self.word("DEFAULT VALUES"),
        }
        conflict.iter().for_each(|conflict| self.conflict(conflict));
        self.returning(returning);
    }

    fn conflict(&mut self, Conflict { columns, constraint, index_filter, set, filter }: &Conflict) {
        self.word("ON CONFLICT");
        if !columns.is_empty() {
            self.names(columns);
        }
        if let Some(constraint) = constraint {
            self.word("ON CONSTRAINT");
            self.name(constraint);
        }
        self.clause("WHERE", index_filter.as_ref());
        if set.is_empty() {
            self.word("DO NOTHING");
        } else {
            self.word("DO UPDATE");
            self.set(set);
        }
        self.clause("WHERE", filter.as_ref());
    }

    fn set(&mut self, set: &[Assignment]) {
        self.word("SET");
        self.list(set, |printer, Assignment { columns, is_row, value }| {
            match is_row {
                true => printer.names(columns),
                false => printer.list(columns, Self::name),
            }
            printer.word("=");
            printer.expression(value);
        });
    }

    fn target(&mut self, table: &TableName, alias: Option<&Name>) {
        self.table(table);
        if let Some(alias) = alias {
            self.word("AS");
            self.name(alias);
        }
    }

    fn update(&mut self, Update { with, table, alias, set, from, filter, returning }: &Update) {
        self.with(with);
        self.word("UPDATE");
        self.target(table, alias.as_ref());
        self.set(set);
        self.sources("FROM", from);
        self.clause("WHERE", filter.as_ref());
        self.returning(returning);
    }

    fn delete(&mut self, Delete { with, table, alias, using, filter, returning }: &Delete) {
        self.with(with);
        self.word("DELETE FROM");
        self.target(table, alias.as_ref());
        self.sources("USING", using);
        self.clause("WHERE", filter.as_ref());
        self.returning(returning);
    }

    fn expression(&mut self, expression: &Expression) {
        match expression {
            Expression::Leaf(text, at) => self.word_at(text, *at),
            Expression::Moment { printed, at, .. } => {
                self.word_at(printed, *at);
                self.close("::");
                self.word(self.resolved.strings.get(at).copied().unwrap_or("TEXT"));
            }
            Expression::Column(name) => self.column(name, name.at),
            Expression::Of(of, name) => self.column(name, of.at),
            Expression::Call(call) => self.call(call),
            Expression::Query(query) => self.in_parentheses(|printer| printer.query(query)),
            Expression::Row { is_named, values } => {
                self.word(if *is_named { "ROW" } else { "" });
                self.in_parentheses(|printer| printer.list(values, Self::expression));
            }
            Expression::Made(pieces) => self.pieces(pieces),
        }
    }

    /// The name of a column at this place of the original text.
    fn column(&mut self, name: &Name, at: usize) {
        match self.resolved.columns.get(&name.at) {
            Some(Column::Of(relation)) => {
                self.word_at(&quote_identifier(relation), at);
                self.close(".");
                self.name(name);
            }
            Some(Column::Alone) => self.name(name),
            Some(Column::Number(number)) => self.word_at(&number.to_string(), at),
            None => self.unknown = Some(name.at),
        }
    }

    /// An expression inside another one.
    fn operand(&mut self, expression: &Expression) {
        match expression {
            Expression::Made(_) | Expression::Moment { .. } => {
                self.in_parentheses(|printer| printer.expression(expression))
            }
            expression => self.expression(expression),
        }
    }

    fn pieces(&mut self, pieces: &[Piece]) {
        for (number, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Word(word, at) => self.word_at(word, *at),
                Piece::Window(name) => self.name(name),
                // In PostgreSQL a subscript needs a column or parentheses before it.
                Piece::Inner(inner @ (Expression::Call(_) | Expression::Leaf(..) | Expression::Row { .. }))
                    if pieces.get(number + 1).and_then(Piece::word) == Some("[") =>
                {
                    self.in_parentheses(|printer| printer.expression(inner));
                }
                // It is cast to a type, which is not a date or a time.
                Piece::Inner(Expression::Moment { printed, at, .. })
                    if matches!(pieces.get(number + 1).and_then(Piece::word), Some("::" | "AS")) =>
                {
                    self.word_at(printed, *at);
                }
                Piece::Inner(inner) => self.operand(inner),
            }
        }
    }

    fn call(&mut self, call: &Call) {
        let Call { name, is_grammar, pieces, literal: _ } = call;
        if *is_grammar {
            self.word_at(&name.text.to_ascii_uppercase(), name.at);
        } else {
            self.word_at("\"pg_catalog\"", name.at);
            self.close(".");
            self.name(name);
        }
        if let ("nextval", Some(sequence)) = (name.text.as_str(), call.sequence()) {
            let (schema, sequence) = sequence.split_once('.').unwrap_or(("public", &sequence));
            let name = format!("{}.{}", quote_identifier(schema), quote_identifier(sequence));
            self.close("('");
            self.close(&name.replace('\'', "''"));
            self.close("')");
            return;
        }
        // The parenthesis is part of the call.
        if let Some((Piece::Word(opens, _), rest)) = pieces.split_first() {
            self.close(opens);
            self.pieces(rest);
        }
    }
}
