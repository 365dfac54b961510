//! INSERT, UPDATE and DELETE.

use std::sync::Arc;

use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Delete, Expr, FromTable, Ident, Insert, OnConflictAction, OnInsert,
    Query as QueryTree, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableFactor, TableObject,
    TableWithJoins, Update, UpdateTableFromKind,
};

use crate::SqlError;
use crate::query::binder::expressions::Place;
use crate::query::binder::from::{Sources, Sourcing, key_from_condition, relation_of};
use crate::query::binder::queries::{Bound, Level};
use crate::query::binder::{Binder, WithNames, folded, names};
use crate::query::expression::{Expression, Typed};
use crate::query::label::label;
use crate::query::plan::{
    Body, Change, Conflict, ConflictUpdate, From, Join, JoinKind, Modify, OutputColumn, Query, Scan,
};
use crate::query::scope::{Captures, Relation, Scope};
use crate::scalars::cast::Context;
use crate::store::table::{Column, Table};
use crate::values::kind::Kind;

impl Binder<'_> {
    pub(crate) fn modify(
        &self,
        statement: &Statement,
        with: &WithNames<'_>,
        captures: &Captures,
        parent: Option<&Scope<'_>>,
    ) -> Result<Modify, SqlError> {
        let level = Level { binder: self, with, captures, parent };
        match statement {
            Statement::Insert(insert) => level.insert(insert),
            Statement::Update(update) => level.update(update),
            Statement::Delete(delete) => level.delete(delete),
            other => Err(SqlError::unsupported(format!("the statement {other}"))),
        }
    }
}

