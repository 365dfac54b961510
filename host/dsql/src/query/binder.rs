pub(crate) mod changes;
pub(crate) mod expressions;
pub(crate) mod from;
pub(crate) mod functions;
pub(crate) mod queries;
mod references;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::SqlError;
use crate::query::expression::{CallOf, Callee, CastOf, Expression, Typed};
use crate::query::plan::OutputColumn;
use crate::scalars::cast::{self, Context};
use crate::scalars::operator;
use crate::store::catalog::Catalog;
use crate::store::table::Table;
use crate::values::kind::{Kind, Modifier};
use crate::values::text_format;
use crate::values::value::Value;

/// Looks up the names of a statement and infers its types.
pub(crate) struct Binder<'c> {
    pub(crate) catalog: &'c Catalog,
    parameters: RefCell<Vec<Kind>>,
    with_queries: Cell<usize>,
    /// The tables that the statement changes.
    changed: RefCell<Vec<Arc<Table>>>,
}

/// The queries of the WITH clauses around a place.
pub(crate) struct WithNames<'p> {
    pub(crate) names: Vec<WithName>,
    pub(crate) parent: Option<&'p WithNames<'p>>,
}

/// A query of a WITH.
pub(crate) struct WithName {
    pub(crate) name: String,
    pub(crate) id: usize,
    pub(crate) columns: Vec<OutputColumn>,
}

impl WithNames<'_> {
    pub(crate) const NONE: WithNames<'static> = WithNames { names: Vec::new(), parent: None };

    pub(crate) fn find(&self, name: &str) -> Option<&WithName> {
        let own = self.names.iter().find(|with| with.name == name);
        own.or_else(|| self.parent.and_then(|parent| parent.find(name)))
    }
}

impl<'c> Binder<'c> {
    pub(crate) fn new(catalog: &'c Catalog, parameters: &[Kind]) -> Self {
        let parameters = RefCell::new(parameters.to_vec());
        Self { catalog, parameters, with_queries: Cell::new(0), changed: RefCell::default() }
    }

    /// A number for a query of a WITH.
    pub(crate) fn next_with(&self) -> usize {
        self.with_queries.replace(self.with_queries.get() + 1)
    }

    /// The types of the parameters.
    pub(crate) fn into_parameters(self) -> Result<Vec<Kind>, SqlError> {
        let parameters = self.parameters.into_inner();
        match parameters.iter().position(|kind| *kind == Kind::Unknown) {
            Some(at) => {
                let message = format!("could not determine data type of parameter ${}", at + 1);
                Err(SqlError::new("42P18", message))
            }
            None => Ok(parameters),
        }
    }

    pub(crate) fn parameter(&self, text: &str) -> Result<Typed, SqlError> {
        let number = text.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
        let Some(at) = number.and_then(|number| number.checked_sub(1)).filter(|at| *at < 65_535) else {
            return Err(SqlError::new("42P02", format!("there is no parameter {text}")));
        };
        let mut parameters = self.parameters.borrow_mut();
        if parameters.len() <= at {
            parameters.resize(at + 1, Kind::Unknown);
        }
        let kind = parameters.get(at).copied().unwrap_or(Kind::Unknown);
        Ok(Typed::new(Expression::Parameter(at), kind))
    }

    /// The table with this name, by the search path.
    pub(crate) fn table(&self, name: &ObjectName) -> Result<Arc<Table>, SqlError> {
        let parts = names(name)?;
        let (schema, table) = match parts.as_slice() {
            [table] => (None, table),
            [schema, table] => (Some(schema), table),
            [database, schema, table] if database == "postgres" => (Some(schema), table),
            _ => return Err(SqlError::unsupported(format!("the name {name}"))),
        };
        let name = match schema {
            Some(schema) => format!("{schema}.{table}"),
            None => table.clone(),
        };
        let found = self.catalog.table(schema.map(String::as_str), table);
        let is_of_system = match schema {
            Some(schema) => matches!(schema.as_str(), "information_schema" | "pg_catalog"),
            None => table.starts_with("pg_"),
        };
        if found.is_none() && is_of_system {
            return Err(SqlError::unsupported(format!("the relation {name}")));
        }
        found.cloned().ok_or_else(|| SqlError::new("42P01", format!("relation \"{name}\" does not exist")))
    }

    /// The value as one of this type, if it can be converted in this context.
    pub(crate) fn converted(
        &self,
        value: Typed,
        kind: Kind,
        modifier: Modifier,
        context: Context,
    ) -> Result<Option<Typed>, SqlError> {
        let Typed { expression, kind: from, modifier: from_modifier } = value;
        let explicit = context == Context::Explicit;
        if from == Kind::Unknown {
            match expression {
                Expression::Constant(Value::Null) => {
                    return Ok(Some(Typed { expression: Expression::Constant(Value::Null), kind, modifier }));
                }
                Expression::Constant(Value::Text(text)) => {
                    let read = text_format::input(&text, kind, if kind == Kind::Interval { modifier } else { -1 })?;
                    let read = Typed::new(Expression::Constant(read), kind);
                    return sized(read, modifier, explicit).map(Some);
                }
                Expression::Parameter(at) => {
                    return self.typed_parameter(at, kind, modifier, explicit).map(Some);
                }
                expression => {
                    let text = Typed::new(expression, Kind::Text);
                    return self.converted(text, kind, modifier, context);
                }
            }
        }
        if from == kind {
            let same = Typed { expression, kind, modifier: from_modifier };
            return if modifier == -1 || modifier == from_modifier {
                Ok(Some(same))
            } else {
                sized(same, modifier, explicit).map(Some)
            };
        }
        let Some(cast) = cast::find(from, kind, context) else { return Ok(None) };
        if is_relabel(from, kind) {
            return sized(Typed::new(expression, kind), modifier, explicit).map(Some);
        }
        let of = CastOf { cast, kind, modifier, explicit, value: expression };
        Ok(Some(Typed { expression: Expression::Cast(Arc::new(of)), kind, modifier }))
    }

