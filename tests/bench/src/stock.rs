use std::sync::{Mutex, PoisonError};

/// Copies of one value, made in advance: a query's rows exist before the clock runs.
pub struct Stock<T> {
    sample: T,
    copies: Mutex<Vec<T>>,
}

impl<T: Clone> Stock<T> {
    /// Will copy `sample`; there are no copies yet.
    pub fn new(sample: T) -> Self {
        Self { sample, copies: Mutex::default() }
    }

    /// Makes sure that this many copies exist.
    pub fn fill(&self, count: u32) {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).resize(count as usize, self.sample.clone());
    }

    /// The next copy; made now if none is left.
    pub fn take(&self) -> T {
        let ready = self.copies.lock().unwrap_or_else(PoisonError::into_inner).pop();
        ready.unwrap_or_else(|| self.sample.clone())
    }
}
