//! Sources of rows: tables, queries, functions and their joins.

use std::sync::Arc;

use sqlparser::ast::{
    FunctionArg, Ident, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor, TableWithJoins,
};

use crate::SqlError;
use crate::query::binder::expressions::Place;
use crate::query::binder::{Binder, WithNames, folded, function_name, names};
use crate::query::expression::{Expression, Typed};
use crate::query::plan::{From, Join, JoinKind, OutputColumn, Scan, Subplan};
use crate::query::scope::{Captures, Relation, Scope, ScopeColumn};
use crate::store::system;
use crate::store::table::Table;
use crate::values::kind::Kind;

/// Bound sources: their plan, their columns, and how many there are, including unnamed ones.
pub(crate) struct Sources {
    pub(crate) plan: From,
    pub(crate) relations: Vec<Relation>,
    pub(crate) width: usize,
    /// The tables that a lock can name.
    pub(crate) tables: Vec<LockableTable>,
}

/// A table of a FROM, and the column with the place of its row.
pub(crate) struct LockableTable {
    pub(crate) name: String,
    pub(crate) table: Arc<Table>,
    pub(crate) place: usize,
    /// Whether an outer join may leave its row out.
    pub(crate) is_nullable: bool,
}

/// The sources of one query level.
#[derive(Clone, Copy)]
pub(crate) struct Sourcing<'p> {
    pub(crate) binder: &'p Binder<'p>,
    pub(crate) with: &'p WithNames<'p>,
    pub(crate) captures: &'p Captures,
    pub(crate) parent: Option<&'p Scope<'p>>,
    /// Whether the rows of tables need their places.
    pub(crate) with_places: bool,
}

impl Sources {
    pub(crate) fn nothing() -> Self {
        Self { plan: From::Nothing, relations: Vec::new(), width: 0, tables: Vec::new() }
    }
}

