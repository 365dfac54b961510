//! The waiting times of a rule's author: tests, orders of requests at once, a reload, and the cost of a rule in each
//! language.
//! It runs the harness as the README's commands build it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// The number of test files in one run, and of measured saves.
const FILES: usize = 1000;
const SAVES: u32 = 5;

/// The bundles with the same rule in three languages.
const LANGUAGES: [(&str, &str); 3] = [
    ("guest/rules", "target/tenet/rules"),
    ("guest/javascript", "target/tenet/javascript"),
    ("guest/python", "target/tenet/python"),
];

/// Requests at once.
const AT_ONCE: &str = "guest/rules/tests/at-once.toml";

const TEST: &str = "guest/rules/rules/transfer/tests/moves-money.toml";

fn main() -> anyhow::Result<()> {
    let tenet = PathBuf::from(std::env::var_os("TENET_BENCH_TENET").context("cargo xtask bench says where tenet is")?);
    let root = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
    let harness = Harness { tenet, root };
    println!("\n{FILES} test files, each on rows of its own: a second");
    let folder = tempfile::tempdir()?;
    for number in 0..FILES {
        fs::copy(harness.root.join(TEST), folder.path().join(format!("{number}.toml")))?;
    }
    let tests =
        |jobs: &str| harness.seconds(&["test", "--bundle", "target/tenet/rules", "--jobs", jobs], folder.path());
    // One run to compile what is compiled only once.
    tests("1")?;
    let (one, two) = (tests("1")?, tests("2")?);
    println!("  one job  {:>8.0}  1.00", FILES as f64 / one);
    println!("  two jobs {:>8.0}  {:.2}", FILES as f64 / two, one / two);

    let examples = ["test", "--bundle", "guest/rules", "--out", "target/tenet/rules"];
    let began = Instant::now();
    harness.run(&examples)?;
    println!("\n`tenet test` of the examples, built: {:.2} s", began.elapsed().as_secs_f64());

    println!("\nRequests at once in every order of their statements and commits: orders a second");
    // One run each to load what is loaded only once.
    harness.orders(&["--postgres"])?;
    harness.orders(&[])?;
    let (postgres, model) = (harness.orders(&["--postgres"])?, harness.orders(&[])?);
    println!("  on PostgreSQL              {postgres:>8.0}  1.00");
    println!("  on the model of Aurora DSQL{model:>8.0}  {:.2}", model / postgres);

    reload(&harness)?;

    println!("\nA transfer in three languages, one test of `tenet bench`: the rules' own computing, and fuel");
    let mut first = None;
    for (bundle, out) in LANGUAGES {
        let told = harness.run(&["bench", TEST, "--bundle", bundle, "--out", out, "--requests", "300"])?;
        let line = |word: &str| told.lines().find(|line| line.trim_start().starts_with(word)).unwrap_or_default();
        let micros: f64 = line("the rules").split_whitespace().rev().nth(1).context("no time")?.parse()?;
        let base = *first.get_or_insert(micros);
        println!("  {bundle:<18}{micros:>10.1} us {:>8.2}   {}", micros / base, line("transfer").trim());
    }
    Ok(())
}

struct Harness {
    tenet: PathBuf,
    root: PathBuf,
}

impl Harness {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.tenet);
        command.current_dir(&self.root).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command().args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {said}");
        Ok(String::from_utf8(output.stdout)? + &said)
    }

    /// The orders a second of the examples' requests at once, those included that end at a lock.
    fn orders(&self, more: &[&str]) -> anyhow::Result<f64> {
        let arguments = ["test", "--bundle", "target/tenet/rules", AT_ONCE, "--json"];
        let told = self.run(&[arguments.as_slice(), more].concat())?;
        let result: serde_json::Value = serde_json::from_str(told.lines().next().context("no result")?)?;
        let explored = result.get("explored").and_then(serde_json::Value::as_array).context("nothing was explored")?;
        let count = |name: &str| explored.iter().filter_map(|step| step.get(name)?.as_u64()).sum::<u64>();
        let seconds = result.get("micros").and_then(serde_json::Value::as_f64).context("no time")? / 1e6;
        Ok((count("orders") + count("ended_at_a_lock")) as f64 / seconds)
    }

    /// The duration that a test run reports.
    fn seconds(&self, arguments: &[&str], folder: &Path) -> anyhow::Result<f64> {
        let folder = folder.display().to_string();
        let told = self.run(&[arguments, &[&folder]].concat())?;
        let line = told.lines().find(|line| line.contains(" passed, ")).context("it tells no result")?;
        Ok(line.split_whitespace().rev().nth(1).context("no time")?.parse()?)
    }
}

/// From saving a file to serving the new rule, compared with cargo alone for the same change.
fn reload(harness: &Harness) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let made = harness.command().current_dir(scratch.path()).args(["new", "shop"]).stderr(Stdio::null()).status()?;
    ensure!(made.success(), "tenet new");
    let shop = scratch.path().join("shop");
    let source = shop.join("rules/award/src/lib.rs");
    let original = fs::read_to_string(&source)?;
    let mut dev = harness.command();
    let mut dev =
        dev.current_dir(&shop).args(["dev", "--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut lines = BufReader::new(dev.stdout.take().context("no output")?).lines();
    let mut wait = |part: &str| {
        lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(part))).map(drop).context("it ended")
    };
    wait("openapi.json")?;
    let (mut served, mut alone) = (Vec::new(), Vec::new());
    for save in 0..SAVES {
        fs::write(&source, original.replace("a name has 1 to", &format!("a name has {save} to")))?;
        let began = Instant::now();
        wait("serving what was saved")?;
        served.push(began.elapsed());
    }
    dev.kill()?;
    dev.wait()?;
    for save in 0..SAVES {
        fs::write(&source, original.replace("a name has 1 to", &format!("a name had {save} to")))?;
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--quiet", "--profile", "rule", "--target", "wasm32-unknown-unknown", "--target-dir"]);
        cargo.args([
            "target/alone",
            "--config",
            "profile.rule.inherits=\"release\"",
            "--config",
            "profile.rule.lto=true",
        ]);
        let began = Instant::now();
        let done = cargo.current_dir(&shop).stderr(Stdio::null()).status()?;
        ensure!(done.success(), "cargo build");
        // The first build includes the SDK.
        if save > 0 {
            alone.push(began.elapsed());
        }
    }
    let middle = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64)
    };
    let (served, alone) = (middle(&mut served), middle(&mut alone));
    println!("\nA rule is saved: seconds until it is served");
    println!("  cargo build alone {alone:>8.2}  1.00");
    println!("  tenet dev         {served:>8.2}  {:.2}", served / alone);
    Ok(())
}
