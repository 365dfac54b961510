use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::store::catalog::Objects;
use crate::store::job::Job;
use crate::store::limits::Limits;
use crate::store::rows::TableRows;
use crate::store::sequence::{Held, Position};
use crate::store::table::RowKey;
use crate::values::order::Key;

/// The database of a cluster. All its sessions share it.
pub(crate) struct Store {
    state: Mutex<State>,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long an index is built.
    pub(crate) index_build: Duration,
}

/// What the lock of a [`Store`] guards.
#[derive(Debug)]
pub(crate) struct State {
    /// The number of the newest commit.
    pub(crate) time: u64,
    pub(crate) objects: Arc<Objects>,
    /// By the tables' OIDs.
    pub(crate) tables: BTreeMap<u32, TableRows>,
    /// By the sequences' OIDs.
    pub(crate) positions: BTreeMap<u32, Position>,
    /// The numbers that sessions hold, by session and sequence.
    pub(crate) held: BTreeMap<(u64, u32), Held>,
    /// The jobs that do what a change of the schema began, in the order in which they began.
    pub(crate) jobs: Vec<Job>,
    /// The number of the newest session.
    session: u64,
    /// What the sessions draw their own chance from.
    random: fastrand::Rng,
    /// The open snapshots, and how many transactions have each.
    snapshots: BTreeMap<u64, usize>,
    /// What was touched by each commit, until no transaction can see what was there before.
    touched: VecDeque<(u64, Touched)>,
}

/// A key that a commit touched: a row's, or an entry of a unique index.
#[derive(Debug)]
pub(crate) enum Touched {
    Row(u32, RowKey),
    Entry(u32, u32, Key),
}

/// Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL's times begin.
const EPOCH: i64 = 946_684_800_000_000;

impl Store {
    pub(crate) fn new(limits: Limits, clock: Arc<dyn Clock>, seed: u64, index_build: Duration) -> Self {
        let state = State {
            time: 0,
            objects: Arc::default(),
            tables: BTreeMap::new(),
            positions: BTreeMap::new(),
            held: BTreeMap::new(),
            jobs: Vec::new(),
            session: 0,
            random: fastrand::Rng::with_seed(seed),
            snapshots: BTreeMap::new(),
            touched: VecDeque::new(),
        };
        Self { state: Mutex::new(state), limits, clock, index_build }
    }

    /// Another database with what is committed in this one. It has no sessions.
    pub(crate) fn fork(&self) -> Self {
        let state = self.current();
        let State { time, objects, tables, positions, jobs, session, random, .. } = &*state;
        let forked = State {
            time: *time,
            objects: Arc::clone(objects),
            tables: tables.iter().map(|(id, rows)| (*id, rows.newest())).collect(),
            positions: positions.clone(),
            held: BTreeMap::new(),
            jobs: jobs.clone(),
            session: *session,
            random: random.clone(),
            snapshots: BTreeMap::new(),
            touched: VecDeque::new(),
        };
        let (limits, clock) = (self.limits.clone(), Arc::clone(&self.clock));
        Self { state: Mutex::new(forked), limits, clock, index_build: self.index_build }
    }

