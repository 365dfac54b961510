use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, mem};

use tokio::sync::Notify;

/// Where the events of one rule arrive; they do until it is dropped.
pub struct Subscription {
    inbox: Arc<Inbox>,
}

/// Everything that has arrived and was not taken.
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
        self.inbox.lock().pop_front()
    }

    /// Takes every event that is there.
    pub fn take(&self) -> Vec<String> {
        mem::take(&mut *self.inbox.lock()).into()
    }

    /// Every event that is there, which stays.
    pub fn received(&self) -> Vec<String> {
        self.inbox.lock().iter().cloned().collect()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
