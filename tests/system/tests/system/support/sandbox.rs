//! A sandbox with the real `bootstrap`, in a third-party simulator of Lambda.

use std::process::ExitStatus;
use std::time::Duration;

use lambda_simulator::{FreezeMode, InvocationBuilder, InvocationState, InvocationStatus, Simulator, SimulatorPhase};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A longer wait would never end.
pub(crate) const HANGS: Duration = Duration::from_secs(60);

/// The polling interval for the simulator's answers: an answer between a check and the wait is not notified.
const LOOK: Duration = Duration::from_millis(100);

/// The simulator and the function; both end when the value is dropped.
pub(crate) struct Sandbox {
    pub(crate) simulator: Simulator,
    pub(crate) pid: u32,
    bootstrap: Mutex<Child>,
}

impl Sandbox {
    pub(crate) async fn start(command: &mut Command) -> Self {
        Self::start_in(FreezeMode::Process, command).await
    }

    pub(crate) async fn start_in(freezes: FreezeMode, command: &mut Command) -> Self {
        let simulator = Simulator::builder()
            .freeze_mode(freezes)
            .extension_ready_timeout(HANGS)
            .invocation_timeout(HANGS)
            .build()
            .await
            .unwrap();
        let api = simulator.runtime_api_url().replace("http://", "");
        let bootstrap = command.env("AWS_LAMBDA_RUNTIME_API", api).kill_on_drop(true).spawn().unwrap();
        let pid = bootstrap.id().unwrap();
        simulator.register_freeze_pid(pid);
        // An event that came earlier would not be reported to an extension that registers later.
        simulator.wait_for_phase(SimulatorPhase::Ready, HANGS).await.unwrap();
        Self { simulator, pid, bootstrap: Mutex::new(bootstrap) }
    }

    /// Sends it an event with this timeout.
    pub(crate) async fn begin(&self, event: Value, time: Duration) -> String {
        let invocation = InvocationBuilder::new().payload(event).timeout_ms(time.as_millis() as u64);
        self.simulator.enqueue(invocation.build().unwrap()).await
    }

    /// Waits for the response to it.
    pub(crate) async fn answer(&self, id: &str) -> Value {
        let until = Instant::now() + HANGS;
        let mut ended = None;
        loop {
            match self.simulator.wait_for_invocation_complete(id, LOOK).await {
                Ok(InvocationState { status: InvocationStatus::Success, response: Some(response), .. }) => {
                    return response.payload;
                }
                Ok(other) => panic!("no answer but {other:?}"),
                Err(_) => {
                    // Its last response may have come just before it ended.
                    assert!(ended.is_none(), "bootstrap has ended: {ended:?}");
                    assert!(Instant::now() < until, "no answer to {id}");
                    ended = self.bootstrap.lock().await.try_wait().unwrap();
                }
            }
        }
    }

    pub(crate) async fn invoke(&self, event: Value) -> Value {
        let id = self.begin(event, HANGS).await;
        self.answer(&id).await
    }

    pub(crate) async fn is_frozen(&self) {
        self.simulator.wait_for_frozen(HANGS).await.unwrap();
    }

    /// Kills it at an arbitrary point.
    pub(crate) async fn kill(&self) {
        self.bootstrap.lock().await.kill().await.unwrap();
    }

    /// Sends SIGTERM, and waits until it has ended.
    pub(crate) async fn terminate(&self) -> ExitStatus {
        self.signal();
        self.ended().await
    }

    /// Sends SIGTERM.
    pub(crate) fn signal(&self) {
        let kill = format!("kill -TERM {}", self.pid);
        assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) -> ExitStatus {
        tokio::time::timeout(HANGS, self.bootstrap.lock().await.wait()).await.unwrap().unwrap()
    }
}
