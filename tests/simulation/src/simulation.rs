use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use fastrand::Rng;
use tenet_audit::{Audit, Journal, Kind, Name, Report, Tally, accounts, chains};
use tenet_core::Mutant;
use tenet_database::{Endpoint, Schema, ServerKind};
use tenet_dsql::{Cluster, Options};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_postgres::{Client, Config, NoTls};

use crate::buses::Buses;
use crate::chance::mix;
use crate::claims::{Claims, Decided};
use crate::clients::{Clients, Notes};
use crate::clocks::DatabaseClock;
use crate::network::{Network, OwnersRoute};
use crate::plan::{Fault, Plan, SANDBOXES};
use crate::question::COUNTERS;
use crate::rules::Components;
use crate::sandbox::{Call, Ended, Leaves, Parts, Sandbox};
use crate::selection::Selection;
use crate::spoken::Spoken;
use crate::story::Story;
use crate::wire_faults::{WireFault, WireFaults};

/// How long a story may take, in simulated time.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// How long a healthy world may take to come to rest.
const REST: Duration = Duration::from_secs(600);

/// Longer than any request.
const A_WHILE: Duration = Duration::from_secs(10);

/// Longer than a clock may be ahead.
const AHEAD: Duration = Duration::from_secs(2 * 3600);

/// Longer than an endpoint is left alone.
const ALONE: Duration = Duration::from_secs(60);

/// How many turns of the relays a healthy world may take to empty the outbox.
const TURNS: u32 = 400;

/// One of so many stories has no injected faults, only conflicts.
const CALM: u64 = 16;

/// One story.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Decides everything.
    pub seed: u64,
    /// How many requests there are at least, each counted once however often it is sent.
    pub transactions: usize,
    /// A guarantee that the hosts break on purpose. It takes the feature `mutants`.
    pub mutant: Option<Mutant>,
    /// Which parts of the story are kept.
    pub selection: Selection,
    /// Whether the lines of the story are kept.
    pub keeps_story: bool,
}

/// What came of a story.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The counts and the violations.
    pub report: Report,
    /// The digest of the story.
    pub digest: String,
    /// The number of lines of the story.
    pub lines: u64,
    /// The story, if it was to be kept.
    pub story: String,
    /// How many steps and faults it had.
    pub parts: (usize, usize),
    /// The faults of single statements.
    pub wire: Vec<WireFault>,
    /// How long it took in simulated time.
    pub simulated: Duration,
}

impl Simulation {
    /// A whole story of so many transactions.
    pub fn new(seed: u64, transactions: usize) -> Self {
        Self { seed, transactions, mutant: None, selection: Selection::default(), keeps_story: false }
    }

    /// Runs it on this thread.
    ///
    /// # Errors
    /// Fails if the world could not be set up. Violations by the hosts are in the report.
    pub fn run(&self, components: &Arc<Components>) -> anyhow::Result<Outcome> {
        anyhow::ensure!(cfg!(feature = "mutants") || self.mutant.is_none(), "it is built without mutants");
        #[cfg(feature = "mutants")]
        let _alive = Mutant::awaken(self.mutant);
        // The hosts' own jitter.
        fastrand::seed(mix(self.seed, "jitter"));
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
        runtime.block_on(async {
            match timeout(LONGEST, self.live(components)).await {
                Ok(outcome) => outcome,
                Err(_) => anyhow::bail!("seed {}: the story does not end", self.seed),
            }
        })
    }

