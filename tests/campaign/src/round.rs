use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::{join_all, try_join_all};
use serde_json::json;
use tempfile::TempDir;
use tenet_audit::{Audit, Journal, Kind, Report, Tally, accounts, chains};
use tenet_core::bundle::{File, INDEX, Index, Operation};
use tenet_test_support::eventbridge::Bus;
use tenet_test_support::{TestDatabase, connect};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;

use crate::bus::Ears;
use crate::clients::{Clients, TAKERS};
use crate::pace::Pace;
use crate::phases::Phases;
use crate::region::{Plot, Region};
use crate::sandbox::{Ended, Notes, Sandbox};
use crate::weather;

/// The two regions.
const REGIONS: [&str; 2] = ["us-east-1", "us-west-2"];

/// How long a healthy world may take to come to rest.
const REST: Duration = Duration::from_secs(120);

/// The longest time without an event while some are due.
const ARRIVING: Duration = Duration::from_secs(30);

/// The polling interval.
const LOOK: Duration = Duration::from_millis(100);

/// Seconds after which a row of the outbox is left to the relay: few enough that it takes some while others publish.
const GRACE_S: u64 = 3;

/// The rule of the tests that does what its payload says.
const PROBE: &str = "probe";

/// The connections of a sandbox: fewer than the concurrent invocations of some.
const CONNECTIONS: u32 = 3;

/// After how many milliseconds a wait for a lock of PostgreSQL's ends as a conflict. DSQL has no such waits. A COMMIT
/// that a fault delays keeps its locks, so they would be longer than a statement may take.
const LOCK_MS: u64 = 100;

/// The timeouts of a rule and of a statement, in milliseconds: the first pair in rounds with an even seed, the second
/// in rounds with an odd one. A silence is longer than both.
const TIMES: [(u64, u64); 2] = [(900, 400), (500, 900)];

/// The real components.
#[derive(Clone, Debug)]
pub struct Means {
    /// The URL of a PostgreSQL that admits its user without a password.
    pub postgres: String,
    /// The name of its template database with every schema.
    pub template: String,
    /// The URL of EventBridge and SQS.
    pub events: String,
    /// The function.
    pub bootstrap: PathBuf,
    /// The built example rules.
    pub bundle: PathBuf,
    /// The built guests of the tests.
    pub guests: PathBuf,
}

/// A period of faults, followed by the audit.
#[derive(Clone, Debug)]
pub struct Round {
    /// Decides the requests and the faults.
    pub seed: u64,
    /// How long faults are injected.
    pub faults: Duration,
    /// The number of concurrent clients.
    pub clients: u64,
    /// A guarantee that the function breaks on purpose, if it is built for that.
    pub mutant: Option<String>,
}

impl Round {
    /// Runs the round.
    ///
    /// # Errors
    /// Fails if the world could not be set up. Violations by the hosts are in the report.
    pub async fn run(&self, means: &Means) -> anyhow::Result<Report> {
        let tally = Arc::new(Tally::default());
        let mut phases = Phases::new(&tally);
        let database = TestDatabase::create(&means.postgres, &means.template).await?;
        self.run_on(&database, means, &tally, &mut phases).await
    }

