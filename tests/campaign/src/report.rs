use std::collections::BTreeMap;
use std::fmt;

use crate::wrong::{Kind, Wrong};

/// What came of a round, or of several.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Requests that were answered for good, each counted once however often it was asked.
    pub transactions: usize,
    /// Of these, those that were accepted.
    pub accepted: usize,
    /// Events that were due at both buses.
    pub events: usize,
    /// How often each kind of thing happened.
    pub counts: BTreeMap<String, u64>,
    /// What should not have been, with the story of each request that it is about.
    pub wrongs: Vec<(Wrong, String)>,
}

impl Report {
    /// How many promises of this kind were broken.
    pub fn count(&self, kind: Kind) -> usize {
        self.wrongs.iter().filter(|(wrong, _)| wrong.kind == kind).count()
    }

    /// Adds another round.
    pub fn add(&mut self, other: Self) {
        self.transactions += other.transactions;
        self.accepted += other.accepted;
        self.events += other.events;
        for (name, count) in other.counts {
            *self.counts.entry(name).or_default() += count;
        }
        self.wrongs.extend(other.wrongs);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.counts {
            writeln!(f, "{name:<44}{count:>9}")?;
        }
        writeln!(f, "transactions: {}, {} accepted", self.transactions, self.accepted)?;
        writeln!(f, "events at both buses: {}", self.events)?;
        let counts = Kind::ALL.map(|kind| format!("{kind}: {}", self.count(kind)));
        f.write_str(&counts.join("\n"))
    }
}
