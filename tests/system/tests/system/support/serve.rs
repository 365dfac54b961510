//! `tenet serve` as a person starts it.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::http::{self, Answer};

/// Far longer than anything takes that is ever told.
const HANGS: Duration = Duration::from_secs(120);

/// The served API, which ends with the value.
pub(crate) struct Served {
    east: String,
    west: String,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

impl Served {
    /// Serves the built bundle of this name on the database with this URL, and waits until
    /// both regions listen.
    pub(crate) async fn start(name: &str, url: &str) -> Self {
        let mut child = Command::new(super::path("TENET_TEST_TENET"))
            .arg("serve")
            .arg(super::bundle::bundle(name).0)
            .args(["--port", "0", "--database-url", url])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (east, west) = (address(&mut lines, "us-east-1").await, address(&mut lines, "us-west-2").await);
        Self { east, west, child, lines, seen: Vec::new() }
    }

    /// Where the first region listens: `127.0.0.1:PORT`.
    pub(crate) fn east(&self) -> &str {
        &self.east
    }

    /// Where the second region listens.
    pub(crate) fn west(&self) -> &str {
        &self.west
    }

    /// Asks the first region for an operation.
    pub(crate) async fn operate(&self, name: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[("content-type", "application/json")], headers].concat();
        http::send(&self.east, "POST", &format!("/operations/{name}"), &headers, body).await.unwrap()
    }

    /// Asks the first region for what it tells of itself.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        http::send(&self.east, "GET", path, &[], "").await.unwrap()
    }

    /// The first line that it tells the terminal and that has `part` in it.
    pub(crate) async fn told(&mut self, part: &str) -> String {
        loop {
            if let Some(line) = self.seen.iter().find(|line| line.contains(part)) {
                return line.clone();
            }
            let line = timeout(HANGS, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("it does not tell {part:?}: {:?}", self.seen)).unwrap();
            self.seen.push(line.unwrap_or_else(|| panic!("it ended without telling {part:?}: {:?}", self.seen)));
        }
    }

    /// Asks it to end as `kill` does, and waits until it has.
    pub(crate) async fn stop(mut self) {
        let process = self.child.id().unwrap().to_string();
        let killed = Command::new("kill").args(["-TERM", &process]).status().await.unwrap();
        assert!(killed.success() && self.child.wait().await.unwrap().success());
    }
}

async fn address(lines: &mut Lines<BufReader<ChildStdout>>, region: &str) -> String {
    let line = lines.next_line().await.unwrap().expect("a line for each region");
    let (named, url) = line.split_once("  ").expect("a region and its URL");
    assert_eq!(named, region);
    url.strip_prefix("http://").unwrap().to_owned()
}
