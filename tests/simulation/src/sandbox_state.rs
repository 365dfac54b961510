use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::time::Instant;

/// What the wires of one running sandbox have to know of it.
pub(crate) struct SandboxState {
    /// Its name, which no other has: a sandbox that is started again has a new one.
    pub(crate) name: String,
    is_frozen: AtomicBool,
    connections: AtomicU32,
    /// When it last sent something to each endpoint.
    sent: Mutex<[Option<Instant>; 2]>,
}

impl SandboxState {
    pub(crate) fn new(name: String) -> Self {
        Self { name, is_frozen: AtomicBool::new(false), connections: AtomicU32::new(0), sent: Mutex::default() }
    }

    /// Whether none of its tasks runs.
    pub(crate) fn is_frozen(&self) -> bool {
        self.is_frozen.load(Ordering::Relaxed)
    }

    pub(crate) fn set_frozen(&self, is_frozen: bool) {
        self.is_frozen.store(is_frozen, Ordering::Relaxed);
    }

    /// The name of its next connection.
    pub(crate) fn next_connection(&self, to: &str) -> String {
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{}#{number}>{to}", self.name)
    }

    pub(crate) fn sends_to(&self, endpoint: usize) {
        self.sent.lock().unwrap()[endpoint] = Some(Instant::now());
    }

    /// When it last sent something to this endpoint.
    pub(crate) fn sent_to(&self, endpoint: usize) -> Option<Instant> {
        self.sent.lock().unwrap()[endpoint]
    }
}
