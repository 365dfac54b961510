use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenet_core::DualInstant;
use tokio::sync::OnceCell;

use crate::data_key::DataKey;

/// How long and how many data keys are cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCachePolicy {
    /// For how long one key seals the values of an operation.
    pub period: Duration,
    /// The most keys of each kind: for sealing, and unwrapped ones.
    pub keys: usize,
    /// How long an unwrapped key is cached.
    pub age: Duration,
}

/// A cache of data keys. Concurrent requests for the same key share one fetch.
pub(crate) struct Keyring<K> {
    most: usize,
    age: Duration,
    slots: Mutex<Slots<K>>,
}

struct Slots<K> {
    by_name: HashMap<K, Slot>,
    uses: u64,
}

struct Slot {
    cell: Arc<OnceCell<Arc<DataKey>>>,
    /// Counts uses, over all slots.
    used: u64,
}

impl<K: Clone + Eq + Hash> Keyring<K> {
    pub(crate) fn new(most: usize, age: Duration) -> Self {
        Self { most: most.max(1), age, slots: Mutex::new(Slots { by_name: HashMap::new(), uses: 0 }) }
    }

    /// The key of this name, fetched if it is not cached. Of concurrent callers one fetches it, and
    /// if that fails the next one tries.
    pub(crate) async fn get<E>(
        &self,
        name: K,
        now: DualInstant,
        opening: impl Future<Output = Result<DataKey, E>>,
    ) -> Result<Arc<DataKey>, E> {
        let cell = self.slot(name, now);
        cell.get_or_try_init(|| async { opening.await.map(Arc::new) }).await.cloned()
    }

    /// Caches a key.
    pub(crate) fn put(&self, name: K, now: DualInstant, key: Arc<DataKey>) {
        // A concurrent fetch of the same key gives the same key.
        let _is_there = self.slot(name, now).set(key);
    }

    /// The slot of this name. Evicts expired keys, and the least recently used one if there are too
    /// many.
    fn slot(&self, name: K, now: DualInstant) -> Arc<OnceCell<Arc<DataKey>>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let Slots { by_name, uses } = &mut *slots;
        by_name
            .retain(|_, slot| slot.cell.get().is_none_or(|key| now.since(&key.since) < self.age && !key.is_used_up()));
        if !by_name.contains_key(&name) && by_name.len() >= self.most {
            let oldest = by_name.iter().min_by_key(|(_, slot)| slot.used).map(|(name, _)| name.clone());
            oldest.and_then(|oldest| by_name.remove(&oldest));
        }
        *uses += 1;
        let slot = by_name.entry(name).or_insert_with(|| Slot { cell: Arc::default(), used: *uses });
        slot.used = *uses;
        Arc::clone(&slot.cell)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::{Instant, SystemTime};

    use zeroize::Zeroizing;

    use super::*;

    const AGE: Duration = Duration::from_secs(3600);

    fn key(since: DualInstant) -> DataKey {
        DataKey::new(Zeroizing::new([7; 32]), Vec::new(), since)
    }

    #[tokio::test]
    async fn a_key_ages_while_the_sandbox_is_frozen() {
        let keyring = Keyring::new(2, AGE);
        let (monotonic, wall) = (Instant::now(), SystemTime::now());
        let now = DualInstant::of(monotonic, wall);
        for (before, is_asked_for) in [(Duration::ZERO, false), (AGE, true)] {
            // As after a freeze: only the wall clock advanced.
            keyring.put(before, now, Arc::new(key(DualInstant::of(monotonic, wall - before))));
            let mut asked_for = false;
            let asking = async {
                asked_for = true;
                Ok::<_, Infallible>(key(now))
            };
            keyring.get(before, now, asking).await.unwrap();
            assert_eq!(asked_for, is_asked_for, "{before:?}");
        }
    }
}
