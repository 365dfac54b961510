//! Queries: WITH, SELECT, VALUES, set operations, ORDER BY and what follows it.

use std::cell::RefCell;

use sqlparser::ast::{
    Cte, Distinct as DistinctClause, Expr, GroupByExpr, LimitClause, LockClause, LockType, OrderByExpr, OrderByKind,
    Query as QueryTree, Select as SelectTree, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    SetOperator as SetOperatorWord, SetQuantifier, UnaryOperator, Value as Literal, Values, WildcardAdditionalOptions,
    With,
};

use crate::SqlError;
use crate::query::binder::expressions::{Place, Windows, unnested};
use crate::query::binder::from::{LockableTable, Sources, Sourcing, key_from_condition};
use crate::query::binder::functions::direction;
use crate::query::binder::{Binder, WithName, WithNames, folded, names};
use crate::query::expression::{Expression, Typed};
use crate::query::label::label;
use crate::query::plan::{
    AggregateCall, Body, Converted, Distinct, From, Group, Item, JoinKind, Lock, OutputColumn, Query, Select,
    SetOperator, SortKey, Window, WindowFunction, WithPlan, WithQuery,
};
use crate::query::scope::{Captures, Scope};
use crate::scalars::cast::Context;
use crate::scalars::resolution;
use crate::values::kind::Kind;

/// A query and its result columns before strings without a type became texts.
pub(crate) struct Bound {
    pub(crate) query: Query,
    /// Over the rows of the query; a constant or a parameter without a type is itself.
    pub(crate) outputs: Vec<Typed>,
}

