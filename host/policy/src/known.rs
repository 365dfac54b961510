use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// The most texts that are remembered, and the most bytes of them. A rule has a handful; what
/// makes a new text for each request is worked out each time.
const MOST: usize = 512;
const MOST_BYTES: usize = 512 << 10;

/// What was found out about texts of statements, which come again with every request.
pub struct Known<V>(RwLock<State<V>>);

struct State<V> {
    values: HashMap<Box<str>, V>,
    bytes: usize,
}

impl<V: Clone> Known<V> {
    /// What is known of this text, or is found out now.
    pub fn of(&self, sql: &str, find: impl FnOnce() -> V) -> V {
        if let Some(value) = self.0.read().unwrap_or_else(PoisonError::into_inner).values.get(sql) {
            return value.clone();
        }
        let value = find();
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.values.len() < MOST && state.bytes + sql.len() <= MOST_BYTES {
            // Somebody else may have found it out meanwhile.
            if state.values.insert(sql.into(), value.clone()).is_none() {
                state.bytes += sql.len();
            }
        }
        value
    }
}

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self(RwLock::new(State { values: HashMap::new(), bytes: 0 }))
    }
}

impl<V> fmt::Debug for Known<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_at_once_and_only_so_many_are_remembered() {
        let known = Known::default();
        assert_eq!((known.of("a", || 1), known.of("a", || 2)), (1, 1));
        for number in 0..MOST {
            known.of(&number.to_string(), || 0);
        }
        assert_eq!((known.of("more", || 1), known.of("more", || 2)), (1, 2));
        let known = Known::default();
        let long = "x".repeat(MOST_BYTES + 1);
        assert_eq!((known.of(&long, || 1), known.of(&long, || 2)), (1, 2));
    }
}
