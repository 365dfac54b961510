//! Expressions: their names looked up, their types inferred, their operators and functions chosen.

use std::cell::RefCell;
use std::sync::Arc;

use sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DateTimeField, Expr, Query, Subscript,
    TrimWhereField, UnaryOperator, Value as Literal,
};

use crate::SqlError;
use crate::query::binder::{Binder, WithNames, folded};
use crate::query::data_type;
use crate::query::expression::{CallOf, Expression, Subquery, SubqueryTest, Typed};
use crate::query::plan::{AggregateCall, Subplan, Window};
use crate::query::scope::{Captures, Scope};
use crate::scalars::cast::Context;
use crate::scalars::resolution;
use crate::values::kind::Kind;
use crate::values::text_format;
use crate::values::value::Value;

/// Where an expression stands.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) binder: &'p Binder<'p>,
    pub(crate) scope: &'p Scope<'p>,
    pub(crate) with: &'p WithNames<'p>,
    /// The words of an error about this place.
    pub(crate) clause: &'static str,
    /// Where aggregates are collected, if they are allowed.
    pub(crate) aggregates: Option<&'p RefCell<Vec<AggregateCall>>>,
    /// Where window functions are collected, if they are allowed.
    pub(crate) windows: Option<&'p Windows<'p>>,
}

/// The window functions of a SELECT, and its WINDOW clause.
pub(crate) struct Windows<'p> {
    pub(crate) found: RefCell<Vec<Window>>,
    pub(crate) named: &'p [sqlparser::ast::NamedWindowDefinition],
}

impl<'p> Place<'p> {
    /// The same place where neither aggregates nor window functions are allowed.
    pub(crate) fn plain(self, clause: &'static str) -> Self {
        Self { clause, aggregates: None, windows: None, ..self }
    }

