//! Counts which statements and productions were tried, which passed, and which never did.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::grammar::Hit;

/// Counts over many statements.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub tried: u64,
    pub passed: u64,
    pub ran: u64,
    pub read_twice: u64,
    /// The number of statements that the same rule had not tried before.
    pub distinct: u64,
    /// The number of statements that were checked one by one, because something was not clearly
    /// correct.
    pub alone: u64,
    /// For each production, the number of statements with it, of those that passed, and of those
    /// that ran.
    pub productions: HashMap<Hit, [u64; 3]>,
    pub states: BTreeMap<String, u64>,
    /// Functions, operators and types that the policy allows.
    pub expected: BTreeSet<String>,
}

impl Tally {
    pub fn count(&mut self, mut hits: Vec<Hit>, passed: bool, ran: bool) {
        self.tried += 1;
        self.passed += u64::from(passed);
        self.ran += u64::from(ran);
        hits.sort_unstable();
        hits.dedup();
        for hit in hits {
            let counts = self.productions.entry(hit).or_default();
            counts[0] += 1;
            counts[1] += u64::from(passed);
            counts[2] += u64::from(ran);
        }
    }

    pub fn add(&mut self, other: Self) {
        self.tried += other.tried;
        self.passed += other.passed;
        self.ran += other.ran;
        self.read_twice += other.read_twice;
        self.alone += other.alone;
        for (production, counts) in other.productions {
            let own = self.productions.entry(production).or_default();
            own.iter_mut().zip(counts).for_each(|(own, other)| *own += other);
        }
        for (state, count) in other.states {
            *self.states.entry(state).or_default() += count;
        }
        self.expected.extend(other.expected);
    }

    /// What the policy allows but no passed statement contained.
    pub fn gaps(&self) -> Vec<String> {
        let passed = |name: &&String| self.productions.get(name.as_str()).is_none_or(|counts| counts[1] == 0);
        self.expected.iter().filter(passed).cloned().collect()
    }

    /// Productions that passed, each with how often it ran, the rarest first.
    pub fn rarest(&self) -> Vec<(u64, &str)> {
        let passed = self.productions.iter().filter(|(_, counts)| counts[1] > 0);
        let mut rarest: Vec<_> = passed.map(|(name, counts)| (counts[2], name.as_ref())).collect();
        rarest.sort_unstable();
        rarest
    }

    /// Productions that were generated but never passed.
    pub fn refused(&self) -> Vec<&str> {
        let refused = self.productions.iter().filter(|(_, counts)| counts[1] == 0);
        let mut refused: Vec<_> = refused.map(|(name, _)| name.as_ref()).collect();
        refused.sort_unstable();
        refused
    }
}