    /// The time of day: microseconds since 2000-01-01.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().saturating_sub(EPOCH)
    }

    /// The number of a new session, and its source of chance.
    pub(crate) fn new_session(&self) -> (u64, fastrand::Rng) {
        let mut state = self.lock();
        state.session += 1;
        (state.session, state.random.fork())
    }

    /// Waits for the lock. It must not be held over an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The objects of the catalogue as they are now.
    pub(crate) fn objects(&self) -> Arc<Objects> {
        Arc::clone(&self.current().objects)
    }

    /// The state, with the jobs done that are due.
    pub(crate) fn current(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.run_jobs(self.clock.elapsed(), self.now());
        state
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl State {
    /// Opens a snapshot of what is committed now.
    pub(crate) fn open_snapshot(&mut self) -> u64 {
        *self.snapshots.entry(self.time).or_default() += 1;
        self.time
    }

    pub(crate) fn close_snapshot(&mut self, snapshot: u64) {
        if let Some(count) = self.snapshots.get_mut(&snapshot) {
            *count -= 1;
            if *count == 0 {
                self.snapshots.remove(&snapshot);
                self.collect();
            }
        }
    }

    /// Forgets what a session holds.
    pub(crate) fn end_session(&mut self, session: u64) {
        self.held.retain(|(of, _), _| *of != session);
    }

    /// Notes that a commit touched a key.
    pub(crate) fn touch(&mut self, time: u64, touched: Touched) {
        self.touched.push_back((time, touched));
    }

    /// Drops the versions that no open transaction can see, and none that begins later.
    fn collect(&mut self) {
        let oldest = self.snapshots.keys().next().copied().unwrap_or(self.time);
        while self.touched.front().is_some_and(|(time, _)| *time <= oldest) {
            let Some((_, touched)) = self.touched.pop_front() else { return };
            match touched {
                Touched::Row(table, key) => {
                    let rows = self.tables.get_mut(&table).map(|table| &mut table.rows);
                    prune(rows, &key, oldest);
                }
                Touched::Entry(table, index, key) => {
                    let entries = self.tables.get_mut(&table).and_then(|table| table.entries.get_mut(&index));
                    prune(entries, &key, oldest);
                }
            }
        }
    }
}

fn prune<K: Ord, V>(all: Option<&mut BTreeMap<K, super::versions::Versions<V>>>, key: &K, oldest: u64) {
    if let Some(all) = all
        && let Some(versions) = all.get_mut(key)
        && versions.prune(oldest)
    {
        all.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::parser::Parser;

    use super::*;
    use crate::store::catalog::Catalog;
    use crate::store::table::Row;
    use crate::store::transaction::Transaction;
    use crate::values::value::Value;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> i64 {
            0
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn begin(store: &Arc<Store>) -> Transaction {
        let (objects, search_path) = (store.objects(), ["public".to_owned()].into());
        let catalog = Catalog { objects, search_path, user: "admin".into() };
        let mut transaction = Transaction::new(Arc::clone(store), catalog, 1);
        transaction.begin_statement().unwrap();
        transaction
    }

    /// Writes the only row of the table.
    fn write(store: &Arc<Store>, number: i32) {
        let mut transaction = begin(store);
        let table = Arc::clone(transaction.catalog().table(None, "t").unwrap());
        let row: Row = [Value::Int4(1), Value::Int4(number)].into();
        match transaction.scan(&table).first() {
            Some((key, _)) => drop(transaction.update(&table, key, row).unwrap()),
            None => drop(transaction.insert(&table, row).unwrap()),
        }
        transaction.commit().unwrap();
    }

    /// How many versions are kept of rows, and of entries of unique indexes.
    fn kept(store: &Store) -> (usize, usize) {
        let state = store.lock();
        let rows = state.tables.values().flat_map(|table| table.rows.values()).map(|row| row.len()).sum();
        let entries = state.tables.values().flat_map(|table| table.entries.values()).flat_map(|all| all.values());
        (rows, entries.map(|entry| entry.len()).sum())
    }

    #[test]
    fn versions_are_kept_as_long_as_a_transaction_can_see_them() {
        let store = Arc::new(Store::new(Limits::default(), Arc::new(Still), 1, Duration::ZERO));
        let sql = "CREATE TABLE t (id int PRIMARY KEY, n int UNIQUE)";
        let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        let mut transaction = begin(&store);
        transaction.change_schema(&statement, &mut fastrand::Rng::with_seed(1)).unwrap();
        transaction.commit().unwrap();

        (0..100).for_each(|number| write(&store, number));
        assert_eq!(kept(&store), (1, 1));
        let reader = begin(&store);
        (100..200).for_each(|number| write(&store, number));
        let table = Arc::clone(reader.catalog().table(None, "t").unwrap());
        let seen = reader.scan(&table);
        assert!(matches!(seen.as_slice(), [(_, row)] if matches!(row.last(), Some(Value::Int4(99)))));
        assert_eq!(kept(&store).0, 101);
        drop(reader);
        assert_eq!(kept(&store), (1, 1));
        assert!(store.lock().touched.is_empty());
    }
}