impl Level<'_> {
    fn insert(self, insert: &Insert) -> Result<Modify, SqlError> {
        check_insert(insert)?;
        let TableObject::TableName(name) = &insert.table else {
            return Err(SqlError::unsupported("an INSERT into this"));
        };
        let table = self.binder.table(name)?;
        let targets = if insert.columns.is_empty() {
            None
        } else {
            let mut targets = Vec::with_capacity(insert.columns.len());
            for column in &insert.columns {
                let name = last(&names(column)?);
                let at = column_of(&table, &name)?;
                if targets.contains(&at) {
                    return Err(SqlError::new("42701", format!("column \"{name}\" specified more than once")));
                }
                targets.push(at);
            }
            Some(targets)
        };
        let mut values: Vec<Expression> = vec![Expression::Default; table.columns.len()];
        let source = match &insert.source {
            None => one_row(),
            Some(source) => self.insert_source(&table, source, targets.as_deref(), &mut values)?,
        };
        let alias = insert.table_alias.as_ref().map(|alias| folded(&alias.alias));
        let conflict = match &insert.on {
            None => None,
            Some(OnInsert::OnConflict(conflict)) => {
                let target = self.conflict_target(&table, conflict.conflict_target.as_ref())?;
                let update = match &conflict.action {
                    OnConflictAction::DoNothing => None,
                    OnConflictAction::DoUpdate(update) => {
                        if target.is_none() {
                            let message = "ON CONFLICT DO UPDATE requires inference specification or constraint name";
                            return Err(
                                SqlError::new("42601", message).with_hint("For example, ON CONFLICT (column_name).")
                            );
                        }
                        let mut existing = relation_of(&table);
                        if let Some(alias) = &alias {
                            (existing.name, existing.schema) = (Some(alias.clone()), None);
                        }
                        let mut excluded = relation_of(&table);
                        (excluded.name, excluded.schema) = (Some("excluded".to_owned()), None);
                        shift(&mut excluded, table.columns.len());
                        let scope = self.scope(vec![existing, excluded]);
                        let set = self.assignments(&table, &update.assignments, &scope)?;
                        let place = self.place(&scope, "WHERE");
                        let filter = place.filter(update.selection.as_ref(), "WHERE")?;
                        Some(ConflictUpdate { set, filter })
                    }
                };
                Some(Conflict { target, update })
            }
            Some(_) => return Err(SqlError::unsupported("ON DUPLICATE KEY")),
        };
        let mut relation = relation_of(&table);
        if let Some(alias) = alias {
            (relation.name, relation.schema) = (Some(alias), None);
        }
        let scope = self.scope(vec![relation]);
        let returned = self.returned(insert.returning.as_deref(), &scope)?;
        self.modified(table, Change::Insert { source, values, conflict }, returned)
    }

    /// The rows of an INSERT, and of which of their columns each column of the table is made.
    fn insert_source(
        self,
        table: &Table,
        source: &QueryTree,
        targets: Option<&[usize]>,
        values: &mut [Expression],
    ) -> Result<Query, SqlError> {
        let target = |at: usize| match targets {
            Some(targets) => targets.get(at).copied(),
            None => (at < table.columns.len()).then_some(at),
        };
        let check_width = |width: usize| {
            let most = targets.map_or(table.columns.len(), <[usize]>::len);
            if width > most {
                return Err(SqlError::new("42601", "INSERT has more expressions than target columns"));
            }
            if targets.is_some() && width < most {
                return Err(SqlError::new("42601", "INSERT has more target columns than expressions"));
            }
            Ok(())
        };
        if let SetExpr::Values(rows) = &*source.body
            && source.with.is_none()
            && source.order_by.is_none()
            && source.limit_clause.is_none()
            && source.fetch.is_none()
        {
            let scope = Scope::empty(self.captures, self.parent);
            let place = self.place(&scope, "VALUES");
            let width = rows.rows.first().map_or(0, |row| row.content.len());
            check_width(width)?;
            let mut bound = Vec::with_capacity(rows.rows.len());
            for row in &rows.rows {
                if row.content.len() != width {
                    return Err(SqlError::new("42601", "VALUES lists must all be the same length"));
                }
                let mut values = Vec::with_capacity(width);
                for (at, value) in row.content.iter().enumerate() {
                    let column = target(at).and_then(|at| table.columns.get(at));
                    let column = column.ok_or_else(|| SqlError::unsupported("this INSERT"))?;
                    values.push(if is_default(value) {
                        Expression::Default
                    } else {
                        self.binder.assigned(column, place.bind(value)?)?
                    });
                }
                bound.push(values);
            }
            for at in 0..width {
                if let Some(value) = target(at).and_then(|target| values.get_mut(target)) {
                    *value = Expression::Column(at);
                }
            }
            let columns = (0..width).filter_map(|at| table.columns.get(target(at)?)).map(output).collect();
            return Ok(Query { body: Body::Values(bound), columns, ..one_row() });
        }
        let Bound { query, outputs } = self.binder.untyped_query(source, self.with, self.captures, self.parent)?;
        check_width(outputs.len())?;
        for (at, value) in outputs.into_iter().enumerate() {
            let Some((target, column)) = target(at).and_then(|at| Some((at, table.columns.get(at)?))) else { continue };
            let value = self.binder.assigned(column, value)?;
            if let Some(slot) = values.get_mut(target) {
                *slot = value;
            }
        }
        Ok(query)
    }

    /// The name of the unique index that an ON CONFLICT names.
    fn conflict_target(self, table: &Table, target: Option<&ConflictTarget>) -> Result<Option<String>, SqlError> {
        match target {
            None => Ok(None),
            Some(ConflictTarget::OnConstraint(name)) => {
                let name = last(&names(name)?);
                let found = table.unique_indexes().find(|index| index.name == name && index.constraint.is_some());
                found.map(|index| Some(index.name.clone())).ok_or_else(|| {
                    let message = format!("constraint \"{name}\" for table \"{}\" does not exist", table.name);
                    SqlError::new("42704", message)
                })
            }
            Some(ConflictTarget::Columns(columns)) => {
                let mut wanted = Vec::with_capacity(columns.len());
                for column in columns {
                    wanted.push(column_named(table, column)?);
                }
                wanted.sort_unstable();
                wanted.dedup();
                let found = table.unique_indexes().find(|index| {
                    let mut own = index.columns.clone();
                    own.sort_unstable();
                    own == wanted
                });
                found.map(|index| Some(index.name.clone())).ok_or_else(|| {
                    let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
                    SqlError::new("42P10", message)
                })
            }
        }
    }

    fn update(self, update: &Update) -> Result<Modify, SqlError> {
        if !update.optimizer_hints.is_empty()
            || update.output.is_some()
            || update.or.is_some()
            || !update.order_by.is_empty()
            || update.limit.is_some()
        {
            return Err(SqlError::unsupported("a clause of this UPDATE"));
        }
        let from: &[TableWithJoins] = match &update.from {
            None => &[],
            Some(UpdateTableFromKind::AfterSet(from)) => from,
            Some(UpdateTableFromKind::BeforeSet(_)) => return Err(SqlError::unsupported("FROM before SET")),
        };
        let (table, from, relations, place) = self.target(&update.table, from)?;
        let scope = self.scope(relations);
        // PostgreSQL reads SET last: so of several errors its own come last.
        let filter = self.place(&scope, "WHERE").filter(update.selection.as_ref(), "WHERE")?;
        let returned = self.returned(update.returning.as_deref(), &scope)?;
        let set = self.assignments(&table, &update.assignments, &scope)?;
        let from = with_key(from, filter.as_ref(), place);
        self.modified(table, Change::Update { from, filter, place, set }, returned)
    }

    fn delete(self, delete: &Delete) -> Result<Modify, SqlError> {
        if !delete.optimizer_hints.is_empty()
            || !delete.tables.is_empty()
            || delete.output.is_some()
            || !delete.order_by.is_empty()
            || delete.limit.is_some()
        {
            return Err(SqlError::unsupported("a clause of this DELETE"));
        }
        let FromTable::WithFromKeyword(tables) = &delete.from else {
            return Err(SqlError::unsupported("DELETE without FROM"));
        };
        let [table] = tables.as_slice() else { return Err(SqlError::unsupported("DELETE of several tables")) };
        let (table, from, relations, place) = self.target(table, delete.using.as_deref().unwrap_or_default())?;
        let scope = self.scope(relations);
        let filter = self.place(&scope, "WHERE").filter(delete.selection.as_ref(), "WHERE")?;
        let from = with_key(from, filter.as_ref(), place);
        let returned = self.returned(delete.returning.as_deref(), &scope)?;
        self.modified(table, Change::Delete { from, filter, place }, returned)
    }

    /// The table of an UPDATE or DELETE, joined with the other sources: its own columns and the place
    /// of its row come first.
    fn target(
        self,
        target: &TableWithJoins,
        others: &[TableWithJoins],
    ) -> Result<(Arc<Table>, From, Vec<Relation>, usize), SqlError> {
        let TableFactor::Table { name, alias, args: None, .. } = &target.relation else {
            return Err(SqlError::unsupported("a change of this"));
        };
        if !target.joins.is_empty() {
            return Err(SqlError::unsupported("a change of a join"));
        }
        let table = self.binder.table(name)?;
        let mut relation = relation_of(&table);
        if let Some(alias) = alias {
            (relation.name, relation.schema) = (Some(folded(&alias.name)), None);
        }
        let place = table.columns.len();
        let scan = From::Table(Scan { table: Arc::clone(&table), key: Vec::new(), with_place: true });
        let Self { binder, with, captures, parent } = self;
        let sourcing = Sourcing { binder, with, captures, parent, with_places: false };
        let others = sourcing.all(others)?;
        let Sources { plan, relations, width, .. } = others;
        let mut all = vec![relation];
        if width == 0 && relations.is_empty() {
            return Ok((table, scan, all, place));
        }
        for mut relation in relations {
            if relation.name.is_some() && all.iter().any(|known| known.name == relation.name) {
                let name = relation.name.unwrap_or_default();
                return Err(SqlError::new("42712", format!("table name \"{name}\" specified more than once")));
            }
            shift(&mut relation, place + 1);
            all.push(relation);
        }
        let join = Join {
            kind: JoinKind::Inner,
            left: scan,
            right: plan,
            left_width: place + 1,
            right_width: width,
            lateral: false,
            on: None,
        };
        Ok((table, From::Join(Box::new(join)), all, place))
    }

    fn scope(&self, relations: Vec<Relation>) -> Scope<'_> {
        Scope { relations, captures: self.captures, parent: self.parent }
    }

    /// The columns that a SET changes, and their values.
    fn assignments(
        self,
        table: &Table,
        assignments: &[Assignment],
        scope: &Scope<'_>,
    ) -> Result<Vec<(usize, Expression)>, SqlError> {
        let place = self.place(scope, "UPDATE");
        let mut set: Vec<(usize, Expression)> = Vec::new();
        let mut assign = |name: &[String], value: Option<Typed>| {
            let [name] = name else { return Err(SqlError::unsupported("a field in SET")) };
            let at = column_of(table, name)?;
            let Some(column) = table.columns.get(at) else { return Err(SqlError::unsupported("this column")) };
            if set.iter().any(|(known, _)| *known == at) {
                return Err(SqlError::new("42601", format!("multiple assignments to same column \"{name}\"")));
            }
            let value = match value {
                Some(value) => self.binder.assigned(column, value)?,
                None => Expression::Default,
            };
            set.push((at, value));
            Ok(())
        };
        for Assignment { target, value } in assignments {
            let bind = |value: &Expr| {
                if is_default(value) { Ok(None) } else { place.bind(value).map(Some) }
            };
            match (target, value) {
                (AssignmentTarget::ColumnName(name), value) => assign(&names(name)?, bind(value)?)?,
                (AssignmentTarget::Tuple(targets), Expr::Tuple(values)) => {
                    if targets.len() != values.len() {
                        return Err(SqlError::new("42601", "number of columns does not match number of values"));
                    }
                    for (target, value) in targets.iter().zip(values) {
                        assign(&names(target)?, bind(value)?)?;
                    }
                }
                (AssignmentTarget::Tuple(targets), value) if targets.len() == 1 => {
                    for target in targets {
                        assign(&names(target)?, bind(value)?)?;
                    }
                }
                (AssignmentTarget::Tuple(_), _) => {
                    return Err(SqlError::unsupported("a SET of several columns from a query"));
                }
            }
        }
        Ok(set)
    }

    /// What RETURNING asks for.
    fn returned(self, returning: Option<&[SelectItem]>, scope: &Scope<'_>) -> Result<Returned, SqlError> {
        let place = self.place(scope, "RETURNING");
        let (mut values, mut columns) = (Vec::new(), Vec::new());
        let mut add = |value: Typed, name: String| {
            columns.push(OutputColumn { name, kind: value.kind, modifier: value.modifier });
            values.push(value.expression);
        };
        for item in returning.unwrap_or_default() {
            match item {
                SelectItem::UnnamedExpr(expression) => {
                    add(self.binder.resolved(place.bind(expression)?)?, label(expression));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    add(self.binder.resolved(place.bind(expr)?)?, folded(alias));
                }
                SelectItem::Wildcard(_) => {
                    for column in scope.relations.iter().flat_map(|relation| &relation.columns) {
                        add(column.typed(), column.name.clone());
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let relation = scope.relation(None, &last(&names(name)?))?.ok_or_else(|| {
                        SqlError::new("42P01", format!("missing FROM-clause entry for table \"{name}\""))
                    })?;
                    for column in &relation.columns {
                        add(column.typed(), column.name.clone());
                    }
                }
                other => return Err(SqlError::unsupported(format!("the column {other}"))),
            }
        }
        Ok((values, columns))
    }

    fn modified(self, table: Arc<Table>, change: Change, (returning, columns): Returned) -> Result<Modify, SqlError> {
        let Constraints { defaults, checks } = self.binder.constraints(&table)?;
        self.binder.note_changed(&table);
        Ok(Modify { with: Vec::new(), table, change, returning, columns, defaults, checks })
    }
}