impl Binder<'_> {
    /// A query whose result columns all have a type.
    pub(crate) fn query(
        &self,
        query: &QueryTree,
        with: &WithNames<'_>,
        captures: &Captures,
        parent: Option<&Scope<'_>>,
    ) -> Result<Query, SqlError> {
        let Bound { mut query, outputs } = self.untyped_query(query, with, captures, parent)?;
        for (at, output) in outputs.into_iter().enumerate() {
            if output.kind != Kind::Unknown {
                continue;
            }
            let text = self.resolved(output)?;
            if let Some(column) = query.columns.get_mut(at) {
                column.kind = text.kind;
            }
            set_output(&mut query.body, at, &text.expression);
        }
        Ok(query)
    }

    pub(crate) fn untyped_query(
        &self,
        query: &QueryTree,
        with: &WithNames<'_>,
        captures: &Captures,
        parent: Option<&Scope<'_>>,
    ) -> Result<Bound, SqlError> {
        let QueryTree {
            with: tables,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if for_clause.is_some() || settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty() {
            return Err(SqlError::unsupported("a clause of another database"));
        }
        let (tables, names) = self.with(tables.as_ref(), with, captures, parent)?;
        let names = WithNames { names, parent: Some(with) };
        let order: &[OrderByExpr] = match order_by.as_ref().map(|order| (&order.kind, &order.interpolate)) {
            None => &[],
            Some((OrderByKind::Expressions(keys), None)) => keys,
            Some(_) => return Err(SqlError::unsupported("this ORDER BY")),
        };
        let level = Level { binder: self, with: &names, captures, parent };
        let (body, outputs, columns, sort) = level.body(body, order, locks)?;
        let count = |count: &Expr, clause: &'static str| {
            let scope = Scope::empty(captures, parent);
            let place = level.place(&scope, clause);
            let value = place.bind(count)?;
            let from = value.kind;
            let value = self.converted(value, Kind::Int8, -1, Context::Assignment)?;
            let value = value.ok_or_else(|| {
                let message = format!("argument of {clause} must be type bigint, not type {}", from.name());
                SqlError::new("42804", message)
            })?;
            Ok::<_, SqlError>(value.expression)
        };
        let (mut limit, mut offset, mut with_ties) = (None, None, false);
        match limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit: rows, offset: skipped, limit_by }) if limit_by.is_empty() => {
                limit = rows.as_ref().map(|rows| count(rows, "LIMIT")).transpose()?;
                offset = skipped.as_ref().map(|skipped| count(&skipped.value, "OFFSET")).transpose()?;
            }
            Some(_) => return Err(SqlError::unsupported("this LIMIT")),
        }
        if let Some(fetch) = fetch {
            if fetch.percent {
                return Err(SqlError::unsupported("FETCH with PERCENT"));
            }
            with_ties = fetch.with_ties;
            limit = Some(match &fetch.quantity {
                Some(quantity) => count(quantity, "LIMIT")?,
                None => Expression::Constant(crate::values::value::Value::Int8(1)),
            });
        }
        Ok(Bound { query: Query { with: tables, body, columns, sort, limit, offset, with_ties }, outputs })
    }

    /// The queries of a WITH, in order, each of which sees those before it.
    pub(crate) fn with(
        &self,
        clause: Option<&With>,
        outer: &WithNames<'_>,
        captures: &Captures,
        parent: Option<&Scope<'_>>,
    ) -> Result<(Vec<WithQuery>, Vec<WithName>), SqlError> {
        let Some(clause) = clause else { return Ok((Vec::new(), Vec::new())) };
        let mut queries = Vec::new();
        let mut known = WithNames { names: Vec::new(), parent: Some(outer) };
        let nothing = Scope::empty(captures, parent);
        for table in &clause.cte_tables {
            let name = folded(&table.alias.name);
            if table.from.is_some() {
                return Err(SqlError::unsupported(format!("the query {name} of WITH")));
            }
            if known.names.iter().any(|known| known.name == name) {
                return Err(SqlError::new("42712", format!("WITH query name \"{name}\" specified more than once")));
            }
            let id = self.next_with();
            let of_query = Captures::default();
            let (plan, columns) = self.with_query(clause.recursive, table, &name, id, &known, &of_query, &nothing)?;
            queries.push(WithQuery { id, plan, captures: of_query.into_expressions() });
            known.names.push(WithName { name, id, columns });
        }
        Ok((queries, known.names))
    }

    #[expect(clippy::too_many_arguments, reason = "all that a query of a WITH sees")]
    fn with_query(
        &self,
        recursive: bool,
        table: &Cte,
        name: &str,
        id: usize,
        known: &WithNames<'_>,
        captures: &Captures,
        parent: &Scope<'_>,
    ) -> Result<(WithPlan, Vec<OutputColumn>), SqlError> {
        let named = |mut columns: Vec<OutputColumn>| {
            if table.alias.columns.len() > columns.len() {
                let message = format!(
                    "WITH query \"{name}\" has {} columns available but {} columns specified",
                    columns.len(),
                    table.alias.columns.len()
                );
                return Err(SqlError::new("42P10", message));
            }
            for (column, other) in columns.iter_mut().zip(&table.alias.columns) {
                column.name = folded(&other.name);
            }
            Ok(columns)
        };
        if let SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) = &*table.query.body
        {
            if table.query.with.is_some() {
                return Err(SqlError::unsupported("a WITH of a writing query of a WITH"));
            }
            let modify = self.modify(statement, known, captures, Some(parent))?;
            let columns = named(modify.columns.clone())?;
            return Ok((WithPlan::Modify(Box::new(modify)), columns));
        }
        if recursive
            && let SetExpr::SetOperation { op: SetOperatorWord::Union, set_quantifier, left, right } =
                &*table.query.body
            && table.query.order_by.is_none()
            && table.query.limit_clause.is_none()
        {
            let plain = |body: &SetExpr| QueryTree {
                with: None,
                body: Box::new(body.clone()),
                order_by: None,
                limit_clause: None,
                fetch: None,
                locks: Vec::new(),
                for_clause: None,
                settings: None,
                format_clause: None,
                pipe_operators: Vec::new(),
            };
            let first = self.query(&plain(left), known, captures, Some(parent))?;
            let columns = named(first.columns.clone())?;
            let own = WithNames {
                names: vec![WithName { name: name.to_owned(), id, columns: columns.clone() }],
                parent: Some(known),
            };
            let next = self.query(&plain(right), &own, captures, Some(parent))?;
            if next.columns.len() != columns.len() {
                return Err(SqlError::new("42601", "each UNION query must have the same number of columns"));
            }
            for (first, next) in columns.iter().zip(&next.columns) {
                if first.kind != next.kind {
                    return Err(SqlError::unsupported("WITH RECURSIVE with parts of two types"));
                }
            }
            let all = match set_quantifier {
                SetQuantifier::All => true,
                SetQuantifier::None | SetQuantifier::Distinct => false,
                _ => return Err(SqlError::unsupported("UNION BY NAME")),
            };
            return Ok((WithPlan::Recursive { first, next, all }, columns));
        }
        let query = self.query(&table.query, known, captures, Some(parent))?;
        let columns = named(query.columns.clone())?;
        Ok((WithPlan::Query(query), columns))
    }
}

/// The parts of a bound body: its plan, its outputs, its columns, and how it is sorted.
type BoundBody = (Body, Vec<Typed>, Vec<OutputColumn>, Vec<SortKey>);

/// One level of a query.
#[derive(Clone, Copy)]
pub(crate) struct Level<'p> {
    pub(crate) binder: &'p Binder<'p>,
    pub(crate) with: &'p WithNames<'p>,
    pub(crate) captures: &'p Captures,
    pub(crate) parent: Option<&'p Scope<'p>>,
}

