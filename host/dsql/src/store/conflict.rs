//! Which writes to one key exclude each other.
//!
//! The matrix is that of
//! <https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-concurrency-control.html>.

use crate::sql_error::SqlError;

/// What a transaction does to a key, as far as others are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// INSERT, DELETE, UPDATE of a key column, and SELECT ... FOR UPDATE.
    Whole,
    /// UPDATE of other columns.
    Update,
    /// SELECT ... FOR KEY SHARE.
    KeyShare,
}

/// What one transaction does to one key: any of the classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Classes {
    pub(crate) whole: bool,
    pub(crate) update: bool,
    pub(crate) key_share: bool,
}

impl Classes {
    pub(crate) fn add(&mut self, class: Class) {
        match class {
            Class::Whole => self.whole = true,
            Class::Update => self.update = true,
            Class::KeyShare => self.key_share = true,
        }
    }
}

/// When a key was last committed with each class; 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastCommits {
    whole: u64,
    update: u64,
    key_share: u64,
}

impl LastCommits {
    /// Whether a transaction with this snapshot that does these things to the key is too late.
    pub(crate) fn conflict(&self, classes: Classes, snapshot: u64) -> bool {
        let (whole, update, key_share) = (self.whole > snapshot, self.update > snapshot, self.key_share > snapshot);
        classes.whole && (whole || update || key_share)
            || classes.update && (whole || update)
            || classes.key_share && whole
    }

    /// Records a commit.
    pub(crate) fn record(&mut self, classes: Classes, time: u64) {
        for (is_done, last) in [
            (classes.whole, &mut self.whole),
            (classes.update, &mut self.update),
            (classes.key_share, &mut self.key_share),
        ] {
            if is_done {
                *last = time;
            }
        }
    }

    pub(crate) fn latest(&self) -> u64 {
        self.whole.max(self.update).max(self.key_share)
    }
}

/// Another transaction has committed a conflicting change.
pub(crate) fn changed() -> SqlError {
    SqlError::new("40001", "change conflicts with another transaction (OC000)")
}

/// Another transaction has changed the catalogue.
pub(crate) fn schema_changed() -> SqlError {
    SqlError::new("40001", "schema has been updated by another transaction (OC001)")
}
