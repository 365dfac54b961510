use std::sync::Arc;
use std::time::Duration;

use tenet_audit::Arrivals;
use tenet_test_support::eventbridge::{BATCH, Bus};
use tokio::task::JoinHandle;

/// The pause after a batch that was not full: long polling would keep the queue's server busy.
const PAUSE: Duration = Duration::from_millis(300);

/// Records all arriving events until it is dropped.
pub(crate) struct Ears {
    pub(crate) arrivals: Arc<Arrivals>,
    // One per bus. Moto rebuilds the list of a queue's messages when one is deleted, without its lock: if two delete at
    // once, a message that arrives meanwhile can be lost.
    tasks: [JoinHandle<()>; 2],
}

impl Ears {
    pub(crate) fn at([east, west]: [Bus; 2]) -> Self {
        let arrivals = Arc::new(Arrivals::default());
        let tasks = [(0, east), (1, west)].map(|(place, bus)| tokio::spawn(listen(place, bus, Arc::clone(&arrivals))));
        Self { arrivals, tasks }
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

async fn listen(place: usize, bus: Bus, arrivals: Arc<Arrivals>) {
    loop {
        let events = bus.hear(0).await;
        for event in &events {
            arrivals.hear(place, event);
        }
        if events.len() < BATCH as usize {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
