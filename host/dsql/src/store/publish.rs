use std::sync::Arc;

use crate::store::catalog::Objects;
use crate::store::state::State;
use crate::store::table::{Row, Table};
use crate::store::versions::Versions;
use crate::values::value::Value;

impl State {
    /// Makes these objects the catalogue, and the rows what they say of them.
    ///
    /// Older versions of rows are not needed any more: a transaction that could see them fails with
    /// OC001 at its next statement, or at the end of the present one.
    pub(crate) fn publish(&mut self, mut objects: Objects) {
        let before = Arc::clone(&self.objects);
        for old in before.tables.values() {
            let new = objects.tables.values().find(|new| new.id == old.id);
            match new {
                None => drop(self.tables.remove(&old.id)),
                Some(new) => self.reshape(old, new),
            }
        }
        let is_known = |id: u32| objects.sequences.values().any(|sequence| sequence.id == id);
        self.positions.retain(|id, _| is_known(*id));
        self.held.retain(|(_, id), _| is_known(*id));
        objects.version = before.version + 1;
        self.objects = Arc::new(objects);
    }

    /// Gives the rows of a table the columns of its new definition, and drops the entries of the
    /// indexes that it does not have any more.
    fn reshape(&mut self, old: &Table, new: &Table) {
        let Some(rows) = self.tables.get_mut(&old.id) else { return };
        rows.entries.retain(|id, _| new.uniques.iter().any(|index| index.id == *id));
        let numbers = |table: &Table| table.columns.iter().map(|column| column.number).collect::<Vec<_>>();
        let (old, new) = (numbers(old), numbers(new));
        if old == new {
            return;
        }
        let places: Vec<_> = new.iter().map(|number| old.iter().position(|known| known == number)).collect();
        let reshaped = |row: &Row| -> Row {
            let value = |place: &Option<usize>| place.and_then(|place| row.get(place)).cloned();
            places.iter().map(|place| value(place).unwrap_or(Value::Null)).collect()
        };
        rows.rows.retain(|_, versions| {
            let newest = versions.newest().map(reshaped);
            newest.is_some_and(|row| {
                *versions = Versions::since_ever(row);
                true
            })
        });
    }
}
