use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::SqlError;
use crate::query::executor::{Environment, Executor, Values};
use crate::query::expression::Expression;
use crate::query::plan::{Body, Converted, Distinct, From, Item, Lock, Query, Select, SetOperator, SortKey};
use crate::store::transaction::Strength;
use crate::values::order::{self, Key};
use crate::values::value::Value;

/// The most turns of a recursive query. A query without an end would keep the thread.
const MOST_TURNS: usize = 100_000;

impl<'e> Executor<'e> {
    /// The rows of a query, with its visible columns.
    pub(crate) fn query(&self, query: &'e Query, outer: &[Value]) -> Result<Vec<Values>, SqlError> {
        let before = self.budget.held();
        self.enter(&query.with, outer)?;
        let around = Environment::new(&[], outer);
        let limit = self.count(query.limit.as_ref(), around, "2201W", "LIMIT must not be negative")?;
        let offset = self.count(query.offset.as_ref(), around, "2201X", "OFFSET must not be negative")?.unwrap_or(0);
        let mut rows = match &query.body {
            Body::Select(select) => self.select(select, outer)?,
            Body::Values(rows) => {
                let rows = rows.iter().map(|row| self.held(self.values(row, around)?));
                rows.collect::<Result<Vec<_>, _>>()?
            }
            Body::Query(inner) => self.query(inner, outer)?,
            Body::Set { operator, all, left, right } => self.set_operation(*operator, *all, left, right, outer)?,
        };
        if !query.sort.is_empty() {
            rows.sort_by(|left, right| compare_rows(left, right, &query.sort));
        }
        let select = match &query.body {
            Body::Select(select) => Some(&**select),
            _ => None,
        };
        if let Some(Distinct::On(columns)) = select.map(|select| &select.distinct) {
            rows = first_of_each(rows, columns, &query.sort);
        }
        let mut end = limit.map_or(rows.len(), |limit| offset.saturating_add(limit).min(rows.len()));
        if query.with_ties
            && let Some(last) = end.checked_sub(1)
        {
            let is_tie = |row: &Values| rows.get(last).is_some_and(|last| compare_rows(last, row, &query.sort).is_eq());
            end += rows.iter().skip(end).take_while(|row| is_tie(row)).count();
        }
        rows.truncate(end);
        if let Some(select) = select {
            self.lock(&select.locks, &rows)?;
        }
        rows.drain(..offset.min(rows.len()));
        let width = query.columns.len();
        rows.iter_mut().for_each(|row| row.truncate(width));
        self.budget.keep(before, &rows)?;
        Ok(rows)
    }

    fn count(
        &self,
        count: Option<&'e Expression>,
        around: Environment<'_>,
        sqlstate: &'static str,
        message: &str,
    ) -> Result<Option<usize>, SqlError> {
        let Some(count) = count else { return Ok(None) };
        match self.evaluate(count, around)? {
            Value::Int8(count @ 0..) => Ok(Some(usize::try_from(count).unwrap_or(usize::MAX))),
            Value::Int8(_) => Err(SqlError::new(sqlstate, message)),
            _ => Ok(None),
        }
    }

    /// Locks the rows whose places are the last columns.
    fn lock(&self, locks: &'e [Lock], rows: &[Values]) -> Result<(), SqlError> {
        for row in rows {
            let first = row.len().saturating_sub(locks.len());
            for (lock, place) in locks.iter().zip(row.iter().skip(first)) {
                let strength = if lock.key_share { Strength::KeyShare } else { Strength::Update };
                if let Some(key) = self.key_at(place) {
                    self.transaction.borrow_mut().lock(&lock.table, &key, strength)?;
                }
            }
        }
        Ok(())
    }