    pub(crate) fn bind(self, expression: &Expr) -> Result<Typed, SqlError> {
        let binder = self.binder;
        check_operands(expression)?;
        match expression {
            Expr::Nested(inner) => self.bind(inner),
            Expr::Identifier(name) => {
                let is_word = name.quote_style.is_none();
                let name = folded(name);
                match self.scope.column(&name) {
                    Err(error) if error.sqlstate == "42703" => match self.scope.whole(&name)? {
                        None if is_word && name == "current_schema" => self.call_named(&name, Vec::new()),
                        whole => whole.ok_or(error),
                    },
                    found => found,
                }
            }
            Expr::CompoundIdentifier(parts) => {
                let parts: Vec<_> = parts.iter().map(folded).collect();
                match parts.as_slice() {
                    [relation, column] => self.scope.column_of(None, relation, column),
                    [schema, relation, column] => self.scope.column_of(Some(schema), relation, column),
                    _ => Err(SqlError::unsupported(format!("the name {expression}"))),
                }
            }
            Expr::Value(value) => self.literal(&value.value),
            Expr::TypedString(typed) => {
                let text = self.literal(&typed.value.value)?;
                let (kind, modifier) = data_type::of(&typed.data_type)?;
                self.cast(text, kind, modifier)
            }
            Expr::Interval(interval) => {
                if interval.leading_field.is_some() || interval.fractional_seconds_precision.is_some() {
                    return Err(SqlError::unsupported("an INTERVAL with fields"));
                }
                let text = self.bind(&interval.value)?;
                self.cast(text, Kind::Interval, -1)
            }
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                array: false,
                format: None,
            } => {
                let (kind, modifier) = data_type::of(data_type)?;
                // An array without elements has the type that is asked for.
                if let (Expr::Array(array), Kind::Array(_)) = (unnested(expr), kind)
                    && array.elem.is_empty()
                {
                    return Ok(Typed::new(Expression::Array(Box::default()), kind));
                }
                let value = self.bind(expr)?;
                self.cast(value, kind, modifier)
            }
            Expr::UnaryOp { op, expr } => self.unary(op, expr),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::IsNull(inner) => self.is_null(inner),
            Expr::IsNotNull(inner) => Ok(negated(self.is_null(inner)?)),
            Expr::IsTrue(inner) => self.is(true, inner, "IS TRUE"),
            Expr::IsNotTrue(inner) => Ok(negated(self.is(true, inner, "IS NOT TRUE")?)),
            Expr::IsFalse(inner) => self.is(false, inner, "IS FALSE"),
            Expr::IsNotFalse(inner) => Ok(negated(self.is(false, inner, "IS NOT FALSE")?)),
            Expr::IsUnknown(inner) => {
                let value = self.condition(inner, "IS UNKNOWN")?;
                Ok(boolean(Expression::IsNull(Box::new(value))))
            }
            Expr::IsNotUnknown(inner) => {
                let value = self.condition(inner, "IS NOT UNKNOWN")?;
                Ok(negated(boolean(Expression::IsNull(Box::new(value)))))
            }
            Expr::IsNotDistinctFrom(left, right) => {
                let call = binder.comparison("=", self.bind(left)?, self.bind(right)?)?;
                Ok(boolean(Expression::NotDistinct(call)))
            }
            Expr::IsDistinctFrom(left, right) => {
                let call = binder.comparison("=", self.bind(left)?, self.bind(right)?)?;
                Ok(negated(boolean(Expression::NotDistinct(call))))
            }
            Expr::Between { expr, negated: is_negated, low, high } => {
                let compare = |name, bound: &Expr| self.compared(name, expr, bound);
                let both = if *is_negated {
                    Expression::Or([compare("<", low)?, compare(">", high)?].into())
                } else {
                    Expression::And([compare(">=", low)?, compare("<=", high)?].into())
                };
                Ok(boolean(both))
            }
            Expr::InList { expr, list, negated: is_negated } => {
                let found = self.in_list(expr, list)?;
                Ok(if *is_negated { negated(found) } else { found })
            }
            Expr::InSubquery { expr, subquery, negated: is_negated } => {
                let found = self.compare_with(expr, "=", subquery, false)?;
                Ok(if *is_negated { negated(found) } else { found })
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                let name = if *negated { "!~~" } else { "~~" };
                self.like(name, expr, pattern, escape_char.as_ref().map(|escape| &escape.value))
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                let name = if *negated { "!~~*" } else { "~~*" };
                self.like(name, expr, pattern, escape_char.as_ref().map(|escape| &escape.value))
            }
            Expr::AnyOp { left, compare_op, right, .. } => self.any(left, compare_op, right, false),
            Expr::AllOp { left, compare_op, right } => self.any(left, compare_op, right, true),
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Exists { subquery, negated: is_negated } => {
                let (plan, _) = self.subquery(subquery)?;
                let found = Subquery { plan, test: SubqueryTest::Exists };
                let found = boolean(Expression::Subquery(Arc::new(found)));
                Ok(if *is_negated { negated(found) } else { found })
            }
            Expr::Subquery(subquery) => {
                let (plan, columns) = self.subquery(subquery)?;
                match columns.as_slice() {
                    [(kind, modifier)] => {
                        let value = Subquery { plan, test: SubqueryTest::Value };
                        let expression = Expression::Subquery(Arc::new(value));
                        Ok(Typed { expression, kind: *kind, modifier: *modifier })
                    }
                    _ => Err(SqlError::new("42601", "subquery must return only one column")),
                }
            }
            Expr::Tuple(values) => {
                let values = values.iter().map(|value| Ok(self.binder.resolved(self.bind(value)?)?.expression));
                let values = values.collect::<Result<Box<[_]>, SqlError>>()?;
                Ok(Typed::new(Expression::Row(values), Kind::Record))
            }
            Expr::Array(array) => self.array(&array.elem),
            Expr::CompoundFieldAccess { root, access_chain } => match access_chain.as_slice() {
                [AccessExpr::Subscript(Subscript::Index { index })] => self.element(root, index),
                _ => Err(SqlError::unsupported(format!("the access {expression}"))),
            },
            Expr::Extract { field, expr, .. } => {
                let field = Typed::new(constant_text(&field_name(field)?), Kind::Text);
                let value = self.bind(expr)?;
                self.call_named("extract", vec![field, value])
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                let (value, zone) = (self.bind(timestamp)?, self.bind(time_zone)?);
                self.call_named("timezone", vec![zone, value])
            }
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.call_named("ceil", vec![self.bind(expr)?])
            }
            Expr::Floor { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.call_named("floor", vec![self.bind(expr)?])
            }
            Expr::Position { expr, r#in } => self.call_named("position", vec![self.bind(r#in)?, self.bind(expr)?]),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![self.bind(expr)?];
                match (substring_from, substring_for) {
                    (None, Some(_)) => {
                        arguments.push(Typed::new(Expression::Constant(Value::Int4(1)), Kind::Int4));
                    }
                    (Some(from), _) => arguments.push(self.bind(from)?),
                    (None, None) => {}
                }
                if let Some(length) = substring_for {
                    arguments.push(self.bind(length)?);
                }
                self.call_named("substring", arguments)
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    Some(TrimWhereField::Both) | None => "btrim",
                };
                let mut arguments = vec![self.bind(expr)?];
                if let Some(what) = trim_what {
                    arguments.push(self.bind(what)?);
                }
                for what in trim_characters.iter().flatten() {
                    arguments.push(self.bind(what)?);
                }
                self.call_named(name, arguments)
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut arguments = vec![self.bind(expr)?, self.bind(overlay_what)?, self.bind(overlay_from)?];
                if let Some(length) = overlay_for {
                    arguments.push(self.bind(length)?);
                }
                self.call_named("overlay", arguments)
            }
            Expr::Collate { expr, collation } => {
                let name = collation.to_string().replace('"', "");
                match name.strip_prefix("pg_catalog.").unwrap_or(&name) {
                    "C" | "POSIX" | "default" => {
                        let value = self.bind(expr)?;
                        if matches!(value.kind, Kind::Text | Kind::Varchar | Kind::Bpchar | Kind::Name | Kind::Unknown)
                        {
                            return Ok(value);
                        }
                        let message = format!("collations are not supported by type {}", value.kind.name());
                        Err(SqlError::new("42804", message))
                    }
                    _ => Err(SqlError::unsupported(format!("the collation {collation}"))),
                }
            }
            Expr::Function(function) => self.function(function),
            other => Err(SqlError::unsupported(format!("the expression {other}"))),
        }
    }

    /// A value of this type, by an explicit conversion.
    pub(crate) fn cast(self, value: Typed, kind: Kind, modifier: i32) -> Result<Typed, SqlError> {
        let from = value.kind;
        self.binder
            .converted(value, kind, modifier, Context::Explicit)?
            .ok_or_else(|| SqlError::new("42846", format!("cannot cast type {} to {}", from.name(), kind.name())))
    }

    /// A condition of this clause.
    pub(crate) fn condition(self, expression: &Expr, clause: &str) -> Result<Expression, SqlError> {
        self.binder.condition(self.bind(expression)?, clause)
    }

    fn literal(self, value: &Literal) -> Result<Typed, SqlError> {
        let unknown = |text: &str| Typed::new(constant_text(text), Kind::Unknown);
        match value {
            Literal::Number(digits, false) => number(digits, false),
            Literal::SingleQuotedString(text)
            | Literal::EscapedStringLiteral(text)
            | Literal::UnicodeStringLiteral(text) => Ok(unknown(text)),
            Literal::DollarQuotedString(text) => Ok(unknown(&text.value)),
            Literal::Boolean(value) => Ok(boolean(Expression::Constant(Value::Bool(*value)))),
            Literal::Null => Ok(Typed::new(Expression::Constant(Value::Null), Kind::Unknown)),
            Literal::Placeholder(text) => self.binder.parameter(text),
            other => Err(SqlError::unsupported(format!("the constant {other}"))),
        }
    }

    fn unary(self, operator: &UnaryOperator, expression: &Expr) -> Result<Typed, SqlError> {
        let name = match operator {
            UnaryOperator::Not => {
                let value = self.condition(expression, "NOT")?;
                return Ok(boolean(Expression::Not(Box::new(value))));
            }
            UnaryOperator::Minus => {
                if let Expr::Value(value) = expression
                    && let Literal::Number(digits, false) = &value.value
                {
                    return number(digits, true);
                }
                "-"
            }
            UnaryOperator::Plus => "+",
            UnaryOperator::BitwiseNot => "~",
            UnaryOperator::PGAbs | UnaryOperator::AtDashAt => "@",
            other => return Err(SqlError::unsupported(format!("the operator {other}"))),
        };
        self.binder.operation(name, None, self.bind(expression)?)
    }

    fn binary(self, left: &Expr, operator: &BinaryOperator, right: &Expr) -> Result<Typed, SqlError> {
        match operator {
            BinaryOperator::And => return Ok(boolean(Expression::And(self.terms(left, operator, right, "AND")?))),
            BinaryOperator::Or => return Ok(boolean(Expression::Or(self.terms(left, operator, right, "OR")?))),
            _ => {}
        }
        let name = operator_name(operator)?;
        match (unnested(left), unnested(right)) {
            (Expr::Tuple(left), Expr::Tuple(right)) => self.rows(&name, left, right),
            (Expr::Tuple(_), Expr::Subquery(_)) => Err(SqlError::unsupported("a row compared with a subquery")),
            _ => self.binder.operation(&name, Some(self.bind(left)?), self.bind(right)?),
        }
    }

    /// The terms of an AND or of an OR, of which there may be many one after the other.
    fn terms(
        self,
        left: &Expr,
        operator: &BinaryOperator,
        right: &Expr,
        clause: &str,
    ) -> Result<Box<[Expression]>, SqlError> {
        let (mut terms, mut first) = (vec![right], left);
        while let Expr::BinaryOp { left, op, right } = first
            && op == operator
        {
            terms.push(right);
            first = left;
        }
        terms.push(first);
        terms.into_iter().rev().map(|term| self.condition(term, clause)).collect()
    }

    /// A comparison, as its expression.
    fn compared(self, name: &str, left: &Expr, right: &Expr) -> Result<Expression, SqlError> {
        Ok(match (unnested(left), unnested(right)) {
            (Expr::Tuple(left), Expr::Tuple(right)) => self.rows(name, left, right)?.expression,
            _ => Expression::Call(self.binder.comparison(name, self.bind(left)?, self.bind(right)?)?),
        })
    }

    /// A comparison of rows: of the first values that are not equal.
    fn rows(self, name: &str, left: &[Expr], right: &[Expr]) -> Result<Typed, SqlError> {
        if left.len() != right.len() {
            return Err(SqlError::new("42601", "unequal number of entries in row expressions"));
        }
        let compare = |name: &str, at: usize| {
            let (Some(left), Some(right)) = (left.get(at), right.get(at)) else {
                return Err(SqlError::new("42601", "unequal number of entries in row expressions"));
            };
            self.compared(name, left, right)
        };
        let all = |name: &str| (0..left.len()).map(|at| compare(name, at)).collect::<Result<Box<[_]>, _>>();
        Ok(boolean(match name {
            "=" => Expression::And(all("=")?),
            "<>" => Expression::Or(all("<>")?),
            "<" | "<=" | ">" | ">=" => {
                let strict = name.trim_end_matches('=');
                let Some(last) = left.len().checked_sub(1) else {
                    return Err(SqlError::new("0A000", "cannot compare rows of zero length"));
                };
                let mut result = compare(name, last)?;
                for at in (0..last).rev() {
                    // NULL where the first values that differ cannot be compared.
                    let branches = [
                        (compare("=", at)?, result),
                        (Expression::Not(Box::new(compare("=", at)?)), compare(strict, at)?),
                    ];
                    let otherwise = Box::new(Expression::Constant(Value::Null));
                    result = Expression::Case { branches: branches.into(), otherwise };
                }
                result
            }
            other => return Err(SqlError::unsupported(format!("the operator {other} of rows"))),
        }))
    }

    fn is_null(self, inner: &Expr) -> Result<Typed, SqlError> {
        let value = self.binder.resolved(self.bind(inner)?)?;
        if value.kind == Kind::Record {
            return Err(SqlError::unsupported("IS NULL of a row"));
        }
        Ok(boolean(Expression::IsNull(Box::new(value.expression))))
    }

    fn is(self, value: bool, inner: &Expr, clause: &str) -> Result<Typed, SqlError> {
        Ok(boolean(Expression::Is(value, Box::new(self.condition(inner, clause)?))))
    }

    fn in_list(self, value: &Expr, list: &[Expr]) -> Result<Typed, SqlError> {
        if let Expr::Tuple(values) = unnested(value) {
            let rows = list.iter().map(|row| match unnested(row) {
                Expr::Tuple(row) => Ok(self.rows("=", values, row)?.expression),
                other => Err(SqlError::unsupported(format!("IN with {other}"))),
            });
            return Ok(boolean(Expression::Or(rows.collect::<Result<_, _>>()?)));
        }
        let left = self.bind(value)?;
        let values = list.iter().map(|one| self.bind(one)).collect::<Result<Vec<_>, _>>()?;
        let kinds: Vec<_> = std::iter::once(left.kind).chain(values.iter().map(|value| value.kind)).collect();
        let common = if values.len() > 1 { resolution::common(&kinds, "IN").ok() } else { None };
        let mut tests = Vec::with_capacity(values.len());
        for value in values {
            let value = match common {
                Some(kind) => self.binder.implicit(value, kind)?,
                None => value,
            };
            tests.push(Expression::Call(self.binder.comparison("=", left.clone(), value)?));
        }
        Ok(boolean(Expression::Or(tests.into())))
    }

    /// `VALUE OPERATOR ANY (SELECT ...)`, and `VALUE IN (SELECT ...)`.
    fn compare_with(self, value: &Expr, name: &str, subquery: &Query, all: bool) -> Result<Typed, SqlError> {
        let values = match unnested(value) {
            Expr::Tuple(values) => values.iter().map(|value| self.bind(value)).collect::<Result<Vec<_>, _>>()?,
            value => vec![self.bind(value)?],
        };
        let (plan, columns) = self.subquery(subquery)?;
        if columns.len() < values.len() {
            return Err(SqlError::new("42601", "subquery has too few columns"));
        }
        if columns.len() > values.len() {
            return Err(SqlError::new("42601", "subquery has too many columns"));
        }
        if values.len() > 1 && name != "=" {
            return Err(SqlError::unsupported("a row compared with the rows of a subquery"));
        }
        let mut calls = Vec::with_capacity(values.len());
        let mut left = Vec::with_capacity(values.len());
        for (value, (kind, modifier)) in values.into_iter().zip(columns) {
            let column = Typed { expression: Expression::Column(1), kind, modifier };
            if value.kind == Kind::Unknown {
                // A constant gets the type of the column before it is compared.
                let value = self.binder.implicit(value, kind)?;
                let first = Typed::new(Expression::Column(0), value.kind);
                calls.push(self.binder.comparison(name, first, column)?);
                left.push(value.expression);
            } else {
                let first = Typed::new(Expression::Column(0), value.kind);
                calls.push(self.binder.comparison(name, first, column)?);
                left.push(value.expression);
            }
        }
        let test = SubqueryTest::Compare { values: left, calls, all };
        Ok(boolean(Expression::Subquery(Arc::new(Subquery { plan, test }))))
    }

    fn any(self, left: &Expr, operator: &BinaryOperator, right: &Expr, all: bool) -> Result<Typed, SqlError> {
        let name = operator_name(operator)?;
        if let Expr::Subquery(subquery) = unnested(right) {
            return self.compare_with(left, &name, subquery, all);
        }
        let (left, right) = (self.bind(left)?, self.bind(right)?);
        let right = match (right.kind, left.kind.array()) {
            (Kind::Unknown, Some(array)) => self.binder.implicit(right, array)?,
            _ => right,
        };
        let Kind::Array(element) = right.kind else {
            return Err(SqlError::new("42809", "op ANY/ALL (array) requires array on right side"));
        };
        let element = Typed::new(Expression::Column(1), *element);
        let is_unknown = left.kind == Kind::Unknown;
        let left = if is_unknown { self.binder.implicit(left, element.kind)? } else { left };
        let first = Typed::new(Expression::Column(0), left.kind);
        let compare = self.binder.comparison(&name, first, element)?;
        // The arguments of the comparison come first, and then what they stand for.
        let CallOf { name, kinds, callee, is_volatile, arguments } = &*compare;
        let mut arguments = arguments.clone();
        arguments.extend([left.expression, right.expression]);
        let call = CallOf {
            name: name.clone(),
            kinds: kinds.clone(),
            callee: callee.clone(),
            is_volatile: *is_volatile,
            arguments,
        };
        Ok(boolean(Expression::Any { call: Arc::new(call), all }))
    }

    fn like(self, name: &str, value: &Expr, pattern: &Expr, escape: Option<&Literal>) -> Result<Typed, SqlError> {
        let (value, mut pattern) = (self.bind(value)?, self.bind(pattern)?);
        if let Some(escape) = escape {
            let escape = self.literal(escape)?;
            pattern = self.call_named("like_escape", vec![pattern, escape])?;
        }
        self.binder.operation(name, Some(value), pattern)
    }

    fn case(
        self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Result<Typed, SqlError> {
        let operand = operand.map(|operand| self.bind(operand)).transpose()?;
        let mut tests = Vec::with_capacity(conditions.len());
        let mut results = Vec::with_capacity(conditions.len() + 1);
        for CaseWhen { condition, result } in conditions {
            tests.push(match &operand {
                None => self.condition(condition, "CASE/WHEN")?,
                Some(operand) => {
                    let operand = match operand.kind {
                        Kind::Unknown => self.binder.resolved(operand.clone())?,
                        _ => operand.clone(),
                    };
                    Expression::Call(self.binder.comparison("=", operand, self.bind(condition)?)?)
                }
            });
            results.push(self.bind(result)?);
        }
        let otherwise = match otherwise {
            Some(otherwise) => self.bind(otherwise)?,
            None => Typed::new(Expression::Constant(Value::Null), Kind::Unknown),
        };
        // PostgreSQL looks at the type of ELSE first.
        let kinds: Vec<_> = std::iter::once(&otherwise).chain(&results).map(|result| result.kind).collect();
        let common = resolution::common(&kinds, "CASE")?;
        let modifier = common_modifier(std::iter::once(&otherwise).chain(&results), common);
        let mut branches = Vec::with_capacity(tests.len());
        for (test, result) in tests.into_iter().zip(results) {
            branches.push((test, self.binder.implicit(result, common)?.expression));
        }
        let otherwise = Box::new(self.binder.implicit(otherwise, common)?.expression);
        let expression = Expression::Case { branches: branches.into(), otherwise };
        Ok(Typed { expression, kind: common, modifier })
    }

    /// Values of one type, for a construct that names itself so in errors.
    pub(crate) fn of_one_type(
        self,
        values: Vec<Typed>,
        construct: &str,
    ) -> Result<(Box<[Expression]>, Kind, i32), SqlError> {
        let kinds: Vec<_> = values.iter().map(|value| value.kind).collect();
        let common = resolution::common(&kinds, construct)?;
        let modifier = common_modifier(values.iter(), common);
        let values = values.into_iter().map(|value| Ok(self.binder.implicit(value, common)?.expression));
        Ok((values.collect::<Result<_, SqlError>>()?, common, modifier))
    }

    fn array(self, elements: &[Expr]) -> Result<Typed, SqlError> {
        if elements.is_empty() {
            return Err(SqlError::new("42P18", "cannot determine type of empty array")
                .with_hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."));
        }
        let elements = elements.iter().map(|element| self.bind(element)).collect::<Result<Vec<_>, _>>()?;
        let (values, kind, _) = self.of_one_type(elements, "ARRAY")?;
        match kind.array() {
            Some(array) => Ok(Typed::new(Expression::Array(values), array)),
            None => Err(SqlError::unsupported("an array of arrays")),
        }
    }

    fn element(self, root: &Expr, index: &Expr) -> Result<Typed, SqlError> {
        let root = self.bind(root)?;
        match root.kind {
            Kind::Array(element) => {
                let index = self.binder.converted(self.bind(index)?, Kind::Int4, -1, Context::Assignment)?;
                let index = index.ok_or_else(|| SqlError::new("42804", "array subscript must have type integer"))?;
                let (root, index) = (Box::new(root.expression), Box::new(index.expression));
                Ok(Typed::new(Expression::Element(root, index), *element))
            }
            kind => {
                let message = format!("cannot subscript type {} because it does not support subscripting", kind.name());
                Err(SqlError::new("42804", message))
            }
        }
    }

    /// A query within this expression, and the types of its columns.
    pub(crate) fn subquery(self, query: &Query) -> Result<(Subplan, Vec<(Kind, i32)>), SqlError> {
        let captures = Captures::default();
        let plan = self.binder.query(query, self.with, &captures, Some(self.scope))?;
        let columns = plan.columns.iter().map(|column| (column.kind, column.modifier)).collect();
        Ok((Subplan { plan: Arc::new(plan), captures: captures.into_expressions() }, columns))
    }
}

/// Whether it ends with IS and a word.
fn is_is(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
    )
}

