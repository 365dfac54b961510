use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The default limits on the number of cached texts and on their bytes. A rule has only a few.
const MOST: usize = 512;
const MOST_BYTES: usize = 1 << 20;

/// A text that takes more than this fraction of all bytes is not cached, because it would evict too
/// many.
const LARGEST_PART: usize = 8;

/// A cache of results for statement texts, which recur with every request. The number of texts is
/// limited, and the bytes of the texts and their results. Beyond that, a new text evicts one that
/// was not used for long.
///
/// Eviction is second-chance (clock): texts wait in a queue, and a text that was used since it
/// joined goes to the end once more. So a text stays if it is used at least once while a cacheful
/// of new texts arrives. Using a text takes only a read lock and sets a flag, which threads can do
/// concurrently.
///
/// Why no crate: `quick_cache` has this and more, but only the two limits are needed, in fewer
/// lines than its set-up takes and without another dependency in the function.
///
/// All users of one cache share its room: a user that sends only new texts evicts the rarely used
/// texts of others. If that is not acceptable, give each user its own cache.
pub struct StatementCache<V> {
    most: usize,
    most_bytes: usize,
    state: RwLock<State<V>>,
}

struct State<V> {
    texts: HashMap<Arc<str>, Entry<V>>,
    /// The texts in the order of eviction.
    queue: VecDeque<Arc<str>>,
    bytes: usize,
}

struct Entry<V> {
    value: V,
    bytes: usize,
    /// Whether it was used since it joined the queue.
    is_used: AtomicBool,
}

impl<V> StatementCache<V> {
    /// A cache for so many texts, and so many bytes of them.
    pub fn new(most: usize, most_bytes: usize) -> Self {
        let state = State { texts: HashMap::new(), queue: VecDeque::new(), bytes: 0 };
        Self { most, most_bytes, state: RwLock::new(state) }
    }

    /// Adds a text.
    pub fn keep(&self, text: &str, value: V) {
        self.keep_with(text, value, 0);
    }

    /// Adds a text whose value takes so many additional bytes.
    pub(crate) fn keep_with(&self, text: &str, value: V, more: usize) {
        let bytes = text.len() + more;
        if self.most == 0 || bytes > self.most_bytes / LARGEST_PART {
            return;
        }
        let text: Arc<str> = text.into();
        // Evicted entries are dropped after the lock is released.
        let mut gone = Vec::new();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have added it in the meantime.
        if !state.texts.contains_key(&text) {
            while state.texts.len() >= self.most || state.bytes + bytes > self.most_bytes {
                match state.let_go() {
                    Some(entry) => gone.push(entry),
                    None => break,
                }
            }
            state.bytes += bytes;
            state.queue.push_back(Arc::clone(&text));
        }
        // An existing entry has the same value and size.
        let entry = Entry { value, bytes, is_used: AtomicBool::new(false) };
        gone.extend(state.texts.insert(text, entry));
    }
}

impl<V: Clone> StatementCache<V> {
    /// The value of this text.
    pub fn get(&self, text: &str) -> Option<V> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Entry { value, is_used, .. } = state.texts.get(text)?;
        if !is_used.load(Ordering::Relaxed) {
            is_used.store(true, Ordering::Relaxed);
        }
        Some(value.clone())
    }

    /// The value of this text, computed if it is not cached.
    pub fn of(&self, text: &str, find: impl FnOnce() -> V) -> V {
        self.get(text).unwrap_or_else(|| {
            let value = find();
            self.keep(text, value.clone());
            value
        })
    }
}

impl<V> State<V> {
    /// Removes the first unused text of the queue.
    fn let_go(&mut self) -> Option<Entry<V>> {
        loop {
            let text = self.queue.pop_front()?;
            let is_used = self.texts.get_mut(&text).is_some_and(|entry| mem::take(entry.is_used.get_mut()));
            if is_used {
                self.queue.push_back(text);
            } else {
                let entry = self.texts.remove(&text)?;
                self.bytes -= entry.bytes;
                return Some(entry);
            }
        }
    }
}

impl<V> Default for StatementCache<V> {
    fn default() -> Self {
        Self::new(MOST, MOST_BYTES)
    }
}

