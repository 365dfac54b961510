//! What foreign keys do after a statement: checks, and changes of the rows that reference others.

use std::sync::Arc;

use crate::SqlError;
use crate::query::executor::Executor;
use crate::query::executor::evaluation::misplaced;
use crate::query::executor::pending::Pending;
use crate::query::references::{Referential, Trigger};
use crate::scalars::cast::{self, Context};
use crate::store::foreign_key::Reaction;
use crate::store::link::Link;
use crate::store::referential_check::ReferentialCheck;
use crate::store::table::{Row, RowKey, Table};
use crate::values::value::Value;

impl<'e> Executor<'e> {
    pub(crate) fn insert_row(&self, table: &Table, row: &Row) -> Result<(), SqlError> {
        let key = self.transaction.borrow_mut().insert(table, Arc::clone(row))?;
        if let Some(references) = self.references.get(&table.id) {
            self.queue(references, None, Some((key, Arc::clone(row))), false);
        }
        Ok(())
    }

    pub(crate) fn update_row(&self, table: &Table, key: &RowKey, row: &Row) -> Result<(), SqlError> {
        let Some(references) = self.references.get(&table.id) else {
            return self.transaction.borrow_mut().update(table, key, Arc::clone(row)).map(drop);
        };
        let mut transaction = self.transaction.borrow_mut();
        let (old, is_own) = (transaction.get_newest(table, key), transaction.has_written(table, key));
        let key = transaction.update(table, key, Arc::clone(row))?;
        drop(transaction);
        self.queue(references, old, Some((key, Arc::clone(row))), is_own);
        Ok(())
    }

    pub(crate) fn delete_row(&self, table: &Table, key: &RowKey) -> Result<(), SqlError> {
        let Some(references) = self.references.get(&table.id) else {
            return self.transaction.borrow_mut().delete(table, key);
        };
        let mut transaction = self.transaction.borrow_mut();
        let old = transaction.get_newest(table, key);
        transaction.delete(table, key)?;
        drop(transaction);
        self.queue(references, old, None, false);
        Ok(())
    }

    /// Notes what the foreign keys of a table have to do because of a row. `is_own` is a row that the
    /// transaction had written before.
    fn queue(&self, references: &'e Referential, old: Option<Row>, new: Option<(RowKey, Row)>, is_own: bool) {
        for trigger in &references.triggers {
            let is_concerned = match (trigger, &old, &new) {
                (Trigger::Referenced(link), Some(old), new) => {
                    link.concerns_parent(old, new.as_ref().map(|(_, new)| new))
                }
                (Trigger::Referencing(link), Some(old), Some((_, new))) => link.concerns_child(old, new, is_own),
                (Trigger::Referencing(_), None, Some(_)) => true,
                _ => false,
            };
            if is_concerned {
                let pending = Pending { trigger, old: old.clone(), new: new.clone() };
                self.pending.borrow_mut().push_back(pending);
            }
        }
    }

    /// Does what foreign keys have to do, at the end of the statement: first what came up first. What that
    /// leads to comes last.
    pub(crate) fn settle(&self) -> Result<(), SqlError> {
        loop {
            let next = self.pending.borrow_mut().pop_front();
            let Some(pending) = next else { return Ok(()) };
            self.budget.step()?;
            match pending.trigger {
                Trigger::Referencing(link) => {
                    let (key, row) = pending.new.ok_or_else(misplaced)?;
                    self.ask(link, ReferentialCheck::Referencing { link: Arc::clone(link), key, row })?;
                }
                Trigger::Referenced(link) => {
                    self.act(link, pending.old.ok_or_else(misplaced)?, pending.new.map(|(_, row)| row))?;
                }
            }
        }
    }

    /// Makes a check now, or at the end of the transaction.
    fn ask(&self, link: &Link, check: ReferentialCheck) -> Result<(), SqlError> {
        let mut transaction = self.transaction.borrow_mut();
        if transaction.defers(link) {
            transaction.defer(check);
            return Ok(());
        }
        transaction.check(&check)
    }

    /// Does what a foreign key says about a referenced row that is gone, or has another key.
    fn act(&self, link: &Arc<Link>, old: Row, new: Option<Row>) -> Result<(), SqlError> {
        let action = if new.is_some() { link.on_update } else { link.on_delete };
        let check = |row| ReferentialCheck::Referenced { link: Arc::clone(link), row };
        match (action, &new) {
            (Reaction::NoAction, _) => self.ask(link, check(old)),
            (Reaction::Restrict, _) => self.transaction.borrow().restrict(link, &old),
            (Reaction::Cascade, None) => {
                for (key, _) in self.children(link, &old)? {
                    self.delete_row(&link.child, &key)?;
                }
                Ok(())
            }
            (Reaction::Cascade, Some(new)) => {
                let mut values = Vec::with_capacity(link.columns.len());
                for (column, referenced) in link.columns.iter().zip(&link.referenced) {
                    values.push((*column, self.carried(link, *column, *referenced, new)?));
                }
                self.set_children(link, &old, |_| Ok(values.clone()))
            }
            (Reaction::SetNull, _) => {
                let columns = set_columns(link, new.is_none());
                self.set_children(link, &old, |_| Ok(columns.iter().map(|column| (*column, Value::Null)).collect()))
            }
            (Reaction::SetDefault, _) => {
                let columns = set_columns(link, new.is_none());
                self.set_children(link, &old, |child| {
                    let value = |column: &usize| Ok((*column, self.default_of(&child.defaults, *column)?));
                    columns.iter().map(value).collect()
                })?;
                // A default that is the key which is gone is as good as no change.
                self.transaction.borrow_mut().check(&check(old))
            }
        }
    }

    /// The value that a referencing column takes over.
    fn carried(&self, link: &Link, column: usize, referenced: usize, parent: &Row) -> Result<Value, SqlError> {
        let (Some(column), Some(from)) = (link.child.columns.get(column), link.parent.columns.get(referenced)) else {
            return Err(misplaced());
        };
        let value = parent.get(referenced).ok_or_else(misplaced)?;
        let cast = cast::find(from.kind, column.kind, Context::Assignment).ok_or_else(misplaced)?;
        cast::apply(cast, value, column.modifier, false)
    }

    /// The rows that reference this one, after all that the statement has written.
    fn children(&self, link: &Link, parent: &Row) -> Result<Vec<(RowKey, Row)>, SqlError> {
        let rows = self.transaction.borrow().newest_rows(&link.child, |child| link.references(child, parent));
        rows.iter().try_for_each(|_| self.budget.step())?;
        Ok(rows)
    }

    /// Sets columns of the rows that reference this one.
    fn set_children(
        &self,
        link: &Link,
        parent: &Row,
        values: impl Fn(&'e Referential) -> Result<Vec<(usize, Value)>, SqlError>,
    ) -> Result<(), SqlError> {
        let child = self.references.get(&link.child.id).ok_or_else(misplaced)?;
        for (key, row) in self.children(link, parent)? {
            let mut changed = row.to_vec();
            for (column, value) in values(child)? {
                *changed.get_mut(column).ok_or_else(misplaced)? = value;
            }
            let row: Row = changed.into();
            self.check(&child.table, &child.checks, &row)?;
            self.update_row(&child.table, &key, &row)?;
        }
        Ok(())
    }
}

/// The columns that SET NULL and SET DEFAULT set.
fn set_columns(link: &Link, is_delete: bool) -> &[usize] {
    if is_delete { &link.set_columns } else { &link.columns }
}