impl Level<'_> {
    pub(crate) fn place<'s>(self, scope: &'s Scope<'s>, clause: &'static str) -> Place<'s>
    where
        Self: 's,
    {
        Place { binder: self.binder, scope, with: self.with, clause, aggregates: None, windows: None }
    }

    fn body(self, body: &SetExpr, order: &[OrderByExpr], locks: &[LockClause]) -> Result<BoundBody, SqlError> {
        match body {
            SetExpr::Select(select) => self.select(select, order, locks),
            _ if !locks.is_empty() => {
                let clause = lock_words(locks);
                Err(SqlError::new("0A000", format!("{clause} is not allowed with UNION/INTERSECT/EXCEPT")))
            }
            SetExpr::Query(query) => {
                let Bound { query, outputs } =
                    self.binder.untyped_query(query, self.with, self.captures, self.parent)?;
                let columns = query.columns.clone();
                let sort = sort_by_outputs(order, &columns)?;
                Ok((Body::Query(Box::new(query)), outputs, columns, sort))
            }
            SetExpr::Values(values) => self.values(values, order),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let operator = match op {
                    SetOperatorWord::Union => SetOperator::Union,
                    SetOperatorWord::Intersect => SetOperator::Intersect,
                    SetOperatorWord::Except => SetOperator::Except,
                    SetOperatorWord::Minus => return Err(SqlError::unsupported("MINUS")),
                };
                let all = match set_quantifier {
                    SetQuantifier::All => true,
                    SetQuantifier::None | SetQuantifier::Distinct => false,
                    _ => return Err(SqlError::unsupported("a set operation BY NAME")),
                };
                self.set_operation(left, operator, all, right, order)
            }
            other => Err(SqlError::unsupported(format!("the query {other}"))),
        }
    }

    fn set_operation(
        self,
        left: &SetExpr,
        operator: SetOperator,
        all: bool,
        right: &SetExpr,
        order: &[OrderByExpr],
    ) -> Result<BoundBody, SqlError> {
        let word = match operator {
            SetOperator::Union => "UNION",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except => "EXCEPT",
        };
        let arm = |body: &SetExpr| {
            let (body, outputs, columns, sort) = self.body(body, &[], &[])?;
            let query = Query { with: Vec::new(), body, columns, sort, limit: None, offset: None, with_ties: false };
            Ok::<_, SqlError>((query, outputs))
        };
        let ((left, left_outputs), (right, right_outputs)) = (arm(left)?, arm(right)?);
        if left_outputs.len() != right_outputs.len() {
            return Err(SqlError::new("42601", format!("each {word} query must have the same number of columns")));
        }
        let mut columns = Vec::with_capacity(left_outputs.len());
        let mut lefts = Vec::with_capacity(left_outputs.len());
        let mut rights = Vec::with_capacity(left_outputs.len());
        for ((column, left), right) in left.columns.iter().zip(left_outputs).zip(right_outputs) {
            let kind = resolution::common(&[left.kind, right.kind], word)?;
            let modifier = if (left.kind, left.modifier) == (right.kind, right.modifier) { left.modifier } else { -1 };
            lefts.push(self.binder.implicit(left, kind)?.expression);
            rights.push(self.binder.implicit(right, kind)?.expression);
            columns.push(OutputColumn { name: column.name.clone(), kind, modifier });
        }
        let outputs = plain_outputs(&columns);
        let sort = sort_by_outputs(order, &columns)?;
        let body = Body::Set {
            operator,
            all,
            left: Box::new(Converted { body: left, columns: lefts }),
            right: Box::new(Converted { body: right, columns: rights }),
        };
        Ok((body, outputs, columns, sort))
    }

    fn values(self, values: &Values, order: &[OrderByExpr]) -> Result<BoundBody, SqlError> {
        let scope = Scope::empty(self.captures, self.parent);
        let place = self.place(&scope, "VALUES");
        let mut rows = Vec::with_capacity(values.rows.len());
        for row in &values.rows {
            let row = row.content.iter().map(|value| match value {
                Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default") => {
                    Ok(Typed::new(Expression::Default, Kind::Unknown))
                }
                value => place.bind(value),
            });
            rows.push(row.collect::<Result<Vec<_>, _>>()?);
        }
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|row| row.len() != width) {
            return Err(SqlError::new("42601", "VALUES lists must all be the same length"));
        }
        if rows.iter().flatten().any(|value| matches!(value.expression, Expression::Default)) {
            return Err(SqlError::new("42601", "DEFAULT is not allowed in this context"));
        }
        let mut columns = Vec::with_capacity(width);
        for at in 0..width {
            let kinds: Vec<_> = rows.iter().filter_map(|row| row.get(at)).map(|value| value.kind).collect();
            let kind = resolution::common(&kinds, "VALUES")?;
            let modifiers: Vec<_> =
                rows.iter().filter_map(|row| row.get(at)).map(|value| (value.kind, value.modifier)).collect();
            let modifier = match modifiers.split_first() {
                Some(((first, modifier), rest))
                    if *first == kind && rest.iter().all(|one| one == &(kind, *modifier)) =>
                {
                    *modifier
                }
                _ => -1,
            };
            columns.push(OutputColumn { name: format!("column{}", at + 1), kind, modifier });
        }
        let mut bound = Vec::with_capacity(rows.len());
        for row in rows {
            let row = row
                .into_iter()
                .zip(&columns)
                .map(|(value, column)| Ok(self.binder.implicit(value, column.kind)?.expression));
            bound.push(row.collect::<Result<Vec<_>, SqlError>>()?);
        }
        let outputs = plain_outputs(&columns);
        let sort = sort_by_outputs(order, &columns)?;
        Ok((Body::Values(bound), outputs, columns, sort))
    }

    fn select(self, select: &SelectTree, order: &[OrderByExpr], locks: &[LockClause]) -> Result<BoundBody, SqlError> {
        check_select(select)?;
        let Self { binder, with, captures, parent } = self;
        let sourcing = Sourcing { binder, with, captures, parent, with_places: !locks.is_empty() };
        let Sources { mut plan, relations, tables, .. } = sourcing.all(&select.from)?;
        let scope = Scope { relations, captures, parent };
        let filter = self.place(&scope, "WHERE").filter(select.selection.as_ref(), "WHERE")?;
        key_of_first(&mut plan, filter.as_ref());

        let aggregates = RefCell::new(Vec::new());
        let windows = Windows { found: RefCell::new(Vec::new()), named: &select.named_window };
        let full = Place { aggregates: Some(&aggregates), windows: Some(&windows), ..self.place(&scope, "SELECT") };
        let mut items = Items::default();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expression) => items.push(full.item(expression)?, label(expression)),
                SelectItem::ExprWithAlias { expr, alias } => items.push(full.item(expr)?, folded(alias)),
                SelectItem::Wildcard(options) => {
                    check_wildcard(options)?;
                    if scope.relations.is_empty() {
                        return Err(SqlError::new("42601", "SELECT * with no tables specified is not valid"));
                    }
                    for column in scope.relations.iter().flat_map(|relation| &relation.columns) {
                        if !column.is_hidden {
                            let value = column.typed();
                            items.push((Item::Value(value.expression.clone()), value), column.name.clone());
                        }
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    check_wildcard(options)?;
                    let parts = names(name)?;
                    let relation = match parts.as_slice() {
                        [relation] => scope.relation(None, relation)?,
                        [schema, relation] => scope.relation(Some(schema), relation)?,
                        _ => None,
                    };
                    let relation = relation.ok_or_else(|| {
                        SqlError::new("42P01", format!("missing FROM-clause entry for table \"{name}\""))
                    })?;
                    for column in &relation.columns {
                        let value = column.typed();
                        items.push((Item::Value(value.expression.clone()), value), column.name.clone());
                    }
                }
                other => return Err(SqlError::unsupported(format!("the column {other}"))),
            }
        }
        let visible = items.bound.len();
        let mut keys = self.group_keys(&select.group_by, &scope, &mut items)?;
        let sort = self.sort(order, full, &mut items)?;
        let distinct = self.distinct(select.distinct.as_ref(), full, &mut items, visible, &sort)?;
        let having = Place { windows: None, ..full }.filter(select.having.as_ref(), "HAVING")?;

        let (mut aggregates, mut windows) = (aggregates.into_inner(), windows.found.into_inner());
        let is_grouped =
            !keys.is_empty() || !aggregates.is_empty() || having.is_some() || has_group_by(&select.group_by);
        let mut group = None;
        if is_grouped {
            let is_one = !has_group_by(&select.group_by);
            add_dependent_keys(&mut keys, &scope);
            let regroup = Regroup { keys: &keys, scope: &scope };
            for (item, _, _) in &mut items.bound {
                regroup.item(item)?;
            }
            for window in &mut windows {
                regroup.window(window)?;
            }
            let having = having.map(|having| regroup.expression(&having)).transpose()?;
            group = Some(Group { keys: keys.clone(), is_one, aggregates: std::mem::take(&mut aggregates), having });
        }
        let locks = self.locks(locks, &tables, is_grouped, &windows, &distinct, &items)?;
        let columns: Vec<_> = items
            .bound
            .iter()
            .take(visible)
            .map(|(_, value, name)| OutputColumn { name: name.clone(), kind: value.kind, modifier: value.modifier })
            .collect();
        let mut outputs = plain_outputs(&columns);
        for (output, (_, value, _)) in outputs.iter_mut().zip(&items.bound) {
            if value.kind == Kind::Unknown {
                *output = value.clone();
            }
        }
        let items = items.bound.into_iter().map(|(item, ..)| item).collect();
        let select = Select { from: plan, filter, group, windows, items, distinct, locks };
        Ok((Body::Select(Box::new(select)), outputs, columns, sort))
    }

    fn group_keys(
        self,
        group_by: &GroupByExpr,
        scope: &Scope<'_>,
        items: &mut Items,
    ) -> Result<Vec<Expression>, SqlError> {
        let GroupByExpr::Expressions(list, modifiers) = group_by else {
            return Err(SqlError::unsupported("GROUP BY ALL"));
        };
        if !modifiers.is_empty() {
            return Err(SqlError::unsupported("GROUP BY with modifiers"));
        }
        let place = self.place(scope, "GROUP BY");
        let mut keys: Vec<Expression> = Vec::new();
        for expression in list {
            let key = match unnested(expression) {
                Expr::Value(value) => match &value.value {
                    Literal::Number(number, _) => items.at_number(number, "GROUP BY")?.expression.clone(),
                    _ => return Err(SqlError::new("42601", "non-integer constant in GROUP BY")),
                },
                expression if is_negative(expression) => return Err(no_position(expression, "GROUP BY")),
                Expr::Identifier(name) => match place.bind(expression) {
                    Err(error) if error.sqlstate == "42703" => {
                        let name = folded(name);
                        match items.named(&name, "GROUP BY")? {
                            Some(at) => items.value(at).ok_or(error)?.expression.clone(),
                            None => return Err(error),
                        }
                    }
                    bound => self.binder.resolved(bound?)?.expression,
                },
                Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
                    return Err(SqlError::unsupported("grouping sets"));
                }
                expression => self.binder.resolved(place.bind(expression)?)?.expression,
            };
            if key.has(&mut |part| matches!(part, Expression::Aggregate(_))) {
                return Err(SqlError::new("42803", "aggregate functions are not allowed in GROUP BY"));
            }
            if !keys.iter().any(|known| known.is_same(&key)) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// The keys of an ORDER BY as result columns, with new ones after the visible ones.
    fn sort(self, order: &[OrderByExpr], place: Place<'_>, items: &mut Items) -> Result<Vec<SortKey>, SqlError> {
        let visible = items.bound.len();
        let mut sort = Vec::with_capacity(order.len());
        for key in order {
            let (descending, nulls_first) = direction(key)?;
            let column = match unnested(&key.expr) {
                Expr::Value(value) => match &value.value {
                    Literal::Number(number, _) => items.position(number, visible, "ORDER BY")?,
                    _ => return Err(SqlError::new("42601", "non-integer constant in ORDER BY")),
                },
                expression if is_negative(expression) => return Err(no_position(expression, "ORDER BY")),
                Expr::Identifier(name) => match items.named_of(&folded(name), visible, "ORDER BY")? {
                    Some(at) => at,
                    None => items.hidden(place.item(&key.expr)?),
                },
                expression => items.hidden(place.item(expression)?),
            };
            sort.push(SortKey { column, descending, nulls_first });
        }
        // A key without a type is a text.
        for key in &sort {
            if let Some((Item::Value(expression), value, _)) = items.bound.get_mut(key.column)
                && value.kind == Kind::Unknown
            {
                let text = self.binder.resolved(value.clone())?;
                *expression = text.expression.clone();
                *value = text;
            }
        }
        Ok(sort)
    }

    fn distinct(
        self,
        clause: Option<&DistinctClause>,
        place: Place<'_>,
        items: &mut Items,
        visible: usize,
        sort: &[SortKey],
    ) -> Result<Distinct, SqlError> {
        match clause {
            None | Some(DistinctClause::All) => Ok(Distinct::No),
            Some(DistinctClause::Distinct) => {
                if sort.iter().any(|key| key.column >= visible) {
                    let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                    return Err(SqlError::new("42P10", message));
                }
                Ok(Distinct::All)
            }
            Some(DistinctClause::On(list)) => {
                let mut columns = Vec::with_capacity(list.len());
                for expression in list {
                    let at = match unnested(expression) {
                        Expr::Value(value) => match &value.value {
                            Literal::Number(number, _) => items.position(number, visible, "DISTINCT ON")?,
                            _ => return Err(SqlError::new("42601", "non-integer constant in DISTINCT ON")),
                        },
                        Expr::Identifier(name) => match items.named_of(&folded(name), visible, "DISTINCT ON")? {
                            Some(at) => at,
                            None => items.hidden(place.item(expression)?),
                        },
                        expression => items.hidden(place.item(expression)?),
                    };
                    columns.push(at);
                }
                let leads = sort.iter().take(columns.len()).all(|key| columns.contains(&key.column));
                if !leads {
                    let message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
                    return Err(SqlError::new("42P10", message));
                }
                Ok(Distinct::On(columns))
            }
        }
    }

    fn locks(
        self,
        clauses: &[LockClause],
        tables: &[LockableTable],
        is_grouped: bool,
        windows: &[Window],
        distinct: &Distinct,
        items: &Items,
    ) -> Result<Vec<Lock>, SqlError> {
        if clauses.is_empty() {
            return Ok(Vec::new());
        }
        let words = lock_words(clauses);
        let refused = |what: &str| Err(SqlError::new("0A000", format!("{words} is not allowed with {what}")));
        match () {
            () if !matches!(distinct, Distinct::No) => return refused("DISTINCT clause"),
            () if is_grouped => return refused("GROUP BY clause"),
            () if !windows.is_empty() => return refused("window functions"),
            () if items.bound.iter().any(|(item, ..)| matches!(item, Item::Rows(..))) => {
                return refused("set-returning functions in the target list");
            }
            () => {}
        }
        let mut locks = Vec::new();
        for clause in clauses {
            let key_share = match clause.lock_type {
                LockType::Update => false,
                LockType::KeyShare => true,
                LockType::Share => return Err(SqlError::new("0A000", "FOR SHARE is not supported")),
            };
            let of = clause.of.as_ref().map(names).transpose()?;
            let named: Vec<_> = match of.as_deref() {
                None => tables.iter().collect(),
                Some([name]) => {
                    let found: Vec<_> = tables.iter().filter(|table| table.name == *name).collect();
                    if found.is_empty() {
                        let message = format!("relation \"{name}\" in {words} clause not found in FROM clause");
                        return Err(SqlError::new("42P01", message));
                    }
                    found
                }
                Some(_) => {
                    return Err(SqlError::new("42601", format!("{words} must specify unqualified relation names")));
                }
            };
            for table in named {
                if table.is_nullable {
                    let message = format!("{words} cannot be applied to the nullable side of an outer join");
                    return Err(SqlError::new("0A000", message));
                }
                locks.push(Lock { table: std::sync::Arc::clone(&table.table), place: table.place, key_share });
            }
        }
        Ok(locks)
    }
}

