use std::sync::Arc;
use std::time::Duration;

use tenet_audit::Arrivals;
use tenet_test_support::eventbridge::Bus;
use tokio::task::JoinHandle;

/// The pause between two polls of an empty queue: long polling would keep its server busy.
const LOOK: Duration = Duration::from_millis(300);

/// The number of listeners per bus.
const EARS: usize = 2;

/// Records all arriving events until it is dropped.
pub(crate) struct Ears {
    pub(crate) arrivals: Arc<Arrivals>,
    tasks: Vec<JoinHandle<()>>,
}

impl Ears {
    pub(crate) fn at(buses: [Bus; 2]) -> Self {
        let arrivals = Arc::new(Arrivals::default());
        let buses = buses.map(Arc::new);
        // Several per bus: a long queue slows its server down.
        let tasks = (0..2 * EARS).map(|ear| {
            let (place, bus) = (ear % 2, Arc::clone(&buses[ear % 2]));
            let arrivals = Arc::clone(&arrivals);
            tokio::spawn(async move {
                loop {
                    let events = bus.hear(0).await;
                    if events.is_empty() {
                        tokio::time::sleep(LOOK).await;
                    }
                    for event in events {
                        arrivals.hear(place, &event);
                    }
                }
            })
        });
        let tasks = tasks.collect();
        Self { arrivals, tasks }
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
