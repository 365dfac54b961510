use std::collections::BTreeMap;

use crate::store::conflict::{Class, Classes};
use crate::store::table::{Row, RowKey};
use crate::values::order::Key;

/// What a transaction has written and locked, by the OIDs of the tables.
#[derive(Debug, Default)]
pub(crate) struct WriteSet {
    pub(crate) tables: BTreeMap<u32, TableWrites>,
    /// Rows written or locked.
    pub(crate) count: usize,
    /// Bytes of the rows written.
    pub(crate) bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct TableWrites {
    pub(crate) rows: BTreeMap<RowKey, RowWrites>,
    /// By the OID of the unique index: the entries that were taken (by this row) or given up.
    pub(crate) entries: BTreeMap<u32, BTreeMap<Key, Option<RowKey>>>,
}

/// What a transaction did to one row.
#[derive(Debug, Default)]
pub(crate) struct RowWrites {
    /// The row after each statement that wrote it, with the number of the statement. `None` is a
    /// deleted row.
    pub(crate) values: Vec<(u32, Option<Row>)>,
    pub(crate) classes: Classes,
}

impl RowWrites {
    /// What the statement with this number sees: what the statements before it wrote, if they did.
    pub(crate) fn before(&self, statement: u32) -> Option<&Option<Row>> {
        self.values.iter().rev().find(|(by, _)| *by < statement).map(|(_, value)| value)
    }

    /// What was written last, if anything was.
    pub(crate) fn newest(&self) -> Option<&Option<Row>> {
        self.values.last().map(|(_, value)| value)
    }

    /// Whether this statement wrote it.
    pub(crate) fn is_by(&self, statement: u32) -> bool {
        self.values.last().is_some_and(|(by, _)| *by == statement)
    }

    pub(crate) fn write(&mut self, statement: u32, value: Option<Row>, class: Class) {
        self.classes.add(class);
        match self.values.last_mut() {
            Some((by, newest)) if *by == statement => *newest = value,
            _ => self.values.push((statement, value)),
        }
    }
}