fn lock_words(locks: &[LockClause]) -> &'static str {
    match locks.first().map(|lock| &lock.lock_type) {
        Some(LockType::KeyShare) => "FOR KEY SHARE",
        Some(LockType::Share) => "FOR SHARE",
        _ => "FOR UPDATE",
    }
}

/// The result columns of a SELECT, and those that are only sorted by.
#[derive(Default)]
pub(crate) struct Items {
    pub(crate) bound: Vec<(Item, Typed, String)>,
}

impl Items {
    pub(crate) fn push(&mut self, (item, value): (Item, Typed), name: String) {
        self.bound.push((item, value, name));
    }

    /// The column with this value, which becomes a hidden one if there is none.
    fn hidden(&mut self, (item, value): (Item, Typed)) -> usize {
        let known = self.bound.iter().position(|(known, ..)| match (known, &item) {
            (Item::Value(known), Item::Value(item)) => known.is_same(item),
            _ => false,
        });
        known.unwrap_or_else(|| {
            self.bound.push((item, value, String::new()));
            self.bound.len() - 1
        })
    }

    fn value(&self, at: usize) -> Option<&Typed> {
        self.bound.get(at).map(|(_, value, _)| value)
    }

    fn position(&self, number: &str, visible: usize, clause: &str) -> Result<usize, SqlError> {
        match number.parse::<usize>() {
            Ok(at) if (1..=visible).contains(&at) => Ok(at - 1),
            Ok(at) => Err(SqlError::new("42P10", format!("{clause} position {at} is not in select list"))),
            Err(_) => Err(SqlError::new("42601", format!("non-integer constant in {clause}"))),
        }
    }

