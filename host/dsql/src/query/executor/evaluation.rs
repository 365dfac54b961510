use std::sync::Arc;

use crate::SqlError;
use crate::query::executor::{Environment, Executor};
use crate::query::expression::{CallOf, Expression, Subquery, SubqueryTest};
use crate::scalars::cast;
use crate::values::order;
use crate::values::value::Value;

impl<'e> Executor<'e> {
    /// The value of an expression.
    pub(crate) fn evaluate(&self, expression: &'e Expression, from: Environment<'_>) -> Result<Value, SqlError> {
        Ok(match expression {
            Expression::Constant(value) => value.clone(),
            Expression::Parameter(at) => found(self.parameters, *at)?,
            Expression::Column(at) => found(from.row, *at)?,
            Expression::Outer(at) => found(from.outer, *at)?,
            Expression::Window(at) => found(from.windows, *at)?,
            Expression::Aggregate(_) | Expression::Default => return Err(misplaced()),
            Expression::Call(call) => self.call(call, from)?,
            Expression::Cast(of) => {
                let value = self.evaluate(&of.value, from)?;
                match value {
                    Value::Null => Value::Null,
                    value => cast::apply(of.cast, &value, of.modifier, of.explicit)?,
                }
            }
            Expression::And(terms) => self.all(terms, from, false)?,
            Expression::Or(terms) => self.all(terms, from, true)?,
            Expression::Not(inner) => not(self.evaluate(inner, from)?),
            Expression::IsNull(inner) => Value::Bool(matches!(self.evaluate(inner, from)?, Value::Null)),
            Expression::Is(wanted, inner) => {
                Value::Bool(matches!(self.evaluate(inner, from)?, Value::Bool(value) if value == *wanted))
            }
            Expression::NotDistinct(call) => {
                let values = self.values(&call.arguments, from)?;
                self.not_distinct(call, &values)?
            }
            Expression::Case { branches, otherwise } => {
                for (condition, result) in branches {
                    if self.is_true(condition, from)? {
                        return self.evaluate(result, from);
                    }
                }
                self.evaluate(otherwise, from)?
            }
            Expression::Coalesce(values) => {
                for value in values {
                    let value = self.evaluate(value, from)?;
                    if !matches!(value, Value::Null) {
                        return Ok(value);
                    }
                }
                Value::Null
            }
            Expression::NullIf(call) => {
                let values = self.values(&call.arguments, from)?;
                self.null_if(call, &values)?
            }
            Expression::Extreme { greatest, values } => extreme(self.values(values, from)?, *greatest),
            Expression::Any { call, all } => self.any(call, *all, from)?,
            Expression::Row(values) => Value::Record(self.values(values, from)?.into()),
            Expression::Field(inner, at) => match self.evaluate(inner, from)? {
                Value::Record(fields) => found(&fields, *at)?,
                _ => Value::Null,
            },
            Expression::Array(values) => Value::Array(self.values(values, from)?.into()),
            Expression::Element(inner, index) => match (self.evaluate(inner, from)?, self.evaluate(index, from)?) {
                (Value::Array(elements), Value::Int4(index)) => {
                    let at = usize::try_from(index).ok().and_then(|index| index.checked_sub(1));
                    at.and_then(|at| elements.get(at).cloned()).unwrap_or(Value::Null)
                }
                _ => Value::Null,
            },
            Expression::Subquery(subquery) => self.subquery(subquery, from)?,
            Expression::NextValue(sequence) => {
                let mut transaction = self.transaction.borrow_mut();
                Value::Int8(transaction.next_value(sequence)?)
            }
            Expression::SetValue(sequence, both) => {
                let [number, is_given] = both.as_ref();
                match (self.evaluate(number, from)?, self.evaluate(is_given, from)?) {
                    (Value::Int8(number), Value::Bool(is_given)) => {
                        self.transaction.borrow_mut().set_value(sequence, number, is_given)?;
                        Value::Int8(number)
                    }
                    _ => Value::Null,
                }
            }
        })
    }

    /// Whether a condition is true: neither false nor NULL.
    pub(crate) fn is_true(&self, condition: &'e Expression, from: Environment<'_>) -> Result<bool, SqlError> {
        Ok(matches!(self.evaluate(condition, from)?, Value::Bool(true)))
    }

    pub(crate) fn values(&self, list: &'e [Expression], from: Environment<'_>) -> Result<Vec<Value>, SqlError> {
        list.iter().map(|one| self.evaluate(one, from)).collect()
    }

    fn call(&self, call: &'e CallOf, from: Environment<'_>) -> Result<Value, SqlError> {
        self.budget.step()?;
        let values = self.values(&call.arguments, from)?;
        call.callee.call(self.moment, &values)
    }

    /// Whether two values are not distinct, by their equality.
    pub(crate) fn not_distinct(&self, call: &'e CallOf, values: &[Value]) -> Result<Value, SqlError> {
        match values.iter().filter(|value| matches!(value, Value::Null)).count() {
            0 => call.callee.call(self.moment, values),
            nulls => Ok(Value::Bool(nulls > 1)),
        }
    }