    fn typed_parameter(&self, at: usize, kind: Kind, modifier: Modifier, explicit: bool) -> Result<Typed, SqlError> {
        let mut parameters = self.parameters.borrow_mut();
        if let Some(known) = parameters.get_mut(at) {
            if *known == Kind::Unknown {
                *known = kind;
            } else if *known != kind {
                let message = format!("inconsistent types deduced for parameter ${}", at + 1);
                let detail = format!("{} versus {}", known.name(), kind.name());
                return Err(SqlError::new("42P08", message).with_detail(detail));
            }
        }
        sized(Typed::new(Expression::Parameter(at), kind), modifier, explicit)
    }

    /// A value of the type that another construct needs.
    pub(crate) fn implicit(&self, value: Typed, kind: Kind) -> Result<Typed, SqlError> {
        let from = value.kind;
        self.converted(value, kind, -1, Context::Implicit)?
            .ok_or_else(|| SqlError::new("42846", format!("cannot cast type {} to {}", from.name(), kind.name())))
    }

    /// A condition.
    pub(crate) fn condition(&self, value: Typed, clause: &str) -> Result<Expression, SqlError> {
        let kind = value.kind;
        match self.converted(value, Kind::Bool, -1, Context::Assignment)? {
            Some(value) => Ok(value.expression),
            None => {
                let message = format!("argument of {clause} must be type boolean, not type {}", kind.name());
                Err(SqlError::new("42804", message))
            }
        }
    }

    /// A result column: a string without another type is a text.
    pub(crate) fn resolved(&self, value: Typed) -> Result<Typed, SqlError> {
        if value.kind == Kind::Unknown { self.implicit(value, Kind::Text) } else { Ok(value) }
    }

    /// An operator with its operands.
    pub(crate) fn operation(&self, name: &str, left: Option<Typed>, right: Typed) -> Result<Typed, SqlError> {
        let operator = operator::resolve(name, left.as_ref().map(|left| left.kind), right.kind)?;
        let result = operator.result;
        let mut arguments = Vec::with_capacity(2);
        let mut kinds = Vec::with_capacity(2);
        if let (Some(left), Some(kind)) = (left, operator.left) {
            arguments.push(self.implicit(left, kind)?.expression);
            kinds.push(kind);
        }
        arguments.push(self.implicit(right, operator.right)?.expression);
        kinds.push(operator.right);
        let of =
            CallOf { name: name.to_owned(), kinds, callee: Callee::Operator(operator), is_volatile: false, arguments };
        Ok(Typed::new(Expression::Call(Arc::new(of)), result))
    }

    /// A comparison, as the call alone.
    pub(crate) fn comparison(&self, name: &str, left: Typed, right: Typed) -> Result<Arc<CallOf>, SqlError> {
        match self.operation(name, Some(left), right)? {
            Typed { expression: Expression::Call(call), kind: Kind::Bool, .. } => Ok(call),
            _ => Err(SqlError::new("42883", format!("operator does not exist: {name}"))),
        }
    }
}

/// A value of a type with a modifier.
fn sized(value: Typed, modifier: Modifier, explicit: bool) -> Result<Typed, SqlError> {
    if modifier == -1 {
        return Ok(value);
    }
    let Typed { expression, kind, .. } = value;
    let Some(cast) = cast::find(kind, kind, Context::Explicit) else {
        return Ok(Typed { expression, kind, modifier });
    };
    let expression = match expression {
        Expression::Constant(Value::Null) => Expression::Constant(Value::Null),
        Expression::Constant(constant) => Expression::Constant(cast::apply(cast, &constant, modifier, explicit)?),
        value => Expression::Cast(Arc::new(CastOf { cast, kind, modifier, explicit, value })),
    };
    Ok(Typed { expression, kind, modifier })
}

/// Whether values of both types are the same.
fn is_relabel(from: Kind, to: Kind) -> bool {
    matches!((from, to), (Kind::Text | Kind::Varchar, Kind::Text | Kind::Varchar))
}

/// A name as PostgreSQL folds it.
pub(crate) fn folded(name: &Ident) -> String {
    let mut text = match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_ascii_lowercase(),
    };
    // NAMEDATALEN
    while text.len() > 63 {
        text.pop();
    }
    text
}

/// The parts of a qualified name.
pub(crate) fn names(name: &ObjectName) -> Result<Vec<String>, SqlError> {
    let part = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(name) => Ok(folded(name)),
        ObjectNamePart::Function(_) => Err(SqlError::unsupported(format!("the name {name}"))),
    };
    name.0.iter().map(part).collect()
}

/// The name of a function, of PostgreSQL's own schema or without one.
pub(crate) fn function_name(name: &ObjectName) -> Result<String, SqlError> {
    let mut parts = names(name)?;
    match (parts.pop(), parts.as_slice()) {
        (Some(function), []) => Ok(function),
        (Some(function), [schema]) if schema == "pg_catalog" => Ok(function),
        _ => Err(SqlError::unsupported(format!("the function {name}"))),
    }
}