    fn at_number(&self, number: &str, clause: &str) -> Result<&Typed, SqlError> {
        let at = self.position(number, self.bound.len(), clause)?;
        self.value(at)
            .ok_or_else(|| SqlError::new("42P10", format!("{clause} position {number} is not in select list")))
    }

    fn named(&self, name: &str, clause: &str) -> Result<Option<usize>, SqlError> {
        self.named_of(name, self.bound.len(), clause)
    }

    /// The visible column with this name, if all that have it are the same.
    fn named_of(&self, name: &str, visible: usize, clause: &str) -> Result<Option<usize>, SqlError> {
        let mut found: Option<usize> = None;
        for (at, (item, _, own)) in self.bound.iter().take(visible).enumerate() {
            if own != name {
                continue;
            }
            let is_other =
                found.and_then(|found| self.bound.get(found)).is_some_and(|(known, ..)| match (known, item) {
                    (Item::Value(known), Item::Value(item)) => !known.is_same(item),
                    _ => true,
                });
            if is_other {
                return Err(SqlError::new("42702", format!("{clause} \"{name}\" is ambiguous")));
            }
            found = found.or(Some(at));
        }
        Ok(found)
    }
}

/// Rewrites expressions over the sources' rows to expressions over the groups.
struct Regroup<'g> {
    keys: &'g [Expression],
    scope: &'g Scope<'g>,
}

