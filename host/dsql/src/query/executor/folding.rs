//! What PostgreSQL computes when it plans a statement: expressions of constants alone. An error in
//! one fails the statement, even if no row needs the value (`eval_const_expressions` of
//! `src/backend/optimizer/util/clauses.c`).

use crate::SqlError;
use crate::query::executor::Executor;
use crate::query::executor::evaluation::extreme;
use crate::query::expression::{CallOf, Expression, SubqueryTest};
use crate::query::plan::{Body, Change, From, Item, Modify, Plan, Query, Select, WindowFunction, WithPlan, WithQuery};
use crate::scalars::cast;
use crate::values::kind::Kind;
use crate::values::value::Value;

impl<'e> Executor<'e> {
    /// Fails as planning would.
    pub(crate) fn fold(&self, plan: &'e Plan) -> Result<(), SqlError> {
        match plan {
            Plan::Query(query) => self.fold_query(query),
            Plan::Modify(modify) => self.fold_modify(modify),
        }
    }

    fn fold_with(&self, with: &'e [WithQuery]) -> Result<(), SqlError> {
        with.iter().try_for_each(|with| match &with.plan {
            WithPlan::Query(query) => self.fold_query(query),
            WithPlan::Modify(modify) => self.fold_modify(modify),
            WithPlan::Recursive { first, next, .. } => {
                self.fold_query(first)?;
                self.fold_query(next)
            }
        })
    }

    fn fold_query(&self, query: &'e Query) -> Result<(), SqlError> {
        self.fold_with(&query.with)?;
        match &query.body {
            Body::Select(select) => self.fold_select(select)?,
            Body::Values(rows) => rows.iter().try_for_each(|row| self.fold_all(row))?,
            Body::Query(inner) => self.fold_query(inner)?,
            Body::Set { left, right, .. } => {
                for arm in [left, right] {
                    self.fold_query(&arm.body)?;
                    self.fold_all(&arm.columns)?;
                }
            }
        }
        self.fold_all(query.limit.iter().chain(&query.offset))
    }

    fn fold_select(&self, select: &'e Select) -> Result<(), SqlError> {
        for item in &select.items {
            match item {
                Item::Value(value) => self.fold_all([value])?,
                Item::Rows(_, arguments) => self.fold_all(arguments)?,
            }
        }
        self.fold_from(&select.from)?;
        self.fold_all(&select.filter)?;
        if let Some(group) = &select.group {
            self.fold_all(&group.keys)?;
            for aggregate in &group.aggregates {
                self.fold_all(aggregate.arguments.iter().chain(&aggregate.filter))?;
            }
            self.fold_all(&group.having)?;
        }
        for window in &select.windows {
            if let WindowFunction::Aggregate(call) = &window.function {
                self.fold_all(&call.arguments)?;
            }
        }
        Ok(())
    }

    fn fold_from(&self, from: &'e From) -> Result<(), SqlError> {
        match from {
            From::Nothing | From::Table(_) | From::System(_) | From::With(_) => Ok(()),
            From::Query(subplan) => self.fold_query(&subplan.plan),
            From::Function { arguments, .. } => self.fold_all(arguments),
            From::Join(join) => {
                self.fold_from(&join.left)?;
                self.fold_from(&join.right)?;
                self.fold_all(&join.on)
            }
        }
    }

    fn fold_modify(&self, modify: &'e Modify) -> Result<(), SqlError> {
        self.fold_with(&modify.with)?;
        match &modify.change {
            Change::Insert { source, values, conflict } => {
                self.fold_query(source)?;
                self.fold_all(values)?;
                if let Some(update) = conflict.as_ref().and_then(|conflict| conflict.update.as_ref()) {
                    self.fold_all(update.set.iter().map(|(_, value)| value).chain(&update.filter))?;
                }
            }
            Change::Update { from, filter, set, .. } => {
                self.fold_all(set.iter().map(|(_, value)| value))?;
                self.fold_from(from)?;
                self.fold_all(filter)?;
            }
            Change::Delete { from, filter, .. } => {
                self.fold_from(from)?;
                self.fold_all(filter)?;
            }
        }
        self.fold_all(&modify.returning)
    }

    fn fold_all(&self, list: impl IntoIterator<Item = &'e Expression>) -> Result<(), SqlError> {
        list.into_iter().try_for_each(|expression| self.folded(expression).map(drop))
    }

