use std::sync::Arc;

use crate::SqlError;
use crate::query::executor::{Environment, Executor, Values};
use crate::query::plan::{From, Join, JoinKind, Scan};
use crate::store::table::{Row, RowKey};
use crate::values::order::Key;
use crate::values::value::Value;

impl<'e> Executor<'e> {
    /// The rows of a source, all of them held. `before` is the row of the sources before it, for LATERAL.
    pub(crate) fn rows(&self, from: &'e From, before: &[Value], outer: &[Value]) -> Result<Vec<Values>, SqlError> {
        let mut rows = Vec::new();
        match from {
            From::Query(subplan) => {
                let captured = self.captured(&subplan.captures, Environment::new(before, outer))?;
                rows = self.query(&subplan.plan, &captured)?;
            }
            From::Table(scan) => {
                rows = self.scan(scan, before, outer)?;
                rows.iter().try_for_each(|row| self.budget.hold(row))?;
            }
            _ => self.each(from, before, outer, &mut |row| {
                rows.push(self.held(row.to_vec())?);
                Ok(())
            })?,
        }
        Ok(rows)
    }

    /// Looks at each row of a source. A join makes its rows one at a time.
    pub(crate) fn each(
        &self,
        from: &'e From,
        before: &[Value],
        outer: &[Value],
        look: &mut dyn FnMut(&[Value]) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let mut all = |rows: &[Values]| {
            rows.iter().try_for_each(|row| {
                self.budget.step()?;
                look(row)
            })
        };
        match from {
            From::Nothing => look(&[]),
            From::Table(scan) => all(&self.scan(scan, before, outer)?),
            From::System(table) => {
                let rows = table.rows(&self.transaction.borrow());
                all(&rows)
            }
            From::With(id) => all(&self.with_rows(*id)?),
            From::Query(subplan) => {
                let captured = self.captured(&subplan.captures, Environment::new(before, outer))?;
                let held = self.budget.held();
                let rows = self.query(&subplan.plan, &captured)?;
                let taken = self.budget.held().saturating_sub(held);
                all(&rows)?;
                self.budget.give_back(taken);
                Ok(())
            }
            From::Function { function, arguments, ordinality } => {
                let arguments = self.values(arguments, Environment::new(before, outer))?;
                let mut rows = function.call(&arguments)?;
                if *ordinality {
                    for (number, row) in (1..).zip(&mut rows) {
                        row.push(Value::Int8(number));
                    }
                }
                all(&rows)
            }
            From::Join(join) => self.join(join, before, outer, look),
        }
    }

    fn scan(&self, scan: &'e Scan, before: &[Value], outer: &[Value]) -> Result<Vec<Values>, SqlError> {
        let Scan { table, key, with_place } = scan;
        let mut prefix = self.values(key, Environment::new(before, outer))?;
        if prefix.iter().any(|value| matches!(value, Value::Null)) {
            return Ok(Vec::new());
        }
        let length = table.primary_key.as_ref().map_or(usize::MAX, |primary| primary.columns.len());
        let transaction = self.transaction.borrow();
        let found: Vec<(RowKey, Row)> = if prefix.is_empty() {
            transaction.scan(table)
        } else if prefix.len() == length {
            let key = RowKey(Arc::new(Key::new(prefix.drain(..))));
            transaction.get(table, &key).map(|row| (key, row)).into_iter().collect()
        } else {
            transaction.scan_prefix(table, &prefix)
        };
        let mut places = self.places.borrow_mut();
        let row = |(key, row): (RowKey, Row)| {
            let mut values = Vec::with_capacity(row.len() + 1);
            values.extend(row.iter().cloned());
            if *with_place {
                values.push(Value::Int8(i64::try_from(places.len()).unwrap_or(i64::MAX)));
                places.push(key);
            }
            values
        };
        Ok(found.into_iter().map(row).collect())
    }

    /// The key of the row with this place.
    pub(crate) fn key_at(&self, place: &Value) -> Option<RowKey> {
        let Value::Int8(place) = place else { return None };
        self.places.borrow().get(usize::try_from(*place).ok()?).cloned()
    }

    fn join(
        &self,
        join: &'e Join,
        before: &[Value],
        outer: &[Value],
        look: &mut dyn FnMut(&[Value]) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let Join { kind, left, right, left_width, right_width, lateral, on } = join;
        let is_keyed = matches!(right, From::Table(scan) if !scan.key.is_empty());
        let is_each = *lateral || is_keyed;
        let all = if is_each { Vec::new() } else { self.rows(right, &[], outer)? };
        let mut matched = vec![false; all.len()];
        let mut joined: Values = Vec::with_capacity(left_width + right_width);
        self.each(left, before, outer, &mut |left| {
            let held = self.budget.held();
            let of_left = if is_each { self.rows(right, left, outer)? } else { Vec::new() };
            let taken = self.budget.held().saturating_sub(held);
            let rights = if is_each { &of_left } else { &all };
            let mut is_matched = false;
            joined.clear();
            joined.extend_from_slice(left);
            for (at, right) in rights.iter().enumerate() {
                self.budget.step()?;
                joined.truncate(left.len());
                joined.extend_from_slice(right);
                let fits = match on {
                    Some(on) => self.is_true(on, Environment::new(&joined, outer))?,
                    None => true,
                };
                if fits {
                    is_matched = true;
                    if let Some(matched) = matched.get_mut(at) {
                        *matched = true;
                    }
                    look(&joined)?;
                }
            }
            if !is_matched && matches!(kind, JoinKind::Left | JoinKind::Full) {
                joined.truncate(left.len());
                joined.resize(left_width + right_width, Value::Null);
                look(&joined)?;
            }
            self.budget.give_back(taken);
            Ok(())
        })?;
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            for (right, _) in all.iter().zip(&matched).filter(|(_, matched)| !**matched) {
                let mut row = vec![Value::Null; *left_width];
                row.extend_from_slice(right);
                look(&row)?;
            }
        }
        Ok(())
    }
}
