//! The jobs that build indexes and validate constraints in the background, as the view `sys.jobs` shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::sql_error::SqlError;
use crate::store::foreign_key::ForeignKey;
use crate::store::job::{Status, Work};
use crate::store::link::Link;
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
            let (status, details) = match job.work {
                Work::Index(index) => self.build(job.table, index, &job.object),
                Work::Validation(constraint) => self.validate(job.table, constraint, &job.object),
            };
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
        self.replace(changed);
        (Status::Completed, None)
    }

    /// Makes a changed table the one of the catalogue.
    fn replace(&mut self, table: Table) {
        let mut objects = self.objects.as_ref().clone();
        objects.tables.insert((table.schema.clone(), table.name.clone()), Arc::new(table));
        objects.version += 1;
        self.objects = Arc::new(objects);
    }

    /// Holds the rows of a table against a foreign key. A constraint of another kind is always valid.
    fn validate(&mut self, table: u32, constraint: u32, object: &str) -> (Status, Option<String>) {
        let Some(child) = self.objects.tables.values().find(|known| known.id == table).cloned() else {
            return (Status::Completed, Some(format!("relation \"{object}\" does not exist")));
        };
        let is_it = |key: &&ForeignKey| key.id == constraint && !key.is_valid;
        let Some(key) = child.foreign_keys.iter().find(is_it) else { return (Status::Completed, None) };
        if let Some(error) = Link::new(&self.objects, &child, key).and_then(|link| self.violation(&link)) {
            let detail = error.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
            return (Status::Failed, Some(format!("{}{detail}", error.message)));
        }
        let mut changed = child.as_ref().clone();
        if let Some(key) = changed.foreign_keys.iter_mut().find(|key| key.id == constraint) {
            key.is_valid = true;
        }
        self.replace(changed);
        (Status::Completed, None)
    }

    /// What keeps a foreign key from being valid.
    fn violation(&self, link: &Link) -> Option<SqlError> {
        let (children, parents) = (self.tables.get(&link.child.id)?, self.tables.get(&link.parent.id));
        let known: BTreeSet<_> = parents
            .iter()
            .flat_map(|parents| parents.rows.values())
            .filter_map(|versions| versions.newest().map(|row| link.index.raw_key(row)))
            .collect();
        children.rows.values().filter_map(Versions::newest).find_map(|row| match link.wanted(row) {
            Ok(Some(wanted)) if !known.contains(&wanted) => Some(link.missing(row)),
            Ok(_) => None,
            Err(error) => Some(error),
        })
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