    /// The value, if it does not depend on a row.
    fn folded(&self, expression: &'e Expression) -> Result<Option<Value>, SqlError> {
        Ok(match expression {
            Expression::Constant(value) => Some(value.clone()),
            Expression::Parameter(at) => self.parameters.get(*at).cloned(),
            Expression::Column(_)
            | Expression::Outer(_)
            | Expression::Aggregate(_)
            | Expression::Window(_)
            | Expression::NextValue(_)
            | Expression::SetValue(..)
            | Expression::Default => None,
            Expression::Call(call) => self.folded_call(call)?,
            Expression::NotDistinct(call) => {
                let values = self.folded_list(&call.arguments)?;
                values.map(|values| self.not_distinct(call, &values)).transpose()?
            }
            Expression::Cast(of) => match self.folded(&of.value)? {
                Some(Value::Null) => Some(Value::Null),
                Some(_) if of.cast.depends_on_session() => None,
                Some(value) => Some(cast::apply(of.cast, &value, of.modifier, of.explicit)?),
                None => None,
            },
            Expression::And(terms) => self.folded_terms(terms, false)?,
            Expression::Or(terms) => self.folded_terms(terms, true)?,
            Expression::Not(inner) => match self.folded(inner)? {
                Some(Value::Bool(value)) => Some(Value::Bool(!value)),
                folded => folded,
            },
            Expression::IsNull(inner) => self.folded(inner)?.map(|value| Value::Bool(matches!(value, Value::Null))),
            Expression::Is(wanted, inner) => {
                self.folded(inner)?.map(|value| Value::Bool(matches!(value, Value::Bool(value) if value == *wanted)))
            }
            Expression::Case { branches, otherwise } => {
                let mut is_constant = true;
                for (condition, result) in branches {
                    match self.folded(condition)? {
                        Some(Value::Bool(true)) => {
                            let result = self.folded(result)?;
                            return Ok(result.filter(|_| is_constant));
                        }
                        Some(_) => {}
                        None => {
                            is_constant = false;
                            self.folded(result)?;
                        }
                    }
                }
                self.folded(otherwise)?.filter(|_| is_constant)
            }
            Expression::Coalesce(values) => {
                let mut is_constant = true;
                for value in values {
                    match self.folded(value)? {
                        Some(Value::Null) => {}
                        Some(value) => return Ok(Some(value).filter(|_| is_constant)),
                        None => is_constant = false,
                    }
                }
                Some(Value::Null).filter(|_| is_constant)
            }
            Expression::NullIf(call) => {
                let values = self.folded_list(&call.arguments)?;
                values.map(|values| self.null_if(call, &values)).transpose()?
            }
            Expression::Any { call, .. } => {
                // What it compares are columns of no row.
                self.folded_list(call.arguments.get(2..).unwrap_or_default())?;
                None
            }
            Expression::Extreme { greatest, values } => {
                self.folded_list(values)?.map(|values| extreme(values, *greatest))
            }
            Expression::Row(values) | Expression::Array(values) => {
                self.folded_list(values)?;
                None
            }
            Expression::Field(inner, _) => {
                self.folded(inner)?;
                None
            }
            Expression::Element(inner, index) => {
                self.folded(inner)?;
                self.folded(index)?;
                None
            }
            Expression::Subquery(subquery) => {
                if let SubqueryTest::Compare { values, .. } = &subquery.test {
                    self.fold_all(values)?;
                }
                self.fold_query(&subquery.plan.plan)?;
                None
            }
        })
    }

    fn folded_call(&self, call: &'e CallOf) -> Result<Option<Value>, SqlError> {
        let folded = call.arguments.iter().map(|argument| self.folded(argument));
        let folded = folded.collect::<Result<Vec<_>, _>>()?;
        if call.is_volatile || call.arguments.is_empty() || depends_on_session(call) {
            return Ok(None);
        }
        let values: Option<Vec<_>> = folded.into_iter().collect();
        values.map(|values| call.callee.call(self.moment, &values)).transpose()
    }

    fn folded_list(&self, list: &'e [Expression]) -> Result<Option<Vec<Value>>, SqlError> {
        let values = list.iter().map(|one| self.folded(one)).collect::<Result<Vec<_>, _>>()?;
        Ok(values.into_iter().collect())
    }

    fn folded_terms(&self, terms: &'e [Expression], decisive: bool) -> Result<Option<Value>, SqlError> {
        let mut result = Some(Value::Bool(!decisive));
        for term in terms {
            match self.folded(term)? {
                Some(Value::Bool(value)) if value == decisive => return Ok(Some(Value::Bool(decisive))),
                Some(Value::Bool(_)) => {}
                Some(_) => result = result.map(|_| Value::Null),
                None => result = None,
            }
        }
        Ok(result)
    }
}

/// Functions whose result may depend on the session's settings: those that PostgreSQL calls stable
/// (`provolatile` of `pg_proc`).
const STABLE: [&str; 15] = [
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "format",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "quote_literal",
    "quote_nullable",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
];

/// Whether PostgreSQL leaves the call for the time when rows are read.
fn depends_on_session(call: &CallOf) -> bool {
    let is_text = |kind: &Kind| matches!(kind, Kind::Text | Kind::Varchar | Kind::Name);
    let is_mixed_text = call.name == "||" && call.kinds.iter().any(is_text) && !call.kinds.iter().all(is_text);
    // Of two times with a zone the time zone does not matter.
    let is_zoned = |kind: &Kind| *kind == Kind::Timestamptz;
    let depends_on_zone = call.kinds.iter().any(is_zoned) && !call.kinds.iter().all(is_zoned);
    STABLE.contains(&call.name.as_str()) || is_mixed_text || depends_on_zone
}
