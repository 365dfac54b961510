use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use sqlparser::ast::Statement;

use crate::sql_error::SqlError;
use crate::store::Store;
use crate::store::catalog::Catalog;
use crate::store::conflict::{Class, Classes, changed, schema_changed};
use crate::store::ddl::{self, Change};
use crate::store::job::{Job, Status, Work, new_id};
use crate::store::link::Link;
use crate::store::referential_check::ReferentialCheck;
use crate::store::rows::TableRows;
use crate::store::sequence::Sequence;
use crate::store::state::{State, Touched};
use crate::store::table::{Row, RowKey, Table, UniqueIndex};
use crate::store::unique_violation::unique_violation;
use crate::store::versions::Versions;
use crate::store::write_set::{RowWrites, WriteSet};
use crate::values::order::{Key, compare};
use crate::values::value::Value;

/// The most bytes of a value, of a row, and of the values of a key
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html>).
const COLUMN: usize = 1 << 20;
const ROW: usize = 2 << 20;
const KEY: usize = 1 << 10;

/// How strongly SELECT locks a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strength {
    /// FOR UPDATE.
    Update,
    /// FOR KEY SHARE.
    KeyShare,
}

/// An open transaction.
///
/// Its session calls [`begin_statement`](Self::begin_statement) before each statement and
/// [`end_statement`](Self::end_statement) after it. What is read is the snapshot of its first
/// statement, with what its own earlier statements wrote.
#[derive(Debug)]
pub(crate) struct Transaction {
    store: Arc<Store>,
    catalog: Catalog,
    session: u64,
    snapshot: Option<Snapshot>,
    /// The number of the current statement.
    statement: u32,
    writes: WriteSet,
    /// Whether its catalogue is not the one it began with.
    has_changed_catalog: bool,
    /// The jobs that begin with its commit.
    jobs: Vec<Job>,
    /// What foreign keys ask at its end, in the order of the changes.
    deferred: Vec<ReferentialCheck>,
    constraints: ConstraintModes,
}

/// What SET CONSTRAINTS has said in a transaction.
#[derive(Debug, Default)]
struct ConstraintModes {
    /// Whether all of them are deferred, if that was said.
    all: Option<bool>,
    /// What was said of single ones since, by their OIDs.
    single: BTreeMap<u32, bool>,
}

impl ConstraintModes {
    fn is_deferred(&self, link: &Link) -> bool {
        self.single.get(&link.id).copied().or(self.all).unwrap_or(link.is_deferred)
    }
}

/// An open snapshot, which keeps the versions that it sees.
#[derive(Debug)]
struct Snapshot {
    store: Arc<Store>,
    time: u64,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.store.lock().close_snapshot(self.time);
    }
}

impl Transaction {
    /// A transaction of this session, which knows this catalogue.
    pub(crate) fn new(store: Arc<Store>, catalog: Catalog, session: u64) -> Self {
        Self {
            store,
            catalog,
            session,
            snapshot: None,
            statement: 0,
            writes: WriteSet::default(),
            has_changed_catalog: false,
            jobs: Vec::new(),
            deferred: Vec::new(),
            constraints: ConstraintModes::default(),
        }
    }

    /// The catalogue that its statements see.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Says where the next statement looks for names, and whose it is.
    pub(crate) fn set_names(&mut self, search_path: Arc<[String]>, user: Arc<str>) {
        self.catalog.search_path = search_path;
        self.catalog.user = user;
    }

    /// Begins the next statement. The first one takes the snapshot. Fails with 40001 if the
    /// catalogue is not the one that the session knows.
    pub(crate) fn begin_statement(&mut self) -> Result<(), SqlError> {
        let mut state = self.store.current();
        check_catalog(&state, &self.catalog)?;
        if self.snapshot.is_none() {
            let time = state.open_snapshot();
            drop(state);
            self.snapshot = Some(Snapshot { store: Arc::clone(&self.store), time });
        }
        self.statement += 1;
        Ok(())
    }

    /// Ends a statement: the next one sees what it wrote. Fails with 40001 if the catalogue changed
    /// while it ran.
    pub(crate) fn end_statement(&mut self) -> Result<(), SqlError> {
        check_catalog(&self.store.lock(), &self.catalog)
    }

    /// All rows of a table, in the order of their keys.
    pub(crate) fn scan(&self, table: &Table) -> Vec<(RowKey, Row)> {
        self.range(table, self.statement, Bound::Unbounded, |_| true, |_| true)
    }