impl Sourcing<'_> {
    /// The sources of a FROM, joined.
    pub(crate) fn all(self, from: &[TableWithJoins]) -> Result<Sources, SqlError> {
        let mut all: Option<Sources> = None;
        for one in from {
            let before = all.as_ref().map_or(&[][..], |all| &all.relations);
            let next = self.joined(one, before)?;
            all = Some(match all {
                None => next.sources,
                Some(all) => self.join(all, next, JoinKind::Inner, None),
            });
        }
        Ok(all.unwrap_or_else(Sources::nothing))
    }

    /// One item of a FROM. Its columns are numbered from 0; `before` are the columns of the sources before it, for LATERAL.
    fn joined(self, item: &TableWithJoins, before: &[Relation]) -> Result<Lateral, SqlError> {
        let first = self.factor(&item.relation, before)?;
        if item.joins.is_empty() {
            return Ok(first);
        }
        let (mut all, lateral) = (first.sources, first.lateral);
        if lateral {
            return Err(SqlError::unsupported("a LATERAL source before a join"));
        }
        for join in &item.joins {
            let (kind, constraint) = join_kind(&join.join_operator)?;
            if join.global {
                return Err(SqlError::unsupported("a GLOBAL join"));
            }
            // Within a join, only the sources of that join can be referred to.
            let right = self.factor(&join.relation, &all.relations)?;
            all = self.constrained(all, right, kind, constraint)?;
        }
        Ok(Lateral { sources: all, lateral: false })
    }

    /// Joins two sources by a constraint.
    fn constrained(
        self,
        left: Sources,
        right: Lateral,
        kind: JoinKind,
        constraint: &JoinConstraint,
    ) -> Result<Sources, SqlError> {
        let merged = match constraint {
            JoinConstraint::None => return Ok(self.join(left, right, kind, None)),
            JoinConstraint::On(on) => {
                let mut all = self.join(left, right, kind, None);
                let scope = Scope {
                    relations: std::mem::take(&mut all.relations),
                    captures: self.captures,
                    parent: self.parent,
                };
                let on = self.place(&scope, "JOIN conditions").filter(Some(on), "JOIN/ON")?;
                all.relations = scope.relations;
                if let From::Join(join) = &mut all.plan {
                    join.on = on;
                    key_from_condition(&mut join.right, join.on.as_ref(), join.left_width, kind);
                }
                return Ok(all);
            }
            JoinConstraint::Using(columns) => columns.iter().map(single).collect::<Result<Vec<_>, _>>()?,
            JoinConstraint::Natural => {
                let of = |relations: &[Relation]| -> Vec<String> {
                    let columns = relations.iter().flat_map(|relation| &relation.columns);
                    columns.filter(|column| !column.is_hidden).map(|column| column.name.clone()).collect()
                };
                let others = of(&right.sources.relations);
                of(&left.relations).into_iter().filter(|name| others.contains(name)).collect()
            }
        };
        let (left_count, right_scoped) = (left.relations.len(), right);
        let mut all = self.join(left, right_scoped, kind, None);
        let (lefts, rights) = all.relations.split_at(left_count);
        let mut tests = Vec::new();
        let mut columns = Vec::new();
        for name in &merged {
            let (left, right) = (using(lefts, name, "left")?, using(rights, name, "right")?);
            tests.push(Expression::Call(self.binder.comparison("=", left.typed(), right.typed())?));
            let merged = match kind {
                JoinKind::Inner | JoinKind::Left => left.typed(),
                JoinKind::Right => right.typed(),
                JoinKind::Full => {
                    let scope = Scope::empty(self.captures, self.parent);
                    self.place(&scope, "JOIN/USING").call_named("coalesce", vec![left.typed(), right.typed()])?
                }
            };
            if left.kind != right.kind && kind != JoinKind::Full {
                return Err(SqlError::unsupported("USING with columns of two types"));
            }
            let Typed { expression, kind, modifier } = merged;
            columns.push(ScopeColumn { name: name.clone(), kind, modifier, expression, is_hidden: false });
        }
        for column in all.relations.iter_mut().flat_map(|relation| &mut relation.columns) {
            column.is_hidden |= merged.contains(&column.name);
        }
        if !columns.is_empty() {
            let merged = Relation { name: None, schema: None, columns, is_scalar: false, primary_key: Vec::new() };
            all.relations.insert(0, merged);
        }
        if let From::Join(join) = &mut all.plan {
            join.on = (!tests.is_empty()).then(|| Expression::And(tests.into()));
        }
        Ok(all)
    }

    /// The columns of the left side, and then those of the right side.
    fn join(self, left: Sources, right: Lateral, kind: JoinKind, on: Option<Expression>) -> Sources {
        let Lateral { sources: right, lateral } = right;
        let Sources { plan: left_plan, mut relations, width: left_width, mut tables } = left;
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            tables.iter_mut().for_each(|table| table.is_nullable = true);
        }
        for mut relation in right.relations {
            for column in &mut relation.columns {
                column.expression = shifted(&column.expression, left_width);
            }
            relations.push(relation);
        }
        for mut table in right.tables {
            table.place += left_width;
            table.is_nullable |= matches!(kind, JoinKind::Left | JoinKind::Full);
            tables.push(table);
        }
        let width = left_width + right.width;
        let join = Join { kind, left: left_plan, right: right.plan, left_width, right_width: right.width, lateral, on };
        Sources { plan: From::Join(Box::new(join)), relations, width, tables }
    }

    fn factor(self, factor: &TableFactor, before: &[Relation]) -> Result<Lateral, SqlError> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                self.table(name, alias.as_ref()).map(Lateral::no)
            }
            TableFactor::Table { name, alias, args: Some(arguments), with_ordinality, .. } => {
                self.function(name, &arguments.args, *with_ordinality, alias.as_ref(), before)
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                self.function(name, args, *with_ordinality, alias.as_ref(), before)
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality, .. } => {
                let name = ObjectName::from(vec![Ident::new("unnest")]);
                let arguments: Vec<_> = array_exprs
                    .iter()
                    .map(|array| FunctionArg::Unnamed(sqlparser::ast::FunctionArgExpr::Expr(array.clone())))
                    .collect();
                self.function(&name, &arguments, *with_ordinality, alias.as_ref(), before)
            }
            TableFactor::Derived { lateral, subquery, alias, sample: None } => {
                let Some(alias) = alias else {
                    return Err(SqlError::unsupported("a subquery in FROM without an alias"));
                };
                let scope = Scope { relations: before.to_vec(), captures: self.captures, parent: self.parent };
                let nothing = Scope::empty(self.captures, self.parent);
                let parent = if *lateral { &scope } else { &nothing };
                let captures = Captures::default();
                let plan = self.binder.query(subquery, self.with, &captures, Some(parent))?;
                let columns = plan.columns.clone();
                let captures = captures.into_expressions();
                let width = columns.len();
                let relation = aliased(relation(&columns, false), alias)?;
                let sources = Sources {
                    plan: From::Query(Subplan { plan: Arc::new(plan), captures }),
                    relations: vec![relation],
                    width,
                    tables: Vec::new(),
                };
                Ok(Lateral { sources, lateral: *lateral })
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.joined(table_with_joins, before),
            other => Err(SqlError::unsupported(format!("the source {other}"))),
        }
    }

    fn table(self, name: &ObjectName, alias: Option<&TableAlias>) -> Result<Sources, SqlError> {
        let parts = names(name)?;
        if let [name] = parts.as_slice()
            && let Some(with) = self.with.find(name)
        {
            let mut relation = relation(&with.columns, false);
            relation.name = Some(name.clone());
            let width = with.columns.len();
            let relation = match alias {
                Some(alias) => aliased(relation, alias)?,
                None => relation,
            };
            return Ok(Sources { plan: From::With(with.id), relations: vec![relation], width, tables: Vec::new() });
        }
        let in_system = match parts.as_slice() {
            [name] => system::table(None, name),
            [schema, name] => system::table(Some(schema), name),
            _ => None,
        };
        if let Some(table) = in_system {
            let columns: Vec<_> = table
                .columns()
                .iter()
                .map(|(name, kind)| OutputColumn { name: (*name).to_owned(), kind: *kind, modifier: -1 })
                .collect();
            let mut relation = relation(&columns, false);
            relation.name = parts.last().cloned();
            let width = columns.len();
            let relation = match alias {
                Some(alias) => aliased(relation, alias)?,
                None => relation,
            };
            return Ok(Sources { plan: From::System(table), relations: vec![relation], width, tables: Vec::new() });
        }
        let table = self.binder.table(name)?;
        let named = relation_of(&table);
        let relation = match alias {
            Some(alias) => aliased(named, alias)?,
            None => named,
        };
        let width = table.columns.len() + usize::from(self.with_places);
        let lockable = LockableTable {
            name: relation.name.clone().unwrap_or_default(),
            table: Arc::clone(&table),
            place: table.columns.len(),
            is_nullable: false,
        };
        Ok(Sources {
            plan: From::Table(Scan { table, key: Vec::new(), with_place: self.with_places }),
            relations: vec![relation],
            width,
            tables: if self.with_places { vec![lockable] } else { Vec::new() },
        })
    }

    fn function(
        self,
        name: &ObjectName,
        arguments: &[FunctionArg],
        ordinality: bool,
        alias: Option<&TableAlias>,
        before: &[Relation],
    ) -> Result<Lateral, SqlError> {
        let name = function_name(name)?;
        let scope = Scope { relations: before.to_vec(), captures: self.captures, parent: self.parent };
        let place = self.place(&scope, "functions in FROM");
        let arguments = place.plain_arguments(arguments)?;
        if crate::scalars::function::class(&name) != Some(crate::scalars::catalog::Class::Set) {
            return Err(SqlError::unsupported(format!("the function {name} in FROM")));
        }
        let (function, arguments) = place.set_function(&name, arguments)?;
        let lateral = arguments.iter().any(|argument| argument.has(&mut |part| matches!(part, Expression::Column(_))));
        let only = function.columns.len() == 1;
        let mut columns: Vec<_> = function
            .columns
            .iter()
            .map(|(column, kind)| OutputColumn {
                name: if only && !function.has_names { name.clone() } else { column.clone() },
                kind: *kind,
                modifier: -1,
            })
            .collect();
        // The only column of a function without column names has the alias of its rows.
        if let (true, false, Some(alias)) = (only, function.has_names, alias)
            && let Some(column) = columns.first_mut()
        {
            column.name = folded(&alias.name);
        }
        if ordinality {
            columns.push(OutputColumn { name: "ordinality".to_owned(), kind: Kind::Int8, modifier: -1 });
        }
        let mut relation = relation(&columns, columns.len() == 1);
        relation.name = Some(name);
        let width = columns.len();
        let relation = match alias {
            Some(alias) => aliased(relation, alias)?,
            None => relation,
        };
        let plan = From::Function { function, arguments, ordinality };
        Ok(Lateral { sources: Sources { plan, relations: vec![relation], width, tables: Vec::new() }, lateral })
    }

    /// A place in this query level, without aggregates.
    fn place<'s>(self, scope: &'s Scope<'s>, clause: &'static str) -> Place<'s>
    where
        Self: 's,
    {
        Place { binder: self.binder, scope, with: self.with, clause, aggregates: None, windows: None }
    }
}