/// The values that a change returns for each row, and their columns.
type Returned = (Vec<Expression>, Vec<OutputColumn>);

/// What each row of a table has to have.
pub(crate) struct Constraints {
    /// Of each column that has one: its default.
    pub(crate) defaults: Vec<Option<Expression>>,
    pub(crate) checks: Vec<(String, Expression)>,
}

impl Binder<'_> {
    /// A value as one of a column's type.
    fn assigned(&self, column: &Column, value: Typed) -> Result<Expression, SqlError> {
        let from = value.kind;
        match self.converted(value, column.kind, column.modifier, Context::Assignment)? {
            Some(value) => Ok(value.expression),
            None => {
                let message = format!(
                    "column \"{}\" is of type {} but expression is of type {}",
                    column.name,
                    column.kind.name(),
                    from.name()
                );
                Err(SqlError::new("42804", message).with_hint("You will need to rewrite or cast the expression."))
            }
        }
    }

    /// The defaults and the checks of a table.
    pub(crate) fn constraints(&self, table: &Table) -> Result<Constraints, SqlError> {
        // Defaults and checks see no other tables and no enclosing query.
        let nothing = Captures::default();
        let empty = Scope::empty(&nothing, None);
        let of_table = Scope { relations: vec![relation_of(table)], captures: &nothing, parent: None };
        let no_queries = WithNames::NONE;
        let alone =
            |scope, clause| Place { binder: self, scope, with: &no_queries, clause, aggregates: None, windows: None };
        let mut defaults = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            if column.generated.is_some() {
                return Err(SqlError::unsupported("a generated column"));
            }
            let default = match (&column.default, &column.identity) {
                (Some(default), _) => {
                    let default = alone(&empty, "DEFAULT expressions").bind(default)?;
                    if default.expression.has(&mut |part| matches!(part, Expression::Subquery(_))) {
                        return Err(SqlError::new("0A000", "cannot use subquery in DEFAULT expression"));
                    }
                    Some(self.assigned(column, default)?)
                }
                (None, Some(identity)) => {
                    let sequence = self.catalog.sequence_by_id(identity.sequence);
                    let sequence = sequence.ok_or_else(|| SqlError::unsupported("an identity without a sequence"))?;
                    let next = Typed::new(Expression::NextValue(Arc::clone(sequence)), Kind::Int8);
                    Some(self.assigned(column, next)?)
                }
                (None, None) => None,
            };
            defaults.push(default);
        }
        let mut checks = Vec::with_capacity(table.checks.len());
        for check in &table.checks {
            let condition = alone(&of_table, "check constraints").condition(&check.expression, "CHECK")?;
            if condition.has(&mut |part| matches!(part, Expression::Subquery(_))) {
                return Err(SqlError::new("0A000", "cannot use subquery in check constraint"));
            }
            checks.push((check.name.clone(), condition));
        }
        checks.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(Constraints { defaults, checks })
    }
}

