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
type Sorted = Vec<(usize, Vec<Value>)>;

/// A partition, and which of its rows are sorted alike.
struct Partition {
    /// Where each row is in the input.
    rows: Vec<usize>,
    /// Of each row: its peers, and the number of their group, from 0.
    peers: Vec<(Range<usize>, usize)>,
}

impl Partition {
    fn new(sorted: Sorted, window: &Window) -> Self {
        let mut peers = Vec::with_capacity(sorted.len());
        let (mut start, mut group) = (0, 0);
        while let Some((_, first)) = sorted.get(start) {
            let is_peer = |(_, other): &&(usize, Vec<Value>)| compare_sorted(first, other, &window.order).is_eq();
            let end = start + sorted.iter().skip(start).take_while(is_peer).count().max(1);
            peers.extend((start..end).map(|_| (start..end, group)));
            (start, group) = (end, group + 1);
        }
        Self { rows: sorted.into_iter().map(|(at, _)| at).collect(), peers }
    }

    /// The peers of a row, and the number of their group.
    fn peers(&self, place: usize) -> (Range<usize>, usize) {
        self.peers.get(place).cloned().unwrap_or((place..place + 1, 0))
    }
}

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
            let mut partitions = BTreeMap::<Key, Sorted>::new();
            for (at, row) in rows.iter().enumerate() {
                let environment = Environment::new(row, outer);
                let key = Key::new(self.values(&window.partition, environment)?);
                let by = window.order.iter().map(|sorted| self.evaluate(&sorted.by, environment));
                partitions.entry(key).or_default().push((at, by.collect::<Result<_, _>>()?));
            }
            let mut values = vec![Value::Null; rows.len()];
            for mut sorted in partitions.into_values() {
                sorted.sort_by(|(_, left), (_, right)| compare_sorted(left, right, &window.order));
                let partition = Partition::new(sorted, window);
                // What one row leaves to the next: its frame and the aggregate of it, or where its tiles begin and how
                // many they are.
                let mut last = None;
                for (place, at) in partition.rows.iter().enumerate() {
                    self.budget.step()?;
                    let value = self.window_value(window, &partition, place, rows, outer, &mut last)?;
                    *values.get_mut(*at).ok_or_else(misplaced)? = value;
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
        last: &mut Option<(Range<usize>, Value)>,
    ) -> Result<Value, SqlError> {
        let row = |place: usize| partition.rows.get(place).and_then(|at| rows.get(*at));
        let current = row(place).ok_or_else(misplaced)?;
        let number = |count: usize| Value::Int8(i64::try_from(count).unwrap_or(i64::MAX));
        let at = |place: Option<usize>, value: &'e Expression| match place.and_then(row) {
            Some(row) => self.evaluate(value, Environment::new(row, outer)),
            None => Ok(Value::Null),
        };
        match &window.function {
            WindowFunction::RowNumber => Ok(number(place + 1)),
            WindowFunction::Rank => Ok(number(partition.peers(place).0.start + 1)),
            WindowFunction::DenseRank => Ok(number(partition.peers(place).1 + 1)),
            WindowFunction::PercentRank => {
                let others = partition.rows.len() - 1;
                let before = partition.peers(place).0.start;
                Ok(Value::Float8(if others == 0 { 0.0 } else { before as f64 / others as f64 }))
            }
            WindowFunction::CumulativeDistribution => {
                Ok(Value::Float8(partition.peers(place).0.end as f64 / partition.rows.len() as f64))
            }
            WindowFunction::Tile(count) => {
                // The first row with a number says how many tiles there are, and is the first one that is in one.
                let (first, count) = match last {
                    Some((first, count)) => (first.start, count.clone()),
                    None => (place, self.evaluate(count, Environment::new(current, outer))?),
                };
                let tiles = match count {
                    Value::Int4(tiles @ 1..) => usize::try_from(tiles).unwrap_or(usize::MAX),
                    Value::Int4(_) => {
                        return Err(SqlError::new("22014", "argument of ntile must be greater than zero"));
                    }
                    _ => return Ok(Value::Null),
                };
                *last = Some((first..first + 1, count));
                let (small, larger) = (partition.rows.len() / tiles, partition.rows.len() % tiles);
                // The first tiles have one row more.
                let (place, of_larger) = (place - first, larger * (small + 1));
                let tile = if place < of_larger {
                    place / (small + 1)
                } else {
                    larger + (place - of_larger).checked_div(small).unwrap_or(0)
                };
                Ok(Value::Int4(i32::try_from(tile + 1).unwrap_or(i32::MAX)))
            }
            WindowFunction::Nth(value, which) => {
                let which = match self.evaluate(which, Environment::new(current, outer))? {
                    Value::Int4(which @ 1..) => usize::try_from(which).unwrap_or(usize::MAX),
                    Value::Int4(_) => {
                        return Err(SqlError::new("22016", "argument of nth_value must be greater than zero"));
                    }
                    _ => return Ok(Value::Null),
                };
                let frame = self.frame(window, partition, place, current, outer)?;
                let nth = frame.start.saturating_add(which - 1);
                at(frame.contains(&nth).then_some(nth), value)
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
                if let Some((range, value)) = last
                    && *range == frame
                {
                    return Ok(value.clone());
                }
                let value = self.aggregated(call, frame.clone().filter_map(row), outer)?;
                *last = Some((frame, value.clone()));
                Ok(value)
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
        let near = if window.frame.by_rows { place..place + 1 } else { partition.peers(place).0 };
        let start = match &window.frame.start {
            Edge::First => 0,
            Edge::Before(count) => near.start.saturating_sub(distance(count, "starting")?),
            Edge::Current => near.start,
            Edge::After(count) => near.start.saturating_add(distance(count, "starting")?),
            Edge::Last => partition.rows.len(),
        };
        let end = match &window.frame.end {
            Edge::First => 0,
            Edge::Before(count) => near.end.saturating_sub(distance(count, "ending")?),
            Edge::Current => near.end,
            Edge::After(count) => near.end.saturating_add(distance(count, "ending")?),
            Edge::Last => partition.rows.len(),
        };
        let end = end.min(partition.rows.len());
        Ok(start.min(end)..end)
    }
}