/// A source that may refer to those before it.
struct Lateral {
    sources: Sources,
    lateral: bool,
}

impl Lateral {
    fn no(sources: Sources) -> Self {
        Self { sources, lateral: false }
    }
}

/// The columns of a table, without a name.
pub(crate) fn relation_of(table: &Table) -> Relation {
    let columns = table.columns.iter().enumerate().map(|(at, column)| ScopeColumn {
        name: column.name.clone(),
        kind: column.kind,
        modifier: column.modifier,
        expression: Expression::Column(at),
        is_hidden: false,
    });
    Relation {
        name: Some(table.name.clone()),
        schema: Some(table.schema.clone()),
        columns: columns.collect(),
        is_scalar: false,
        primary_key: table.primary_key.as_ref().map(|key| key.columns.clone()).unwrap_or_default(),
    }
}

fn relation(columns: &[OutputColumn], is_scalar: bool) -> Relation {
    let columns = columns.iter().enumerate().map(|(at, column)| ScopeColumn {
        name: column.name.clone(),
        kind: column.kind,
        modifier: column.modifier,
        expression: Expression::Column(at),
        is_hidden: false,
    });
    Relation { name: None, schema: None, columns: columns.collect(), is_scalar, primary_key: Vec::new() }
}

/// With the names of an alias.
fn aliased(mut relation: Relation, alias: &TableAlias) -> Result<Relation, SqlError> {
    if alias.at.is_some() || alias.columns.iter().any(|column| column.data_type.is_some()) {
        return Err(SqlError::unsupported(format!("the alias {alias}")));
    }
    let name = folded(&alias.name);
    if alias.columns.len() > relation.columns.len() {
        let message = format!(
            "table \"{name}\" has {} columns available but {} columns specified",
            relation.columns.len(),
            alias.columns.len()
        );
        return Err(SqlError::new("42P10", message));
    }
    for (column, other) in relation.columns.iter_mut().zip(&alias.columns) {
        column.name = folded(&other.name);
    }
    relation.name = Some(name);
    relation.schema = None;
    Ok(relation)
}