    /// The rows whose primary keys begin with these values, in the order of their keys.
    pub(crate) fn scan_prefix(&self, table: &Table, prefix: &[Value]) -> Vec<(RowKey, Row)> {
        let begins =
            |key: &RowKey| key.0.values().iter().zip(prefix).all(|(value, begin)| compare(value, begin).is_eq());
        let first = RowKey(Arc::new(Key::new(prefix.iter().cloned())));
        self.range(table, self.statement, Bound::Included(&first), begins, |_| true)
    }

    /// The rows for which this holds after all that the transaction wrote, the current statement included, in
    /// the order of their keys.
    pub(crate) fn newest_rows(&self, table: &Table, is_wanted: impl Fn(&[Value]) -> bool) -> Vec<(RowKey, Row)> {
        self.range(table, self.statement + 1, Bound::Unbounded, |_| true, is_wanted)
    }

    /// The rows from this key on, as the statement with this number sees them.
    fn range(
        &self,
        table: &Table,
        statement: u32,
        from: Bound<&RowKey>,
        is_in: impl Fn(&RowKey) -> bool,
        is_wanted: impl Fn(&[Value]) -> bool,
    ) -> Vec<(RowKey, Row)> {
        let range = (from, Bound::Unbounded);
        let own = self.writes.tables.get(&table.id).map(|writes| writes.rows.range(range));
        let mut own = own.into_iter().flatten().take_while(|(key, _)| is_in(key)).peekable();
        let wanted = |row: &&Row| is_wanted(row);
        let visible = |writes: &RowWrites, committed: Option<&Row>| {
            let row = match writes.before(statement) {
                Some(written) => written.as_ref(),
                None => committed,
            };
            row.filter(wanted).cloned()
        };
        let state = self.store.lock();
        let committed = state.tables.get(&table.id).map(|rows| rows.rows.range(range));
        let mut rows = Vec::new();
        for (key, versions) in committed.into_iter().flatten().take_while(|(key, _)| is_in(key)) {
            while let Some((before, writes)) = own.next_if(|(own, _)| *own < key) {
                rows.extend(visible(writes, None).map(|row| (before.clone(), row)));
            }
            let committed = versions.at(self.time());
            let row = match own.next_if(|(own, _)| *own == key) {
                Some((_, writes)) => visible(writes, committed),
                None => committed.filter(wanted).cloned(),
            };
            rows.extend(row.map(|row| (key.clone(), row)));
        }
        rows.extend(own.filter_map(|(key, writes)| Some((key.clone(), visible(writes, None)?))));
        rows
    }

    /// The row with this key, as the current statement sees it.
    pub(crate) fn get(&self, table: &Table, key: &RowKey) -> Option<Row> {
        match self.row_writes(table, key).and_then(|writes| writes.before(self.statement)) {
            Some(written) => written.clone(),
            None => self.committed(table, key),
        }
    }

    /// The row with this key after all that the transaction wrote, the current statement included.
    pub(crate) fn get_newest(&self, table: &Table, key: &RowKey) -> Option<Row> {
        match self.row_writes(table, key).and_then(RowWrites::newest) {
            Some(written) => written.clone(),
            None => self.committed(table, key),
        }
    }

    /// Whether the current statement has written the row with this key: it must not do so twice.
    pub(crate) fn is_written_by_statement(&self, table: &Table, key: &RowKey) -> bool {
        self.row_writes(table, key).is_some_and(|writes| writes.is_by(self.statement))
    }

    /// Inserts a row, which has a value for each column of the table. Its constraints other than the
    /// unique ones are checked by the caller. Fails with 23505 if a row with the same key is seen,
    /// one of the current statement included.
    pub(crate) fn insert(&mut self, table: &Table, row: Row) -> Result<RowKey, SqlError> {
        for index in table.unique_indexes() {
            if let Some(key) = index.key(&row)
                && self.holder(table, index, &key).is_some()
            {
                return Err(unique_violation(table, index, &key));
            }
        }
        let key = self.new_key(table, &row);
        self.write(table, &key, Some(row), Class::Whole)?;
        Ok(key)
    }

    /// The row that keeps this one from being inserted: one with the same key in `index`, or in any
    /// unique index.
    pub(crate) fn find_conflict(&self, table: &Table, row: &[Value], index: Option<&UniqueIndex>) -> Option<RowKey> {
        let conflict = |index: &UniqueIndex| self.holder(table, index, &index.key(row)?);
        match index {
            Some(index) => conflict(index),
            None => table.unique_indexes().find_map(conflict),
        }
    }

