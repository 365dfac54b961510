use std::sync::Mutex;
use std::time::Instant;

/// A token bucket that fills at a steady rate up to its size.
pub(crate) struct Bucket {
    size: f64,
    a_second: f64,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(size: u32, a_second: u32) -> Self {
        let size = f64::from(size);
        Self { size, a_second: f64::from(a_second), level: Mutex::new((size, Instant::now())) }
    }

    /// Takes one token, if there is one.
    pub(crate) fn take(&self) -> bool {
        let mut level = self.level.lock().unwrap();
        let (tokens, since) = *level;
        let tokens = self.size.min(tokens + since.elapsed().as_secs_f64() * self.a_second);
        let taken = tokens >= 1.0;
        *level = (if taken { tokens - 1.0 } else { tokens }, Instant::now());
        taken
    }
}
