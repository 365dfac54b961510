//! Runs `tenet serve` as a user does.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::http::{self, Answer, JSON};

/// A timeout longer than any expected output takes.
const HANGS: Duration = Duration::from_secs(120);

/// A running API server, which ends when the value is dropped.
pub struct Served {
    east: String,
    west: String,
    child: Child,
    /// The lines of its standard output. They are read at once: a full pipe would block the server.
    lines: UnboundedReceiver<String>,
    seen: Vec<String>,
    log: TempDir,
}

impl Served {
    /// Serves the built bundle in `folder` with the database at this URL, using the program `tenet`, and waits until
    /// both regions listen.
    pub async fn start(tenet: &Path, folder: &Path, url: &str) -> Self {
        let mut command = Command::new(tenet);
        command.arg("serve").arg(folder).args(["--database-url", url]);
        Self::of(command).await
    }

    /// The same with a given command.
    pub async fn of(mut command: Command) -> Self {
        let log = tempfile::tempdir().unwrap();
        let mut child = command
            .args(["--port", "0"])
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log.path().join(LOG)).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let (told, lines) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                if told.send(line).is_err() {
                    break;
                }
            }
        });
        let mut served = Self { east: String::new(), west: String::new(), child, lines, seen: Vec::new(), log };
        served.east = served.address("us-east-1").await;
        served.west = served.address("us-west-2").await;
        served
    }

    async fn address(&mut self, region: &str) -> String {
        let line = self.told(&format!("{region}  http://")).await;
        line.split_once("://").unwrap().1.to_owned()
    }

    /// The id of the server process.
    pub fn process(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The address of the first region: `127.0.0.1:PORT`.
    pub fn east(&self) -> &str {
        &self.east
    }

    /// The address of the second region.
    pub fn west(&self) -> &str {
        &self.west
    }

    /// Invokes an operation in the first region.
    pub async fn operate(&self, name: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[JSON], headers].concat();
        http::send(&self.east, "POST", &format!("/operations/{name}"), &headers, body).await.unwrap()
    }

    /// Sends a GET to the first region.
    pub async fn get(&self, path: &str) -> Answer {
        http::send(&self.east, "GET", path, &[], "").await.unwrap()
    }

    /// The first line of its standard output that contains `part`.
    pub async fn told(&mut self, part: &str) -> String {
        self.told_times(part, 1).await
    }

    /// The same line once it was printed this many times.
    pub async fn told_times(&mut self, part: &str, times: usize) -> String {
        loop {
            let mut lines = self.seen.iter().filter(|line| line.contains(part));
            if let Some(line) = lines.nth(times - 1) {
                return line.clone();
            }
            let Ok(line) = timeout(HANGS, self.lines.recv()).await else {
                panic!("it does not tell {part:?}: {:?}", self.seen)
            };
            let Some(line) = line else { panic!("it ended without telling {part:?}: {:?}\n{}", self.seen, self.log()) };
            self.seen.push(line);
        }
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path().join(LOG)).unwrap()
    }

    /// Sends SIGTERM, waits for the end, and returns all lines of its standard output and its log.
    pub async fn stop(mut self) -> (Vec<String>, String) {
        let process = self.child.id().unwrap().to_string();
        let killed = Command::new("kill").args(["-TERM", &process]).status().await.unwrap();
        assert!(killed.success() && self.child.wait().await.unwrap().success(), "{}", self.log());
        while let Some(line) = self.lines.recv().await {
            self.seen.push(line);
        }
        let log = self.log();
        (self.seen, log)
    }
}

/// The name of the log file.
const LOG: &str = "log";
