use std::collections::BTreeMap;
use std::sync::Mutex;

/// Counts of what happened, by name.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    /// Counts one.
    pub fn count(&self, name: &str) {
        self.add(name, 1);
    }

    /// Counts several.
    pub fn add(&self, name: &str, number: u64) {
        let mut counts = self.0.lock().unwrap();
        match counts.get_mut(name) {
            Some(count) => *count += number,
            None => {
                counts.insert(name.to_owned(), number);
            }
        }
    }

    /// Counts one.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap().clone()
    }
}
