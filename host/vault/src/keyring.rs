use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use crate::data_key::DataKey;

/// For how long and how many data keys are kept open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// For how long one key seals what an operation seals.
    pub period: Duration,
    /// The most keys of each kind: those that seal, and those that were unwrapped.
    pub keys: usize,
    /// For how long one that was unwrapped is kept.
    pub age: Duration,
}

/// Data keys by what they are asked for, opened once for all who ask at the same time.
pub(crate) struct Keyring<K> {
    most: usize,
    age: Duration,
    slots: Mutex<HashMap<K, Slot>>,
}

struct Slot {
    cell: Arc<OnceCell<Arc<DataKey>>>,
    used: Instant,
}

impl<K: Clone + Eq + Hash> Keyring<K> {
    pub(crate) fn new(most: usize, age: Duration) -> Self {
        Self { most: most.max(1), age, slots: Mutex::new(HashMap::new()) }
    }

    /// The key of this name, opened if it is not here. Of those who want it at the same time one
    /// opens it, and where that fails the next one tries.
    pub(crate) async fn get<E>(
        &self,
        name: K,
        opening: impl Future<Output = Result<DataKey, E>>,
    ) -> Result<Arc<DataKey>, E> {
        let cell = self.slot(name);
        cell.get_or_try_init(|| async { opening.await.map(Arc::new) }).await.cloned()
    }

    /// Keeps one that is open already.
    pub(crate) fn put(&self, name: K, key: Arc<DataKey>) {
        // Whoever opens the same one just now finds the same.
        let _is_there = self.slot(name).set(key);
    }

    /// The slot of this name. What is too old, and what was used longest ago where there are too
    /// many, goes.
    fn slot(&self, name: K) -> Arc<OnceCell<Arc<DataKey>>> {
        let now = Instant::now();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| {
            slot.cell.get().is_none_or(|key| now.duration_since(key.since) < self.age && !key.is_used_up())
        });
        if !slots.contains_key(&name) && slots.len() >= self.most {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.used).map(|(name, _)| name.clone());
            oldest.and_then(|oldest| slots.remove(&oldest));
        }
        let slot = slots.entry(name).or_insert_with(|| Slot { cell: Arc::default(), used: now });
        slot.used = now;
        Arc::clone(&slot.cell)
    }
}
