use std::sync::Arc;

use crate::SqlError;
use crate::query::plan::Subplan;
use crate::scalars::Moment;
use crate::scalars::cast::Cast;
use crate::scalars::function::Function;
use crate::scalars::operator::Operator;
use crate::store::sequence::Sequence;
use crate::values::kind::{Kind, Modifier};
use crate::values::order;
use crate::values::value::Value;

/// An expression whose names and types are known.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    Constant(Value),
    /// The value of a parameter, from 0.
    Parameter(usize),
    /// A column of the current row.
    Column(usize),
    /// A value of the enclosing query's row, by its number in the captures of the query.
    Outer(usize),
    /// The result of an aggregate of the query, until the query is grouped.
    Aggregate(usize),
    /// The result of a window function of the query, until the rows have it as a column.
    Window(usize),
    Call(Arc<CallOf>),
    Cast(Arc<CastOf>),
    And(Box<[Expression]>),
    Or(Box<[Expression]>),
    Not(Box<Expression>),
    IsNull(Box<Expression>),
    /// IS TRUE and IS FALSE.
    Is(bool, Box<Expression>),
    /// Whether two values are not distinct, by their equality.
    NotDistinct(Arc<CallOf>),
    /// The first branch whose condition is true.
    Case {
        branches: Box<[(Expression, Expression)]>,
        otherwise: Box<Expression>,
    },
    /// The first value that is not NULL.
    Coalesce(Box<[Expression]>),
    /// NULL if the call, an equality, is true, and its first argument otherwise.
    NullIf(Arc<CallOf>),
    /// The greatest or the least value that is not NULL.
    Extreme {
        greatest: bool,
        values: Box<[Expression]>,
    },
    /// A comparison of one value with each element of an array.
    Any {
        call: Arc<CallOf>,
        all: bool,
    },
    Row(Box<[Expression]>),
    /// A field of a row.
    Field(Box<Expression>, usize),
    Array(Box<[Expression]>),
    /// An element of an array, from 1.
    Element(Box<Expression>, Box<Expression>),
    Subquery(Arc<Subquery>),
    /// The next value of a sequence.
    NextValue(Arc<Sequence>),
    /// DEFAULT in the VALUES of an INSERT.
    Default,
}

/// A function or an operator with its arguments.
#[derive(Debug)]
pub(crate) struct CallOf {
    /// The name and the types of the arguments identify the call.
    pub(crate) name: String,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) callee: Callee,
    pub(crate) is_volatile: bool,
    pub(crate) arguments: Vec<Expression>,
}

/// What is called.
#[derive(Clone, Debug)]
pub(crate) enum Callee {
    Operator(Operator),
    Function(Function),
}

impl Callee {
    pub(crate) fn call(&self, moment: &Moment, values: &[Value]) -> Result<Value, SqlError> {
        match self {
            Self::Operator(operator) => operator.call(moment, values),
            Self::Function(function) => function.call(moment, values),
        }
    }
}

/// A value converted to another type.
#[derive(Debug)]
pub(crate) struct CastOf {
    pub(crate) cast: Cast,
    pub(crate) kind: Kind,
    pub(crate) modifier: Modifier,
    pub(crate) explicit: bool,
    pub(crate) value: Expression,
}

/// A query within an expression.
#[derive(Debug)]
pub(crate) struct Subquery {
    pub(crate) plan: Subplan,
    pub(crate) test: SubqueryTest,
}

/// What is asked of the rows of a subquery.
#[derive(Debug)]
pub(crate) enum SubqueryTest {
    /// The value of its only row.
    Value,
    /// Whether there is a row.
    Exists,
    /// Whether the comparisons of these values with the columns of a row are true for any row, or
    /// for all. The arguments of each call are [`Expression::Column`] 0, the value, and 1, the
    /// column.
    Compare { values: Vec<Expression>, calls: Vec<Arc<CallOf>>, all: bool },
}

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
