//! Statements: their names and types resolved, and their rows computed.

mod binder;
pub(crate) mod data_type;
mod executor;
mod expression;
mod label;
mod plan;
mod references;
mod scope;

use std::sync::Arc;

use sqlparser::ast::{SetExpr, Statement};

use crate::SqlError;
use crate::query::binder::{Binder, WithNames};
use crate::query::executor::Executor;
use crate::query::plan::Plan;
use crate::query::references::References;
use crate::query::scope::Captures;
use crate::scalars::Moment;
use crate::store::catalog::Catalog;
use crate::store::table::Table;
use crate::store::transaction::Transaction;
use crate::values::kind::Kind;
use crate::values::value::Value;

pub(crate) use executor::budget::Budget;
pub(crate) use plan::OutputColumn;

/// A statement that can be run as often as the catalogue stays the same.
#[derive(Debug)]
pub(crate) struct Analyzed {
    pub(crate) parameters: Vec<Kind>,
    /// Empty if it returns no rows.
    pub(crate) columns: Vec<OutputColumn>,
    /// Whether it may change or lock rows.
    pub(crate) writes: bool,
    plan: Plan,
    references: References,
}

/// The result of a statement.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) rows: Vec<Vec<Value>>,
    /// The command tag: `SELECT 3`, `INSERT 0 1`.
    pub(crate) tag: String,
}

/// Resolves the names and types of a SELECT, VALUES, INSERT, UPDATE or DELETE. The type of a
/// parameter that is `Unknown`, or is not listed, is inferred.
pub(crate) fn analyze(catalog: &Catalog, statement: &Statement, parameters: &[Kind]) -> Result<Analyzed, SqlError> {
    let binder = Binder::new(catalog, parameters);
    let captures = Captures::default();
    let (plan, columns, writes) = match statement {
        Statement::Query(query) => match &*query.body {
            SetExpr::Insert(inner) | SetExpr::Update(inner) | SetExpr::Delete(inner) => {
                let (with, names) = binder.with(query.with.as_ref(), &WithNames::NONE, &captures, None)?;
                let names = WithNames { names, parent: None };
                let mut modify = binder.modify(inner, &names, &captures, None)?;
                modify.with = with;
                let columns = modify.columns.clone();
                (Plan::Modify(Box::new(modify)), columns, true)
            }
            _ => {
                let plan = binder.query(query, &WithNames::NONE, &captures, None)?;
                let columns = plan.columns.clone();
                let writes = plan.writes();
                (Plan::Query(plan), columns, writes)
            }
        },
        Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
            let modify = binder.modify(statement, &WithNames::NONE, &captures, None)?;
            let columns = modify.columns.clone();
            (Plan::Modify(Box::new(modify)), columns, true)
        }
        other => return Err(SqlError::unsupported(format!("the statement {other}"))),
    };
    let references = binder.references()?;
    Ok(Analyzed { parameters: binder.into_parameters()?, columns, writes, plan, references })
}

/// Fails if the defaults or the checks of a table could not be computed.
pub(crate) fn check_table(catalog: &Catalog, table: &Arc<Table>) -> Result<(), SqlError> {
    Binder::new(catalog, &[]).constraints(table).map(drop)
}

/// Runs a statement within a transaction.
pub(crate) fn run(
    analyzed: &Analyzed,
    transaction: &mut Transaction,
    parameters: &[Value],
    moment: &Moment,
    budget: Budget<'_>,
) -> Result<Output, SqlError> {
    let executor = Executor::new(transaction, parameters, moment, budget, &analyzed.references);
    executor.fold(&analyzed.plan)?;
    match &analyzed.plan {
        Plan::Query(query) => {
            let rows = executor.query(query, &[])?;
            executor.finish()?;
            let tag = format!("SELECT {}", rows.len());
            Ok(Output { rows, tag })
        }
        Plan::Modify(modify) => {
            let (rows, count) = executor.modify(modify, &[])?;
            executor.finish()?;
            Ok(Output { rows, tag: format!("{} {count}", modify.verb()) })
        }
    }
}
