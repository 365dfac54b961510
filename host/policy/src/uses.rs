use std::collections::{BTreeMap, BTreeSet};

/// What a statement accesses of what is granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// By table, as the grants name it.
    pub tables: BTreeMap<String, TableUse>,
    /// Sequences whose next value is taken.
    pub sequences: BTreeSet<String>,
}

/// The accesses to one table, by column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what the statement of the name does")]
pub struct TableUse {
    pub select: BTreeSet<String>,
    pub insert: BTreeSet<String>,
    pub update: BTreeSet<String>,
    pub delete: bool,
}

impl Uses {
    /// Adds what another statement accesses.
    pub fn add(&mut self, other: Self) {
        for (table, theirs) in other.tables {
            let ours = self.tables.entry(table).or_default();
            ours.select.extend(theirs.select);
            ours.insert.extend(theirs.insert);
            ours.update.extend(theirs.update);
            ours.delete |= theirs.delete;
        }
        self.sequences.extend(other.sequences);
    }
}
