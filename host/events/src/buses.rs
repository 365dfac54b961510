use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tenet_core::Delivery;

use crate::entry::Entry;
use crate::envelope::envelope;
use crate::pattern::Pattern;
use crate::subscription::Inbox;
use crate::{EmbeddedBus, PatternError, Subscription};

/// The event buses of several regions in one process. Each forwards to all others, like the rules
/// of a deployment with two regions.
///
/// Clones share the same buses.
#[derive(Clone, Debug)]
pub struct Buses {
    by_region: Arc<Mutex<BTreeMap<String, Bus>>>,
}

#[derive(Debug)]
struct Bus {
    up: bool,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    target: Target,
}

enum Target {
    /// The bus of another region.
    Bus(String),
    /// A subscription, until it is dropped.
    Inbox(Weak<Inbox>),
}

/// Why an operation on the buses failed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BusesError {
    kind: Kind,
}

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error("there is no bus of the region {asked}, only of {}", .known.join(", "))]
    Region { asked: String, known: Vec<String> },
    #[error("the bus cannot use this pattern")]
    Pattern(#[source] PatternError),
}

impl Buses {
    /// One bus for each of `regions`, all enabled.
    pub fn new<R: Into<String>>(regions: impl IntoIterator<Item = R>) -> Result<Self, BusesError> {
        let regions: BTreeSet<String> = regions.into_iter().map(Into::into).collect();
        let mut by_region = BTreeMap::new();
        for region in &regions {
            let mut rules = Vec::new();
            for other in regions.iter().filter(|other| *other != region) {
                // Filters on the bus that accepted the entry, not on the region that committed it:
                // events do not circulate, and an event that any host delivers later still reaches
                // every bus.
                let pattern = serde_json::json!({ "detail": { "tenet": { "bus": [region] } } }).to_string();
                rules.push(Rule { pattern: Pattern::parse(&pattern)?, target: Target::Bus(other.clone()) });
            }
            by_region.insert(region.clone(), Bus { up: true, rules });
        }
        Ok(Self { by_region: Arc::new(Mutex::new(by_region)) })
    }

    /// The publisher for a host in `region`.
    pub fn publisher(&self, region: &str) -> Result<EmbeddedBus, BusesError> {
        find(&mut self.lock(), region)?;
        Ok(EmbeddedBus::new(self.clone(), region.to_owned()))
    }

    /// Adds a rule to the bus of `region`: from now on, events that match `pattern`, an EventBridge
    /// pattern, arrive at the subscription.
    ///
    /// `{"source": [{"prefix": ""}]}` matches every event.
    pub fn subscribe(&self, region: &str, pattern: &str) -> Result<Subscription, BusesError> {
        let pattern = Pattern::parse(pattern)?;
        let inbox = Arc::new(Inbox::default());
        let rule = Rule { pattern, target: Target::Inbox(Arc::downgrade(&inbox)) };
        find(&mut self.lock(), region)?.rules.push(rule);
        Ok(Subscription::new(inbox))
    }

    /// Disables or enables the bus of `region`. A disabled bus accepts nothing, neither from a host
    /// nor from another bus.
    pub fn set_up(&self, region: &str, up: bool) -> Result<(), BusesError> {
        find(&mut self.lock(), region)?.up = up;
        Ok(())
    }

    /// Puts an entry on the bus of `region`. It is accepted once every bus has it.
    ///
    /// EventBridge would accept it at once and retry the forwarding. Nothing retries here, so an
    /// entry that a bus missed has to be published again, and the other buses get it twice:
    /// delivery is at least once.
    pub(crate) fn put(&self, region: &str, entry: &Entry) -> Delivery {
        let mut buses = self.lock();
        let mut reached = BTreeSet::new();
        let mut on = vec![region.to_owned()];
        while let Some(at) = on.pop() {
            let Some(bus) = buses.get_mut(&at).filter(|bus| bus.up) else { continue };
            if !reached.insert(at) {
                continue;
            }
            let event = envelope(entry, region);
            bus.rules.retain(|rule| match &rule.target {
                Target::Bus(other) => {
                    if rule.pattern.matches(&event) {
                        on.push(other.clone());
                    }
                    true
                }
                Target::Inbox(inbox) => match inbox.upgrade() {
                    Some(inbox) => {
                        if rule.pattern.matches(&event) {
                            inbox.put(event.clone());
                        }
                        true
                    }
                    None => false,
                },
            });
        }
        let missed: Vec<&str> = buses.keys().filter(|bus| !reached.contains(*bus)).map(String::as_str).collect();
        if missed.is_empty() {
            Delivery::Taken
        } else {
            Delivery::Later(format!("the event did not reach the bus of {}", missed.join(", ")))
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bus>> {
        self.by_region.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find<'a>(buses: &'a mut BTreeMap<String, Bus>, region: &str) -> Result<&'a mut Bus, BusesError> {
    let known = buses.keys().cloned().collect();
    buses.get_mut(region).ok_or_else(|| BusesError { kind: Kind::Region { asked: region.to_owned(), known } })
}

impl From<PatternError> for BusesError {
    fn from(error: PatternError) -> Self {
        Self { kind: Kind::Pattern(error) }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bus(region) => f.debug_tuple("Bus").field(region).finish(),
            Self::Inbox(_) => f.write_str("Inbox"),
        }
    }
}
