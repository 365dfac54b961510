use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tenet_test_support::eventbridge::Bus;
use tokio::task::JoinHandle;

/// The pause between two polls of an empty queue: long polling would keep its server busy.
const LOOK: Duration = Duration::from_millis(300);

/// The number of listeners per bus.
const EARS: usize = 2;

/// The events that arrived at the two buses.
#[derive(Default)]
pub(crate) struct Arrivals(Mutex<BTreeMap<String, Arrived>>);

/// The events with one id: each content, and how often it arrived at each bus.
pub(crate) type Arrived = BTreeMap<String, [u32; 2]>;

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

impl Arrivals {
    fn hear(&self, bus: usize, event: &str) {
        let mut event: Value = serde_json::from_str(event).unwrap();
        let tenet = event["detail"]["tenet"].take();
        let id = tenet["id"].as_str().unwrap_or("no id").to_owned();
        let content = format!("{} {} {}", event["source"], event["detail-type"], event["detail"]);
        let mut arrived = self.0.lock().unwrap();
        arrived.entry(id).or_default().entry(content).or_default()[bus] += 1;
    }

    pub(crate) fn all(&self) -> BTreeMap<String, Arrived> {
        self.0.lock().unwrap().clone()
    }

    /// How many ids have arrived.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// How many ids have arrived at both buses.
    pub(crate) fn at_both(&self) -> usize {
        let both = |arrived: &&Arrived| (0..2).all(|bus| arrived.values().map(|times| times[bus]).sum::<u32>() > 0);
        self.0.lock().unwrap().values().filter(both).count()
    }
}
