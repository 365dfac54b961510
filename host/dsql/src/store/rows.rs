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
    /// The row that an index's entry was of at this time.
    pub(crate) fn entry(&self, index: u32, key: &Key, time: u64) -> Option<&RowKey> {
        self.entries.get(&index)?.get(key)?.at(time)
    }
}
