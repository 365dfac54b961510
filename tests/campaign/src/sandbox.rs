use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use lambda_simulator::{FreezeMode, InvocationBuilder, InvocationState, InvocationStatus, Simulator, SimulatorPhase};
use serde_json::Value;
use tenet_audit::log::{METRICS, is_blame};
use tenet_audit::{Journal, Kind, Tally};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, RwLock, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// The timeout for starting.
const STARTING: Duration = Duration::from_secs(60);

/// The timeout of an invocation.
const INVOCATION: Duration = Duration::from_secs(3);

/// How long a client waits for its response: longer than an invocation may take, but limited.
const PATIENCE: Duration = Duration::from_secs(6);

/// The polling interval for the simulator's state: a change between a check and the wait is not notified.
const LOOK: Duration = Duration::from_millis(100);

/// Builds the command that starts a sandbox.
pub(crate) type Start = Box<dyn Fn() -> Command + Send + Sync>;

/// One sandbox of a function: the real `bootstrap`, which can be killed and restarted.
pub(crate) struct Sandbox {
    pub(crate) name: String,
    start: Start,
    /// How many concurrent invocations it accepts.
    permits: Semaphore,
    running: RwLock<Option<Running>>,
    starting: Mutex<()>,
    notes: Notes,
}

/// Where the contents of a function's log are recorded.
#[derive(Clone)]
pub(crate) struct Notes {
    pub(crate) tally: Arc<Tally>,
    pub(crate) journal: Arc<Journal>,
}

struct Running {
    simulator: Simulator,
    child: Mutex<Child>,
    /// Ends when the whole log is read.
    log: JoinHandle<()>,
    /// Whether it was killed.
    killed: watch::Sender<bool>,
}

/// The result of an invocation.
pub(crate) enum Ended {
    /// The function responded.
    Answered(Value),
    /// It reported a failure.
    Failed(String),
    /// Unknown.
    Unheard(&'static str),
}

impl Sandbox {
    pub(crate) async fn new(name: String, at_once: usize, start: Start, notes: Notes) -> anyhow::Result<Self> {
        let sandbox = Self {
            name,
            start,
            permits: Semaphore::new(at_once),
            running: RwLock::default(),
            starting: Mutex::default(),
            notes,
        };
        sandbox.start().await?;
        Ok(sandbox)
    }

    async fn start(&self) -> anyhow::Result<()> {
        let _one = self.starting.lock().await;
        if self.running.read().await.is_some() {
            return Ok(());
        }
        let simulator = Simulator::builder()
            .freeze_mode(FreezeMode::None)
            .extension_ready_timeout(PATIENCE)
            .invocation_timeout(PATIENCE)
            .build()
            .await?;
        let api = simulator.runtime_api_url().replace("http://", "");
        let mut command = (self.start)();
        command.env("AWS_LAMBDA_RUNTIME_API", api).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.kill_on_drop(true).spawn().context("cannot start bootstrap")?;
        let log = BufReader::new(child.stdout.take().context("bootstrap has no output")?);
        let log = tokio::spawn(listen(log, self.name.clone(), self.notes.clone()));
        tokio::select! {
            ready = ready(&simulator) => ready?,
            ended = child.wait() => anyhow::bail!("{} ended instead of starting: {}", self.name, ended?),
        }
        let running = Running { simulator, child: Mutex::new(child), log, killed: watch::Sender::new(false) };
        *self.running.write().await = Some(running);
        Ok(())
    }

    /// Kills it at an arbitrary point, and starts another one in its place.
    pub(crate) async fn kill(&self, pause: Duration) -> anyhow::Result<()> {
        if let Some(running) = &*self.running.read().await {
            running.child.lock().await.kill().await?;
            running.killed.send_replace(true);
        }
        // Waits for the clients that wait for a response; they have just been notified that there is none.
        if let Some(running) = self.running.write().await.take() {
            running.simulator.shutdown().await;
        }
        sleep(pause).await;
        self.start().await
    }

    /// Sends it an event.
    pub(crate) async fn invoke(&self, event: &Value) -> Ended {
        let Ok(Ok(_permit)) = timeout(PATIENCE, self.permits.acquire()).await else {
            return Ended::Unheard("it is busy");
        };
        let running = self.running.read().await;
        let Some(running) = &*running else {
            sleep(LOOK).await;
            return Ended::Unheard("it is down");
        };
        let mut killed = running.killed.subscribe();
        tokio::select! {
            biased;
            _ = killed.wait_for(|killed| *killed) => Ended::Unheard("it was killed"),
            ended = running.answer(event) => ended,
        }
    }

    /// Stops it.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        if let Some(running) = self.running.write().await.take() {
            running.child.lock().await.kill().await?;
            running.simulator.shutdown().await;
            running.log.await?;
        }
        Ok(())
    }

    /// Checks that it has not ended by itself, which it never may.
    pub(crate) async fn check(&self) -> anyhow::Result<()> {
        if let Some(running) = &*self.running.read().await {
            let ended = running.child.lock().await.try_wait()?;
            ensure!(ended.is_none() || *running.killed.borrow(), "{} has ended by itself: {ended:?}", self.name);
        }
        Ok(())
    }
}

async fn ready(simulator: &Simulator) -> anyhow::Result<()> {
    let until = Instant::now() + STARTING;
    while simulator.wait_for_phase(SimulatorPhase::Ready, LOOK).await.is_err() {
        ensure!(Instant::now() < until, "bootstrap does not ask for its first invocation");
    }
    Ok(())
}

impl Running {
    async fn answer(&self, event: &Value) -> Ended {
        let invocation = InvocationBuilder::new().payload(event.clone()).timeout_ms(INVOCATION.as_millis() as u64);
        let id = self.simulator.enqueue(invocation.build().unwrap()).await;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.simulator.wait_for_invocation_complete(&id, LOOK).await {
                Ok(InvocationState { status: InvocationStatus::Success, response: Some(response), .. }) => {
                    return Ended::Answered(response.payload);
                }
                Ok(InvocationState { error: Some(error), .. }) => {
                    return Ended::Failed(error.error_message);
                }
                Ok(_) => return Ended::Unheard("it says nothing"),
                Err(_) => {}
            }
        }
        Ended::Unheard("it does not answer")
    }
}

/// Sums up the metrics in the function's log, and records where it blames a rule: the example rules never fail by
/// themselves for any request of the clients.
async fn listen(mut log: BufReader<tokio::process::ChildStdout>, name: String, Notes { tally, journal }: Notes) {
    let mut line = String::new();
    while log.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        if let Ok(Value::Object(members)) = serde_json::from_str(&line) {
            for measured in METRICS.into_iter().chain(["attempts"]) {
                if let Some(number) = members.get(measured).and_then(Value::as_u64).filter(|number| *number > 0) {
                    tally.add(&format!("told: {measured}"), number);
                }
            }
            if blames(&members) {
                journal.wrong(Kind::Blamed, None, format!("{name} says {}", line.trim_end()));
            }
        }
        line.clear();
    }
}

/// Whether a log line reports that a rule failed.
fn blames(members: &serde_json::Map<String, Value>) -> bool {
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    is_blame(text("message"), text("blame"))
}
