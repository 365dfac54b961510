use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tenet_audit::{Journal, Kind, Name};
use tenet_core::{BoxFuture, Delivery, Publisher, StagedEvent};

use crate::buses::Buses;
use crate::clocks::HostClock;
use crate::sandbox_state::SandboxState;

/// The way of one sandbox to its region's bus. It notices an event that the sandbox publishes while the request may
/// still be publishing it elsewhere.
pub(crate) struct Outlet {
    pub(crate) buses: Arc<Buses>,
    pub(crate) region: usize,
    pub(crate) sandbox: Arc<SandboxState>,
    pub(crate) clock: Arc<HostClock>,
    pub(crate) grace: Duration,
    pub(crate) journal: Arc<Journal>,
    /// The requests that the sandbox decides or publishes now.
    pub(crate) handled: Mutex<BTreeMap<Name, u32>>,
}

/// A request that a sandbox decides, until it is dropped.
pub(crate) struct Handling {
    outlet: Arc<Outlet>,
    name: Name,
}

impl Outlet {
    pub(crate) fn handle(self: &Arc<Self>, name: Name) -> Handling {
        *self.handled.lock().unwrap().entry(name.clone()).or_default() += 1;
        Handling { outlet: Arc::clone(self), name }
    }

    fn check(&self, event: &StagedEvent) {
        let name = Name {
            operation: event.operation.clone(),
            caller: event.caller.to_string(),
            key: event.key.as_str().to_owned(),
        };
        let grace = i64::try_from(self.grace.as_micros()).unwrap();
        let is_due = event.at.micros() + grace <= self.clock.latest().micros();
        if !is_due && !self.handled.lock().unwrap().contains_key(&name) {
            let text = format!("{} publishes the event {} before its time", self.sandbox.name, event.id);
            self.journal.wrong(Kind::Doubled, Some(name), text);
        }
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        let mut handled = self.outlet.handled.lock().unwrap();
        if let Some(count) = handled.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                handled.remove(&self.name);
            }
        }
    }
}

impl Publisher for Outlet {
    fn publish<'a>(&'a self, events: &'a [StagedEvent], deadline: Instant) -> BoxFuture<'a, Vec<Delivery>> {
        events.iter().for_each(|event| self.check(event));
        Box::pin(self.buses.put(self.region, events, deadline))
    }
}
