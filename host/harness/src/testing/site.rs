use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tenet_build::PrivatePostgres;
use tenet_clock::SystemClock;
use tenet_core::bundle::{Index, Operation};
use tenet_core::{
    Clock, DueFollowUps, DuePage, FollowUp, IdempotencyKey, Ledger, Policy, Probe, Request, SourceKey, SqlError,
    Timestamp, Vault,
};
use tenet_database::{Contents, Database, Endpoint, Tables};
use tenet_engine::{Engine, Library};
use tenet_events::{Buses, Routes, Subscription};
use tenet_pipeline::{AfterFailure, Backoff, FollowUpFailure, Handled, Pipeline};
use tenet_policy::StatementPolicy;
use tenet_wiring::HostBuilder;

use super::file::{Ask, Target, TestFile};
use super::json::{Json, rounded, row};
use super::sealed::Sealed;
use crate::building::{Opened, metered};
use crate::database;
use crate::error::{Context, Error, Result};
use crate::hosting::{EAST, EVERY_EVENT, WEST, vault};
use crate::model::Model;
use crate::progress::Progress;
use crate::unmodelled::Unmodelled;

/// How long a request may take in a test before the test has failed.
pub(super) const TIME: Duration = Duration::from_secs(60);

/// Requests that one test runs at once at most, and the connections that they have.
pub(super) const CONNECTIONS: u32 = 8;

/// Operations that are due are read so many at once.
const MOST_DUE: u32 = 20;

/// What is random in the model is the same each time.
const SEED: u64 = 1;

/// What all tests of a bundle share: its rules, compiled so that what they compute is counted,
/// and a private PostgreSQL.
pub(crate) struct Site {
    pub(crate) index: Index,
    library: Arc<Library>,
    policy: Arc<dyn Policy>,
    /// Which operations take which events.
    pub(crate) routes: Routes,
    /// With the key that everybody knows, so that what a test seals is the same each time.
    vault: Arc<dyn Vault>,
    pub(crate) sealed: Arc<Sealed>,
    postgres: Option<PrivatePostgres>,
    /// Where requests at once run; none where that is to be PostgreSQL. The inner error is what it does not know of
    /// the bundle's schema.
    pub(crate) model: Option<Result<Model, Unmodelled>>,
}

/// A database of its own, for one test after the other.
pub(crate) struct TestDatabase {
    pub(crate) tables: Arc<Tables>,
    /// What is in the tables before anything is given.
    pub(crate) base: Contents,
    sealed: Arc<Sealed>,
    endpoint: Endpoint,
}

/// Two regions' hosts on it, which have decided nothing yet.
pub(crate) struct Hosts {
    hosts: BTreeMap<&'static str, Arc<Pipeline>>,
    pub(crate) buses: Buses,
    events: Subscription,
    /// What is scheduled is in it. The hosts do not run it by themselves: a test says when.
    ledger: Ledger,
    pub(crate) are_over_recording: bool,
}

/// The operation that runs a rule alone.
fn alone(rule: &str) -> String {
    format!("rule/{rule}")
}

impl Site {
    /// Loads a built bundle, and starts a PostgreSQL and a model of Aurora DSQL for those tests that want one.
    pub(crate) async fn start(
        Opened { folder, index, postgres }: Opened,
        (with_database, with_model): (bool, bool),
        progress: &dyn Progress,
    ) -> Result<Self> {
        let folder = &folder;
        let mut index = metered(folder, &index, progress)?;
        for rule in &index.rules {
            index.operations.push(Operation {
                name: alone(&rule.name),
                rules: vec![rule.name.clone()],
                ..Operation::default()
            });
        }
        let library = Library::open(Engine::metered(16)?, folder, &index)?;
        let bundles = [(folder.clone(), index.clone())];
        let postgres = match with_database {
            true => Some(database::private_or(postgres, &bundles, progress).await?),
            false => None,
        };
        let model = match with_model {
            true => Some(match Model::start(&bundles, SEED).await {
                Ok(model) => Ok(model),
                Err(error) => Err(Unmodelled::of_error("the schema", &error)),
            }),
            false => None,
        };
        let vault = vault(None, &index.host)?;
        let sealed = Arc::new(Sealed::new(Arc::clone(&vault), &index));
        let policy = Arc::new(StatementPolicy::new(&index));
        let routes = Routes::new(&index.operations)?;
        Ok(Self { policy, routes, vault, sealed, index, library: Arc::new(library), postgres, model })
    }

