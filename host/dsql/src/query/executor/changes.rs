use std::sync::Arc;

use crate::query::executor::evaluation::misplaced;
use crate::query::executor::{Environment, Executor, Values};
use crate::query::expression::Expression;
use crate::query::plan::{Body, Change, Conflict, ConflictUpdate, From, Modify, Query};
use crate::store::table::{Row, RowKey, Table};
use crate::values::text_format;
use crate::values::value::Value;
use crate::{ErrorObject, SqlError};

/// The longest value in the DETAIL of a row that was refused, in bytes
/// (`ExecBuildSlotValueDescription` of PostgreSQL's `src/backend/executor/execMain.c`).
const LONGEST_SHOWN: usize = 64;

/// The changed rows, for RETURNING, and how many there are.
pub(crate) type Changed = (Vec<Values>, usize);

impl<'e> Executor<'e> {
    /// Runs INSERT, UPDATE or DELETE.
    pub(crate) fn modify(&self, modify: &'e Modify, outer: &[Value]) -> Result<Changed, SqlError> {
        self.enter(&modify.with, outer)?;
        match &modify.change {
            Change::Insert { source, values, conflict } => {
                self.insert(modify, source, values, conflict.as_ref(), outer)
            }
            Change::Update { from, filter, place, set } => {
                self.update(modify, from, filter.as_ref(), *place, set, outer)
            }
            Change::Delete { from, filter, place } => self.delete(modify, from, filter.as_ref(), *place, outer),
        }
    }

    fn returned(&self, modify: &'e Modify, row: &[Value], outer: &[Value]) -> Result<Values, SqlError> {
        self.held(self.values(&modify.returning, Environment::new(row, outer))?)
    }

    fn default(&self, modify: &'e Modify, column: usize) -> Result<Value, SqlError> {
        self.default_of(&modify.defaults, column)
    }

    /// The default of a column.
    pub(crate) fn default_of(&self, defaults: &'e [Option<Expression>], column: usize) -> Result<Value, SqlError> {
        match defaults.get(column) {
            Some(Some(default)) => self.evaluate(default, Environment::new(&[], &[])),
            _ => Ok(Value::Null),
        }
    }

    fn insert(
        &self,
        modify: &'e Modify,
        source: &'e Query,
        values: &'e [Expression],
        conflict: Option<&'e Conflict>,
        outer: &[Value],
    ) -> Result<Changed, SqlError> {
        let table = &modify.table;
        let mut returned = Vec::new();
        let mut count = 0;
        let mut put = |row: Row| -> Result<(), SqlError> {
            let Some(row) = self.put(modify, table, row, conflict, outer)? else { return Ok(()) };
            count += 1;
            if !modify.returning.is_empty() {
                returned.push(self.returned(modify, &row, outer)?);
            }
            Ok(())
        };
        if let Body::Values(rows) = &source.body {
            for given in rows {
                let mut row = Vec::with_capacity(values.len());
                for (column, value) in values.iter().enumerate() {
                    let value = match value {
                        Expression::Column(at) => given.get(*at).ok_or_else(misplaced)?,
                        other => other,
                    };
                    row.push(match value {
                        Expression::Default => self.default(modify, column)?,
                        value => self.evaluate(value, Environment::new(&[], outer))?,
                    });
                }
                put(row.into())?;
            }
        } else {
            for given in self.query(source, outer)? {
                let mut row = Vec::with_capacity(values.len());
                for (column, value) in values.iter().enumerate() {
                    row.push(match value {
                        Expression::Default => self.default(modify, column)?,
                        value => self.evaluate(value, Environment::new(&given, outer))?,
                    });
                }
                put(row.into())?;
            }
        }
        Ok((returned, count))
    }

    /// Inserts a row, or does what ON CONFLICT says. Returns the new row if there is one.
    fn put(
        &self,
        modify: &'e Modify,
        table: &Arc<Table>,
        row: Row,
        conflict: Option<&'e Conflict>,
        outer: &[Value],
    ) -> Result<Option<Row>, SqlError> {
        self.check(table, &modify.checks, &row)?;
        if let Some(Conflict { target, update }) = conflict {
            let index = target.as_ref().and_then(|name| table.unique_indexes().find(|index| index.name == *name));
            let existing = self.transaction.borrow().find_conflict(table, &row, index);
            if let Some(key) = existing {
                return match update {
                    None => Ok(None),
                    Some(update) => self.conflicting(modify, table, &key, &row, update, outer),
                };
            }
        }
        self.insert_row(table, &row)?;
        Ok(Some(row))
    }

    fn conflicting(
        &self,
        modify: &'e Modify,
        table: &Arc<Table>,
        key: &RowKey,
        row: &Row,
        update: &'e ConflictUpdate,
        outer: &[Value],
    ) -> Result<Option<Row>, SqlError> {
        if self.transaction.borrow().is_written_by_statement(table, key) {
            let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
            let hint = "Ensure that no rows proposed for insertion within the same command have duplicate \
                        constrained values.";
            return Err(SqlError::new("21000", message).with_hint(hint));
        }
        let existing = self.transaction.borrow().get_newest(table, key).ok_or_else(misplaced)?;
        let both: Values = existing.iter().chain(row.iter()).cloned().collect();
        let environment = Environment::new(&both, outer);
        let is_kept = match &update.filter {
            Some(filter) => self.is_true(filter, environment)?,
            None => true,
        };
        if !is_kept {
            return Ok(None);
        }
        let row = self.with_set(modify, &existing, &update.set, environment)?;
        self.check(table, &modify.checks, &row)?;
        self.update_row(table, key, &row)?;
        Ok(Some(row))
    }