fn single(name: &ObjectName) -> Result<String, SqlError> {
    match <[String; 1]>::try_from(names(name)?) {
        Ok([name]) => Ok(name),
        Err(_) => Err(SqlError::new("42601", format!("{name} is not the name of a column"))),
    }
}

/// The column of a USING on one side.
fn using<'r>(relations: &'r [Relation], name: &str, side: &str) -> Result<&'r ScopeColumn, SqlError> {
    let columns = relations.iter().flat_map(|relation| &relation.columns);
    let mut named = columns.filter(|column| !column.is_hidden && column.name == name);
    match (named.next(), named.next()) {
        (Some(column), None) => Ok(column),
        (None, _) => {
            let message = format!("column \"{name}\" specified in USING clause does not exist in {side} table");
            Err(SqlError::new("42703", message))
        }
        (Some(_), Some(_)) => {
            let message = format!("common column name \"{name}\" appears more than once in {side} table");
            Err(SqlError::new("42702", message))
        }
    }
}

fn join_kind(operator: &JoinOperator) -> Result<(JoinKind, &JoinConstraint), SqlError> {
    Ok(match operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) | JoinOperator::CrossJoin(constraint) => {
            (JoinKind::Inner, constraint)
        }
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (JoinKind::Left, constraint),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (JoinKind::Right, constraint),
        JoinOperator::FullOuter(constraint) => (JoinKind::Full, constraint),
        _ => return Err(SqlError::unsupported("this join")),
    })
}

