use std::sync::Arc;

use tenet_audit::Arrivals;
use tenet_test_support::eventbridge::{BATCH, Bus};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use crate::gate::Gate;

/// How long a queue waits for a message before it answers that there is none, in seconds: the most that SQS allows.
const WAIT_S: i32 = 20;

/// After how many calls of a region's hosts its queue is read: with what the other bus forwards they fill a batch.
const CALLS: u32 = BATCH as u32 / 2;

/// Records all arriving events until it is dropped.
pub(crate) struct Ears {
    pub(crate) arrivals: Arc<Arrivals>,
    arrived: Arc<Notify>,
    taken: [Arc<Semaphore>; 2],
    // One per bus. Moto rebuilds the list of a queue's messages when one is deleted, without its lock: if two delete at
    // once, a message that arrives meanwhile can be lost.
    tasks: [JoinHandle<()>; 2],
}

impl Ears {
    /// At the buses behind these gates.
    pub(crate) fn at([(east, of_east), (west, of_west)]: [(Bus, &Gate); 2]) -> Self {
        let (arrivals, arrived) = (Arc::new(Arrivals::default()), Arc::new(Notify::new()));
        let taken = [of_east.taken(), of_west.taken()];
        let tasks = [(0, east, &taken[0]), (1, west, &taken[1])].map(|(place, bus, taken)| {
            let (arrivals, arrived) = (Arc::clone(&arrivals), Arc::clone(&arrived));
            tokio::spawn(Ear { place, bus, taken: Arc::clone(taken), arrivals, arrived }.listen())
        });
        Self { arrivals, arrived, taken, tasks }
    }

    /// The hosts are at rest: from now on each event is read when it arrives, and no longer in batches.
    pub(crate) fn read_all(&self) {
        self.taken.iter().for_each(|taken| taken.close());
    }

    /// Waits until something has arrived since the last call.
    pub(crate) async fn hear(&self) {
        self.arrived.notified().await;
    }

    /// Whether both still listen: what arrives at a bus that is not listened to is not lost.
    pub(crate) fn listen(&self) -> bool {
        !self.tasks.iter().any(JoinHandle::is_finished)
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Reads the queue of one bus.
struct Ear {
    place: usize,
    bus: Bus,
    taken: Arc<Semaphore>,
    arrivals: Arc<Arrivals>,
    arrived: Arc<Notify>,
}

impl Ear {
    async fn listen(self) {
        let mut is_full = false;
        loop {
            let wait = match self.taken.acquire_many(if is_full { 0 } else { CALLS }).await {
                Ok(calls) => {
                    calls.forget();
                    0
                }
                Err(_) => WAIT_S,
            };
            let events = self.bus.hear(wait).await;
            for event in &events {
                self.arrivals.hear(self.place, event);
            }
            is_full = events.len() == BATCH as usize;
            if !events.is_empty() {
                self.arrived.notify_one();
            }
        }
    }
}
