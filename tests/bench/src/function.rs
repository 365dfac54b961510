use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::sync::oneshot;

use crate::event_bus::EventBus;
use crate::place;
use crate::runtime_api::RuntimeApi;

/// The polling interval while a function owes an answer.
const LOOK: Duration = Duration::from_millis(100);

/// The timeout for an answer.
const HANGS: Duration = Duration::from_secs(60);

/// The statement of the functions to compare with, the same as the rule `rows` runs for ten rows.
const STATEMENT: &str = "SELECT n AS id, 'owner ' || n AS owner, n * 1.25 AS balance, \
     timestamptz '2026-01-31 00:00:00+00' + n * interval '1 hour' AS opened, n % 2 = 0 AS active \
     FROM generate_series(1::bigint, 10::bigint) AS n";

/// A function under its own runtime API, as Lambda runs it. It ends when it is dropped.
pub struct Function {
    process: Child,
    api: RuntimeApi,
    started: Instant,
}

/// A program that is a function, an event for it, and a text in its answer.
pub struct Program {
    command: Command,
    event: String,
    answer: &'static str,
}

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// The maximum so far.
    pub peak: u64,
}

impl Program {
    /// The released host with a bundle, with a request for ten rows.
    ///
    /// # Errors
    /// Fails if there is no `bootstrap`.
    pub fn host(bundle: &Path, database: &str) -> anyhow::Result<Self> {
        let mut command = command(&place::bootstrap()?);
        command.env("TENET_DATABASE_URL", database).env("TENET_EVENT_BUS", "default").env("TENET_BUNDLE", bundle);
        Ok(Self { command, event: r#"{"operation":"rows-read","rows":10}"#.to_owned(), answer: r#""statusCode":200,"# })
    }

    /// The same host with this many concurrent invocations, and with events for this bus.
    ///
    /// # Errors
    /// Fails if there is no `bootstrap`.
    pub fn host_for_many(bundle: &Path, database: &str, bus: &EventBus, at_once: u32) -> anyhow::Result<Self> {
        let mut program = Self::host(bundle, database)?;
        program.command.env("AWS_ENDPOINT_URL", bus.url()).env("AWS_LAMBDA_MAX_CONCURRENCY", at_once.to_string());
        Ok(program)
    }

    /// The same host, with a request for an unknown operation: it answers without running a rule or
    /// a statement.
    #[must_use]
    pub fn asked_for_nothing(mut self) -> Self {
        self.event = r#"{"operation":"other"}"#.to_owned();
        self.answer = r#""statusCode":400,"#;
        self
    }

    /// The function in Rust that only connects.
    pub fn only_connects(program: &Path, database: &str) -> Self {
        let mut command = command(program);
        command.env("BENCH_DATABASE_URL", database);
        Self::yardstick(command)
    }

    /// The handler in Python.
    ///
    /// # Errors
    /// Fails if there is no suitable Python.
    pub fn python(database: &str) -> anyhow::Result<Self> {
        let mut command = command(&place::python()?);
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/python"));
        // Lambda's code folder is read-only too.
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("BENCH_DATABASE_URL", database);
        command.args(["-m", "awslambdaric", "handler.handler"]);
        Ok(Self::yardstick(command))
    }

    fn yardstick(command: Command) -> Self {
        Self { command, event: serde_json::json!({"sql": STATEMENT}).to_string(), answer: r#"{\"rows\""# }
    }
}

impl Function {
    /// Starts it.
    ///
    /// # Errors
    /// Fails if it cannot be started.
    pub fn start(program: &mut Program) -> anyhow::Result<Self> {
        let api = RuntimeApi::start()?;
        program.command.env("AWS_LAMBDA_RUNTIME_API", api.address());
        let started = Instant::now();
        let process = program.command.spawn().with_context(|| format!("cannot start {:?}", program.command))?;
        Ok(Self { process, api, started })
    }

    /// The time from the start to the first answer.
    ///
    /// # Errors
    /// Fails if the answer is wrong.
    pub fn first(program: &mut Program) -> anyhow::Result<Duration> {
        let mut function = Self::start(program)?;
        Ok(function.answered(program)? - function.started)
    }

    /// The time of one answer.
    ///
    /// # Errors
    /// Fails if the answer is wrong.
    pub fn invoke(&mut self, program: &Program) -> anyhow::Result<Duration> {
        let start = Instant::now();
        Ok(self.answered(program)? - start)
    }

    /// Answers an event. Several may run concurrently.
    ///
    /// # Errors
    /// Fails if the function reports a failure or has ended.
    pub async fn answer(&self, event: &str) -> anyhow::Result<String> {
        let (sender, answer) = oneshot::channel();
        self.api.begin(event, move |(_, answer)| drop(sender.send(answer)))?;
        let answer = tokio::time::timeout(HANGS, answer).await.context("the function does not answer")?;
        answer.context("the function has ended instead of answering")?
    }

    fn answered(&mut self, program: &Program) -> anyhow::Result<Instant> {
        let (sender, answers) = mpsc::channel();
        self.api.begin(&program.event, move |answer| drop(sender.send(answer)))?;
        let start = Instant::now();
        let (answered, body) = loop {
            match answers.recv_timeout(LOOK) {
                Ok((at, answer)) => break (at, answer?),
                Err(RecvTimeoutError::Timeout) => {
                    ensure!(self.process.try_wait()?.is_none(), "the function has ended instead of answering");
                    ensure!(start.elapsed() < HANGS, "the function does not answer");
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the runtime API has ended"),
            }
        };
        ensure!(
            body.replace(": ", ":").contains(program.answer),
            "{:?} answered {body}",
            program.command.get_program()
        );
        Ok(answered)
    }

    /// Its memory.
    ///
    /// # Errors
    /// Fails if it has ended.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kilobytes: u64 = line.and_then(|line| line.trim().strip_suffix(" kB"))?.parse().ok()?;
            Some(kilobytes * 1024)
        };
        let read = |name| bytes(name).with_context(|| format!("the process has no {name}"));
        Ok(Memory { resident: read("VmRSS")?, peak: read("VmHWM")? })
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // A process that has ended needs no kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A program in Lambda's environment, except for its runtime API.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs([
            ("AWS_LAMBDA_FUNCTION_NAME", "tenet"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}