    /// Makes a database for one test at a time.
    pub(crate) async fn rig(&self, number: usize) -> Result<TestDatabase> {
        let postgres = self.postgres.as_ref().context("these tests have no database")?;
        let name = format!("test_{number}");
        Tables::copy(&Endpoint::parse(&postgres.url("template1"))?, "postgres", &name).await?;
        let endpoint = Endpoint::parse(&postgres.url(&name))?;
        let tables = Arc::new(Tables::open(&endpoint).await?);
        Ok(TestDatabase { base: tables.contents().await?, sealed: Arc::clone(&self.sealed), tables, endpoint })
    }

    /// Hosts over a rig, with connections of their own.
    pub(crate) fn hosts(&self, rig: &TestDatabase, backoff: Backoff) -> Result<Hosts> {
        self.hosts_on(rig.connections(), backoff)
    }

    /// Hosts that share these connections.
    pub(crate) fn hosts_on(&self, database: Arc<Database>, backoff: Backoff) -> Result<Hosts> {
        let hosts = self.over(database.into(), Arc::clone(&self.vault), backoff)?;
        Ok(Hosts { are_over_recording: false, ..hosts })
    }

    /// Hosts over a ledger and a vault that play a recording.
    pub(crate) fn over(&self, ledger: Ledger, vault: Arc<dyn Vault>, backoff: Backoff) -> Result<Hosts> {
        let buses = Buses::new([EAST, WEST])?;
        let of_hosts = ledger.clone().without_follow_ups();
        let host = |region| {
            let publisher = Arc::new(buses.publisher(region)?);
            let rules = Arc::clone(&self.library) as _;
            let pipeline = HostBuilder::new(&self.index, of_hosts.clone(), rules, publisher)
                .policy(Arc::clone(&self.policy))
                .vault(Arc::clone(&vault))
                .backoff(backoff)
                .with_checked_outputs()
                // A test's requests at once are held back by the test and not by the bundle's `connections`.
                .concurrency(CONNECTIONS)
                .pipeline()?;
            Ok::<_, Error>((region, Arc::new(pipeline)))
        };
        let hosts = BTreeMap::from([host(EAST)?, host(WEST)?]);
        Ok(Hosts { hosts, events: buses.subscribe(EAST, EVERY_EVENT)?, buses, ledger, are_over_recording: true })
    }

    /// Stops the database.
    pub(crate) fn close(self) -> Result<()> {
        match self.postgres {
            Some(postgres) => Ok(postgres.stop()?),
            None => Ok(()),
        }
    }
}

impl TestDatabase {
    /// New connections to its database, each opened when it is first wanted.
    pub(crate) fn connections(&self) -> Arc<Database> {
        let database = Database::new(self.endpoint.clone(), CONNECTIONS);
        // A busy laptop is no silent database.
        Arc::new(database.with_statement_timeout(TIME))
    }

    /// Makes the tables hold the rows that a test gives, and nothing else.
    pub(crate) async fn given(&self, file: &TestFile) -> Result<()> {
        self.tables.restore(&self.base).await.context("the tables could not be emptied")?;
        for (table, rows) in &file.given {
            for written in rows {
                let members = self.sealed.given(&self.tables, table, row(written)).await?;
                let columns: Vec<String> = members.keys().cloned().collect();
                let members = Json::Object(members.into_iter().collect());
                let impossible = || format!("given.{table}: {written} cannot be a row");
                let normal = match self.tables.normal(table, &members.to_string()).await? {
                    Ok(normal) => normal,
                    Err(error) => {
                        return Err(Error::plain(format!(
                            "given.{table}: {written}: {}",
                            no_row(&self.tables, table, &members, &error).await?
                        )));
                    }
                };
                let held = row(&Json::parse(&normal).unwrap_or(Json::Null));
                if let Some((name, held)) = rounded(&row(written), &held) {
                    return Err(Error::plain(format!(
                        "given.{table}: {written}: the column {name} would make {held} of it"
                    )));
                }
                let given = self.tables.give(table, &columns, &format!("[{members}]")).await?;
                given.with_context(impossible)?;
            }
        }
        Ok(())
    }
}