/// Whether it is an AND, an OR or a NOT, which the parser takes for the right operand of IS DISTINCT FROM.
fn is_logical(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. }
            | Expr::UnaryOp { op: UnaryOperator::Not, .. }
    )
}

/// Whether it binds its operands more tightly than prefixes such as `~` do in PostgreSQL.
fn is_arithmetic(operator: &BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::PGExp
    )
}

/// Whether it is a prefix that the parser binds more tightly than PostgreSQL does.
fn is_low_prefix(operand: &Expr) -> bool {
    matches!(operand, Expr::UnaryOp { op, .. } if !matches!(op, UnaryOperator::Plus | UnaryOperator::Minus))
}

/// Whether it is one of the operators that PostgreSQL does not chain.
fn is_comparison(operator: &BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

/// Refuses what the parser groups in another way than PostgreSQL: a NOT EXISTS as an operand, whose
/// NOT applies to the whole operation.
fn check_operands(expression: &Expr) -> Result<(), SqlError> {
    let operands: &[&Expr] = match expression {
        Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. } => &[],
        Expr::BinaryOp { left, right, .. }
        | Expr::IsDistinctFrom(left, right)
        | Expr::IsNotDistinctFrom(left, right)
        | Expr::AnyOp { left, right, .. }
        | Expr::AllOp { left, right, .. } => &[left, right],
        Expr::Cast { kind: CastKind::DoubleColon, expr, .. }
        | Expr::IsNull(expr)
        | Expr::IsNotNull(expr)
        | Expr::IsTrue(expr)
        | Expr::IsNotTrue(expr)
        | Expr::IsFalse(expr)
        | Expr::IsNotFalse(expr)
        | Expr::IsUnknown(expr)
        | Expr::IsNotUnknown(expr)
        | Expr::InList { expr, .. }
        | Expr::InSubquery { expr, .. }
        | Expr::Between { expr, .. }
        | Expr::Collate { expr, .. } => &[expr],
        _ => &[],
    };
    if let Expr::BinaryOp { left, op, right } = expression
        && is_comparison(op)
        && [left, right].iter().any(|operand| matches!(&***operand, Expr::BinaryOp { op, .. } if is_comparison(op)))
    {
        return Err(SqlError::new("42601", format!("syntax error at or near \"{op}\"")));
    }
    if let Expr::UnaryOp { op: UnaryOperator::Plus | UnaryOperator::Minus, expr } = expression
        && matches!(&**expr, Expr::BinaryOp { .. } | Expr::Collate { .. } | Expr::AtTimeZone { .. })
    {
        return Err(SqlError::unsupported(format!("the operand {expr} without parentheses")));
    }
    if let Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) = expression
        && is_is(right)
    {
        return Err(SqlError::new("42601", "syntax error at or near \"IS\""));
    }
    if let Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) = expression
        && is_logical(right)
    {
        return Err(SqlError::unsupported(format!("the operand {right} without parentheses")));
    }
    let is_distinct = |operand: &&&Expr| matches!(operand, Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..));
    let is_test = !matches!(expression, Expr::BinaryOp { .. } | Expr::Cast { .. } | Expr::Collate { .. });
    if is_test && operands.iter().any(|operand| is_distinct(&operand)) {
        return Err(SqlError::new("42601", "syntax error at or near \"IS\""));
    }
    if let Expr::BinaryOp { op, .. } = expression
        && is_arithmetic(op)
        && let Some(operand) = operands.iter().find(|operand| is_low_prefix(operand))
    {
        return Err(SqlError::unsupported(format!("the operand {operand} without parentheses")));
    }
    match operands.iter().find(|operand| matches!(operand, Expr::Exists { negated: true, .. })) {
        Some(operand) => Err(SqlError::unsupported(format!("the operand {operand} without parentheses"))),
        None => Ok(()),
    }
}

