use std::collections::{BTreeMap, BTreeSet};

use crate::SqlError;
use crate::query::executor::queries::compare_values;
use crate::query::executor::{Environment, Executor, Values};
use crate::query::plan::{AggregateCall, Group, Sorted};
use crate::values::order::Key;
use crate::values::value::Value;

impl<'e> Executor<'e> {
    /// One row for each group: its keys, and then its aggregates.
    pub(crate) fn grouped(
        &self,
        group: &'e Group,
        rows: Vec<Values>,
        outer: &[Value],
    ) -> Result<Vec<Values>, SqlError> {
        let Group { keys, is_one, aggregates, having } = group;
        let mut groups: Vec<(Values, Vec<Values>)> = Vec::new();
        let mut numbers = BTreeMap::<Key, usize>::new();
        if *is_one {
            groups.push((Vec::new(), rows));
        } else {
            for row in rows {
                let key = self.values(keys, Environment::new(&row, outer))?;
                let number = *numbers.entry(Key::new(key.iter().cloned())).or_insert(groups.len());
                match groups.get_mut(number) {
                    Some((_, rows)) => rows.push(row),
                    None => groups.push((key, vec![row])),
                }
            }
        }
        let mut grouped = Vec::with_capacity(groups.len());
        for (mut row, rows) in groups {
            for aggregate in aggregates {
                row.push(self.aggregated(aggregate, &rows, outer)?);
            }
            let is_kept = match having {
                Some(having) => self.is_true(having, Environment::new(&row, outer))?,
                None => true,
            };
            if is_kept {
                grouped.push(self.held(row)?);
            }
        }
        Ok(grouped)
    }

    /// The value of an aggregate over rows.
    pub(crate) fn aggregated<'r>(
        &self,
        call: &'e AggregateCall,
        rows: impl IntoIterator<Item = &'r Values>,
        outer: &[Value],
    ) -> Result<Value, SqlError> {
        let AggregateCall { aggregate, arguments, distinct, filter, order } = call;
        let held = self.budget.held();
        let mut accumulator = aggregate.start();
        let mut add = |values: &[Value]| {
            if accumulator.keeps_values() {
                self.budget.hold(values)?;
            }
            accumulator.add(values)
        };
        let is_plain = !*distinct && order.is_empty();
        let mut all = Vec::new();
        for row in rows {
            self.budget.step()?;
            let environment = Environment::new(row, outer);
            let is_kept = match filter {
                Some(filter) => self.is_true(filter, environment)?,
                None => true,
            };
            if is_kept && is_plain {
                add(&self.values(arguments, environment)?)?;
            } else if is_kept {
                let by = order.iter().map(|key| self.evaluate(&key.by, environment)).collect::<Result<Vec<_>, _>>()?;
                all.push((by, self.held(self.values(arguments, environment)?)?));
            }
        }
        if *distinct {
            let sorted: BTreeSet<_> = all.iter().map(|(_, values)| Key::new(values.iter().cloned())).collect();
            if order.is_empty() {
                all = sorted.into_iter().map(|key| (Vec::new(), key.values().to_vec())).collect();
            } else {
                let mut seen = BTreeSet::new();
                all.retain(|(_, values)| seen.insert(Key::new(values.iter().cloned())));
            }
        }
        if !order.is_empty() {
            all.sort_by(|(left, _), (right, _)| compare_sorted(left, right, order));
        }
        all.iter().try_for_each(|(_, values)| add(values))?;
        self.budget.release(held);
        accumulator.finish()
    }
}

/// The order of rows by the values of sorted expressions.
pub(crate) fn compare_sorted(left: &[Value], right: &[Value], keys: &[Sorted]) -> std::cmp::Ordering {
    let orders = left
        .iter()
        .zip(right)
        .zip(keys)
        .map(|((left, right), key)| compare_values(left, right, key.descending, key.nulls_first));
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
}
