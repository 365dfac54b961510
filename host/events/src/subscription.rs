use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, mem};

use tokio::sync::Notify;

/// Receives the events of one rule, until it is dropped.
pub struct Subscription {
    inbox: Arc<Inbox>,
}

/// Events that arrived and were not read.
#[derive(Default)]
pub(crate) struct Inbox {
    events: Mutex<VecDeque<String>>,
    arrived: Notify,
}

impl Inbox {
    pub(crate) fn put(&self, event: String) {
        self.lock().push_back(event);
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox }
    }

    /// Waits for the next event and returns it whole, as JSON text.
    ///
    /// Dropping the future loses no event.
    pub async fn next(&mut self) -> String {
        loop {
            // A notification between the check and the wait is kept for the wait.
            if let Some(event) = self.try_next() {
                return event;
            }
            self.inbox.arrived.notified().await;
        }
    }

    /// The next event, if one has arrived.
    pub fn try_next(&mut self) -> Option<String> {
        self.inbox.lock().pop_front()
    }

    /// Removes and returns all events that have arrived.
    pub fn take(&self) -> Vec<String> {
        mem::take(&mut *self.inbox.lock()).into()
    }

    /// All events that have arrived, without removing them.
    pub fn received(&self) -> Vec<String> {
        self.inbox.lock().iter().cloned().collect()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