    /// A row with changed columns.
    fn with_set(
        &self,
        modify: &'e Modify,
        row: &[Value],
        set: &'e [(usize, Expression)],
        environment: Environment<'_>,
    ) -> Result<Row, SqlError> {
        let mut values = row.to_vec();
        for (column, value) in set {
            let value = match value {
                Expression::Default => self.default(modify, *column)?,
                value => self.evaluate(value, environment)?,
            };
            *values.get_mut(*column).ok_or_else(misplaced)? = value;
        }
        Ok(values.into())
    }

    /// The rows to change: each row of the table once, with what it is joined with.
    fn targets(
        &self,
        from: &'e From,
        filter: Option<&'e Expression>,
        place: usize,
        table: &Table,
        outer: &[Value],
    ) -> Result<Vec<(RowKey, Values)>, SqlError> {
        let rows = self.filtered(from, filter, outer)?;
        let mut targets: Vec<(RowKey, Values)> = Vec::with_capacity(rows.len());
        let mut seen = std::collections::BTreeSet::new();
        for row in rows {
            let key = row.get(place).and_then(|place| self.key_at(place)).ok_or_else(misplaced)?;
            let is_new = seen.insert(key.clone());
            if is_new && !self.transaction.borrow().is_written_by_statement(table, &key) {
                targets.push((key, row));
            }
        }
        Ok(targets)
    }

    fn update(
        &self,
        modify: &'e Modify,
        from: &'e From,
        filter: Option<&'e Expression>,
        place: usize,
        set: &'e [(usize, Expression)],
        outer: &[Value],
    ) -> Result<Changed, SqlError> {
        let table = &modify.table;
        let targets = self.targets(from, filter, place, table, outer)?;
        let (mut returned, count) = (Vec::new(), targets.len());
        for (key, mut joined) in targets {
            let environment = Environment::new(&joined, outer);
            let old = joined.get(..place).ok_or_else(misplaced)?;
            let row = self.with_set(modify, old, set, environment)?;
            self.check(table, &modify.checks, &row)?;
            self.update_row(table, &key, &row)?;
            if !modify.returning.is_empty() {
                for (slot, value) in joined.iter_mut().zip(row.iter()) {
                    *slot = value.clone();
                }
                returned.push(self.returned(modify, &joined, outer)?);
            }
        }
        Ok((returned, count))
    }

    fn delete(
        &self,
        modify: &'e Modify,
        from: &'e From,
        filter: Option<&'e Expression>,
        place: usize,
        outer: &[Value],
    ) -> Result<Changed, SqlError> {
        let table = &modify.table;
        let targets = self.targets(from, filter, place, table, outer)?;
        let (mut returned, count) = (Vec::new(), targets.len());
        for (key, joined) in targets {
            self.delete_row(table, &key)?;
            if !modify.returning.is_empty() {
                returned.push(self.returned(modify, &joined, outer)?);
            }
        }
        Ok((returned, count))
    }

    /// Whether a row may be in the table: NOT NULL and CHECK.
    pub(crate) fn check(&self, table: &Table, checks: &'e [(String, Expression)], row: &Row) -> Result<(), SqlError> {
        let object = |column: Option<&str>, constraint: Option<&str>| {
            Box::new(ErrorObject {
                schema: Some(table.schema.clone()),
                table: Some(table.name.clone()),
                column: column.map(str::to_owned),
                constraint: constraint.map(str::to_owned),
            })
        };
        for (column, value) in table.columns.iter().zip(row.iter()) {
            if column.is_not_null && matches!(value, Value::Null) {
                let message = format!(
                    "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                    column.name, table.name
                );
                let error = SqlError::new("23502", message).with_detail(failing(table, row)?);
                return Err(SqlError { object: object(Some(&column.name), None), ..error });
            }
        }
        for (name, check) in checks {
            if matches!(self.evaluate(check, Environment::new(row, &[]))?, Value::Bool(false)) {
                let message = format!("new row for relation \"{}\" violates check constraint \"{name}\"", table.name);
                let error = SqlError::new("23514", message).with_detail(failing(table, row)?);
                return Err(SqlError { object: object(None, Some(name)), ..error });
            }
        }
        Ok(())
    }
}

/// The DETAIL that shows a row.
fn failing(table: &Table, row: &[Value]) -> Result<String, SqlError> {
    let mut shown = Vec::with_capacity(row.len());
    for (column, value) in table.columns.iter().zip(row) {
        shown.push(match value {
            Value::Null => "null".to_owned(),
            value => {
                let mut text = text_format::output(value, column.kind)?;
                if text.len() > LONGEST_SHOWN {
                    let mut end = LONGEST_SHOWN;
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    text.truncate(end);
                    text.push_str("...");
                }
                text
            }
        });
    }
    Ok(format!("Failing row contains ({}).", shown.join(", ")))
}