/// A query of one row without columns.
fn one_row() -> Query {
    Query {
        with: Vec::new(),
        body: Body::Values(vec![Vec::new()]),
        columns: Vec::new(),
        sort: Vec::new(),
        limit: None,
        offset: None,
        with_ties: false,
    }
}

/// Reads only the rows of the changed table whose keys a condition requires.
fn with_key(mut from: From, filter: Option<&Expression>, place: usize) -> From {
    let target = match &mut from {
        From::Join(join) => &mut join.left,
        from => from,
    };
    key_from_condition(target, filter, 0, JoinKind::Inner);
    if let From::Table(scan) = target {
        let mut is_other = |part: &Expression| matches!(part, Expression::Column(at) if *at > place);
        let known = scan.key.iter().take_while(|value| !value.has(&mut is_other)).count();
        scan.key.truncate(known);
    }
    from
}

fn shift(relation: &mut Relation, by: usize) {
    for column in &mut relation.columns {
        column.expression = crate::query::binder::from::shifted(&column.expression, by);
    }
}

fn output(column: &Column) -> OutputColumn {
    OutputColumn { name: column.name.clone(), kind: column.kind, modifier: column.modifier }
}

fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
}

fn last(names: &[String]) -> String {
    names.last().cloned().unwrap_or_default()
}

fn column_named(table: &Table, name: &Ident) -> Result<usize, SqlError> {
    let name = folded(name);
    table.column(&name).ok_or_else(|| SqlError::new("42703", format!("column \"{name}\" does not exist")))
}

fn column_of(table: &Table, name: &str) -> Result<usize, SqlError> {
    table.column(name).ok_or_else(|| {
        let message = format!("column \"{name}\" of relation \"{}\" does not exist", table.name);
        SqlError::new("42703", message)
    })
}

fn check_insert(insert: &Insert) -> Result<(), SqlError> {
    let is_plain = insert.optimizer_hints.is_empty()
        && insert.or.is_none()
        && !insert.ignore
        && !insert.overwrite
        && insert.assignments.is_empty()
        && insert.partitioned.is_none()
        && insert.after_columns.is_empty()
        && insert.output.is_none()
        && !insert.replace_into
        && insert.priority.is_none()
        && insert.insert_alias.is_none()
        && insert.settings.is_none()
        && insert.format_clause.is_none()
        && insert.multi_table_insert_type.is_none();
    if is_plain { Ok(()) } else { Err(SqlError::unsupported("a clause of this INSERT")) }
}
