use std::sync::Arc;

use crate::SqlError;
use crate::scalars::Moment;
use crate::values::kind::{Kind, Modifier};
use crate::values::order;
use crate::values::value::Value;

pub(crate) use crate::query::plan::{CallOf, Callee, CastOf, Expression, Subplan, Subquery, SubqueryTest};

/// An expression and the type of its value.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) expression: Expression,
    pub(crate) kind: Kind,
    pub(crate) modifier: Modifier,
}

impl Typed {
    pub(crate) fn new(expression: Expression, kind: Kind) -> Self {
        Self { expression, kind, modifier: -1 }
    }
}

impl Callee {
    pub(crate) fn call(&self, moment: &Moment, values: &[Value]) -> Result<Value, SqlError> {
        match self {
            Self::Operator(operator) => operator.call(moment, values),
            Self::Function(function) => function.call(moment, values),
        }
    }
}

impl Expression {
    /// Whether both compute the same value from one row.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let all = |left: &[Self], right: &[Self]| {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.is_same(right))
        };
        let call = |left: &CallOf, right: &CallOf| {
            left.name == right.name && left.kinds == right.kinds && all(&left.arguments, &right.arguments)
        };
        match (self, other) {
            (Self::Constant(left), Self::Constant(right)) => is_identical(left, right),
            (Self::Parameter(left), Self::Parameter(right))
            | (Self::Column(left), Self::Column(right))
            | (Self::Outer(left), Self::Outer(right))
            | (Self::Aggregate(left), Self::Aggregate(right))
            | (Self::Window(left), Self::Window(right)) => left == right,
            (Self::Call(left), Self::Call(right)) | (Self::NotDistinct(left), Self::NotDistinct(right)) => {
                call(left, right)
            }
            (Self::Cast(left), Self::Cast(right)) => {
                (left.kind, left.modifier) == (right.kind, right.modifier) && left.value.is_same(&right.value)
            }
            (Self::And(left), Self::And(right))
            | (Self::Or(left), Self::Or(right))
            | (Self::Coalesce(left), Self::Coalesce(right))
            | (Self::Row(left), Self::Row(right))
            | (Self::Array(left), Self::Array(right)) => all(left, right),
            (Self::Not(left), Self::Not(right)) | (Self::IsNull(left), Self::IsNull(right)) => left.is_same(right),
            (Self::Is(value, left), Self::Is(other, right)) => value == other && left.is_same(right),
            (
                Self::Case { branches: left, otherwise: left_otherwise },
                Self::Case { branches: right, otherwise: right_otherwise },
            ) => {
                left.len() == right.len()
                    && left_otherwise.is_same(right_otherwise)
                    && left.iter().zip(right).all(|(left, right)| left.0.is_same(&right.0) && left.1.is_same(&right.1))
            }
            (Self::NullIf(left), Self::NullIf(right)) => call(left, right),
            (Self::Any { call: left, all: left_all }, Self::Any { call: right, all: right_all }) => {
                left_all == right_all && call(left, right)
            }
            (
                Self::Extreme { greatest: left_greatest, values: left },
                Self::Extreme { greatest: right_greatest, values: right },
            ) => left_greatest == right_greatest && all(left, right),
            (Self::Field(left, left_field), Self::Field(right, right_field)) => {
                left_field == right_field && left.is_same(right)
            }
            (Self::Element(left, left_index), Self::Element(right, right_index)) => {
                left.is_same(right) && left_index.is_same(right_index)
            }
            (Self::Subquery(left), Self::Subquery(right)) => Arc::ptr_eq(left, right),
            _ => false,
        }
    }

    /// The same expression with other parts: each part for which `change` returns one is replaced,
    /// and the others are searched for such parts. A subquery's captures are its parts.
    pub(crate) fn changed<E>(&self, change: &mut impl FnMut(&Self) -> Result<Option<Self>, E>) -> Result<Self, E> {
        if let Some(changed) = change(self)? {
            return Ok(changed);
        }
        fn all<E>(
            list: &[Expression],
            change: &mut impl FnMut(&Expression) -> Result<Option<Expression>, E>,
        ) -> Result<Box<[Expression]>, E> {
            list.iter().map(|one| one.changed(change)).collect()
        }
        fn call<E>(
            of: &CallOf,
            change: &mut impl FnMut(&Expression) -> Result<Option<Expression>, E>,
        ) -> Result<Arc<CallOf>, E> {
            let arguments = all(&of.arguments, change)?.into_vec();
            let CallOf { name, kinds, callee, is_volatile, .. } = of;
            Ok(Arc::new(CallOf {
                name: name.clone(),
                kinds: kinds.clone(),
                callee: callee.clone(),
                is_volatile: *is_volatile,
                arguments,
            }))
        }
        Ok(match self {
            Self::Constant(_)
            | Self::Parameter(_)
            | Self::Column(_)
            | Self::Outer(_)
            | Self::Aggregate(_)
            | Self::Window(_)
            | Self::NextValue(_)
            | Self::Default => self.clone(),
            Self::Call(of) => Self::Call(call(of, change)?),
            Self::NotDistinct(of) => Self::NotDistinct(call(of, change)?),
            Self::NullIf(of) => Self::NullIf(call(of, change)?),
            Self::Any { call: of, all } => Self::Any { call: call(of, change)?, all: *all },
            Self::SetValue(sequence, both) => {
                let [number, is_given] = both.as_ref();
                let both = [number.changed(change)?, is_given.changed(change)?];
                Self::SetValue(Arc::clone(sequence), Box::new(both))
            }
            Self::Cast(of) => Self::Cast(Arc::new(CastOf {
                cast: of.cast,
                kind: of.kind,
                modifier: of.modifier,
                explicit: of.explicit,
                value: of.value.changed(change)?,
            })),
            Self::And(list) => Self::And(all(list, change)?),
            Self::Or(list) => Self::Or(all(list, change)?),
            Self::Coalesce(list) => Self::Coalesce(all(list, change)?),
            Self::Row(list) => Self::Row(all(list, change)?),
            Self::Array(list) => Self::Array(all(list, change)?),
            Self::Extreme { greatest, values } => Self::Extreme { greatest: *greatest, values: all(values, change)? },
            Self::Not(one) => Self::Not(Box::new(one.changed(change)?)),
            Self::IsNull(one) => Self::IsNull(Box::new(one.changed(change)?)),
            Self::Is(value, one) => Self::Is(*value, Box::new(one.changed(change)?)),
            Self::Field(one, field) => Self::Field(Box::new(one.changed(change)?), *field),
            Self::Element(one, index) => {
                Self::Element(Box::new(one.changed(change)?), Box::new(index.changed(change)?))
            }
            Self::Case { branches, otherwise } => {
                let mut changed = Vec::with_capacity(branches.len());
                for (condition, result) in branches {
                    changed.push((condition.changed(change)?, result.changed(change)?));
                }
                Self::Case { branches: changed.into(), otherwise: Box::new(otherwise.changed(change)?) }
            }
            Self::Subquery(of) => {
                let captures = all(&of.plan.captures, change)?.into_vec();
                let test = match &of.test {
                    SubqueryTest::Value => SubqueryTest::Value,
                    SubqueryTest::Exists => SubqueryTest::Exists,
                    SubqueryTest::Compare { values, calls, all: is_all } => SubqueryTest::Compare {
                        values: all(values, change)?.into_vec(),
                        calls: calls.clone(),
                        all: *is_all,
                    },
                };
                Self::Subquery(Arc::new(Subquery { plan: Subplan { plan: Arc::clone(&of.plan.plan), captures }, test }))
            }
        })
    }

    /// Whether `is` holds for a part of it.
    pub(crate) fn has(&self, is: &mut impl FnMut(&Self) -> bool) -> bool {
        let mut found = false;
        let _ = self.changed(&mut |part| {
            found = found || is(part);
            Ok::<_, ()>(None)
        });
        found
    }
}

/// Whether two constants are shown and compared alike.
fn is_identical(left: &Value, right: &Value) -> bool {
    let is_alike = match (left, right) {
        (Value::Numeric(left), Value::Numeric(right)) => left.scale() == right.scale(),
        _ => std::mem::discriminant(left) == std::mem::discriminant(right),
    };
    is_alike && order::compare(left, right).is_eq()
}