    async fn run_on(
        &self,
        database: &TestDatabase,
        means: &Means,
        tally: &Arc<Tally>,
        phases: &mut Phases<'_>,
    ) -> anyhow::Result<Report> {
        let client = connect(database.url()).await?;
        client.batch_execute(&format!("ALTER DATABASE {} SET lock_timeout = {LOCK_MS}", database.name())).await?;
        accounts::open(&client).await?;
        let identity: String = client.query_one("SELECT id::text FROM tenet.identity", &[]).await?.get(0);
        for counter in chains::COUNTERS {
            client.execute("INSERT INTO counters (id, value) VALUES ($1, 0)", &[&counter]).await?;
        }
        let folder = bundle(&means.bundle, &means.guests, self.seed)?;
        let buses = [Bus::create_at(&means.events, REGIONS[0]).await, Bus::create_at(&means.events, REGIONS[1]).await];
        buses[0].forward_to(&buses[1]).await;
        buses[1].forward_to(&buses[0]).await;
        let plot = |place: usize| Plot {
            name: REGIONS[place],
            database: database.url(),
            events: &means.events,
            bus: buses[place].name(),
            bootstrap: &means.bootstrap,
            bundle: folder.path(),
            folder: folder.path(),
            identity: identity.clone(),
            seed: self.seed.wrapping_add(place as u64),
            mutant: self.mutant.as_deref(),
        };
        let (east, west) = (plot(0), plot(1));
        let mut regions = [Region::new(&east, tally).await?, Region::new(&west, tally).await?];
        let [at_east, at_west] = regions.each_ref().map(Region::as_peer);
        let journal = Arc::new(Journal::new());
        let notes = Notes { tally: Arc::clone(tally), journal: Arc::clone(&journal) };
        let [first, second] = &mut regions;
        tokio::try_join!(first.populate(&east, &at_west, &notes), second.populate(&west, &at_east, &notes))?;
        let [at_east, at_west] = buses;
        let ears = Ears::at([(at_east, &regions[0].gate), (at_west, &regions[1].gate)]);
        phases.end("set-up");

        let clients = Clients::new(&regions, &journal, tally);
        let until = Instant::now() + self.faults;
        let asking = join_all((0..self.clients).map(|number| clients.client(self.seed ^ (number << 32), until)));
        let (killed, watched, ..) = tokio::join!(
            weather::reaper(&clients, self.seed ^ 1, until),
            watch(&client, &clients.pace, until),
            weather::over(&regions[0], self.seed ^ 2, &clients, until),
            weather::over(&regions[1], self.seed ^ 3, &clients, until),
            relays(&regions, until),
            asking,
        );
        if let Err(error) = killed {
            journal.wrong(Kind::Failed, None, format!("{error:#}"));
        }
        weather::clear(&regions);
        watched?;
        phases.end("faults");
        for region in &regions {
            for sandbox in &region.sandboxes {
                if let Err(error) = sandbox.check().await {
                    journal.wrong(Kind::Failed, None, format!("{error:#}"));
                }
            }
        }

        let rest = Instant::now() + REST;
        let open = clients.settle(self.seed ^ 4, rest).await;
        if open > 0 {
            journal.wrong(Kind::Failed, None, format!("{open} questions have no final answer"));
        }
        phases.end("settling");
        empty(&regions, &client, &journal).await?;
        phases.end("outbox");
        let audit = Audit::read(&client, &journal).await?;
        ears.read_all();
        while ears.arrivals.at_both() < audit.due() && timeout(ARRIVING, ears.hear()).await.is_ok() {}
        ensure!(ears.listen(), "a bus's queue could not be read");
        phases.end("arrivals");
        audit.answers();
        audit.effects();
        audit.books(&client).await?;
        audit.chains(&client).await?;
        audit.events(&ears.arrivals);
        at_rest(&client, &journal).await?;
        try_join_all(regions.iter().flat_map(|region| &region.sandboxes).map(Sandbox::stop)).await?;
        phases.end("audit");

        let mut counts = tally.counts();
        for region in &regions {
            for (name, count) in region.dsql.harms() {
                *counts.entry(format!("wire: {name}")).or_default() += count;
            }
        }
        Ok(Report {
            transactions: journal.answers(),
            accepted: audit.accepted().count(),
            events: audit.due(),
            counts,
            wrongs: journal
                .wrongs()
                .into_iter()
                .map(|wrong| {
                    let story = wrong.about.as_ref().map_or_else(String::new, |name| journal.story(name));
                    (wrong, story)
                })
                .collect(),
        })
    }
}

/// Runs each region's relay from time to time, like a schedule.
async fn relays(regions: &[Region; 2], until: Instant) {
    // Independently: sometimes at the same time, sometimes not.
    let turns = regions.iter().zip([900, 1300]).map(|(region, pause)| async move {
        while Instant::now() < until {
            sleep(Duration::from_millis(pause)).await;
            relay(region).await;
        }
    });
    join_all(turns).await;
}

async fn relay(region: &Region) -> Ended {
    region.sandboxes[0].invoke(&json!({ "tenet": "relay" })).await
}

/// Notes until the given time how many events wait in the outbox.
async fn watch(client: &Client, pace: &Pace, until: Instant) -> anyhow::Result<()> {
    while Instant::now() < until {
        pace.wait(outbox(client).await?);
        sleep(LOOK).await;
    }
    Ok(())
}

