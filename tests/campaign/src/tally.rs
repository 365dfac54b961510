use std::collections::BTreeMap;
use std::sync::Mutex;

/// Counts of what happened, by name.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    pub(crate) fn count(&self, name: &str) {
        self.add(name, 1);
    }

    pub(crate) fn add(&self, name: &str, number: u64) {
        let mut counts = self.0.lock().unwrap();
        match counts.get_mut(name) {
            Some(count) => *count += number,
            None => {
                counts.insert(name.to_owned(), number);
            }
        }
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap().clone()
    }
}