impl Regroup<'_> {
    fn expression(&self, expression: &Expression) -> Result<Expression, SqlError> {
        expression.changed(&mut |part| {
            if let Some(key) = self.keys.iter().position(|key| key.is_same(part)) {
                return Ok(Some(Expression::Column(key)));
            }
            match part {
                Expression::Aggregate(at) => Ok(Some(Expression::Column(self.keys.len() + at))),
                Expression::Column(at) => Err(self.ungrouped(*at)),
                _ => Ok(None),
            }
        })
    }

    fn ungrouped(&self, at: usize) -> SqlError {
        let relations = self.scope.relations.iter();
        let mut columns = relations.flat_map(|relation| relation.columns.iter().map(move |column| (relation, column)));
        let found = columns.find(|(_, column)| matches!(column.expression, Expression::Column(own) if own == at));
        let name = match found {
            Some((relation, column)) => match &relation.name {
                Some(relation) => format!("{relation}.{}", column.name),
                None => column.name.clone(),
            },
            None => "?column?".to_owned(),
        };
        let message =
            format!("column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function");
        SqlError::new("42803", message)
    }

    fn list(&self, list: &mut [Expression]) -> Result<(), SqlError> {
        for expression in list {
            *expression = self.expression(expression)?;
        }
        Ok(())
    }

    fn item(&self, item: &mut Item) -> Result<(), SqlError> {
        match item {
            Item::Value(expression) => *expression = self.expression(expression)?,
            Item::Rows(_, arguments) => self.list(arguments)?,
        }
        Ok(())
    }

    fn window(&self, window: &mut Window) -> Result<(), SqlError> {
        self.list(&mut window.partition)?;
        for sorted in &mut window.order {
            sorted.by = self.expression(&sorted.by)?;
        }
        match &mut window.function {
            WindowFunction::Aggregate(AggregateCall { arguments, filter, .. }) => {
                self.list(arguments)?;
                if let Some(filter) = filter {
                    *filter = self.expression(filter)?;
                }
            }
            WindowFunction::RowNumber
            | WindowFunction::Rank
            | WindowFunction::DenseRank
            | WindowFunction::PercentRank
            | WindowFunction::CumulativeDistribution => {}
            WindowFunction::Nth(value, which) => {
                *value = self.expression(value)?;
                *which = self.expression(which)?;
            }
            WindowFunction::Tile(value) => *value = self.expression(value)?,
            WindowFunction::Shifted { value, by, otherwise, .. } => {
                for expression in [value, by, otherwise] {
                    *expression = self.expression(expression)?;
                }
            }
            WindowFunction::First(value) | WindowFunction::Last(value) => *value = self.expression(value)?,
        }
        Ok(())
    }
}

