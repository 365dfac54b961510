use std::collections::BTreeMap;

use crate::store::table::{Row, RowKey};
use crate::store::versions::Versions;
use crate::values::order::Key;

/// The committed rows of one table, in all versions that a transaction may still read.
#[derive(Debug, Default)]
pub(crate) struct TableRows {
    pub(crate) rows: BTreeMap<RowKey, Versions<Row>>,
    /// The entries of each unique index but the primary key, by the index's OID.
    pub(crate) entries: BTreeMap<u32, BTreeMap<Key, Versions<RowKey>>>,
    /// The key of the next row, where the table has no primary key.
    pub(crate) next_number: i64,
}

impl TableRows {
    /// The same without what only transactions that have begun can read.
    pub(crate) fn newest(&self) -> Self {
        fn newest<K: Clone + Ord, V: Clone>(all: &BTreeMap<K, Versions<V>>) -> BTreeMap<K, Versions<V>> {
            let there = all.iter().filter_map(|(key, versions)| Some((key.clone(), versions.newest()?.clone())));
            there.map(|(key, value)| (key, Versions::since_ever(value))).collect()
        }
        let entries = self.entries.iter().map(|(index, entries)| (*index, newest(entries)));
        Self { rows: newest(&self.rows), entries: entries.collect(), next_number: self.next_number }
    }

    /// The row that an index's entry was of at this time.
    pub(crate) fn entry(&self, index: u32, key: &Key, time: u64) -> Option<&RowKey> {
        self.entries.get(&index)?.get(key)?.at(time)
    }
}
