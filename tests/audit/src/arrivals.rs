use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;

/// The events that arrived at the two buses.
#[derive(Debug, Default)]
pub struct Arrivals(Mutex<BTreeMap<String, Arrived>>);

/// The events with one id: each content, and how often it arrived at each bus.
pub type Arrived = BTreeMap<String, [u32; 2]>;

impl Arrivals {
    /// Records an event as EventBridge delivers it.
    pub fn hear(&self, bus: usize, event: &str) {
        let mut event: Value = serde_json::from_str(event).unwrap();
        let tenet = event["detail"]["tenet"].take();
        let id = tenet["id"].as_str().unwrap_or("no id").to_owned();
        self.note(bus, id, format!("{} {} {}", event["source"], event["detail-type"], event["detail"]));
    }

    /// Records an event with this id and content.
    pub fn note(&self, bus: usize, id: String, content: String) {
        let mut arrived = self.0.lock().unwrap();
        arrived.entry(id).or_default().entry(content).or_default()[bus] += 1;
    }

    /// All of them, by their ids.
    pub fn all(&self) -> BTreeMap<String, Arrived> {
        self.0.lock().unwrap().clone()
    }

    /// How many ids have arrived.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// How many ids have arrived at both buses.
    pub fn at_both(&self) -> usize {
        let both = |arrived: &&Arrived| (0..2).all(|bus| arrived.values().map(|times| times[bus]).sum::<u32>() > 0);
        self.0.lock().unwrap().values().filter(both).count()
    }
}