    /// Replaces the row with this key, and returns the key of the new one. A changed primary key is a delete and
    /// an insert. Fails with 23505 as [`insert`](Self::insert) does.
    pub(crate) fn update(&mut self, table: &Table, key: &RowKey, row: Row) -> Result<RowKey, SqlError> {
        let old = self.get_newest(table, key);
        let mut class = Class::Update;
        for index in table.unique_indexes() {
            let new = index.raw_key(&row);
            if old.as_ref().is_some_and(|old| index.raw_key(old) == new) {
                continue;
            }
            class = Class::Whole;
            if let Some(new) = index.key(&row)
                && self.holder(table, index, &new).is_some_and(|holder| holder != *key)
            {
                return Err(unique_violation(table, index, &new));
            }
        }
        let new_key = match &table.primary_key {
            Some(index) => RowKey(Arc::new(index.raw_key(&row))),
            None => key.clone(),
        };
        if new_key == *key {
            self.write(table, key, Some(row), class)?;
            return Ok(new_key);
        }
        self.write(table, key, None, Class::Whole)?;
        self.write(table, &new_key, Some(row), Class::Whole)?;
        Ok(new_key)
    }

    /// Deletes the row with this key.
    pub(crate) fn delete(&mut self, table: &Table, key: &RowKey) -> Result<(), SqlError> {
        self.write(table, key, None, Class::Whole)
    }

    /// Locks the row with this key: nothing waits, but the commit conflicts as if the row had been
    /// written.
    pub(crate) fn lock(&mut self, table: &Table, key: &RowKey, strength: Strength) -> Result<(), SqlError> {
        let writes = self.writes.tables.entry(table.id).or_default().rows.entry(key.clone()).or_default();
        let before = writes.classes;
        writes.classes.add(match strength {
            Strength::Update => Class::Whole,
            Strength::KeyShare => Class::KeyShare,
        });
        let is_new = writes.classes != before;
        if is_new { self.count(0) } else { Ok(()) }
    }

    /// Locks a row that another one references, as FOR KEY SHARE does. What the transaction has written or locked
    /// itself counts once.
    pub(crate) fn share(&mut self, table: &Table, key: &RowKey) -> Result<(), SqlError> {
        let writes = self.writes.tables.entry(table.id).or_default().rows.entry(key.clone()).or_default();
        let is_new = writes.classes == Classes::default();
        writes.classes.add(Class::KeyShare);
        if is_new { self.count(0) } else { Ok(()) }
    }

    /// Whether it has written the row with this key.
    pub(crate) fn has_written(&self, table: &Table, key: &RowKey) -> bool {
        self.row_writes(table, key).is_some_and(|writes| writes.newest().is_some())
    }

    /// Whether what this foreign key asks of rows is asked at the end of the transaction.
    pub(crate) fn defers(&self, link: &Link) -> bool {
        link.is_deferrable && self.constraints.is_deferred(link)
    }

    /// Says when the constraints with these OIDs, or all that can be deferred, are checked. What is no longer put
    /// off is checked now. Fails with 23503.
    pub(crate) fn set_constraints(&mut self, ids: Option<&[u32]>, is_deferred: bool) -> Result<(), SqlError> {
        match ids {
            None => self.constraints = ConstraintModes { all: Some(is_deferred), single: BTreeMap::new() },
            Some(ids) => self.constraints.single.extend(ids.iter().map(|id| (*id, is_deferred))),
        }
        let (left, due) = std::mem::take(&mut self.deferred).into_iter().partition(|check| self.defers(check.link()));
        self.deferred = left;
        due.iter().try_for_each(|check| self.check(check))
    }

    /// Puts a check off to the end of the transaction.
    pub(crate) fn defer(&mut self, check: ReferentialCheck) {
        self.deferred.push(check);
    }

    /// Makes the checks that were put off.
    fn check_deferred(&mut self) -> Result<(), SqlError> {
        std::mem::take(&mut self.deferred).iter().try_for_each(|check| self.check(check))
    }

    /// Whether it has written or locked anything.
    pub(crate) fn has_writes(&self) -> bool {
        !self.writes.tables.is_empty() || self.has_changed_catalog
    }

