use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use tenet_audit::{Journal, Kind, Name};
use tenet_core::bundle::Index;
use tenet_core::{Clock, IdempotencyKey, Ledger, Rules, SourceKey, Timestamp};
use tenet_database::{Database, Endpoint, ServerKind};
use tenet_pipeline::{Arrival, Handled, Pending, Pipeline, Presence, Relayed};
use tenet_wiring::HostBuilder;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::buses::Buses;
use crate::chance::mix;
use crate::clocks::HostClock;
use crate::network::{Network, REGIONS, Route};
use crate::outlet::Outlet;
use crate::rules::Components;
use crate::sandbox_state::SandboxState;
use crate::spoken::spoken_of;
use crate::story::Story;

/// How long an invocation may take.
const INVOCATION: Duration = Duration::from_secs(3);

/// One of so many invocations has less time, in milliseconds.
const HURRY: u32 = 3;
const SHORT: std::ops::Range<u64> = 350..1000;

/// How much later than its deadline a request may end: messages of a rollback may be under way.
const SLACK: Duration = Duration::from_millis(20);

/// How long a client waits for its response: longer than an invocation may take, but limited.
const PATIENCE: Duration = Duration::from_secs(6);

/// How long a start waits for the database.
const CONNECTING: Duration = Duration::from_secs(3);

/// What every sandbox is made of.
pub(crate) struct Parts {
    pub(crate) seed: u64,
    pub(crate) began: Instant,
    pub(crate) index: Index,
    pub(crate) components: Arc<Components>,
    pub(crate) identity: [u8; 16],
    pub(crate) network: Arc<Network>,
    pub(crate) buses: Arc<Buses>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) story: Story,
}

/// One sandbox of a region's function, which can be killed, started and frozen.
pub(crate) struct Sandbox {
    pub(crate) name: String,
    region: usize,
    /// How many requests it gets at once.
    at_once: usize,
    permits: Semaphore,
    parts: Arc<Parts>,
    state: Mutex<State>,
    is_idle: Notify,
}

#[derive(Default)]
struct State {
    starts: u32,
    calls: u64,
    running: Option<Arc<Running>>,
    tasks: Vec<AbortHandle>,
    busy: usize,
    /// It takes no more requests, because it is frozen or about to be.
    is_closed: bool,
}

struct Running {
    state: Arc<SandboxState>,
    clock: Arc<HostClock>,
    outlet: Arc<Outlet>,
    pipeline: Pipeline,
}

/// A request as its client sends it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) name: Name,
    pub(crate) caller: Option<&'static str>,
    /// The key, if it is sent apart from the payload.
    pub(crate) key: Option<String>,
    pub(crate) payload: String,
}

/// What a sandbox is asked to do.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// A request.
    Direct(Sent),
    /// Several operations handle one event, one after the other.
    Event(Vec<Sent>),
    /// Messages of a queue.
    Queue(Vec<Sent>),
    /// A turn of the relay.
    Relay,
}

/// A response: the status and the body of each request.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    Answered(Vec<(u64, String)>),
    /// What a turn of the relay did, or why it failed.
    Relayed(Result<Relayed, String>),
    Unheard(&'static str),
}

/// When a client leaves, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    Never,
    /// The host does not learn it.
    Unseen(Duration),
    /// The host learns it.
    Seen(Duration),
    /// The host's work for it is dropped.
    Dropped(Duration),
}

impl Sandbox {
    pub(crate) fn new(region: usize, place: usize, at_once: usize, parts: Arc<Parts>) -> Arc<Self> {
        let name = format!("{}/{place}", REGIONS[region]);
        let (permits, state) = (Semaphore::new(at_once), Mutex::default());
        Arc::new(Self { name, region, at_once, permits, parts, state, is_idle: Notify::new() })
    }