/// The other columns of a table are fixed by its primary key.
fn add_dependent_keys(keys: &mut Vec<Expression>, scope: &Scope<'_>) {
    for relation in &scope.relations {
        let is_key = |at: &usize| {
            relation.columns.get(*at).is_some_and(|column| keys.iter().any(|key| key.is_same(&column.expression)))
        };
        if relation.primary_key.is_empty() || !relation.primary_key.iter().all(is_key) {
            continue;
        }
        for column in &relation.columns {
            if !keys.iter().any(|key| key.is_same(&column.expression)) {
                keys.push(column.expression.clone());
            }
        }
    }
}

/// Whether it is a number with a minus, which PostgreSQL's parser makes one constant.
fn is_negative(expression: &Expr) -> bool {
    let Expr::UnaryOp { op: UnaryOperator::Minus, expr } = expression else { return false };
    matches!(&**expr, Expr::Value(value) if matches!(value.value, Literal::Number(..)))
}

fn no_position(number: &Expr, clause: &str) -> SqlError {
    SqlError::new("42P10", format!("{clause} position {number} is not in select list"))
}

fn has_group_by(group_by: &GroupByExpr) -> bool {
    matches!(group_by, GroupByExpr::Expressions(list, _) if !list.is_empty())
}

fn plain_outputs(columns: &[OutputColumn]) -> Vec<Typed> {
    let output = |(at, column): (usize, &OutputColumn)| Typed {
        expression: Expression::Column(at),
        kind: column.kind,
        modifier: column.modifier,
    };
    columns.iter().enumerate().map(output).collect()
}