    /// Commits. Fails with 40001 if what it wrote or locked conflicts with what was committed since
    /// its snapshot, and with 23503 if a foreign key is violated whose checks were put off.
    pub(crate) fn commit(mut self) -> Result<(), SqlError> {
        self.check_deferred()?;
        if !self.has_writes() {
            return Ok(());
        }
        let Self { store, catalog, snapshot, writes, has_changed_catalog, jobs, .. } = self;
        let snapshot_time = snapshot.as_ref().map_or(0, |snapshot| snapshot.time);
        let mut state = store.current();
        check_catalog(&state, &catalog)?;
        if has_changed_catalog {
            state.publish(catalog.objects.as_ref().clone());
            state.jobs.extend(jobs);
            state.run_jobs(store.clock.elapsed(), store.now());
            return Ok(());
        }
        let is_too_late = writes.tables.iter().any(|(table, writes)| {
            state.tables.get(table).is_some_and(|rows| {
                conflicts(&rows.rows, writes.rows.iter().map(|(key, row)| (key, row.classes)), snapshot_time)
                    || writes.entries.iter().any(|(index, keys)| {
                        let whole = Classes { whole: true, ..Default::default() };
                        rows.entries
                            .get(index)
                            .is_some_and(|all| conflicts(all, keys.keys().map(|key| (key, whole)), snapshot_time))
                    })
            })
        });
        if is_too_late {
            return Err(changed());
        }
        state.apply(writes);
        drop(state);
        Ok(())
    }

    /// Changes the catalogue as a statement asks for it. Returns the notices to the client in addition to the
    /// result, and the id of the job that does the rest.
    pub(crate) fn change_schema(
        &mut self,
        statement: &Statement,
        random: &mut fastrand::Rng,
    ) -> Result<(Vec<SqlError>, Option<String>), SqlError> {
        let objects = self.catalog.objects.as_ref().clone();
        let mut change = Change { catalog: &self.catalog, objects, has_changed: false, notices: Vec::new(), job: None };
        ddl::apply(&mut change, statement)?;
        let Change { objects, has_changed, notices, job, .. } = change;
        if has_changed {
            self.catalog.objects = Arc::new(objects);
            self.has_changed_catalog = true;
        }
        let job = job.map(|(table, work)| {
            let (id, end) = (new_id(random), self.store.clock.elapsed() + self.store.index_build);
            let object = self.catalog.table_by_id(table).map_or(String::new(), |table| match work {
                Work::Index(id) => {
                    let index = table.indexes.iter().find(|known| known.id == id);
                    format!("{}.{}", table.schema, index.map_or("", |index| &index.name))
                }
                Work::Validation(_) => format!("{}.{}", table.schema, table.name),
            });
            let (status, started) = (Status::Submitted, self.store.now());
            let job = Job { id: id.clone(), status, details: None, table, work, object, started, updated: None, end };
            self.jobs.push(job);
            id
        });
        Ok((notices, job))
    }

    /// The next number of a sequence. It is not given back by a rollback.
    pub(crate) fn next_value(&mut self, sequence: &Sequence) -> Result<i64, SqlError> {
        self.store.lock().next_value(self.session, sequence)
    }

    /// Gives a sequence its last number. Without `is_given` that number is the next one. It is not taken back by a
    /// rollback.
    pub(crate) fn set_value(&mut self, sequence: &Sequence, number: i64, is_given: bool) -> Result<(), SqlError> {
        self.store.lock().set_value(self.session, sequence, number, is_given)
    }

    /// The last number that was given to any session.
    pub(crate) fn last_value(&self, sequence: &Sequence) -> Option<i64> {
        self.store.lock().positions.get(&sequence.id)?.last
    }

