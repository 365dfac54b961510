//! A host wired like those of the binaries, on a database of the test's own.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tenet_clock::SystemClock;
use tenet_core::bundle::Index;
use tenet_core::{Clock, HostSettings, Policy, Publisher, Timestamp, Vault};
use tenet_database::{Database, Endpoint};
use tenet_engine::{Engine, Library};
use tenet_events::{Buses, Subscription};
use tenet_pipeline::{Arrival, Handled, Pipeline, Relayed, direct};
use tenet_policy::StatementPolicy;
use tenet_wiring::HostBuilder;

use super::bundle::bundle;

pub(crate) const EAST: &str = "us-east-1";
pub(crate) const WEST: &str = "us-west-2";

/// A timeout that no passing test reaches.
pub(crate) const TIME: Duration = Duration::from_secs(60);

/// One region's host.
pub(crate) struct Host {
    pub(crate) region: &'static str,
    pub(crate) pipeline: Pipeline,
}

/// Both regions' hosts on one database, and the events at their buses.
pub(crate) struct Regions {
    pub(crate) east: Host,
    pub(crate) west: Host,
    pub(crate) buses: Buses,
    pub(crate) at_east: Subscription,
    pub(crate) at_west: Subscription,
}

impl Regions {
    /// Hosts for the built bundle of this name on the database with this URL.
    pub(crate) fn start(name: &str, url: &str) -> Self {
        let buses = Buses::new([EAST, WEST]).unwrap();
        let every = r#"{"source":[{"prefix":""}]}"#;
        Self {
            east: Host::start(name, url, EAST, &buses),
            west: Host::start(name, url, WEST, &buses),
            at_east: buses.subscribe(EAST, every).unwrap(),
            at_west: buses.subscribe(WEST, every).unwrap(),
            buses,
        }
    }

    /// The ids of the events at the two buses, in order of arrival.
    pub(crate) fn event_ids(&self) -> (Vec<String>, Vec<String>) {
        let ids = |events: &Subscription| events.received().iter().map(|event| event_id(event)).collect();
        (ids(&self.at_east), ids(&self.at_west))
    }
}

impl Host {
    pub(crate) fn start(name: &str, url: &str, region: &'static str, buses: &Buses) -> Self {
        Self::on(Endpoint::parse(url).unwrap(), name, region, buses)
    }

    /// A host on a database at any endpoint.
    pub(crate) fn on(endpoint: Endpoint, name: &str, region: &'static str, buses: &Buses) -> Self {
        Self::over(Database::new(endpoint, 16), name, region, buses)
    }

    /// A host with any ledger.
    pub(crate) fn over(database: Database, name: &str, region: &'static str, buses: &Buses) -> Self {
        Self::with(database, name, region, Arc::new(buses.publisher(region).unwrap()))
    }

    /// A host with any publisher.
    pub(crate) fn publishing(
        endpoint: Endpoint,
        name: &str,
        region: &'static str,
        publisher: Arc<dyn Publisher>,
    ) -> Self {
        Self::with(Database::new(endpoint, 16), name, region, publisher)
    }

    fn with(database: Database, name: &str, region: &'static str, publisher: Arc<dyn Publisher>) -> Self {
        let (folder, index) = bundle(name);
        Self::serving(database, region, publisher, &folder, &index)
    }

    /// A host with another policy than the bundle's.
    pub(crate) fn held_to(policy: Arc<dyn Policy>, name: &str, url: &str, region: &'static str, buses: &Buses) -> Self {
        let (folder, index) = bundle(name);
        let database = Database::new(Endpoint::parse(url).unwrap(), 16);
        Self::wired(database, region, Arc::new(buses.publisher(region).unwrap()), (&folder, &index), policy)
    }

    /// A host for any built bundle.
    pub(crate) fn of(url: &str, region: &'static str, buses: &Buses, folder: &Path, index: &Index) -> Self {
        Self::of_database(Database::new(Endpoint::parse(url).unwrap(), 16), region, buses, folder, index)
    }

