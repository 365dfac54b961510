//! Checks a statement's tree against the grants: queries, and the order of their clauses.
//!
//! Each name is looked up as PostgreSQL does it. The result is recorded for the printer, which
//! writes no name that was not looked up.

use std::collections::HashMap;

use tenet_core::{Catalog, Grants};

use crate::kind::Kind;
use crate::label::{self, Label, Value};
use crate::moment;
use crate::resolved::{Column, Resolved};
use crate::scope::{Level, MOST_COLUMNS, Names, Relation, Scope, Tables};
use crate::tree::{Body, Bound, Expression, Item, Lock, Name, Order, Piece, Query, Select, Statement, With, WithTable};
use crate::untyped::{self, Open, Together};
use crate::{Refusal, Uses, names, steps};

/// The most tables, queries and `*` in all FROMs of a statement. This bounds the work of each
/// look-up in them.
const MOST_RELATIONS: usize = 100;

/// The grants, and what the part of a statement that was checked so far uses of them.
pub(crate) struct Checker<'t> {
    pub(crate) grants: &'t Grants,
    pub(crate) catalog: &'t Catalog,
    pub(crate) uses: Uses,
    pub(crate) resolved: Resolved<'t>,
    relations: usize,
}

/// A query of a WITH RECURSIVE. Its columns are known after its first part was checked.
#[derive(Clone, Copy)]
struct Recursion<'a, 't> {
    table: &'t WithTable,
    tables: &'a Tables<'a, 't>,
}

/// The queries between UNION and the like, as far as a string among them depends on the others.
#[derive(Default)]
struct Columns<'t> {
    arms: Vec<Names<'t>>,
    has_open: bool,
}

/// The names of a SELECT's result columns, and their numbers.
struct Labels<'t>(HashMap<&'t str, Vec<usize>>);

impl<'t> Checker<'t> {
    pub(crate) fn new(grants: &'t Grants, catalog: &'t Catalog) -> Self {
        Self { grants, catalog, uses: Uses::default(), resolved: Resolved::default(), relations: 0 }
    }

    pub(crate) fn check(&mut self, statement: &'t Statement) -> Result<(), Refusal> {
        let (level, with) = (Level::default(), Tables::default());
        self.statement(statement, &Scope { level: &level, from: 0, outer: None, with: &with }).map(drop)
    }

    /// Returns the names of the result's columns.
    fn statement(&mut self, statement: &'t Statement, scope: &Scope<'_, 't>) -> Result<Names<'t>, Refusal> {
        match statement {
            Statement::Query(query) => self.query(query, scope),
            Statement::Insert(insert) => self.insert(insert, scope),
            Statement::Update(update) => self.update(update, scope),
            Statement::Delete(delete) => self.delete(delete, scope),
        }
    }

    pub(crate) fn with<'a>(&mut self, with: &'t With, scope: &'a Scope<'a, 't>) -> Result<Tables<'a, 't>, Refusal> {
        let tables = Tables::within(scope.with);
        let mut names = HashMap::new();
        for WithTable { name, .. } in &with.tables {
            if names.insert(name.text.as_str(), ()).is_some() {
                let what = format!("two queries of the WITH have the name {}", name.text);
                return Err(Refusal::not_understood(name.at, what));
            }
            if with.recursive {
                tables.set(&name.text, None);
            }
        }
        for table in &with.tables {
            let inner = Scope { with: &tables, ..*scope };
            let names = match &table.statement {
                Statement::Query(query) if with.recursive => {
                    self.query_of(query, Some(Recursion { table, tables: &tables }), &inner)?
                }
                statement => self.statement(statement, &inner)?,
            };
            tables.set(&table.name.text, Some(names.renamed(&table.columns)?));
        }
        Ok(tables)
    }