    /// The jobs that do what a change of the schema began.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        self.store.lock().jobs.clone()
    }

    fn time(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.time)
    }

    fn row_writes(&self, table: &Table, key: &RowKey) -> Option<&RowWrites> {
        self.writes.tables.get(&table.id)?.rows.get(key)
    }

    fn committed(&self, table: &Table, key: &RowKey) -> Option<Row> {
        self.store.lock().tables.get(&table.id)?.rows.get(key)?.at(self.time()).cloned()
    }

    /// The row that has this key in a unique index after all that the transaction wrote.
    pub(crate) fn holder(&self, table: &Table, index: &UniqueIndex, key: &Key) -> Option<RowKey> {
        if is_primary(table, index) {
            let key = RowKey(Arc::new(key.clone()));
            return self.get_newest(table, &key).map(|_| key);
        }
        let own = self.writes.tables.get(&table.id).and_then(|writes| writes.entries.get(&index.id)?.get(key));
        match own {
            Some(holder) => holder.clone(),
            None => self.store.lock().tables.get(&table.id)?.entry(index.id, key, self.time()).cloned(),
        }
    }

    fn new_key(&self, table: &Table, row: &[Value]) -> RowKey {
        RowKey(Arc::new(match &table.primary_key {
            Some(index) => index.raw_key(row),
            None => {
                let mut state = self.store.lock();
                let rows = state.tables.entry(table.id).or_default();
                rows.next_number += 1;
                Key::new([Value::Int8(rows.next_number)])
            }
        }))
    }

    fn write(&mut self, table: &Table, key: &RowKey, row: Option<Row>, class: Class) -> Result<(), SqlError> {
        let old = self.get_newest(table, key);
        let writes = self.writes.tables.entry(table.id).or_default();
        for index in &table.uniques {
            let entry = |row: &Option<Row>| row.as_ref().and_then(|row| index.key(row));
            let (before, after) = (entry(&old), entry(&row));
            if before == after {
                continue;
            }
            let entries = writes.entries.entry(index.id).or_default();
            if let Some(before) = before {
                entries.insert(before, None);
            }
            if let Some(after) = after {
                entries.insert(after, Some(key.clone()));
            }
        }
        let bytes = row.as_ref().map_or(Ok(0), |row| check_sizes(table, row))?;
        writes.rows.entry(key.clone()).or_default().write(self.statement, row, class);
        self.count(bytes)
    }

    /// Counts one more row that is written or locked, and its bytes.
    fn count(&mut self, bytes: usize) -> Result<(), SqlError> {
        self.writes.count += 1;
        self.writes.bytes += bytes;
        let limits = &self.store.limits;
        if self.writes.count > limits.rows {
            return Err(SqlError::new("54000", "transaction row limit exceeded"));
        }
        if self.writes.bytes > limits.bytes {
            let error = SqlError::new("54000", "transaction size limit 10mb exceeded");
            let size = self.writes.bytes.div_ceil(1 << 20);
            return Err(error.with_detail(format!("Current transaction size {size}mb 10mb")));
        }
        Ok(())
    }
}

/// The bytes of a row, if DSQL would keep it. It counts `json` as it compresses it, which the model
/// cannot.
fn check_sizes(table: &Table, row: &[Value]) -> Result<usize, SqlError> {
    let too_large = |text: &str| Err(SqlError::new("54000", text));
    let is_counted = |value: &&Value| !matches!(value, Value::Json(_) | Value::Jsonb(_));
    if row.iter().filter(is_counted).any(|value| value.stored_size() > COLUMN) {
        return too_large("maximum column size exceeded");
    }
    let bytes: usize = row.iter().map(Value::stored_size).sum();
    if row.iter().filter(is_counted).map(Value::stored_size).sum::<usize>() > ROW {
        return too_large("maximum row size exceeded");
    }
    let keys =
        table.unique_indexes().map(|index| &index.columns).chain(table.indexes.iter().map(|index| &index.columns));
    for columns in keys {
        let values = columns.iter().filter_map(|column| row.get(*column));
        if values.map(Value::stored_size).sum::<usize>() > KEY {
            return too_large("key size too large");
        }
    }
    Ok(bytes)
}

fn is_primary(table: &Table, index: &UniqueIndex) -> bool {
    table.primary_key.as_ref().is_some_and(|primary| primary.id == index.id)
}

fn check_catalog(state: &State, known: &Catalog) -> Result<(), SqlError> {
    if state.objects.version == known.objects.version { Ok(()) } else { Err(schema_changed()) }
}

fn conflicts<'k, K: Ord + 'k, V>(
    committed: &BTreeMap<K, Versions<V>>,
    mut written: impl Iterator<Item = (&'k K, Classes)>,
    snapshot: u64,
) -> bool {
    written.any(|(key, classes)| committed.get(key).is_some_and(|versions| versions.last.conflict(classes, snapshot)))
}

impl State {
    /// Makes what a transaction wrote the newest version of everything.
    fn apply(&mut self, writes: WriteSet) {
        self.time += 1;
        let time = self.time;
        let whole = Classes { whole: true, ..Default::default() };
        let mut touched = Vec::new();
        for (id, writes) in writes.tables {
            let table: &mut TableRows = self.tables.entry(id).or_default();
            for (key, writes) in writes.rows {
                let versions = table.rows.entry(key.clone()).or_default();
                versions.last.record(writes.classes, time);
                if let Some((_, newest)) = writes.values.into_iter().next_back() {
                    versions.push(time, newest);
                }
                touched.push(Touched::Row(id, key));
            }
            for (index, keys) in writes.entries {
                let entries = table.entries.entry(index).or_default();
                for (key, row) in keys {
                    let versions = entries.entry(key.clone()).or_default();
                    versions.last.record(whole, time);
                    versions.push(time, row);
                    touched.push(Touched::Entry(id, index, key));
                }
            }
        }
        touched.into_iter().for_each(|touched| self.touch(time, touched));
    }
}
