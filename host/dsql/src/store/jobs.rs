//! The jobs that build indexes in the background, as the view `sys.jobs` shows them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::store::job::Status;
use crate::store::state::State;
use crate::store::table::{Index, Table, UniqueIndex};
use crate::store::unique_violation::shown_key;
use crate::store::versions::Versions;

/// How long a finished job is listed.
const KEPT: Duration = Duration::from_secs(1_800);

impl State {
    /// Finishes the jobs that are due, and forgets those that finished long ago. `now` is in
    /// microseconds since 2000-01-01.
    pub(crate) fn run_jobs(&mut self, elapsed: Duration, now: i64) {
        if self.jobs.is_empty() {
            return;
        }
        let mut jobs = std::mem::take(&mut self.jobs);
        jobs.retain(|job| job.status == Status::Submitted || elapsed < job.end + KEPT);
        for job in jobs.iter_mut().filter(|job| job.status == Status::Submitted && elapsed >= job.end) {
            let (status, details) = self.build(job.table, job.index, &job.object);
            (job.status, job.details, job.updated) = (status, details, Some(now));
        }
        self.jobs = jobs;
    }

    fn build(&mut self, table: u32, index: u32, object: &str) -> (Status, Option<String>) {
        let gone = || (Status::Completed, Some(format!("relation \"{object}\" does not exist")));
        let Some(found) = self.objects.tables.values().find(|known| known.id == table) else { return gone() };
        let mut changed = Table::clone(found);
        let Some(place) = changed.indexes.iter().position(|known| known.id == index) else { return gone() };
        let Index { id, name, columns, is_unique, nulls_are_distinct, .. } = changed.indexes.remove(place);
        if is_unique {
            let unique = UniqueIndex { id, name, columns, constraint: None, nulls_are_distinct };
            if let Err(details) = self.fill(&changed, &unique) {
                return (Status::Failed, Some(details));
            }
            changed.uniques.push(unique);
        } else {
            changed.indexes.insert(place, Index { id, name, columns, is_unique, is_valid: true, nulls_are_distinct });
        }
        let mut objects = self.objects.as_ref().clone();
        objects.tables.insert((changed.schema.clone(), changed.name.clone()), Arc::new(changed));
        objects.version += 1;
        self.objects = Arc::new(objects);
        (Status::Completed, None)
    }

    /// Makes the entries of a unique index from the rows of its table.
    fn fill(&mut self, table: &Table, index: &UniqueIndex) -> Result<(), String> {
        let Some(rows) = self.tables.get_mut(&table.id) else { return Ok(()) };
        let mut entries = BTreeMap::new();
        for (row_key, versions) in &rows.rows {
            let Some(key) = versions.newest().and_then(|row| index.key(row)) else { continue };
            let shown = shown_key(table, index, &key);
            if entries.insert(key, Versions::since_ever(row_key.clone())).is_some() {
                return Err(format!("could not create unique index \"{}\": Key {shown} is duplicated.", index.name));
            }
        }
        rows.entries.insert(index.id, entries);
        Ok(())
    }
}
