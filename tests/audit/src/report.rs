use std::collections::BTreeMap;
use std::fmt;

use crate::wrong::{Kind, Wrong};

/// The result of one or more rounds.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Requests with a final answer, each counted once however often it was sent.
    pub transactions: usize,
    /// Those that were accepted.
    pub accepted: usize,
    /// Events that had to arrive at both buses.
    pub events: usize,
    /// How often each kind of thing happened.
    pub counts: BTreeMap<String, u64>,
    /// The violations, with the history of each request concerned.
    pub wrongs: Vec<(Wrong, String)>,
}

impl Report {
    /// How many violations of this kind there are.
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