/// The keys of an ORDER BY that can only name result columns.
fn sort_by_outputs(order: &[OrderByExpr], columns: &[OutputColumn]) -> Result<Vec<SortKey>, SqlError> {
    let mut sort = Vec::with_capacity(order.len());
    for key in order {
        let (descending, nulls_first) = direction(key)?;
        let column = match &key.expr {
            Expr::Value(value) => match &value.value {
                Literal::Number(number, _) => match number.parse::<usize>() {
                    Ok(at) if (1..=columns.len()).contains(&at) => at - 1,
                    _ => {
                        let message = format!("ORDER BY position {number} is not in select list");
                        return Err(SqlError::new("42P10", message));
                    }
                },
                _ => return Err(SqlError::new("42601", "non-integer constant in ORDER BY")),
            },
            Expr::Identifier(name) => {
                let name = folded(name);
                let mut named = columns.iter().enumerate().filter(|(_, column)| column.name == name);
                match (named.next(), named.next()) {
                    (Some((at, _)), None) => at,
                    (Some(_), Some(_)) => {
                        return Err(SqlError::new("42702", format!("ORDER BY \"{name}\" is ambiguous")));
                    }
                    (None, _) => {
                        return Err(SqlError::new("42703", format!("column \"{name}\" does not exist")));
                    }
                }
            }
            _ => {
                return Err(SqlError::new("0A000", "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                    .with_detail("Only result column names can be used, not expressions or functions.")
                    .with_hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause."));
            }
        };
        sort.push(SortKey { column, descending, nulls_first });
    }
    Ok(sort)
}

/// Replaces the value of a result column that had no type.
fn set_output(body: &mut Body, at: usize, value: &Expression) {
    match body {
        Body::Select(select) => {
            if let Some(Item::Value(item)) = select.items.get_mut(at) {
                *item = value.clone();
            }
        }
        Body::Query(query) => {
            if let Some(column) = query.columns.get_mut(at) {
                column.kind = Kind::Text;
            }
            set_output(&mut query.body, at, value);
        }
        Body::Values(_) | Body::Set { .. } => {}
    }
}

/// The key of the first source, by the conditions of WHERE.
fn key_of_first(from: &mut From, filter: Option<&Expression>) {
    match from {
        From::Join(join) if matches!(join.kind, JoinKind::Inner | JoinKind::Left) => {
            key_of_first(&mut join.left, filter);
        }
        from => key_of_first_table(from, filter),
    }
}

fn key_of_first_table(from: &mut From, filter: Option<&Expression>) {
    let From::Table(scan) = &*from else { return };
    // A value of another source is not known yet.
    let width = scan.table.columns.len() + usize::from(scan.with_place);
    key_from_condition(from, filter, 0, JoinKind::Inner);
    if let From::Table(scan) = from {
        let mut is_other = |part: &Expression| matches!(part, Expression::Column(at) if *at >= width);
        let known = scan.key.iter().take_while(|value| !value.has(&mut is_other)).count();
        scan.key.truncate(known);
    }
}

fn check_wildcard(options: &WildcardAdditionalOptions) -> Result<(), SqlError> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike: None,
        opt_exclude: None,
        opt_except: None,
        opt_replace: None,
        opt_rename: None,
        opt_alias: None,
    } = options
    else {
        return Err(SqlError::unsupported("options of *"));
    };
    Ok(())
}

fn check_select(select: &SelectTree) -> Result<(), SqlError> {
    let is_plain = select.optimizer_hints.is_empty()
        && select.select_modifiers.is_none()
        && select.top.is_none()
        && select.exclude.is_none()
        && select.into.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.connect_by.is_empty()
        && select.cluster_by.is_empty()
        && select.distribute_by.is_empty()
        && select.sort_by.is_empty()
        && select.qualify.is_none()
        && select.value_table_mode.is_none();
    if is_plain { Ok(()) } else { Err(SqlError::unsupported("a clause of this SELECT")) }
}