/// Why members are no row of a table, with the column whose value is not of its type.
pub(super) async fn no_row(tables: &Tables, table: &str, members: &Json, error: &SqlError) -> Result<String> {
    for (name, value) in row(members) {
        let alone = Json::Object(vec![(name.clone(), value.clone())]);
        if let Err(error) = tables.normal(table, &alone.to_string()).await? {
            return Ok(format!("the column {name} does not take {value}: {error}"));
        }
    }
    Ok(format!("it cannot be a row: {error}"))
}

impl Hosts {
    /// Decides a request under a probe, and publishes its events. Also returns the operations that it scheduled and that
    /// are due at once.
    pub(crate) async fn ask(&self, ask: &Ask, probe: &dyn Probe) -> Result<(Handled, Vec<FollowUp>)> {
        let pipeline = self.host(&ask.region)?;
        self.buses.set_up(&ask.region, !ask.fault.bus_down)?;
        let mut handled = pipeline.handle_under(request(ask)?, Some(probe)).await;
        let mut follow_ups = Vec::new();
        if let Some(mut pending) = handled.pending.take() {
            follow_ups = pending.take_follow_ups();
            pipeline.publish(pending, SystemClock.instant() + TIME).await;
        }
        self.buses.set_up(&ask.region, true)?;
        Ok((handled, follow_ups))
    }

    /// Decides a request that was decided before; nothing is published.
    pub(crate) async fn decide(&self, request: Request, probe: &dyn Probe) -> Result<Handled> {
        Ok(self.host(EAST)?.handle_under(request, Some(probe)).await)
    }

    /// The host of a region.
    pub(crate) fn host(&self, region: &str) -> Result<&Arc<Pipeline>> {
        let Some(host) = self.hosts.get(region) else {
            return Err(Error::new(format!("there is no region {region} in a test"), format!("take {EAST} or {WEST}")));
        };
        Ok(host)
    }

    /// Has the relay of a region deliver all that is left in the outbox.
    pub(crate) async fn relay(&self, index: &Index, region: &str) -> Result<()> {
        let (keep, deadline) = (index.host.answer_retention(), SystemClock.instant() + TIME);
        Ok(self.host(region)?.relay(region, Duration::ZERO, keep, deadline).await.map(drop)?)
    }

    /// The operations that the relay of a region runs at this time.
    pub(crate) async fn due(&self, region: &str, now: i64) -> Result<Vec<FollowUp>> {
        let which = DueFollowUps::at(region, Timestamp(now));
        let (mut due, mut after, deadline) = (Vec::new(), None, SystemClock.instant() + TIME);
        loop {
            let DuePage { follow_ups, last } = self.ledger.follow_ups.due(which, after, MOST_DUE, deadline).await?;
            if last.is_none() {
                return Ok(due);
            }
            after = last;
            due.extend(follow_ups);
        }
    }

    /// Notes what a follow-up failed with, if it did: it is postponed or given up. Returns what follows that.
    pub(crate) async fn note(&self, ask: &Ask, follow_up: &FollowUp, handled: &Handled) -> Result<Option<FollowUp>> {
        let failure = FollowUpFailure::of(handled, TIME, follow_up, Timestamp(ask.now), &ask.region);
        let Some(failure) = failure else { return Ok(None) };
        match failure.record(&self.ledger, &SystemClock, SystemClock.instant() + TIME).await? {
            AfterFailure::Ended(follows) => Ok(Some(*follows)),
            AfterFailure::Postponed | AfterFailure::Parked | AfterFailure::Unchanged => Ok(None),
        }
    }

    /// The events that have arrived since this was last asked.
    pub(crate) fn arrived(&self) -> Vec<String> {
        self.events.take()
    }
}

/// A request as the pipeline takes it.
pub(crate) fn request(ask: &Ask) -> Result<Request> {
    let operation = match &ask.target {
        Target::Operation(name) => name.clone(),
        Target::Rule(rule) => alone(rule),
    };
    Ok(Request {
        operation,
        key: ask.key.as_deref().map(IdempotencyKey::new).transpose()?,
        source_key: ask.source_key.as_deref().map(IdempotencyKey::new).transpose()?.map(SourceKey::Event),
        payload: ask.payload.clone(),
        caller: ask.caller.clone(),
        region: ask.region.clone(),
        now: Timestamp(ask.now),
        seed: ask.seed,
        deadline: SystemClock.instant() + TIME,
        trace: None,
        follow_up: ask.follow_up.clone(),
    })
}