    pub(crate) fn query(&mut self, query: &'t Query, scope: &Scope<'_, 't>) -> Result<Names<'t>, Refusal> {
        self.query_of(query, None, scope)
    }

    fn query_of(
        &mut self,
        query: &'t Query,
        recursion: Option<Recursion<'_, 't>>,
        scope: &Scope<'_, 't>,
    ) -> Result<Names<'t>, Refusal> {
        let tables = self.with(&query.with, scope)?;
        let scope = &Scope { with: &tables, ..*scope };
        if let Body::Select(select) = &query.body {
            return self.select(select, Some(query), scope);
        }
        let names = self.body(&query.body, recursion, scope)?;
        self.ordered(query, &names, scope)?;
        if let Some(lock) = query.locks.first() {
            return Err(Refusal::not_understood(lock.at, "FOR UPDATE stands in the SELECT that it is about"));
        }
        self.all(query.limits.iter().filter_map(Bound::expression), scope)?;
        Ok(names)
    }

    fn body(
        &mut self,
        body: &'t Body,
        recursion: Option<Recursion<'_, 't>>,
        scope: &Scope<'_, 't>,
    ) -> Result<Names<'t>, Refusal> {
        match body {
            Body::Select(select) => self.select(select, None, scope),
            Body::Query(query) => self.query_of(query, recursion, scope),
            Body::Set(arms) => {
                let (mut first, mut columns) = (None, Columns::default());
                for arm in arms {
                    let names = self.body(&arm.body, None, scope)?;
                    columns.add(&names);
                    if let (None, Some(Recursion { table, tables })) = (&first, recursion) {
                        tables.set(&table.name.text, Some(names.clone().begun().renamed(&table.columns)?));
                    }
                    first = Some(match first {
                        None => names,
                        Some(first) => Names::united(first, &names),
                    });
                }
                columns.settle(&mut self.resolved)?;
                Ok(first.unwrap_or_default())
            }
            Body::Values(rows) => {
                let columns = self.values(rows, scope)?;
                columns.iter().try_for_each(|column| column.settle(&mut self.resolved))?;
                Ok(Names::of_values(columns.iter().map(Together::kind)))
            }
        }
    }

    /// Returns the values of each column of VALUES.
    pub(crate) fn values(
        &mut self,
        rows: &'t [Vec<Expression>],
        scope: &Scope<'_, 't>,
    ) -> Result<Vec<Together>, Refusal> {
        let mut columns = Vec::new();
        rows.iter().try_for_each(|row| self.row(row, &mut columns, scope))?;
        Ok(columns)
    }

    /// Adds the values of a row to their columns.
    fn row(
        &mut self,
        row: &'t [Expression],
        columns: &mut Vec<Together>,
        scope: &Scope<'_, 't>,
    ) -> Result<(), Refusal> {
        columns.resize_with(columns.len().max(row.len()), Together::default);
        for (column, value) in columns.iter_mut().zip(row) {
            column.add(value, self.part(value, scope)?.kind);
        }
        Ok(())
    }

    /// The ORDER BY of a query that is not a single SELECT.
    ///
    /// After UNION and the like it sorts by result columns, by name or number. PostgreSQL merges a
    /// query in parentheses with an ORDER BY after them, so it would also find the columns of the
    /// query's tables. Result columns come first there, and only they are accepted here. The
    /// columns of a VALUES come before those of outer queries.
    fn ordered(&mut self, query: &'t Query, names: &Names<'t>, scope: &Scope<'_, 't>) -> Result<(), Refusal> {
        if query.order.is_empty() {
            return Ok(());
        }
        let what = "ORDER BY behind UNION or parentheses takes what comes out of it by name or number";
        let mut level = Level::default();
        if let Body::Values(_) = query.body {
            level.add(Relation { name: None, table: None, columns: names.clone() }, query.order_at)?;
        }
        let inner = &scope.within(&level, 0);
        for Order { by, .. } in &query.order {
            match (by, &query.body) {
                (Expression::Leaf(..) | Expression::Moment { .. }, _) => {}
                (Expression::Column(name), _) if names.find(&name.text).is_some() => {
                    self.resolved.column(name.at, Column::Alone)?;
                }
                (by, Body::Values(_)) => drop(self.expression(by, inner)?),
                (Expression::Column(name), _) => return Err(Refusal::not_understood(name.at, what)),
                _ => {
                    return Err(Refusal::not_understood(query.order_at, what));
                }
            }
        }
        Ok(())
    }

    /// A SELECT, with its following clauses if it is a query of its own.
    fn select(
        &mut self,
        select: &'t Select,
        query: Option<&'t Query>,
        scope: &Scope<'_, 't>,
    ) -> Result<Names<'t>, Refusal> {
        let mut level = Level::default();
        self.sources(&select.from, &mut level, scope)?;
        let inner = &scope.within(&level, 0);
        let names = self.items(&select.items, inner)?;
        let order = query.map_or(&[][..], |query| &query.order);
        let mut labels = None;
        for by in order.iter().map(|order| &order.by).chain(&select.distinct_on) {
            match by {
                // A name alone is a result column, if there is one.
                Expression::Column(name) if Labels::of(&mut labels, &names).find(&name.text).is_some() => {
                    self.resolved.column(name.at, Column::Alone)?;
                }
                by => drop(self.expression(by, inner)?),
            }
        }
        for by in &select.group {
            self.group(by, &names, &mut labels, inner)?;
        }
        self.all(select.filter.iter().chain(&select.having), inner)?;
        self.all(select.windows.iter().map(|(_, window)| window), inner)?;
        if let Some(query) = query {
            self.all(query.limits.iter().filter_map(Bound::expression), inner)?;
            query.locks.iter().try_for_each(|lock| self.lock(lock, &level))?;
        }
        Ok(names)
    }

    /// One expression of GROUP BY.
    fn group(
        &mut self,
        by: &'t Expression,
        names: &Names<'t>,
        labels: &mut Option<Labels<'t>>,
        scope: &Scope<'_, 't>,
    ) -> Result<(), Refusal> {
        match by {
            // A name alone is a result column if no relation of this level has it.
            Expression::Column(name) if !scope.has_column(&name.text) => {
                match Labels::of(labels, names).find(&name.text) {
                    Some([number]) => self.resolved.column(name.at, Column::Number(*number)),
                    Some(_) => Err(ambiguous(name)),
                    None => self.expression(by, scope).map(drop),
                }
            }
            // Values in parentheses are separate expressions.
            Expression::Row { is_named: false, values } => {
                values.iter().try_for_each(|value| self.group(value, names, labels, scope))
            }
            by => self.expression(by, scope).map(drop),
        }
    }

    fn lock(&mut self, lock: &'t Lock, level: &Level<'t>) -> Result<(), Refusal> {
        if lock.of.is_empty() {
            if level.has_query {
                let what = "FOR UPDATE locks the rows of the query in FROM too: say OF which table";
                return Err(Refusal::not_understood(lock.at, what));
            }
            for relation in level.relations() {
                steps::add(1);
                self.locked(relation, lock)?;
            }
        }
        for of in &lock.of {
            match level.find(&of.text) {
                Some(relation) if relation.table.is_some() => self.locked(relation, lock)?,
                Some(_) => return Err(Refusal::not_understood(lock.at, "only rows of tables are locked")),
                None => {
                    return Err(Refusal::not_understood(of.at, format!("there is no table {} in FROM", of.text)));
                }
            }
        }
        Ok(())
    }

    fn locked(&mut self, relation: &Relation<'t>, lock: &Lock) -> Result<(), Refusal> {
        let Some(table) = relation.table else { return Ok(()) };
        // PostgreSQL requires UPDATE on some column.
        if table.grant.update.is_none() {
            let what = format!("FOR UPDATE of {} wants some column of it granted for update", table.name);
            return Err(Refusal::not_granted(lock.at, what));
        }
        self.table_use(table.name);
        Ok(())
    }

    /// Counts one more relation in which names are looked up.
    pub(crate) fn count(&mut self, at: usize) -> Result<(), Refusal> {
        self.relations += 1;
        if self.relations > MOST_RELATIONS {
            let what = format!("it names tables and queries in FROM more than {MOST_RELATIONS} times");
            return Err(Refusal::not_understood(at, what));
        }
        Ok(())
    }

    /// The result columns of a SELECT or a RETURNING.
    pub(crate) fn items(&mut self, items: &'t [Item], scope: &Scope<'_, 't>) -> Result<Names<'t>, Refusal> {
        let (mut names, mut open) = (Vec::new(), Vec::new());
        for item in items {
            steps::add(1);
            let at = match item {
                Item::All { of: None, at } => {
                    self.count(*at)?;
                    names.extend(self.star(scope.level.all(), scope, *at)?);
                    *at
                }
                Item::All { of: Some(of), at } => {
                    self.count(*at)?;
                    let relation = relation(of, scope)?;
                    let columns = relation.columns.list().iter().map(|name| (Some(relation), *name));
                    names.extend(self.star(columns, scope, *at)?);
                    *at
                }
                Item::One { expression, alias, at } => {
                    // PostgreSQL reads it as a text unless the query is a part of a UNION or an INSERT.
                    let Value { label, kind } = self.part(expression, scope)?;
                    open.extend(Open::of(expression).map(|string| (names.len(), string)));
                    let name = match alias {
                        Some(alias) => &alias.text,
                        None => {
                            self.resolved.labels.insert(*at, label.text());
                            label.text()
                        }
                    };
                    names.push((name, kind));
                    *at
                }
            };
            if names.len() > MOST_COLUMNS {
                return Err(too_many_columns(at));
            }
        }
        Ok(Names::new(names).with_open(open))
    }

    pub(crate) fn all<'e>(
        &mut self,
        expressions: impl IntoIterator<Item = &'t Expression>,
        scope: &Scope<'_, 't>,
    ) -> Result<(), Refusal>
    where
        't: 'e,
    {
        expressions.into_iter().try_for_each(|expression| self.expression(expression, scope).map(drop))
    }

    /// Returns what is known of a value, whose type may depend on others next to it.
    pub(crate) fn part(&mut self, part: &'t Expression, scope: &Scope<'_, 't>) -> Result<Value<'t>, Refusal> {
        match part {
            Expression::Moment { .. } => Ok(Value { label: Label::None, kind: Kind::String }),
            part => self.expression(part, scope),
        }
    }

    /// Returns what is known of its result.
    pub(crate) fn expression(
        &mut self,
        expression: &'t Expression,
        scope: &Scope<'_, 't>,
    ) -> Result<Value<'t>, Refusal> {
        steps::add(1);
        let (label, kind) = match expression {
            Expression::Leaf(printed, _) => (Label::None, Kind::of_leaf(printed)),
            Expression::Moment { .. } => {
                untyped::check_alone(expression)?;
                (Label::None, Kind::String)
            }
            Expression::Column(name) => (Label::Strong(&name.text), self.name(name, scope)?),
            Expression::Of(of, column) => {
                let relation = relation(of, scope)?;
                self.column_of(relation, column)?;
                self.resolved.column(column.at, Column::Of(&of.text))?;
                (Label::Strong(&column.text), relation.kind(&column.text))
            }
            Expression::Call(call) => (label::of_call(call), self.call(call, scope)?),
            Expression::Query(query) => {
                let names = self.query(query, scope)?;
                (names.list().first().map_or(Label::None, |name| Label::Strong(name)), names.kind(0))
            }
            Expression::Row { values, .. } => {
                self.all(values, scope)?;
                (Label::Strong("row"), Kind::Other)
            }
            Expression::Made(pieces) => {
                moment::check_made(self, pieces, scope)?;
                let (mut first, mut last, mut kinds) = (None, Label::None, Vec::new());
                let mut columns = are_rows(pieces).then(Vec::new);
                for inner in pieces.iter().filter_map(Piece::inner) {
                    let value = match (inner, &mut columns) {
                        (Expression::Row { values, .. }, Some(columns)) => {
                            self.row(values, columns, scope)?;
                            Value { label: Label::Strong("row"), kind: Kind::Other }
                        }
                        _ => self.part(inner, scope)?,
                    };
                    last = value.label;
                    first.get_or_insert(last);
                    kinds.push(value.kind);
                }
                for column in columns.iter_mut().flatten() {
                    if pieces.iter().any(|piece| piece.word() == Some("IN")) {
                        column.compare_in_pairs();
                    }
                    column.settle(&mut self.resolved)?;
                }
                untyped::check_made(pieces, &kinds, &mut self.resolved)?;
                (label::of_made(pieces, first.unwrap_or_default(), last), Kind::of_made(pieces, &kinds)?)
            }
        };
        Ok(Value { label, kind })
    }
}