/// How many events wait in the outbox.
async fn outbox(client: &Client) -> anyhow::Result<i64> {
    Ok(client.query_one("SELECT count(*) FROM tenet.outbox", &[]).await?.get(0))
}

/// How many events wait in the outbox, and operations to follow.
async fn waiting(client: &Client) -> anyhow::Result<i64> {
    let sql = "SELECT (SELECT count(*) FROM tenet.outbox) + (SELECT count(*) FROM tenet.follow_ups)";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// Runs the relays until the outbox is empty and nothing waits to follow, as long as they make progress.
async fn empty(regions: &[Region; 2], client: &Client, journal: &Journal) -> anyhow::Result<()> {
    let mut turns = regions.iter().cycle();
    let mut least = (i64::MAX, Instant::now());
    let mut last = String::new();
    loop {
        let left = waiting(client).await?;
        if left == 0 {
            return Ok(());
        }
        if left < least.0 {
            least = (left, Instant::now());
        }
        if least.1.elapsed() > REST {
            journal.wrong(
                Kind::Failed,
                None,
                format!("{left} events or operations that follow are left; the last turn: {last}"),
            );
            return Ok(());
        }
        if let Some(region) = turns.next() {
            last = match relay(region).await {
                Ended::Answered(answer) => answer.to_string(),
                Ended::Failed(text) => text,
                Ended::Unheard(why) => why.to_owned(),
            };
        }
        sleep(LOOK).await;
    }
}

/// No connection is in a transaction when all clients have stopped.
async fn at_rest(client: &Client, journal: &Journal) -> anyhow::Result<()> {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
               AND pid <> pg_backend_pid() AND state <> 'idle'";
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let busy: i64 = client.query_one(sql, &[]).await?.get(0);
        if busy == 0 {
            return Ok(());
        }
        if Instant::now() >= until {
            journal.wrong(Kind::Failed, None, format!("{busy} connections are in the middle of something"));
            return Ok(());
        }
        sleep(LOOK).await;
    }
}

/// A copy of the built rules with two more operations, which handle the same event, with those of chains, and with the
/// settings of the round with this seed.
fn bundle(source: &Path, guests: &Path, seed: u64) -> anyhow::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let read = |folder: &Path| {
        let text = std::fs::read_to_string(folder.join(INDEX)).with_context(|| format!("{}", folder.display()))?;
        anyhow::Ok(Index::parse(&text)?)
    };
    let (mut index, of_guests) = (read(source)?, read(guests)?);
    index.host.relay_grace_s = GRACE_S;
    index.host.connections = CONNECTIONS;
    let (wall_ms, statement_ms) = TIMES[usize::from(seed % 2 == 1)];
    index.host.statement_ms = statement_ms;
    for rule in &mut index.rules {
        rule.limits.wall_ms = wall_ms;
    }
    let transfer = index.operations.iter().find(|operation| operation.name == "transfer");
    let transfer = transfer.context("the rules have no transfer")?.clone();
    for name in TAKERS {
        let events = vec![json!({ "source": ["campaign"] })];
        let operation = Operation { name: name.to_owned(), key: None, events, ..transfer.clone() };
        index.operations.push(operation);
    }
    let copy = |from: &Path, file: &File| {
        let to = folder.path().join(&file.path);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(from.join(&file.path), to).map(drop)
    };
    index.files().try_for_each(|file| copy(source, file))?;
    let mut probe = of_guests.rule(PROBE).context("the guests have no probe")?.clone();
    std::iter::once(&probe.component).chain(&probe.compiled).try_for_each(|file| copy(guests, file))?;
    probe.grants.operations.schedule = [chains::STEP.to_owned()].into();
    let of_probe = of_guests.operations.iter().find(|operation| operation.name == PROBE);
    let of_probe = of_probe.context("the guests have no operation probe")?;
    for name in [chains::CHAIN, chains::STEP] {
        index.operations.push(Operation { name: name.to_owned(), ..of_probe.clone() });
    }
    probe.limits.wall_ms = wall_ms;
    index.rules.push(probe);
    index.catalog.tables.extend(of_guests.catalog.tables);
    std::fs::write(folder.path().join(INDEX), index.to_json())?;
    Ok(folder)
}