    async fn live(&self, components: &Arc<Components>) -> anyhow::Result<Outcome> {
        let began = Instant::now();
        let story = Story::begin(self.keeps_story);
        let (journal, tally) = (Arc::new(Journal::new()), Arc::new(Tally::default()));
        let spoken = Spoken {
            story: story.clone(),
            journal: Arc::clone(&journal),
            tally: Arc::clone(&tally),
            spans: AtomicU64::new(0),
        };
        let _listening = tracing::subscriber::set_default(spoken);
        let is_calm = self.seed.is_multiple_of(CALM);
        let plan = Plan::new(self.seed, self.transactions, is_calm, &self.selection);

        let mut options = Options::new(Arc::new(DatabaseClock(began)), mix(self.seed, "database"));
        if self.seed.is_multiple_of(3) {
            (options.limits.connection_burst, options.limits.connection_rate) = (30, 15);
        }
        let home = Cluster::new(options);
        let endpoints = [home.clone(), home.peer()];
        let owner = home.peer();
        let deadline = (Instant::now() + A_WHILE).into_std();
        let of_owner = Endpoint::over(Arc::new(OwnersRoute(owner.clone())), ServerKind::Dsql, "admin", "postgres")?;
        Schema::apply(&of_owner, components.steps(), deadline).await?;
        let client = connect(&owner).await?;
        accounts::open(&client).await?;
        for counter in 0..COUNTERS {
            client.execute("INSERT INTO counters (id, value) VALUES ($1, 0)", &[&counter]).await?;
        }
        for counter in chains::COUNTERS {
            client.execute("INSERT INTO counters (id, value) VALUES ($1, 0)", &[&counter]).await?;
        }
        let identity: String = client.query_one("SELECT id::text FROM tenet.identity", &[]).await?.get(0);
        let identity = u128::from_str_radix(&identity.replace('-', ""), 16)?.to_be_bytes();

        let faults = Arc::new(WireFaults::new(self.seed, self.selection.wire.clone()));
        let network = Arc::new(Network::new(self.seed, endpoints, Arc::clone(&faults), story.clone()));
        let buses = Buses::new(self.seed, Arc::clone(&tally), story.clone());
        let parts = Arc::new(Parts {
            seed: self.seed,
            began,
            index: components.index(self.seed),
            components: Arc::clone(components),
            identity,
            network: Arc::clone(&network),
            buses: Arc::clone(&buses),
            journal: Arc::clone(&journal),
            story: story.clone(),
        });
        let region = |region: usize| -> Vec<_> {
            let sandboxes = SANDBOXES.into_iter().enumerate();
            sandboxes.map(|(place, at_once)| Sandbox::new(region, place, at_once, Arc::clone(&parts))).collect()
        };
        let sandboxes = [region(0), region(1)];
        for sandbox in sandboxes.iter().flatten() {
            sandbox.start().await?;
        }

        let claims = Claims::new(began);
        let began = Instant::now();
        let world =
            World { plan: &plan, sandboxes: &sandboxes, network: &network, buses: &buses, tally: &tally, began };
        let clients = Clients {
            sandboxes: &sandboxes,
            journal: &journal,
            tally: &tally,
            story: &story,
            plan: &plan,
            began,
            claims: &claims,
            notes: Notes::default(),
        };
        let (harmed, ..) = tokio::join!(biased; world.harm(&story, &owner), world.relay(), clients.act());
        harmed?;
        world.clear();
        story.note("world", format_args!("all faults end"));
        sleep(A_WHILE).await;

        let again = self.transactions / 5 + 5;
        let open = clients.settle(&mut Rng::with_seed(mix(self.seed, "settle")), again, Instant::now() + REST).await;
        if open > 0 {
            journal.wrong(Kind::Failed, None, format!("{open} questions have no final answer"));
        }
        sleep(AHEAD).await;
        world.empty(&owner, &journal).await?;
        sleep(ALONE).await;
        for sandbox in sandboxes.iter().flatten() {
            let before = Instant::now();
            if !clients.read_at(sandbox).await {
                journal.wrong(Kind::Failed, None, format!("{} does not answer although all is well", sandbox.name));
            } else if sandbox.sent_home().is_none_or(|sent| sent < before) {
                journal.wrong(Kind::Failed, None, format!("{} does not return to its own endpoint", sandbox.name));
            }
        }
        while buses.under_way() > 0 {
            sleep(A_WHILE).await;
        }
        let client = connect(&owner).await?;
        let audit = Audit::read(&client, &journal).await?;
        audit.answers();
        audit.effects();
        audit.books(&client).await?;
        audit.counters(&client).await?;
        audit.chains(&client).await?;
        audit.events(&buses.arrivals);
        check(&claims, &client, &journal).await?;
        if network.transactions() > 0 {
            journal.wrong(Kind::Failed, None, format!("{} connections are in a transaction", network.transactions()));
        }
        let mut counts = tally.counts();
        if is_calm {
            for name in ["answer: 503 unavailable", "answer: 503 outcome-unknown"] {
                if let Some(count) = counts.get(name) {
                    journal.wrong(Kind::Failed, None, format!("without a fault, {count} times {name}"));
                }
            }
        }
        let wire = faults.done();
        counts.insert("wire: statements harmed".to_owned(), wire.len() as u64);
        let wrongs = journal.wrongs().into_iter().map(|wrong| {
            let history = wrong.about.as_ref().map_or_else(String::new, |name| journal.story(name));
            (wrong, history)
        });
        Ok(Outcome {
            report: Report {
                transactions: journal.answers(),
                accepted: audit.accepted().count(),
                events: audit.due(),
                counts,
                wrongs: wrongs.collect(),
            },
            digest: story.digest(),
            lines: story.lines(),
            story: story.text(),
            parts: (plan.steps.len(), plan.faults.len()),
            wire,
            simulated: began.elapsed(),
        })
    }
}

/// What faults come to.
struct World<'a> {
    plan: &'a Plan,
    sandboxes: &'a [Vec<Arc<Sandbox>>; 2],
    network: &'a Arc<Network>,
    buses: &'a Arc<Buses>,
    tally: &'a Tally,
    began: Instant,
}