/// A boolean value.
pub(crate) fn boolean(expression: Expression) -> Typed {
    Typed::new(expression, Kind::Bool)
}

fn negated(value: Typed) -> Typed {
    boolean(Expression::Not(Box::new(value.expression)))
}

pub(crate) fn constant_text(text: &str) -> Expression {
    Expression::Constant(Value::Text(text.into()))
}

/// The modifier that all values have, or none.
fn common_modifier<'v>(values: impl IntoIterator<Item = &'v Typed>, kind: Kind) -> i32 {
    let mut modifiers = values.into_iter().map(|value| if value.kind == kind { value.modifier } else { -1 });
    let Some(first) = modifiers.next() else { return -1 };
    if modifiers.all(|modifier| modifier == first) { first } else { -1 }
}

/// A number without a type, as PostgreSQL's parser reads it.
fn number(digits: &str, is_negative: bool) -> Result<Typed, SqlError> {
    let text = if is_negative { format!("-{digits}") } else { digits.to_owned() };
    let is_integer = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_integer
        && digits.bytes().any(|byte| byte == b'_' || byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E'))
    {
        return Err(SqlError::unsupported(format!("the number {digits}")));
    }
    if is_integer && let Ok(value) = text.parse::<i32>() {
        return Ok(Typed::new(Expression::Constant(Value::Int4(value)), Kind::Int4));
    }
    if is_integer && let Ok(value) = text.parse::<i64>() {
        return Ok(Typed::new(Expression::Constant(Value::Int8(value)), Kind::Int8));
    }
    let value = text_format::input(&text, Kind::Numeric, -1)?;
    Ok(Typed::new(Expression::Constant(value), Kind::Numeric))
}

/// An expression without the parentheses around it.
pub(crate) fn unnested(expression: &Expr) -> &Expr {
    match expression {
        Expr::Nested(inner) => unnested(inner),
        other => other,
    }
}

fn operator_name(operator: &BinaryOperator) -> Result<String, SqlError> {
    Ok(match operator {
        BinaryOperator::NotEq => "<>".to_owned(),
        BinaryOperator::PGCustomBinaryOperator(parts) => match parts.as_slice() {
            [name] => name.clone(),
            [schema, name] if schema == "pg_catalog" => name.clone(),
            _ => return Err(SqlError::unsupported(format!("the operator {operator}"))),
        },
        BinaryOperator::Xor | BinaryOperator::Overlaps | BinaryOperator::Assignment => {
            return Err(SqlError::unsupported(format!("the operator {operator}")));
        }
        other => other.to_string(),
    })
}

fn field_name(field: &DateTimeField) -> Result<String, SqlError> {
    match field {
        DateTimeField::Custom(name) => Ok(folded(name)),
        DateTimeField::Week(Some(_)) => Err(SqlError::unsupported(format!("the field {field}"))),
        other => Ok(other.to_string().to_ascii_lowercase()),
    }
}