impl<'t> Columns<'t> {
    fn add(&mut self, names: &Names<'t>) {
        self.has_open |= !names.open().is_empty();
        self.arms.push(names.clone());
    }

    /// Gives each string the type that all values of its column have.
    fn settle(&self, resolved: &mut Resolved<'t>) -> Result<(), Refusal> {
        if !self.has_open {
            return Ok(());
        }
        let mut columns: Vec<Together> = Vec::new();
        for names in &self.arms {
            columns.resize_with(columns.len().max(names.list().len()), Together::default);
            let mut open = names.open().iter().peekable();
            for (number, column) in columns.iter_mut().enumerate().take(names.list().len()) {
                steps::add(1);
                match open.next_if(|(place, _)| *place == number) {
                    Some((_, open)) => column.add_open(*open),
                    None => column.add_kind(names.kind(number)),
                }
            }
        }
        columns.iter().try_for_each(|column| column.settle(resolved))
    }
}

impl<'t> Labels<'t> {
    /// The labels of these columns, computed on first use.
    fn of<'a>(labels: &'a mut Option<Self>, names: &Names<'t>) -> &'a Self {
        labels.get_or_insert_with(|| {
            let mut numbers: HashMap<&str, Vec<usize>> = HashMap::new();
            for (number, name) in names.list().iter().enumerate() {
                steps::add(1);
                numbers.entry(name).or_default().push(number + 1);
            }
            Self(numbers)
        })
    }

