//! The names of result columns that are not given one (`FigureColname` of PostgreSQL's
//! `src/backend/parser/parse_target.c`).

use sqlparser::ast::{CastKind, DataType, Expr, Query, SelectItem, SetExpr, TrimWhereField};

use crate::query::binder::folded;
use crate::query::data_type;

/// The name of a column without any.
const NONE: &str = "?column?";

/// The name of the result column of an expression.
pub(crate) fn label(expression: &Expr) -> String {
    found(expression).map_or_else(|| NONE.to_owned(), |(name, _)| name)
}

/// The name, and whether it is better than that of a type around it.
fn found(expression: &Expr) -> Option<(String, bool)> {
    let strong = |name: &str| Some((name.to_owned(), true));
    match expression {
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => found(inner),
        Expr::Identifier(name) => Some((folded(name), true)),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| (folded(name), true)),
        Expr::CompoundFieldAccess { root, .. } => found(root),
        Expr::Function(function) => {
            let name = function.name.0.last()?.as_ident()?;
            Some((folded(name), true))
        }
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, .. } => match found(expr) {
            Some((name, true)) => Some((name, true)),
            _ => Some((type_name(data_type), false)),
        },
        Expr::TypedString(typed) => Some((type_name(&typed.data_type), false)),
        Expr::Interval(_) => Some(("interval".to_owned(), false)),
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(found) {
            Some((name, true)) => Some((name, true)),
            _ => Some(("case".to_owned(), false)),
        },
        Expr::Exists { negated: false, .. } => strong("exists"),
        Expr::Subquery(query) => of_query(query),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Extract { .. } => strong("extract"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Trim { trim_where, .. } => match trim_where {
            Some(TrimWhereField::Leading) => strong("ltrim"),
            Some(TrimWhereField::Trailing) => strong("rtrim"),
            Some(TrimWhereField::Both) | None => strong("btrim"),
        },
        _ => None,
    }
}

/// The name of the only column of a query, which always has one.
fn of_query(query: &Query) -> Option<(String, bool)> {
    of_body(&query.body)
}

/// The name of its only column: of a set operation that of the first arm.
fn of_body(body: &SetExpr) -> Option<(String, bool)> {
    match body {
        SetExpr::Select(select) => match select.projection.first()? {
            SelectItem::UnnamedExpr(expression) => Some((label(expression), true)),
            SelectItem::ExprWithAlias { alias, .. } => Some((folded(alias), true)),
            _ => None,
        },
        SetExpr::Query(inner) => of_query(inner),
        SetExpr::Values(_) => Some(("column1".to_owned(), true)),
        SetExpr::SetOperation { left, .. } => of_body(left),
        _ => None,
    }
}

fn type_name(data_type: &DataType) -> String {
    match data_type::of(data_type) {
        Ok((kind, _)) => kind.internal_name(),
        Err(_) => NONE.to_owned(),
    }
}