impl<V> fmt::Debug for StatementCache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<V> StatementCache<V> {
        /// The number of texts and of their bytes, counted.
        fn size(&self) -> (usize, usize) {
            let state = self.state.read().unwrap();
            let bytes = state.texts.values().map(|entry| entry.bytes).sum();
            assert_eq!((state.queue.len(), state.bytes), (state.texts.len(), bytes), "the books are kept");
            assert!(state.queue.iter().all(|text| state.texts.contains_key(text)));
            (state.texts.len(), bytes)
        }
    }

    #[test]
    fn a_text_is_looked_at_once() {
        let known = StatementCache::default();
        assert_eq!((known.of("a", || 1), known.of("a", || 2), known.get("b")), (1, 1, None));
        known.keep("a", 3);
        assert_eq!((known.get("a"), known.size()), (Some(3), (1, 1)));
    }

    #[test]
    fn a_text_that_is_used_stays_while_thousands_of_others_pass() {
        let known = StatementCache::default();
        for number in 0..MOST {
            known.keep(&format!("before {number}"), 0);
        }
        let mut found_out = 0;
        for number in 0..20 * MOST {
            known.keep(&format!("other {number}"), 0);
            // The last of these is used as rarely as the cache allows.
            for (text, each) in [("one", 1), ("another", 7), ("a third", MOST / 2)] {
                if number % each == 0 {
                    known.of(text, || {
                        found_out += 1;
                        0
                    });
                }
            }
            assert!(known.size().0 <= MOST);
        }
        assert_eq!(found_out, 3);
        assert!(known.get("before 0").is_none() && known.get("other 0").is_none());
        let last = format!("other {}", 20 * MOST - 1);
        assert!(known.get(&last).is_some(), "the newest are there");
    }

    #[test]
    fn a_text_that_takes_the_place_of_many_is_not_remembered() {
        let known = StatementCache::default();
        for (length, stays) in [(MOST_BYTES / LARGEST_PART, true), (MOST_BYTES / LARGEST_PART + 1, false)] {
            let text = "x".repeat(length);
            known.keep(&text, ());
            assert_eq!(known.get(&text).is_some(), stays, "{length}");
        }
        // The size of the value counts too.
        let known = StatementCache::new(20, 800);
        for (text, more, stays) in [("a", 99, true), ("b", 100, false)] {
            known.keep_with(text, (), more);
            assert_eq!(known.get(text).is_some(), stays, "{more}");
        }
        assert_eq!(known.size(), (1, 100));
        let none = StatementCache::new(0, 100);
        none.keep("", ());
        assert_eq!(none.size(), (0, 0));
    }

    #[test]
    fn threads_that_share_it_keep_to_its_bounds() {
        let known = StatementCache::new(20, 800);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let known = &known;
                scope.spawn(move || {
                    for number in 0..2000 {
                        let text = format!("{}{}", "x".repeat(number % 50), (number + thread) % 37);
                        assert_eq!(known.of(&text, || text.clone()), text);
                        let (texts, bytes) = known.size();
                        assert!(texts <= 20 && bytes <= 800, "{texts} texts, {bytes} bytes");
                    }
                });
            }
        });
    }

    /// It returns the value that was added last for the text, whatever was evicted in between.
    #[test]
    fn what_it_knows_is_true_and_within_its_bounds_whatever_they_are() {
        let mut random = 1_usize;
        for (most, bytes) in (0..60).map(|round| (round % 8, round * 31 % 200)) {
            let (known, mut said) = (StatementCache::new(most, bytes), HashMap::new());
            for step in 0..300 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (text, kind) = ("x".repeat((random >> 33) % 30), (random >> 53) % 3);
                match kind {
                    0 => {
                        known.keep(&text, step);
                        said.insert(text, step);
                    }
                    1 => assert!(known.get(&text).is_none_or(|value| Some(&value) == said.get(&text))),
                    _ => {
                        let value = known.of(&text, || step);
                        assert!(value == step || Some(&value) == said.get(&text));
                        said.insert(text, value);
                    }
                }
                let (texts, held) = known.size();
                assert!(texts <= most && held <= bytes, "{texts} texts, {held} bytes");
            }
        }
    }
}
