//! Checks INSERT, UPDATE and DELETE against the grants.

use crate::check::Checker;
use crate::names::{Verb, no_verb};
use crate::scope::{Level, Names, Relation, Scope, Table};
use crate::tree::{Assignment, Body, Conflict, Delete, Expression, Insert, Name, Query, TableName, Update};
use crate::untyped::{self, Open};
use crate::{Refusal, moment};

/// The table that a statement writes to, and its name there.
struct Target<'t> {
    table: Table<'t>,
    columns: Names<'t>,
    name: &'t Name,
}

impl<'t> Target<'t> {
    fn level(&self) -> Result<Level<'t>, Refusal> {
        let mut level = Level::default();
        level.add(self.relation(&self.name.text), self.name.at)?;
        Ok(level)
    }

    fn kind_of(&self, column: &str) -> Option<&'t str> {
        self.relation(&self.name.text).kind_of(column)
    }

    fn relation(&self, name: &'t str) -> Relation<'t> {
        Relation { name: Some(name), table: Some(self.table), columns: self.columns.clone() }
    }
}

impl<'t> Checker<'t> {
    fn target(&mut self, table: &'t TableName, alias: Option<&'t Name>) -> Result<Target<'t>, Refusal> {
        let granted = self.table(table)?;
        let columns = granted.columns();
        Ok(Target { table: granted, columns, name: alias.unwrap_or(&table.name) })
    }

    pub(crate) fn insert(&mut self, insert: &'t Insert, scope: &Scope<'_, 't>) -> Result<Names<'t>, Refusal> {
        let Insert { with, table: into, alias, columns, rows, conflict, returning } = insert;
        let tables = self.with(with, scope)?;
        let scope = &Scope { with: &tables, ..*scope };
        let target = self.target(into, alias.as_ref())?;
        if target.table.grant.insert.is_none() {
            let what = no_verb("insert into", target.table.name, "insert = [..]");
            return Err(Refusal::not_granted(into.name.at, what));
        }
        self.table_use(target.table.name);
        for column in columns.iter().flatten() {
            self.touch_named(target.table, &target.columns, Verb::Insert, column)?;
        }
        // Without rows every column gets its default, and PostgreSQL requires INSERT on some
        // column.
        if let Some(rows) = rows {
            // Each value alone gets the type of its column.
            let (given, open) = match &rows.body {
                Body::Values(values) if rows.is_only_body() => (self.values(values, scope)?.len(), Vec::new()),
                _ => {
                    let names = self.query(rows, scope)?;
                    (names.list().len(), names.open().to_vec())
                }
            };
            if columns.is_none() {
                self.first_columns(&target, rows, given, into.name.at)?;
            }
            self.inserted(columns.as_deref(), &target, rows, &open)?;
        }
        if let Some(conflict) = conflict {
            self.conflict(conflict, &target, scope)?;
        }
        self.items(returning, &scope.within(&target.level()?, 0))
    }

    /// The values that are inserted into these columns, or into the first ones.
    fn inserted(
        &mut self,
        columns: Option<&[Name]>,
        target: &Target<'t>,
        rows: &Query,
        open: &[(usize, Open)],
    ) -> Result<(), Refusal> {
        let kind_of = |number: usize| {
            let column = match columns {
                Some(columns) => columns.get(number).map(|name| name.text.as_str()),
                None => target.columns.list().get(number).copied(),
            };
            column.and_then(|column| target.kind_of(column)).unwrap_or_default()
        };
        if let Body::Values(rows) = &rows.body {
            for row in rows {
                row.iter().enumerate().try_for_each(|(number, value)| self.value(value, kind_of(number)))?;
            }
        }
        open.iter().try_for_each(|(number, open)| untyped::check_value(*open, kind_of(*number), &mut self.resolved))
    }

    /// A value of a column of this type.
    fn value(&mut self, value: &Expression, kind: &str) -> Result<(), Refusal> {
        moment::check_value(value, kind)?;
        Open::of(value).map_or(Ok(()), |open| untyped::check_value(open, kind, &mut self.resolved))
    }

    /// As many columns as there are values, starting with the first.
    fn first_columns(&mut self, target: &Target<'t>, rows: &Query, given: usize, at: usize) -> Result<(), Refusal> {
        let Some(first) = target.columns.list().get(..given) else {
            let known = target.columns.list().len();
            let what = format!("{given} values are given, and {} has {known} columns", target.table.name);
            return Err(Refusal::not_understood(rows.order_at, what));
        };
        for column in first {
            self.touch(target.table, Verb::Insert, column, at)?;
        }
        self.resolved.inserted.insert(at, first.to_vec());
        Ok(())
    }

    fn conflict(&mut self, conflict: &'t Conflict, target: &Target<'t>, scope: &Scope<'_, 't>) -> Result<(), Refusal> {
        let Conflict { columns, constraint, index_filter, set, filter } = conflict;
        for column in columns {
            self.touch_named(target.table, &target.columns, Verb::Select, column)?;
        }
        if let Some(constraint) = constraint {
            let Some(columns) = target.table.known.constraints.get(&constraint.text) else {
                let what = format!("there is no constraint {} of {}", constraint.text, target.table.name);
                return Err(Refusal::not_understood(constraint.at, what));
            };
            for column in columns {
                self.touch(target.table, Verb::Select, column, constraint.at)?;
            }
        }
        self.all(index_filter, &scope.within(&target.level()?, 0))?;
        // `excluded` is the row to be inserted. PostgreSQL requires SELECT on the columns of it
        // that are read.
        let mut both = target.level()?;
        both.add(target.relation("excluded"), target.name.at)?;
        let inner = &scope.within(&both, 0);
        self.set(target, set, inner)?;
        self.all(filter, inner)
    }

    fn set(&mut self, target: &Target<'t>, set: &'t [Assignment], scope: &Scope<'_, 't>) -> Result<(), Refusal> {
        for Assignment { columns, value, .. } in set {
            for column in columns {
                self.touch_named(target.table, &target.columns, Verb::Update, column)?;
            }
            let values = match value {
                Expression::Row { values, .. } if values.len() == columns.len() => values,
                value => std::slice::from_ref(value),
            };
            for (column, value) in columns.iter().zip(values) {
                self.part(value, scope)?;
                self.value(value, target.kind_of(&column.text).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    pub(crate) fn update(&mut self, update: &'t Update, scope: &Scope<'_, 't>) -> Result<Names<'t>, Refusal> {
        let Update { with, table, alias, set, from, filter, returning } = update;
        let tables = self.with(with, scope)?;
        let scope = &Scope { with: &tables, ..*scope };
        let target = self.target(table, alias.as_ref())?;
        let mut level = target.level()?;
        // The queries and functions in FROM do not see the target.
        self.sources(from, &mut level, scope)?;
        let inner = &scope.within(&level, 0);
        self.set(&target, set, inner)?;
        self.all(filter, inner)?;
        self.items(returning, inner)
    }

    pub(crate) fn delete(&mut self, delete: &'t Delete, scope: &Scope<'_, 't>) -> Result<Names<'t>, Refusal> {
        let Delete { with, table, alias, using, filter, returning } = delete;
        let tables = self.with(with, scope)?;
        let scope = &Scope { with: &tables, ..*scope };
        let target = self.target(table, alias.as_ref())?;
        if !target.table.grant.delete {
            let what = no_verb("delete from", target.table.name, "delete = true");
            return Err(Refusal::not_granted(table.name.at, what));
        }
        self.table_use(target.table.name).delete = true;
        let mut level = target.level()?;
        self.sources(using, &mut level, scope)?;
        let inner = &scope.within(&level, 0);
        self.all(filter, inner)?;
        self.items(returning, inner)
    }
}
