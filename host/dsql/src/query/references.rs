use std::collections::BTreeMap;
use std::sync::Arc;

use crate::query::expression::Expression;
use crate::store::link::Link;
use crate::store::table::Table;

/// What foreign keys ask of the tables that a statement changes, by the OIDs of these tables. Tables that are
/// changed because a referenced row is are among them.
pub(crate) type References = BTreeMap<u32, Referential>;

/// A table that has foreign keys, or is referenced by some.
#[derive(Debug)]
pub(crate) struct Referential {
    pub(crate) table: Arc<Table>,
    /// In the order in which PostgreSQL runs them for a row: those that reference the table first.
    pub(crate) triggers: Vec<Trigger>,
    /// Of each column that has one: its default.
    pub(crate) defaults: Vec<Option<Expression>>,
    pub(crate) checks: Vec<(String, Expression)>,
}

/// What a foreign key has to do with a table.
#[derive(Debug)]
pub(crate) enum Trigger {
    /// It references the table.
    Referenced(Arc<Link>),
    /// The table has it.
    Referencing(Arc<Link>),
}
