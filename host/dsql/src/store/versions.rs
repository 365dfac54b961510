use crate::store::conflict::LastCommits;

/// What was committed under one key: its values, each with the time from which it holds, and when it
/// was last touched. `None` is a value that is gone.
#[derive(Clone, Debug)]
pub(crate) struct Versions<V> {
    /// In the order of time.
    values: Vec<(u64, Option<V>)>,
    pub(crate) last: LastCommits,
}

impl<V> Default for Versions<V> {
    fn default() -> Self {
        Self { values: Vec::new(), last: LastCommits::default() }
    }
}

impl<V> Versions<V> {
    /// A value that was there before all transactions.
    pub(crate) fn since_ever(value: V) -> Self {
        Self { values: vec![(0, Some(value))], last: LastCommits::default() }
    }

    /// The value at this time.
    pub(crate) fn at(&self, time: u64) -> Option<&V> {
        self.values.iter().rev().find(|(from, _)| *from <= time).and_then(|(_, value)| value.as_ref())
    }

    /// The newest value.
    pub(crate) fn newest(&self) -> Option<&V> {
        self.values.last().and_then(|(_, value)| value.as_ref())
    }

    pub(crate) fn push(&mut self, time: u64, value: Option<V>) {
        self.values.push((time, value));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Drops what cannot be seen at this time or later. Returns whether nothing is left.
    pub(crate) fn prune(&mut self, oldest: u64) -> bool {
        let seen = self.values.iter().rposition(|(from, _)| *from <= oldest).unwrap_or(0);
        self.values.drain(..seen);
        if let [(from, None)] = self.values.as_slice()
            && *from <= oldest
        {
            self.values.clear();
        }
        self.values.is_empty() && self.last.latest() <= oldest
    }
}
