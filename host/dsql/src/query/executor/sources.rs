use std::rc::Rc;
use std::sync::Arc;

use crate::SqlError;
use crate::query::executor::{Environment, Executor, Values};
use crate::query::plan::{From, Join, JoinKind, Scan};
use crate::store::table::{Row, RowKey};
use crate::values::order::Key;
use crate::values::value::Value;

impl<'e> Executor<'e> {
    /// The rows of a source. `before` is the row of the sources before it, for LATERAL.
    pub(crate) fn rows(&self, from: &'e From, before: &[Value], outer: &[Value]) -> Result<Vec<Values>, SqlError> {
        match from {
            From::Nothing => Ok(vec![Vec::new()]),
            From::Table(scan) => self.scan(scan, before, outer),
            From::System(table) => {
                let transaction = self.transaction.borrow();
                Ok(table.rows(&transaction))
            }
            From::With(id) => Ok(self.with_rows(*id)?.to_vec()),
            From::Query(subplan) => {
                let captured = self.captured(&subplan.captures, Environment::new(before, outer))?;
                self.query(&subplan.plan, &captured)
            }
            From::Function { function, arguments, ordinality } => {
                let arguments = self.values(arguments, Environment::new(before, outer))?;
                let mut rows = function.call(&arguments)?;
                if *ordinality {
                    for (number, row) in (1..).zip(&mut rows) {
                        row.push(Value::Int8(number));
                    }
                }
                Ok(rows)
            }
            From::Join(join) => self.join(join, before, outer),
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

    fn join(&self, join: &'e Join, before: &[Value], outer: &[Value]) -> Result<Vec<Values>, SqlError> {
        let Join { kind, left, right, left_width, right_width, lateral, on } = join;
        let is_keyed = matches!(right, From::Table(scan) if !scan.key.is_empty());
        let is_each = *lateral || is_keyed;
        let lefts = self.rows(left, before, outer)?;
        let all = if is_each { None } else { Some(Rc::new(self.rows(right, &[], outer)?)) };
        let mut matched = vec![false; all.as_ref().map_or(0, |all| all.len())];
        let mut joined = Vec::new();
        for left in lefts {
            let rights = match &all {
                Some(all) => Rc::clone(all),
                None => Rc::new(self.rows(right, &left, outer)?),
            };
            let mut is_matched = false;
            for (at, right) in rights.iter().enumerate() {
                let mut row = Vec::with_capacity(left_width + right_width);
                row.extend_from_slice(&left);
                row.extend_from_slice(right);
                let fits = match on {
                    Some(on) => self.is_true(on, Environment::new(&row, outer))?,
                    None => true,
                };
                if fits {
                    is_matched = true;
                    if let Some(matched) = matched.get_mut(at) {
                        *matched = true;
                    }
                    joined.push(row);
                }
            }
            if !is_matched && matches!(kind, JoinKind::Left | JoinKind::Full) {
                let mut row = left;
                row.resize(left_width + right_width, Value::Null);
                joined.push(row);
            }
        }
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            let unmatched = all.iter().flat_map(|all| all.iter()).zip(&matched).filter(|(_, matched)| !**matched);
            for (right, _) in unmatched {
                let mut row = vec![Value::Null; *left_width];
                row.extend_from_slice(right);
                joined.push(row);
            }
        }
        Ok(joined)
    }
}