impl World<'_> {
    /// Injects the planned faults, and waits for their ends.
    async fn harm(&self, story: &Story, owner: &Cluster) -> anyhow::Result<()> {
        let mut going_on = JoinSet::new();
        let mut tables = 0;
        for (at, fault) in &self.plan.faults {
            sleep_until(self.began + *at).await;
            story.note("world", format_args!("{fault:?}"));
            let (network, name) = (Arc::clone(self.network), fault.name());
            self.tally.count(name);
            match *fault {
                Fault::Weather { region, one_in, of_ten } => {
                    network.to(region).iter().for_each(|path| path.set_one_in(one_in));
                    self.buses.disturb(region, of_ten);
                }
                Fault::Cut { region } => network.cut(region),
                Fault::FallSilent { region } => network.fall_silent(region),
                Fault::Away { region, time } => {
                    network.to(region).iter().for_each(|path| path.set_away(true));
                    network.cut(region);
                    going_on.spawn(async move {
                        sleep(time).await;
                        network.to(region).iter().for_each(|path| path.set_away(false));
                        Ok(())
                    });
                }
                Fault::Silent { from, region, time } => {
                    network.path(from, region).set_silent(true);
                    going_on.spawn(async move {
                        sleep(time).await;
                        network.path(from, region).set_silent(false);
                        network.tell();
                        Ok(())
                    });
                }
                Fault::Kill { region, sandbox, pause } => {
                    let sandbox = Arc::clone(&self.sandboxes[region][sandbox]);
                    going_on.spawn(async move { sandbox.kill(pause).await });
                }
                Fault::Jump { region, sandbox, micros } => self.sandboxes[region][sandbox].set_off(micros),
                Fault::Freeze { region, sandbox, time } => {
                    let sandbox = Arc::clone(&self.sandboxes[region][sandbox]);
                    going_on.spawn(async move {
                        sandbox.freeze(time).await;
                        Ok(())
                    });
                }
                Fault::Alter => {
                    tables += 1;
                    let sql = format!("CREATE TABLE extra_{tables} (id int PRIMARY KEY)");
                    connect(owner).await?.batch_execute(&sql).await?;
                }
            }
        }
        while let Some(ended) = going_on.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Runs each region's relay at its times, like a schedule.
    async fn relay(&self) {
        for (at, region) in &self.plan.relays {
            sleep_until(self.began + *at).await;
            let sandbox = Arc::clone(&self.sandboxes[*region][0]);
            drop(tokio::spawn(async move { sandbox.invoke(Call::Relay, Leaves::Never).await }));
        }
    }

    /// Ends all faults.
    fn clear(&self) {
        for region in 0..2 {
            for path in self.network.to(region) {
                path.set_one_in(0);
                path.set_away(false);
                path.set_silent(false);
            }
            self.buses.disturb(region, 0);
        }
        self.sandboxes.iter().flatten().for_each(|sandbox| sandbox.set_off(0));
        self.network.tell();
    }

    /// Runs the relays until the outbox is empty and nothing waits to follow.
    async fn empty(&self, owner: &Cluster, journal: &Journal) -> anyhow::Result<()> {
        let mut last = String::new();
        for turn in 0..TURNS {
            let client = connect(owner).await?;
            let left = async |table: &str| {
                let sql = format!("SELECT count(*) FROM tenet.{table}");
                anyhow::Ok(client.query_one(&sql, &[]).await?.get::<_, i64>(0))
            };
            if left("outbox").await? + left("follow_ups").await? == 0 {
                return Ok(());
            }
            let region = usize::from(turn % 2 == 1);
            last = match self.sandboxes[region][0].invoke(Call::Relay, Leaves::Never).await {
                Ended::Relayed(relayed) => format!("{relayed:?}"),
                Ended::Unheard(why) => why.to_owned(),
                Ended::Answered(_) => String::new(),
            };
            sleep(A_WHILE).await;
        }
        journal.wrong(
            Kind::Failed,
            None,
            format!("events are left in the outbox, or operations to follow; the last turn: {last}"),
        );
        Ok(())
    }
}

impl Fault {
    /// Its name, under which it is counted.
    fn name(self) -> &'static str {
        match self {
            Self::Weather { .. } => "world: the weather turns",
            Self::Cut { .. } => "world: all connections cut",
            Self::FallSilent { .. } => "world: all connections fall silent",
            Self::Away { .. } => "world: an endpoint away",
            Self::Silent { .. } => "world: an endpoint silent for a region",
            Self::Kill { .. } => "world: a host killed",
            Self::Jump { .. } => "world: a clock jumps",
            Self::Freeze { .. } => "world: a sandbox frozen",
            Self::Alter => "world: the catalogue changes",
        }
    }
}

/// No answer says that nothing was changed by a request that was decided.
async fn check(claims: &Claims, client: &Client, journal: &Journal) -> anyhow::Result<()> {
    let sql =
        "SELECT operation, caller, key, digest, (extract(epoch from stored_at) * 1000000)::bigint FROM tenet.keys";
    let rows = client.query(sql, &[]).await?;
    let decided = rows.iter().map(|row| {
        let name = Name { operation: row.get(0), caller: row.get(1), key: row.get(2) };
        (name, Decided { digest: row.get(3), at: row.get(4) })
    });
    for name in claims.broken(&decided.collect()) {
        let text = "an answer says that nothing was changed, and the request was decided then";
        journal.wrong(Kind::Lost, Some(name), text.to_owned());
    }
    Ok(())
}

/// Connects as the database's owner.
async fn connect(owner: &Cluster) -> anyhow::Result<Client> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let owner = owner.clone();
    tokio::spawn(async move { owner.serve(far).await });
    let mut config = Config::new();
    config.user("admin").password("none").dbname("postgres");
    let (client, connection) = config.connect_raw(near, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
