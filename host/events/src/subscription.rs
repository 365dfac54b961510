use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Where the events of one rule arrive; they do until it is dropped.
pub struct Subscription {
    inbox: Arc<Inbox>,
    read: usize,
}

/// Everything that has arrived.
#[derive(Default)]
pub(crate) struct Inbox {
    events: Mutex<Vec<String>>,
    arrived: Notify,
}

impl Inbox {
    pub(crate) fn put(&self, event: String) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        self.arrived.notify_one();
    }
}

impl Subscription {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox, read: 0 }
    }

    /// The next event, whole, as JSON text; waits for it as long as it takes.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> String {
        loop {
            // A notice given between a look and the wait is kept for the wait.
            if let Some(event) = self.try_next() {
                return event;
            }
            self.inbox.arrived.notified().await;
        }
    }

    /// The next event if it is there.
    pub fn try_next(&mut self) -> Option<String> {
        let event = self.inbox.events.lock().unwrap_or_else(PoisonError::into_inner).get(self.read).cloned()?;
        self.read += 1;
        Some(event)
    }

    /// Every event so far, those included that have been read.
    pub fn received(&self) -> Vec<String> {
        self.inbox.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("read", &self.read).finish_non_exhaustive()
    }
}
