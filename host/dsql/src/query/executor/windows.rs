use std::collections::BTreeMap;
use std::ops::Range;

use crate::SqlError;
use crate::query::executor::evaluation::misplaced;
use crate::query::executor::grouping::compare_sorted;
use crate::query::executor::{Environment, Executor, Values};
use crate::query::expression::Expression;
use crate::query::plan::{Edge, Window, WindowFunction};
use crate::values::order::Key;
use crate::values::value::Value;

/// The rows of a partition in their order: where each is in the input, and its sort keys.
type Partition = Vec<(usize, Vec<Value>)>;

impl<'e> Executor<'e> {
    /// The results of window functions for each row.
    pub(crate) fn windows(
        &self,
        windows: &'e [Window],
        rows: &[Values],
        outer: &[Value],
    ) -> Result<Vec<Values>, SqlError> {
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        let mut results = vec![Vec::with_capacity(windows.len()); rows.len()];
        for window in windows {
            let mut partitions = BTreeMap::<Key, Partition>::new();
            for (at, row) in rows.iter().enumerate() {
                let environment = Environment::new(row, outer);
                let key = Key::new(self.values(&window.partition, environment)?);
                let by = window.order.iter().map(|sorted| self.evaluate(&sorted.by, environment));
                partitions.entry(key).or_default().push((at, by.collect::<Result<_, _>>()?));
            }
            let mut values = vec![Value::Null; rows.len()];
            for mut partition in partitions.into_values() {
                partition.sort_by(|(_, left), (_, right)| compare_sorted(left, right, &window.order));
                for place in 0..partition.len() {
                    let value = self.window_value(window, &partition, place, rows, outer)?;
                    let slot = partition.get(place).and_then(|(at, _)| values.get_mut(*at));
                    *slot.ok_or_else(misplaced)? = value;
                }
            }
            for (result, value) in results.iter_mut().zip(values) {
                result.push(value);
            }
        }
        Ok(results)
    }

    fn window_value(
        &self,
        window: &'e Window,
        partition: &Partition,
        place: usize,
        rows: &[Values],
        outer: &[Value],
    ) -> Result<Value, SqlError> {
        let row = |place: usize| partition.get(place).and_then(|(at, _)| rows.get(*at));
        let current = row(place).ok_or_else(misplaced)?;
        let number = |count: usize| Value::Int8(i64::try_from(count).unwrap_or(i64::MAX));
        let at = |place: Option<usize>, value: &'e Expression| match place.and_then(row) {
            Some(row) => self.evaluate(value, Environment::new(row, outer)),
            None => Ok(Value::Null),
        };
        match &window.function {
            WindowFunction::RowNumber => Ok(number(place + 1)),
            WindowFunction::Rank => Ok(number(peers(window, partition, place).start + 1)),
            WindowFunction::DenseRank => {
                let mut rank = 0;
                let mut next = 0;
                while next <= place {
                    next = peers(window, partition, next).end.max(next + 1);
                    rank += 1;
                }
                Ok(number(rank))
            }
            WindowFunction::Shifted { value, by, forward, otherwise } => {
                let environment = Environment::new(current, outer);
                let Value::Int4(by) = self.evaluate(by, environment)? else { return Ok(Value::Null) };
                let by = if *forward { i64::from(by) } else { -i64::from(by) };
                let target = i64::try_from(place).ok().and_then(|place| usize::try_from(place + by).ok());
                match target.and_then(row) {
                    Some(row) => self.evaluate(value, Environment::new(row, outer)),
                    None => self.evaluate(otherwise, environment),
                }
            }
            WindowFunction::First(value) => {
                let frame = self.frame(window, partition, place, current, outer)?;
                at((!frame.is_empty()).then_some(frame.start), value)
            }
            WindowFunction::Last(value) => {
                let frame = self.frame(window, partition, place, current, outer)?;
                at((!frame.is_empty()).then(|| frame.end - 1), value)
            }
            WindowFunction::Aggregate(call) => {
                let frame = self.frame(window, partition, place, current, outer)?;
                let framed: Vec<_> = frame.filter_map(row).cloned().collect();
                self.aggregated(call, &framed, outer)
            }
        }
    }

    /// The rows of the frame around a row of a partition.
    fn frame(
        &self,
        window: &'e Window,
        partition: &Partition,
        place: usize,
        current: &[Value],
        outer: &[Value],
    ) -> Result<Range<usize>, SqlError> {
        let distance =
            |count: &'e Expression, message: &str| match self.evaluate(count, Environment::new(current, outer))? {
                Value::Int8(count @ 0..) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
                Value::Int8(_) => Err(SqlError::new("22013", format!("frame {message} offset must not be negative"))),
                _ => Err(SqlError::new("22004", format!("frame {message} offset must not be null"))),
            };
        let near = if window.frame.by_rows { place..place + 1 } else { peers(window, partition, place) };
        let start = match &window.frame.start {
            Edge::First => 0,
            Edge::Before(count) => near.start.saturating_sub(distance(count, "starting")?),
            Edge::Current => near.start,
            Edge::After(count) => near.start.saturating_add(distance(count, "starting")?),
            Edge::Last => partition.len(),
        };
        let end = match &window.frame.end {
            Edge::First => 0,
            Edge::Before(count) => near.end.saturating_sub(distance(count, "ending")?),
            Edge::Current => near.end,
            Edge::After(count) => near.end.saturating_add(distance(count, "ending")?),
            Edge::Last => partition.len(),
        };
        let end = end.min(partition.len());
        Ok(start.min(end)..end)
    }
}

/// The rows whose sort keys are equal to those of this one.
fn peers(window: &Window, partition: &Partition, place: usize) -> Range<usize> {
    let Some((_, own)) = partition.get(place) else { return place..place };
    let is_peer = |(_, other): &(usize, Vec<Value>)| compare_sorted(own, other, &window.order).is_eq();
    let before = partition.iter().take(place).rev().take_while(|row| is_peer(row)).count();
    let after = partition.iter().skip(place).take_while(|row| is_peer(row)).count();
    place - before..place + after
}