    /// Starts it, as in the init phase of the function.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        let parts = &self.parts;
        let starts = {
            let mut state = self.state.lock().unwrap();
            state.starts += 1;
            state.starts
        };
        let state = Arc::new(SandboxState::new(format!("{}.{starts}", self.name)));
        parts.story.note(&state.name, format_args!("starts"));
        let clock = Arc::new(HostClock::new(parts.began));
        let endpoint = |to: usize| {
            let (network, sandbox) = (Arc::clone(&parts.network), Arc::clone(&state));
            let route = Route { network, sandbox, from: self.region, to };
            let endpoint = Endpoint::over(Arc::new(route), ServerKind::Dsql, "admin", "postgres")?;
            anyhow::Ok(endpoint.with_clock(Arc::clone(&clock) as Arc<dyn Clock>))
        };
        let (home, peer) = (endpoint(self.region)?, endpoint(1 - self.region)?);
        let index = &parts.index;
        let database = Database::with_peer(home, peer, Some(parts.identity), index.host.connections)
            .with_statement_timeout(index.host.statement_timeout())
            .for_bundle(index);
        let database = Arc::new(database);
        // As in the function, requests try again where this fails.
        let warmed = spoken_of(Arc::from(&*state.name), database.warm((Instant::now() + CONNECTING).into_std())).await;
        if let Err(fault) = warmed {
            parts.story.note(&state.name, format_args!("has no connection: {fault:#}"));
        }
        let outlet = Arc::new(Outlet {
            buses: Arc::clone(&parts.buses),
            region: self.region,
            sandbox: Arc::clone(&state),
            clock: Arc::clone(&clock),
            grace: index.host.relay_grace(),
            journal: Arc::clone(&parts.journal),
            handled: Mutex::default(),
        });
        let rules: Arc<dyn Rules> = Arc::clone(&parts.components) as _;
        let builder = HostBuilder::new(index, Ledger::from(database), rules, Arc::clone(&outlet) as _);
        let seeds = Mutex::new(Rng::with_seed(mix(parts.seed, (state.name.as_str(), "seeds"))));
        let seed = move || {
            let mut seed = [0; 32];
            seeds.lock().unwrap().fill(&mut seed);
            Ok(seed)
        };
        let pipeline = builder.clock(Arc::clone(&clock) as _).pipeline()?.with_seeds(Arc::new(seed));
        self.state.lock().unwrap().running = Some(Arc::new(Running { state, clock, outlet, pipeline }));
        Ok(())
    }

    /// Kills it at an arbitrary point, and starts another one in its place.
    pub(crate) async fn kill(&self, pause: Duration) -> anyhow::Result<()> {
        let (running, tasks) = {
            let mut state = self.state.lock().unwrap();
            (state.running.take(), std::mem::take(&mut state.tasks))
        };
        tasks.iter().for_each(AbortHandle::abort);
        if let Some(running) = running {
            self.parts.story.note(&running.state.name, format_args!("is killed"));
            self.parts.network.cut_of(&running.state);
        }
        sleep(pause).await;
        self.start().await
    }

    /// Sets its wall clock off.
    pub(crate) fn set_off(&self, micros: i64) {
        if let Some(running) = self.running() {
            running.clock.set_off(micros);
        }
    }

    /// Freezes it for this time, once it has nothing to do: its connections stay open, and none of its tasks runs.
    pub(crate) async fn freeze(&self, time: Duration) {
        self.state.lock().unwrap().is_closed = true;
        loop {
            let idle = self.is_idle.notified();
            if self.state.lock().unwrap().busy == 0 {
                break;
            }
            idle.await;
        }
        let Some(running) = self.running() else { return self.open() };
        self.parts.story.note(&running.state.name, format_args!("is frozen"));
        running.state.set_frozen(true);
        sleep(time).await;
        running.state.set_frozen(false);
        self.parts.story.note(&running.state.name, format_args!("thaws"));
        self.parts.network.tell();
        self.open();
    }

    fn open(&self) {
        self.state.lock().unwrap().is_closed = false;
    }

    /// When it last sent something to its own region's endpoint.
    pub(crate) fn sent_home(&self) -> Option<Instant> {
        self.running()?.state.sent_to(self.region)
    }

    fn running(&self) -> Option<Arc<Running>> {
        self.state.lock().unwrap().running.clone()
    }

    /// Sends it a call.
    pub(crate) async fn invoke(self: &Arc<Self>, call: Call, leaves: Leaves) -> Ended {
        match leaves {
            Leaves::Never => self.invoke_while(call, Presence::unknown()).await.0,
            Leaves::Unseen(patience) => {
                let answer = timeout(patience, self.invoke_while(call, Presence::unknown())).await;
                answer.map_or(Ended::Unheard("its client has left"), |(ended, _)| ended)
            }
            Leaves::Seen(patience) => {
                let caller = Presence::until(sleep(patience));
                let answer = timeout(patience, self.invoke_while(call, caller)).await;
                answer.map_or(Ended::Unheard("its client has left"), |(ended, _)| ended)
            }
            Leaves::Dropped(patience) => {
                let task = Mutex::new(None);
                let answer = timeout(patience, self.invoke_with(call, Presence::unknown(), &task)).await;
                if answer.is_err()
                    && let Some(task) = task.lock().unwrap().take()
                {
                    AbortHandle::abort(&task);
                }
                answer.unwrap_or(Ended::Unheard("its client has left"))
            }
        }
    }

    async fn invoke_while(self: &Arc<Self>, call: Call, caller: Presence) -> (Ended, ()) {
        (self.invoke_with(call, caller, &Mutex::new(None)).await, ())
    }

    async fn invoke_with(self: &Arc<Self>, call: Call, caller: Presence, task: &Mutex<Option<AbortHandle>>) -> Ended {
        let Ok(Ok(permit)) = timeout(PATIENCE, self.permits.acquire()).await else {
            return Ended::Unheard("it is busy");
        };
        // It is given back when the sandbox is done, and not when the client leaves.
        permit.forget();
        let (tell, told) = oneshot::channel();
        let number = {
            let mut state = self.state.lock().unwrap();
            state.calls += 1;
            state.calls
        };
        let Some(running) = self.running().filter(|_| !self.state.lock().unwrap().is_closed) else {
            self.permits.add_permits(1);
            sleep(Duration::from_millis(100)).await;
            return Ended::Unheard("it is down");
        };
        let busy = Busy::begin(self);
        let name = running.state.name.clone();
        let this = Arc::clone(self);
        let work = async move {
            let _busy = busy;
            this.work(&running, call, caller, number, tell).await;
        };
        let handle = tokio::spawn(spoken_of(Arc::from(&*name), work));
        *task.lock().unwrap() = Some(handle.abort_handle());
        {
            let mut state = self.state.lock().unwrap();
            state.tasks.retain(|task| !task.is_finished());
            state.tasks.push(handle.abort_handle());
        }
        match timeout(PATIENCE, told).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) => match handle.await {
                Err(error) if error.is_panic() => {
                    self.parts.journal.wrong(Kind::Failed, None, format!("{name} panicked: {error}"));
                    Ended::Unheard("it panicked")
                }
                _ => Ended::Unheard("it was killed"),
            },
            Err(_) => Ended::Unheard("it does not answer"),
        }
    }

    async fn work(&self, running: &Running, call: Call, caller: Presence, number: u64, tell: oneshot::Sender<Ended>) {
        let Running { pipeline, clock, outlet, state } = running;
        let host = &self.parts.index.host;
        let seed = mix(self.parts.seed, (state.name.as_str(), number));
        let mut random = Rng::with_seed(seed);
        let time = if random.u32(0..HURRY) == 0 { Duration::from_millis(random.u64(SHORT)) } else { INVOCATION };
        let (now, deadline) = (clock.now(), Instant::now() + time - host.margin());
        let mut decide = async |sent: Sent, now: Timestamp, source_key: Option<SourceKey>, deadline: Instant| {
            let mut seed = [0; 32];
            random.fill(&mut seed);
            self.decide(running, (&caller, seed), sent, (now, source_key, deadline)).await
        };
        let (mut answers, mut pending) = (Vec::new(), Vec::new());
        // The names stay until their events are published.
        let mut handling = Vec::new();
        let publishes_first = self.at_once > 1 || !matches!(call, Call::Direct(_));
        match call {
            Call::Direct(sent) => {
                handling.push(outlet.handle(sent.name.clone()));
                let Handled { answer, pending: events, .. } = decide(sent, now, None, deadline).await;
                answers.push((u64::from(answer.status.code()), answer.body));
                pending.extend(events);
            }
            Call::Event(all) => {
                for sent in all {
                    handling.push(outlet.handle(sent.name.clone()));
                    let source_key = IdempotencyKey::new(sent.name.key.clone()).ok().map(SourceKey::Event);
                    let Handled { answer, pending: events, .. } = decide(sent, now, source_key, deadline).await;
                    answers.push((u64::from(answer.status.code()), answer.body));
                    pending.extend(events);
                }
            }
            Call::Queue(all) => {
                let left = deadline.saturating_duration_since(Instant::now());
                let until = deadline - host.publish().min(left / 4);
                let deciding = all.into_iter().map(|sent| {
                    handling.push(outlet.handle(sent.name.clone()));
                    let mut seed = [0; 32];
                    random.fill(&mut seed);
                    self.decide(running, (&caller, seed), sent, (now, None, until))
                });
                for Handled { answer, pending: events, .. } in join_all(deciding).await {
                    answers.push((u64::from(answer.status.code()), answer.body));
                    pending.extend(events);
                }
            }
            Call::Relay => {
                let grace = host.relay_grace();
                let relayed =
                    pipeline.relay(REGIONS[self.region], grace, host.answer_retention(), deadline.into_std()).await;
                // The caller may have left.
                let _ = tell.send(Ended::Relayed(relayed.map_err(|fault| format!("{fault:#}"))));
                return self.check(state, "a relay", deadline);
            }
        }
        let follow_ups: Vec<_> = pending.iter_mut().flat_map(Pending::take_follow_ups).collect();
        let publishing = self.publish(pipeline, pending, deadline);
        if publishes_first {
            publishing.await;
            let _ = tell.send(Ended::Answered(answers));
        } else {
            let _ = tell.send(Ended::Answered(answers));
            publishing.await;
        }
        if !follow_ups.is_empty() {
            pipeline.follow(follow_ups, REGIONS[self.region], deadline.into_std()).await;
        }
        drop(handling);
        self.check(state, "requests", deadline);
    }

    async fn publish(&self, pipeline: &Pipeline, pending: Vec<Pending>, deadline: Instant) {
        if !pending.is_empty() {
            let until = deadline.min(Instant::now() + self.parts.index.host.publish());
            pipeline.publish_all(pending, until.into_std()).await;
        }
    }

    async fn decide(
        &self,
        running: &Running,
        (caller, seed): (&Presence, [u8; 32]),
        sent: Sent,
        (now, source_key, deadline): (Timestamp, Option<SourceKey>, Instant),
    ) -> Handled {
        let Sent { name, caller: identity, key, payload } = sent;
        let arrival = Arrival {
            region: REGIONS[self.region].to_owned(),
            now,
            deadline: deadline.into_std(),
            seed,
            source_key,
            caller: identity.map(str::to_owned),
            trace: None,
        };
        let key = key.and_then(|key| IdempotencyKey::new(key).ok());
        let request = arrival.request(name.operation.clone(), key, payload);
        let handled = running.pipeline.handle_while(request, None, caller).await;
        let late = Instant::now().saturating_duration_since(deadline);
        if late > SLACK {
            let text = format!("{} answered {} ms after the deadline", running.state.name, late.as_millis());
            self.parts.journal.wrong(Kind::Failed, Some(name), text);
        }
        handled
    }

    /// What of an invocation follows its deadline has to fit into the host's margin: after that the sandbox would be
    /// killed.
    fn check(&self, state: &SandboxState, what: &str, deadline: Instant) {
        let late = Instant::now().saturating_duration_since(deadline);
        if late > self.parts.index.host.margin() {
            let text = format!("{} ended {what} {} ms after the deadline", state.name, late.as_millis());
            self.parts.journal.wrong(Kind::Failed, None, text);
        }
    }
}

/// A call that a sandbox works on. The end of it gives its place to the next.
struct Busy(Arc<Sandbox>);

impl Busy {
    fn begin(sandbox: &Arc<Sandbox>) -> Self {
        sandbox.state.lock().unwrap().busy += 1;
        Self(Arc::clone(sandbox))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().busy -= 1;
        self.0.permits.add_permits(1);
        self.0.is_idle.notify_waiters();
    }
}
