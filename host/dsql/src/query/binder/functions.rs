//! Calls of functions, aggregates and window functions.

use std::sync::Arc;

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments,
    NamedWindowExpr, OrderByExpr, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};

use crate::SqlError;
use crate::query::binder::expressions::{Place, boolean};
use crate::query::binder::{folded, function_name};
use crate::query::expression::{CallOf, Callee, Expression, Typed};
use crate::query::plan::{AggregateCall, Edge, Frame, Item, Sorted, Window, WindowFunction};
use crate::scalars::catalog::Class;
use crate::scalars::{aggregate, function, set_function};
use crate::store::sequence::Sequence;
use crate::values::kind::Kind;
use crate::values::value::Value;

/// Window functions that are no aggregates.
const WINDOW_FUNCTIONS: [&str; 11] = [
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "nth_value",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
];

impl Place<'_> {
    pub(crate) fn function(self, function: &Function) -> Result<Typed, SqlError> {
        let name = function_name(&function.name)?;
        if function.null_treatment.is_some() || !function.within_group.is_empty() {
            return Err(SqlError::unsupported(format!("the call {function}")));
        }
        if WINDOW_FUNCTIONS.contains(&name.as_str()) || function.over.is_some() {
            return self.window(&name, function);
        }
        let class = function::class(&name);
        if class == Some(Class::Aggregate) {
            return self.aggregate(&name, function);
        }
        if function.filter.is_some() {
            let message = format!("FILTER specified, but {name} is not an aggregate function");
            return Err(SqlError::new("42809", message));
        }
        if class == Some(Class::Set) {
            return Err(SqlError::unsupported(format!("the function {name} within an expression")));
        }
        let arguments = self.arguments(function)?;
        self.call_named(&name, arguments)
    }

    /// The plain arguments of a call.
    fn arguments(self, function: &Function) -> Result<Vec<Typed>, SqlError> {
        let list = match &function.args {
            FunctionArguments::None => return Ok(Vec::new()),
            FunctionArguments::Subquery(_) => return Err(SqlError::unsupported(format!("the call {function}"))),
            FunctionArguments::List(list) => list,
        };
        if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
            return Err(SqlError::unsupported(format!("the call {function}")));
        }
        list.args.iter().map(|argument| self.bind(plain(argument)?)).collect()
    }

    /// A call of the function with this name.
    pub(crate) fn call_named(self, name: &str, arguments: Vec<Typed>) -> Result<Typed, SqlError> {
        match name {
            "coalesce" => {
                let (values, kind, modifier) = self.of_one_type(arguments, "COALESCE")?;
                return Ok(Typed { expression: Expression::Coalesce(values), kind, modifier });
            }
            "greatest" | "least" => {
                let (values, kind, modifier) = self.of_one_type(arguments, &name.to_ascii_uppercase())?;
                let expression = Expression::Extreme { greatest: name == "greatest", values };
                return Ok(Typed { expression, kind, modifier });
            }
            "nullif" => {
                let Ok([first, second]) = <[Typed; 2]>::try_from(arguments) else {
                    return Err(SqlError::new("42601", "NULLIF requires two arguments"));
                };
                let modifier = first.modifier;
                let call = self.binder.comparison("=", first, second)?;
                let kind = call.kinds.first().copied().unwrap_or(Kind::Text);
                return Ok(Typed { expression: Expression::NullIf(call), kind, modifier });
            }
            "nextval" => {
                let [Typed { expression: Expression::Constant(Value::Text(name)), .. }] = arguments.as_slice() else {
                    return Err(SqlError::unsupported("nextval of a computed name"));
                };
                let sequence = self.sequence(name)?;
                return Ok(Typed::new(Expression::NextValue(sequence), Kind::Int8));
            }
            "setval" => {
                let mut arguments = arguments.into_iter();
                let name = match arguments.next().map(|name| name.expression) {
                    Some(Expression::Constant(Value::Text(name))) => name,
                    _ => return Err(SqlError::unsupported("setval of a computed name")),
                };
                let (Some(number), is_given, None) = (arguments.next(), arguments.next(), arguments.next()) else {
                    return Err(SqlError::unsupported("setval with these arguments"));
                };
                let is_given = is_given.unwrap_or_else(|| boolean(Expression::Constant(Value::Bool(true))));
                let number = self.binder.implicit(number, Kind::Int8)?.expression;
                let is_given = self.binder.implicit(is_given, Kind::Bool)?.expression;
                let sequence = self.sequence(&name)?;
                return Ok(Typed::new(Expression::SetValue(sequence, Box::new([number, is_given])), Kind::Int8));
            }
            _ => {}
        }
        let kinds: Vec<_> = arguments.iter().map(|argument| argument.kind).collect();
        let function = function::resolve(name, &kinds)?;
        let (taken, result) = (function.arguments.clone(), function.result);
        let mut converted = Vec::with_capacity(arguments.len());
        for (argument, kind) in arguments.into_iter().zip(&taken) {
            converted.push(self.argument(argument, *kind)?);
        }
        let of = CallOf {
            name: name.to_owned(),
            kinds: taken,
            callee: Callee::Function(function),
            is_volatile: matches!(name, "gen_random_uuid" | "random" | "clock_timestamp"),
            arguments: converted,
        };
        Ok(Typed::new(Expression::Call(Arc::new(of)), result))
    }

    /// An argument of the type that a function takes.
    fn argument(self, argument: Typed, kind: Kind) -> Result<Expression, SqlError> {
        match (&argument.expression, kind) {
            // The function takes a string of no type as its text.
            (Expression::Constant(_), Kind::Unknown) => Ok(argument.expression),
            (_, Kind::Unknown) => Ok(self.binder.resolved(argument)?.expression),
            _ => Ok(self.binder.implicit(argument, kind)?.expression),
        }
    }

    /// The sequence that a string names, as PostgreSQL reads it.
    fn sequence(self, name: &str) -> Result<Arc<Sequence>, SqlError> {
        let parts: Vec<_> = name
            .split('.')
            .map(|part| match part.strip_prefix('"') {
                Some(part) => part.strip_suffix('"').unwrap_or(part).to_owned(),
                None => part.to_ascii_lowercase(),
            })
            .collect();
        let found = match parts.as_slice() {
            [sequence] => self.binder.catalog.sequence(None, sequence),
            [schema, sequence] => self.binder.catalog.sequence(Some(schema), sequence),
            _ => None,
        };
        found.cloned().ok_or_else(|| SqlError::new("42P01", format!("relation \"{name}\" does not exist")))
    }

    fn aggregate(self, name: &str, function: &Function) -> Result<Typed, SqlError> {
        let Some(found) = self.aggregates else {
            let message = format!("aggregate functions are not allowed in {}", self.clause);
            return Err(SqlError::new("42803", message));
        };
        let inner = Self { aggregates: None, windows: None, clause: "aggregate function calls", ..self };
        let (call, kind) = inner.aggregate_call(name, function)?;
        let mut found = found.borrow_mut();
        found.push(call);
        Ok(Typed::new(Expression::Aggregate(found.len() - 1), kind))
    }

    fn aggregate_call(self, name: &str, function: &Function) -> Result<(AggregateCall, Kind), SqlError> {
        let inner = self;
        let list = match &function.args {
            FunctionArguments::List(list) => list,
            FunctionArguments::None | FunctionArguments::Subquery(_) => {
                return Err(SqlError::unsupported(format!("the call {function}")));
            }
        };
        let is_star = matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]);
        let mut arguments = Vec::with_capacity(list.args.len());
        if !is_star {
            for argument in &list.args {
                arguments.push(inner.bind(plain(argument)?).map_err(nested)?);
            }
        }
        let (mut has_outer, mut has_own) = (false, false);
        for argument in &arguments {
            argument.expression.has(&mut |part| {
                has_outer |= matches!(part, Expression::Outer(_));
                has_own |= matches!(part, Expression::Column(_));
                false
            });
        }
        if has_outer && !has_own {
            return Err(SqlError::unsupported("an aggregate of an enclosing query"));
        }
        let kinds: Vec<_> = arguments.iter().map(|argument| argument.kind).collect();
        if !is_star && kinds.is_empty() && name == "count" {
            return Err(SqlError::new("42809", "count(*) must be used to call a parameterless aggregate function"));
        }
        let aggregate = aggregate::resolve(name, &kinds)?;
        let mut converted = Vec::with_capacity(arguments.len());
        for (argument, kind) in arguments.into_iter().zip(&aggregate.arguments) {
            converted.push(self.binder.implicit(argument, *kind)?.expression);
        }
        let mut order = Vec::new();
        for clause in &list.clauses {
            match clause {
                FunctionArgumentClause::OrderBy(keys) => order = inner.sorted(keys)?,
                other => return Err(SqlError::unsupported(format!("the clause {other}"))),
            }
        }
        let filter = function.filter.as_ref().map(|filter| inner.plain("FILTER").condition(filter, "FILTER"));
        let kind = aggregate.result;
        let call = AggregateCall {
            aggregate,
            arguments: converted,
            distinct: list.duplicate_treatment == Some(DuplicateTreatment::Distinct),
            filter: filter.transpose()?,
            order,
        };
        Ok((call, kind))
    }

    fn window(self, name: &str, function: &Function) -> Result<Typed, SqlError> {
        let Some(windows) = self.windows else {
            let message = format!("window functions are not allowed in {}", self.clause);
            return Err(SqlError::new("42P20", message));
        };
        let specification = match &function.over {
            None => {
                return Err(SqlError::new("42P20", format!("window function {name} requires an OVER clause")));
            }
            Some(WindowType::WindowSpec(specification)) => specification,
            Some(WindowType::NamedWindow(window)) => {
                let wanted = folded(window);
                let found = windows.named.iter().find(|named| folded(&named.0) == wanted);
                match found.map(|named| &named.1) {
                    Some(NamedWindowExpr::WindowSpec(specification)) => specification,
                    Some(NamedWindowExpr::NamedWindow(_)) => return Err(SqlError::unsupported("a window of a window")),
                    None => return Err(SqlError::new("42704", format!("window \"{wanted}\" does not exist"))),
                }
            }
        };
        let inner = Self { windows: None, clause: "window definitions", ..self };
        let (partition, order, frame) = inner.window_specification(specification)?;
        let (window_function, kind) = if WINDOW_FUNCTIONS.contains(&name) {
            inner.window_function(name, function)?
        } else {
            if function::class(name) != Some(Class::Aggregate) {
                // Window functions that are not listed here are aggregates of PostgreSQL.
                if function::is_unlisted(name) {
                    return Err(SqlError::unsupported(format!("the function {name}")));
                }
                let message = format!("OVER specified, but {name} is not a window function nor an aggregate function");
                return Err(SqlError::new("42809", message));
            }
            let (call, kind) = inner.aggregate_call(name, function)?;
            if call.distinct || !call.order.is_empty() {
                return Err(SqlError::unsupported("DISTINCT or ORDER BY in a window function"));
            }
            (WindowFunction::Aggregate(call), kind)
        };
        let mut found = windows.found.borrow_mut();
        found.push(Window { function: window_function, partition, order, frame });
        Ok(Typed::new(Expression::Window(found.len() - 1), kind))
    }

    fn window_function(self, name: &str, function: &Function) -> Result<(WindowFunction, Kind), SqlError> {
        let mut arguments = self.arguments(function)?.into_iter();
        let mut next = || arguments.next();
        let found = match (name, next(), next(), next()) {
            ("row_number", None, ..) => (WindowFunction::RowNumber, Kind::Int8),
            ("rank", None, ..) => (WindowFunction::Rank, Kind::Int8),
            ("dense_rank", None, ..) => (WindowFunction::DenseRank, Kind::Int8),
            ("percent_rank", None, ..) => (WindowFunction::PercentRank, Kind::Float8),
            ("cume_dist", None, ..) => (WindowFunction::CumulativeDistribution, Kind::Float8),
            ("ntile", Some(count), None, _) => {
                (WindowFunction::Tile(self.binder.implicit(count, Kind::Int4)?.expression), Kind::Int4)
            }
            ("nth_value", Some(value), Some(which), None) => {
                let value = self.binder.resolved(value)?;
                let which = self.binder.implicit(which, Kind::Int4)?;
                (WindowFunction::Nth(value.expression, which.expression), value.kind)
            }
            ("first_value", Some(value), None, _) => {
                let value = self.binder.resolved(value)?;
                (WindowFunction::First(value.expression), value.kind)
            }
            ("last_value", Some(value), None, _) => {
                let value = self.binder.resolved(value)?;
                (WindowFunction::Last(value.expression), value.kind)
            }
            ("lag" | "lead", Some(value), by, otherwise) => {
                let value = self.binder.resolved(value)?;
                let one = Typed::new(Expression::Constant(Value::Int4(1)), Kind::Int4);
                let by = self.binder.implicit(by.unwrap_or(one), Kind::Int4)?;
                let otherwise =
                    otherwise.unwrap_or_else(|| Typed::new(Expression::Constant(Value::Null), Kind::Unknown));
                let (values, kind, _) = self.of_one_type(vec![value, otherwise], name)?;
                let Ok([value, otherwise]) = <[Expression; 2]>::try_from(values.into_vec()) else {
                    return Err(SqlError::unsupported(format!("the function {name}")));
                };
                let forward = name == "lead";
                (WindowFunction::Shifted { value, by: by.expression, forward, otherwise }, kind)
            }
            _ => return Err(SqlError::unsupported(format!("the call {function}"))),
        };
        Ok(found)
    }

    fn window_specification(
        self,
        specification: &WindowSpec,
    ) -> Result<(Vec<Expression>, Vec<Sorted>, Frame), SqlError> {
        if specification.window_name.is_some() {
            return Err(SqlError::unsupported("a window of a window"));
        }
        let partition =
            specification.partition_by.iter().map(|by| Ok(self.binder.resolved(self.bind(by)?)?.expression));
        let partition = partition.collect::<Result<Vec<_>, SqlError>>()?;
        let order = self.sorted(&specification.order_by)?;
        let edge = |bound: &WindowFrameBound| {
            let count = |count: &Expr| {
                let count = self.binder.implicit(self.bind(count)?, Kind::Int8)?;
                Ok::<_, SqlError>(count.expression)
            };
            Ok::<_, SqlError>(match bound {
                WindowFrameBound::CurrentRow => Edge::Current,
                WindowFrameBound::Preceding(None) => Edge::First,
                WindowFrameBound::Following(None) => Edge::Last,
                WindowFrameBound::Preceding(Some(by)) => Edge::Before(count(by)?),
                WindowFrameBound::Following(Some(by)) => Edge::After(count(by)?),
            })
        };
        let frame = match &specification.window_frame {
            None => Frame { by_rows: false, start: Edge::First, end: Edge::Current },
            Some(frame) => {
                let start = edge(&frame.start_bound)?;
                let end = frame.end_bound.as_ref().map_or(Ok(Edge::Current), edge)?;
                let by_rows = match frame.units {
                    WindowFrameUnits::Rows => true,
                    WindowFrameUnits::Range => false,
                    WindowFrameUnits::Groups => return Err(SqlError::unsupported("GROUPS in a window")),
                };
                if !by_rows && [&start, &end].iter().any(|edge| matches!(edge, Edge::Before(_) | Edge::After(_))) {
                    return Err(SqlError::unsupported("RANGE with a distance in a window"));
                }
                Frame { by_rows, start, end }
            }
        };
        Ok((partition, order, frame))
    }

    /// The expressions of an ORDER BY that refers to no result columns.
    fn sorted(self, keys: &[OrderByExpr]) -> Result<Vec<Sorted>, SqlError> {
        let sorted = |key: &OrderByExpr| {
            let by = self.binder.resolved(self.bind(&key.expr)?)?;
            let (descending, nulls_first) = direction(key)?;
            Ok(Sorted { by: by.expression, descending, nulls_first })
        };
        keys.iter().map(sorted).collect()
    }

    /// A result column: a value, or the rows of a function.
    pub(crate) fn item(self, expression: &Expr) -> Result<(Item, Typed), SqlError> {
        if let Expr::Function(function) = expression
            && let Ok(name) = function_name(&function.name)
            && function::class(&name) == Some(Class::Set)
        {
            let (function, arguments) = self.set_function(&name, self.arguments(function)?)?;
            let kind = match function.columns.as_slice() {
                [(_, kind)] => *kind,
                _ => return Err(SqlError::unsupported(format!("the function {name} in a select list"))),
            };
            return Ok((Item::Rows(function, arguments), Typed::new(Expression::Constant(Value::Null), kind)));
        }
        let value = self.bind(expression)?;
        Ok((Item::Value(value.expression.clone()), value))
    }

    /// A function that returns rows, and its arguments.
    pub(crate) fn set_function(
        self,
        name: &str,
        arguments: Vec<Typed>,
    ) -> Result<(set_function::SetFunction, Vec<Expression>), SqlError> {
        let kinds: Vec<_> = arguments.iter().map(|argument| argument.kind).collect();
        let function = set_function::resolve(name, &kinds)?;
        let mut converted = Vec::with_capacity(arguments.len());
        for (argument, kind) in arguments.into_iter().zip(&function.arguments) {
            converted.push(self.binder.implicit(argument, *kind)?.expression);
        }
        Ok((function, converted))
    }

    /// The plain arguments of a function in FROM.
    pub(crate) fn plain_arguments(self, arguments: &[FunctionArg]) -> Result<Vec<Typed>, SqlError> {
        arguments.iter().map(|argument| self.bind(plain(argument)?)).collect()
    }

    /// HAVING, WHERE and ON.
    pub(crate) fn filter(self, filter: Option<&Expr>, clause: &'static str) -> Result<Option<Expression>, SqlError> {
        let filter = filter.map(|filter| Self { clause, ..self }.condition(filter, clause));
        Ok(filter.transpose()?.map(|filter| boolean(filter).expression))
    }
}

/// How a key of an ORDER BY sorts: descending, and NULLs first.
pub(crate) fn direction(key: &OrderByExpr) -> Result<(bool, bool), SqlError> {
    use sqlparser::ast::OrderBySort;
    let descending = match &key.options.sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(OrderBySort::Using(_)) => return Err(SqlError::unsupported("ORDER BY ... USING")),
    };
    if key.with_fill.is_some() {
        return Err(SqlError::unsupported("WITH FILL"));
    }
    Ok((descending, key.options.nulls_first.unwrap_or(descending)))
}

fn plain(argument: &FunctionArg) -> Result<&Expr, SqlError> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Ok(expression),
        other => Err(SqlError::unsupported(format!("the argument {other}"))),
    }
}

/// PostgreSQL's own words for an aggregate within another.
fn nested(error: SqlError) -> SqlError {
    if error.message == "aggregate functions are not allowed in aggregate function calls" {
        SqlError::new("42803", "aggregate function calls cannot be nested")
    } else {
        error
    }
}