/// The same expression over rows that have this many more columns before.
pub(crate) fn shifted(expression: &Expression, by: usize) -> Expression {
    let mut shift = |part: &Expression| {
        Ok::<_, std::convert::Infallible>(match part {
            Expression::Column(at) => Some(Expression::Column(at + by)),
            _ => None,
        })
    };
    match expression.changed(&mut shift) {
        Ok(shifted) => shifted,
        Err(never) => match never {},
    }
}

/// Reads only the rows of a table whose primary key begins with what a condition requires. Columns
/// before `offset` belong to the sources before it, on whose row the key may depend.
pub(crate) fn key_from_condition(from: &mut From, condition: Option<&Expression>, offset: usize, kind: JoinKind) {
    let (From::Table(scan), Some(condition)) = (from, condition) else { return };
    if !matches!(kind, JoinKind::Inner | JoinKind::Left) {
        return;
    }
    let Some(primary_key) = &scan.table.primary_key else { return };
    let mut terms = Vec::new();
    conjuncts(condition, &mut terms);
    let own = offset..offset + scan.table.columns.len() + usize::from(scan.with_place);
    let mut key = Vec::new();
    for column in &primary_key.columns {
        let Some(kind) = scan.table.columns.get(*column).map(|column| column.kind) else { break };
        let wanted = Expression::Column(offset + column);
        let value = terms.iter().find_map(|term| {
            let Expression::Call(call) = term else { return None };
            let [left, right] = call.arguments.as_slice() else { return None };
            let is_text = |kind: Kind| matches!(kind, Kind::Text | Kind::Varchar);
            let fits = |of: &Kind| *of == kind || is_text(*of) && is_text(kind);
            if call.name != "=" || !call.kinds.iter().all(fits) {
                return None;
            }
            let other = match (left.is_same(&wanted), right.is_same(&wanted)) {
                (true, false) => right,
                (false, true) => left,
                _ => return None,
            };
            let mut is_own = |part: &Expression| {
                matches!(part, Expression::Column(at) if own.contains(at)) || matches!(part, Expression::Subquery(_))
            };
            (!other.has(&mut is_own)).then(|| other.clone())
        });
        match value {
            Some(value) => key.push(value),
            None => break,
        }
    }
    scan.key = key;
}

/// The conditions that an AND requires.
fn conjuncts<'e>(condition: &'e Expression, all: &mut Vec<&'e Expression>) {
    match condition {
        Expression::And(terms) => terms.iter().for_each(|term| conjuncts(term, all)),
        other => all.push(other),
    }
}