    /// The rows of a SELECT: its items, and the places of the rows to lock.
    fn select(&self, select: &'e Select, outer: &[Value]) -> Result<Vec<Values>, SqlError> {
        let Select { from, filter, group, windows, items, distinct, locks } = select;
        let mut rows = self.filtered(from, filter.as_ref(), outer)?;
        if let Some(group) = group {
            rows = self.grouped(group, rows, outer)?;
        }
        let of_windows = self.windows(windows, &rows, outer)?;
        let mut results = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let windows = of_windows.get(at).map_or(&[][..], Vec::as_slice);
            let environment = Environment { row, outer, windows };
            let first = results.len();
            self.items(items, environment, &mut results)?;
            for result in results.iter_mut().skip(first) {
                result.extend(locks.iter().map(|lock| row.get(lock.place).cloned().unwrap_or(Value::Null)));
            }
        }
        if matches!(distinct, Distinct::All) {
            results = distinct_rows(results);
        }
        Ok(results)
    }

    /// The rows of a source for which a condition is true. Only these are held: each is looked at as it is made.
    pub(crate) fn filtered(
        &self,
        from: &'e From,
        filter: Option<&'e Expression>,
        outer: &[Value],
    ) -> Result<Vec<Values>, SqlError> {
        let Some(filter) = filter else { return self.rows(from, &[], outer) };
        let mut kept = Vec::new();
        self.each(from, &[], outer, &mut |row| {
            if self.is_true(filter, Environment::new(row, outer))? {
                kept.push(self.held(row.to_vec())?);
            }
            Ok(())
        })?;
        Ok(kept)
    }

    /// A row that is held from now on.
    pub(crate) fn held(&self, row: Values) -> Result<Values, SqlError> {
        self.budget.hold(&row)?;
        Ok(row)
    }

    fn items(&self, items: &'e [Item], from: Environment<'_>, results: &mut Vec<Values>) -> Result<(), SqlError> {
        let mut row = Vec::with_capacity(items.len() + 1);
        let mut sets: Vec<(usize, Vec<Values>)> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            match item {
                Item::Value(expression) => row.push(self.evaluate(expression, from)?),
                Item::Rows(function, arguments) => {
                    sets.push((at, function.call(&self.values(arguments, from)?)?));
                    row.push(Value::Null);
                }
            }
        }
        let Some(longest) = sets.iter().map(|(_, rows)| rows.len()).max() else {
            results.push(self.held(row)?);
            return Ok(());
        };
        for number in 0..longest {
            let mut row = row.clone();
            for (at, rows) in &sets {
                if let (Some(slot), Some(value)) = (row.get_mut(*at), rows.get(number).and_then(|row| row.first())) {
                    *slot = value.clone();
                }
            }
            results.push(self.held(row)?);
        }
        Ok(())
    }

    fn converted(&self, arm: &'e Converted, outer: &[Value]) -> Result<Vec<Values>, SqlError> {
        let rows = self.query(&arm.body, outer)?;
        rows.iter().map(|row| self.held(self.values(&arm.columns, Environment::new(row, outer))?)).collect()
    }

    fn set_operation(
        &self,
        operator: SetOperator,
        all: bool,
        left: &'e Converted,
        right: &'e Converted,
        outer: &[Value],
    ) -> Result<Vec<Values>, SqlError> {
        let (mut left, right) = (self.converted(left, outer)?, self.converted(right, outer)?);
        if operator == SetOperator::Union {
            left.extend(right);
            return Ok(if all { left } else { distinct_rows(left) });
        }
        let mut counts = BTreeMap::<Key, usize>::new();
        for row in right {
            *counts.entry(Key::new(row)).or_default() += 1;
        }
        if !all {
            left = distinct_rows(left);
        }
        let is_kept = |row: &Values| {
            let count = counts.get_mut(&Key::new(row.iter().cloned()));
            let found = match count {
                Some(count) if *count > 0 => {
                    *count -= usize::from(all);
                    true
                }
                _ => false,
            };
            found == (operator == SetOperator::Intersect)
        };
        left.retain({
            let mut is_kept = is_kept;
            move |row| is_kept(row)
        });
        Ok(left)
    }

    /// The rows of a recursive query: those of the first part, and then those that the next part
    /// makes of the rows of the previous turn.
    pub(crate) fn recursive(
        &self,
        id: usize,
        first: &'e Query,
        next: &'e Query,
        all: bool,
        outer: &[Value],
    ) -> Result<Vec<Values>, SqlError> {
        let mut seen = BTreeSet::new();
        let mut new = |rows: Vec<Values>| -> Vec<Values> {
            if all {
                return rows;
            }
            rows.into_iter().filter(|row| seen.insert(Key::new(row.iter().cloned()))).collect()
        };
        let mut turn = new(self.query(first, outer)?);
        let mut rows = Vec::new();
        for _ in 0..MOST_TURNS {
            if turn.is_empty() {
                self.keep(id, None);
                return Ok(rows);
            }
            for row in &turn {
                rows.push(self.held(row.clone())?);
            }
            self.keep(id, Some(Rc::new(turn)));
            turn = new(self.query(next, outer)?);
        }
        Err(SqlError::new("54000", "a recursive query does not end"))
    }
}

/// The order of rows by sort keys.
pub(crate) fn compare_rows(left: &[Value], right: &[Value], keys: &[SortKey]) -> Ordering {
    for SortKey { column, descending, nulls_first } in keys {
        let (Some(left), Some(right)) = (left.get(*column), right.get(*column)) else { continue };
        let order = compare_values(left, right, *descending, *nulls_first);
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

pub(crate) fn compare_values(left: &Value, right: &Value, descending: bool, nulls_first: bool) -> Ordering {
    match (matches!(left, Value::Null), matches!(right, Value::Null)) {
        (true, true) => Ordering::Equal,
        (true, false) if nulls_first => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) if nulls_first => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if descending => order::compare(right, left),
        (false, false) => order::compare(left, right),
    }
}

/// Each row once, in the order of the first ones.
fn distinct_rows(rows: Vec<Values>) -> Vec<Values> {
    let mut seen = BTreeSet::new();
    rows.into_iter().filter(|row| seen.insert(Key::new(row.iter().cloned()))).collect()
}

/// The first row of each set of rows with equal values in these columns. They are together if the
/// rows are sorted by them first, and are sorted by them otherwise.
fn first_of_each(rows: Vec<Values>, columns: &[usize], sort: &[SortKey]) -> Vec<Values> {
    let mut rows = rows;
    if sort.is_empty() {
        let keys: Vec<_> =
            columns.iter().map(|column| SortKey { column: *column, descending: false, nulls_first: false }).collect();
        rows.sort_by(|left, right| compare_rows(left, right, &keys));
    }
    let mut seen = BTreeSet::new();
    let key = |row: &Values| Key::new(columns.iter().filter_map(|column| row.get(*column).cloned()));
    rows.into_iter().filter(|row| seen.insert(key(row))).collect()
}