    /// The same on any database.
    pub(crate) fn of_database(
        database: Database,
        region: &'static str,
        buses: &Buses,
        folder: &Path,
        index: &Index,
    ) -> Self {
        Self::serving(database, region, Arc::new(buses.publisher(region).unwrap()), folder, index)
    }

    fn serving(
        database: Database,
        region: &'static str,
        publisher: Arc<dyn Publisher>,
        folder: &Path,
        index: &Index,
    ) -> Self {
        Self::wired(database, region, publisher, (folder, index), Arc::new(StatementPolicy::new(index)))
    }

    fn wired(
        database: Database,
        region: &'static str,
        publisher: Arc<dyn Publisher>,
        (folder, index): (&Path, &Index),
        policy: Arc<dyn Policy>,
    ) -> Self {
        let library = Library::open(engine(), folder, index).unwrap();
        let ledger = Arc::new(database.for_bundle(index));
        let builder = HostBuilder::new(index, ledger, Arc::new(library), publisher).policy(policy);
        Self { region, pipeline: builder.pipeline().unwrap() }
    }

    /// Adds a vault.
    pub(crate) fn with_vault(self, vault: Arc<dyn Vault>) -> Self {
        Self { pipeline: self.pipeline.with_vault(vault), ..self }
    }

    /// Answers a direct invocation and publishes its events.
    pub(crate) async fn invoke(&self, event: &str) -> Handled {
        self.invoke_at(SystemClock.now(), event).await
    }

    /// The same for an authenticated caller.
    pub(crate) async fn invoke_for(&self, caller: &str, event: &str) -> Handled {
        self.answer(Arrival { caller: Some(caller.to_owned()), ..self.arrival(TIME) }, event).await
    }

    /// The same for an invocation that arrived at this time.
    pub(crate) async fn invoke_at(&self, now: Timestamp, event: &str) -> Handled {
        self.answer(Arrival { now, ..self.arrival(TIME) }, event).await
    }

    /// The same with a timeout.
    pub(crate) async fn invoke_within(&self, time: Duration, event: &str) -> Handled {
        self.answer(self.arrival(time), event).await
    }

    /// Answers an invocation without publishing its events.
    pub(crate) async fn decide(&self, event: &str) -> Handled {
        self.handle(self.arrival(TIME), event).await
    }

    fn arrival(&self, time: Duration) -> Arrival {
        Arrival::now(&SystemClock, self.region, time).unwrap()
    }

    async fn answer(&self, arrival: Arrival, event: &str) -> Handled {
        let mut handled = self.handle(arrival, event).await;
        self.publish(&mut handled).await;
        handled
    }

    async fn handle(&self, arrival: Arrival, event: &str) -> Handled {
        let invocation = direct::read(event).unwrap();
        self.pipeline.handle(arrival.request(invocation.operation, invocation.key, invocation.payload)).await
    }

    /// Runs the relay for everything left in the outbox so far.
    pub(crate) async fn relay(&self) -> Relayed {
        let (keep, deadline) = (HostSettings::default().answer_retention(), SystemClock.instant() + TIME);
        self.pipeline.relay(self.region, Duration::ZERO, keep, deadline).await.unwrap()
    }

    /// Publishes its events, and returns the number of events left to a relay.
    pub(crate) async fn publish(&self, handled: &mut Handled) -> usize {
        match handled.pending.take() {
            Some(pending) => self.pipeline.publish(pending, SystemClock.instant() + TIME).await.unwrap(),
            None => 0,
        }
    }

    /// Answers a direct invocation with the function's response text.
    pub(crate) async fn reply(&self, event: &str) -> String {
        direct::write(&self.invoke(event).await.answer)
    }
}

/// The id in an event's `tenet` member.
pub(crate) fn event_id(event: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    event["detail"]["tenet"]["id"].as_str().unwrap().to_owned()
}

/// One engine for all tests of this process, as in a sandbox.
pub(crate) fn engine() -> Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    Arc::clone(ENGINE.get_or_init(|| Engine::new(32).unwrap()))
}
