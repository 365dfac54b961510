//! Another SQL parser, which was written independently and for another purpose: the tables, columns
//! and functions that it finds in the original text have to be in the sent text.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, ObjectName, Query, Visit, Visitor};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use crate::world::Rule;

#[derive(Default)]
struct Seen {
    /// Relations and functions are split into the parts of their names.
    relations: BTreeSet<Vec<String>>,
    functions: BTreeSet<Vec<String>>,
    columns: BTreeSet<String>,
    /// The names before `.true` and the like, which this parser takes for a field of a column.
    before_a_field: BTreeSet<String>,
    with: BTreeSet<String>,
    statements: usize,
}

fn name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() }
}

fn parts(object: &ObjectName) -> Vec<String> {
    object.0.iter().map(|part| part.as_ident().map_or_else(|| part.to_string(), name)).collect()
}

impl Visitor for Seen {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.relations.insert(parts(relation));
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            self.with.extend(with.cte_tables.iter().map(|table| name(&table.alias.name)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        match expression {
            Expr::Identifier(ident) => {
                self.columns.insert(name(ident));
            }
            Expr::CompoundIdentifier(idents) => self.columns.extend(idents.last().map(name)),
            Expr::CompoundFieldAccess { root, .. } => {
                if let Expr::Identifier(ident) = root.as_ref() {
                    self.before_a_field.insert(name(ident));
                }
            }
            Expr::Function(function) => {
                self.functions.insert(parts(&function.name));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn read(sql: &str) -> Option<Seen> {
    let statements =
        Parser::new(&PostgreSqlDialect {}).with_recursion_limit(60).try_with_sql(sql).ok()?.parse_statements().ok()?;
    let mut seen = Seen { statements: statements.len(), ..Seen::default() };
    let _ = statements.visit(&mut seen);
    Some(seen)
}

/// Words of the grammar that this parser takes for calls without a schema.
const GRAMMAR: &[&str] = &[
    "values",
    "from",
    "not",
    "symmetric",
    "asymmetric",
    "coalesce",
    "greatest",
    "least",
    "nullif",
    "distinct",
    "all",
    "grouping",
    "extract",
    "substring",
    "trim",
    "overlay",
    "position",
    "row",
    "array",
    "exists",
];

/// Calls without parentheses, all of which the policy refuses.
const WITHOUT_PARENTHESES: [&str; 11] = [
    "current_user",
    "session_user",
    "user",
    "current_role",
    "current_catalog",
    "current_schema",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
];

/// Whether both texts could be parsed. The error names what is not in both.
pub fn compare(written: &str, sent: &str, rule: &Rule) -> Result<bool, String> {
    let Some(seen) = read(sent) else { return Ok(false) };
    if seen.statements != 1 {
        return Err(format!("{} statements are sent", seen.statements));
    }
    for relation in &seen.relations {
        let granted = match relation.as_slice() {
            [schema, table] if schema == "public" => rule.grants.tables.contains_key(table) && !table.contains('.'),
            [schema, table] if schema == "pg_catalog" => {
                seen.functions.iter().any(|function| function.last() == Some(table)) || is_called(sent, table)
            }
            [schema, table] => rule.grants.tables.contains_key(&format!("{schema}.{table}")),
            [one] => {
                // This parser also takes a call from the grammar in FROM for a relation.
                let is_grammar =
                    GRAMMAR.contains(&one.as_str()) && sent.contains(&format!("{}(", one.to_ascii_uppercase()));
                seen.with.contains(one) || is_grammar
            }
            _ => false,
        };
        if !granted {
            return Err(format!("the relation {relation:?}"));
        }
    }
    for function in &seen.functions {
        let is_of_catalog = matches!(function.as_slice(), [schema, _] if schema == "pg_catalog");
        let is_grammar = matches!(function.as_slice(), [one] if GRAMMAR.contains(&one.as_str()));
        // Before a subscript, this parser takes the schema for a value.
        let is_field = matches!(function.as_slice(), [one] if is_called(sent, one));
        if !is_of_catalog && !is_grammar && !is_field {
            return Err(format!("the function {function:?}"));
        }
    }
    let Some(own) = read(written) else { return Ok(false) };
    if own.statements != 1 {
        return Err(format!("{} statements are written", own.statements));
    }
    let last =
        |names: &BTreeSet<Vec<String>>| names.iter().filter_map(|parts| parts.last().cloned()).collect::<BTreeSet<_>>();
    // In GROUP BY, the name of a result column is sent as its number.
    let own_columns = match written.to_ascii_lowercase().contains("group") {
        true => BTreeSet::new(),
        false => own.columns.difference(&own.before_a_field).cloned().collect(),
    };
    // After a dot they are names of columns, but this parser takes them for calls.
    let own_functions =
        last(&own.functions).into_iter().filter(|name| !WITHOUT_PARENTHESES.contains(&name.as_str())).collect();
    for (what, own, sent) in [
        ("relation", last(&own.relations), last(&seen.relations)),
        ("function", own_functions, last(&seen.functions)),
        ("column", own_columns, seen.columns),
    ] {
        if let Some(missing) = own.difference(&sent).next() {
            return Err(format!("the {what} {missing} is written and not sent"));
        }
    }
    Ok(true)
}

/// A function in FROM, which this parser takes for a relation.
fn is_called(sent: &str, function: &str) -> bool {
    sent.contains(&format!("\"pg_catalog\".\"{function}\"("))
}