    fn find(&self, name: &str) -> Option<&[usize]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

/// The relation that a name before a dot refers to.
pub(crate) fn relation<'a, 't>(name: &Name, scope: &'a Scope<'a, 't>) -> Result<&'a Relation<'t>, Refusal> {
    scope.outwards().find_map(|scope| scope.relation(&name.text)).ok_or_else(|| {
        let seen = scope.outwards().flat_map(|scope| scope.level.relations()).filter_map(|relation| relation.name);
        let meant = names::meant(&name.text, &seen.collect::<Vec<_>>());
        Refusal::not_understood(name.at, format!("there is no table {} here{meant}", name.text))
    })
}

/// Whether an expression only compares rows with each other.
fn are_rows(pieces: &[Piece]) -> bool {
    let compare = ["=", "<>", "!=", "<", ">", "<=", ">=", "IN", "NOT", "IS", "DISTINCT", "FROM", "(", ")", ","];
    pieces.iter().all(|piece| match piece {
        Piece::Inner(inner) => matches!(inner, Expression::Row { .. }),
        Piece::Word(word, _) => compare.contains(&word.as_str()),
        Piece::Window(_) => false,
    })
}

pub(crate) fn ambiguous(name: &Name) -> Refusal {
    let what = format!("{} stands for more than one column here: write TABLE.{0}", name.text);
    Refusal::not_understood(name.at, what)
}

fn too_many_columns(at: usize) -> Refusal {
    Refusal::not_understood(at, format!("a result has at most {MOST_COLUMNS} columns"))
}