    /// The first value, or NULL if it is equal to the second.
    pub(crate) fn null_if(&self, call: &'e CallOf, values: &[Value]) -> Result<Value, SqlError> {
        match call.callee.call(self.moment, values)? {
            Value::Bool(true) => Ok(Value::Null),
            _ => found(values, 0),
        }
    }

    /// AND, or OR if `decisive` is true: the first decisive value decides.
    fn all(&self, terms: &'e [Expression], from: Environment<'_>, decisive: bool) -> Result<Value, SqlError> {
        let mut has_null = false;
        for term in terms {
            match self.evaluate(term, from)? {
                Value::Bool(value) if value == decisive => return Ok(Value::Bool(decisive)),
                Value::Bool(_) => {}
                _ => has_null = true,
            }
        }
        Ok(if has_null { Value::Null } else { Value::Bool(!decisive) })
    }

    /// A comparison with each element of an array. The last two arguments are the value and the
    /// array, and those before compare a row of the value and an element.
    fn any(&self, call: &'e CallOf, all: bool, from: Environment<'_>) -> Result<Value, SqlError> {
        let [first, second, value, array] = call.arguments.as_slice() else { return Err(misplaced()) };
        let value = self.evaluate(value, from)?;
        let Value::Array(elements) = self.evaluate(array, from)? else { return Ok(Value::Null) };
        let mut has_null = false;
        for element in elements.iter() {
            self.budget.step()?;
            let pair = [value.clone(), element.clone()];
            let pair = Environment::new(&pair, &[]);
            let values = [self.evaluate(first, pair)?, self.evaluate(second, pair)?];
            match call.callee.call(self.moment, &values)? {
                Value::Bool(result) if result != all => return Ok(Value::Bool(result)),
                Value::Bool(_) => {}
                _ => has_null = true,
            }
        }
        Ok(if has_null { Value::Null } else { Value::Bool(all) })
    }

    fn subquery(&self, subquery: &'e Subquery, from: Environment<'_>) -> Result<Value, SqlError> {
        let outer = self.captured(&subquery.plan.captures, from)?;
        let before = self.budget.held();
        let rows = self.query(&subquery.plan.plan, &outer)?;
        self.budget.release(before);
        match &subquery.test {
            SubqueryTest::Exists => Ok(Value::Bool(!rows.is_empty())),
            SubqueryTest::Value => {
                let mut rows = rows.into_iter();
                match (rows.next(), rows.next()) {
                    (None, _) => Ok(Value::Null),
                    (Some(row), None) => row.into_iter().next().ok_or_else(misplaced),
                    (Some(_), Some(_)) => {
                        let message = "more than one row returned by a subquery used as an expression";
                        Err(SqlError::new("21000", message))
                    }
                }
            }
            SubqueryTest::Compare { values, calls, all } => {
                let values = self.values(values, from)?;
                let mut has_null = false;
                for row in rows {
                    match self.compared(&values, &row, calls)? {
                        Value::Bool(result) if result != *all => return Ok(Value::Bool(result)),
                        Value::Bool(_) => {}
                        _ => has_null = true,
                    }
                }
                Ok(if has_null { Value::Null } else { Value::Bool(*all) })
            }
        }
    }

    /// Whether all comparisons of values with the columns of a row are true.
    fn compared(&self, values: &[Value], row: &[Value], calls: &'e [Arc<CallOf>]) -> Result<Value, SqlError> {
        let mut has_null = false;
        for ((value, column), call) in values.iter().zip(row).zip(calls) {
            let pair = [value.clone(), column.clone()];
            match self.call(call, Environment::new(&pair, &[]))? {
                Value::Bool(false) => return Ok(Value::Bool(false)),
                Value::Bool(true) => {}
                _ => has_null = true,
            }
        }
        Ok(if has_null { Value::Null } else { Value::Bool(true) })
    }
}

/// The greatest or the least value that is not NULL.
pub(crate) fn extreme(values: Vec<Value>, greatest: bool) -> Value {
    let some = values.into_iter().filter(|value| !matches!(value, Value::Null));
    let best = some.reduce(|best, value| {
        let order = order::compare(&value, &best);
        if if greatest { order.is_gt() } else { order.is_lt() } { value } else { best }
    });
    best.unwrap_or(Value::Null)
}

fn not(value: Value) -> Value {
    match value {
        Value::Bool(value) => Value::Bool(!value),
        _ => Value::Null,
    }
}

fn found(values: &[Value], at: usize) -> Result<Value, SqlError> {
    values.get(at).cloned().ok_or_else(misplaced)
}

/// An expression that was bound for another place: an error of this model.
pub(crate) fn misplaced() -> SqlError {
    SqlError::new("XX000", "an expression of the model is out of its place")
}
