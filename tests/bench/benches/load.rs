//! Transfers per second between accounts that every client uses: alternately from 8 clients, as many as there are
//! connections, and from 64, through `tenet serve` in both regions and through `bootstrap` with 64 concurrent
//! invocations. Then the same 64 clients while connections are cut and the server is restarted, and finally an audit:
//! the answers that clients received, compared with the database.
//!
//! `-- --seconds N` sets the duration of each of the three phases; the default is 60.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures_util::future::{try_join, try_join_all};
use serde_json::{Value, json};
use tenet_bench::{EventBus, Function, Pairs, Program, new_database, place};
use tenet_build::PrivatePostgres;
use tenet_test_support::hot::{self, NOT_NOW, NOT_NOW_UNDER_HARM, Settled, TRANSFER, Told, Transfer};
use tenet_test_support::http::{Connection, JSON};
use tenet_test_support::serve::Served;
use tenet_test_support::{Relay, Wire};
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

/// The numbers of clients: the default number of a host's connections, and the most that Lambda gives a sandbox.
const FEW: usize = 8;
const MANY: usize = 64;

/// How often few and many clients alternate.
const ROUNDS: u32 = 12;

/// The accounts that all clients use.
const RICH: usize = 8;

/// The most attempts of a client for one transfer.
const TIMES: usize = 1000;

/// A fault hits one of this many statements, and three times as many of those that begin, store or commit.
const HARM: u32 = 600;

/// How often all connections are cut during the phase with faults.
const CUTS: u32 = 12;

/// One of this many transfers is repeated at the end.
const AGAIN: usize = 10;

/// Requests the receipt, which contains the number of attempts.
const RECEIPT: (&str, &str) = ("tenet-receipt", "1");

fn main() -> anyhow::Result<()> {
    let time = Duration::from_secs(seconds(std::env::args().skip(1))?);
    let runtime = Runtime::new()?;
    let postgres = PrivatePostgres::start()?;
    let mut wrong = Vec::new();
    for way in [Way::Serve, Way::Bootstrap] {
        wrong.extend(measure(&runtime, way, &postgres, time)?);
    }
    postgres.stop()?;
    for line in &wrong {
        eprintln!("{line}");
    }
    ensure!(wrong.is_empty(), "{} things are wrong", wrong.len());
    Ok(())
}

/// Reads `--seconds N`; cargo adds an argument of its own.
fn seconds(arguments: impl Iterator<Item = String>) -> anyhow::Result<u64> {
    let arguments: Vec<_> = arguments.filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(60),
        ["--seconds", number] => number.parse().context("--seconds"),
        _ => bail!("{arguments:?} is not --seconds N"),
    }
}

/// The kind of host.
#[derive(Clone, Copy)]
enum Way {
    Serve,
    Bootstrap,
}

/// A running host.
enum Host {
    Serve(Served),
    Bootstrap(Function, EventBus),
}

/// A client of the host.
enum Client<'a> {
    /// A connection to each region.
    Http([Connection; 2]),
    Lambda(&'a Function),
}

/// The answers that a number of clients received.
#[derive(Default)]
struct Tally {
    settled: Vec<Settled>,
    /// The duration of each, in microseconds.
    times: Vec<f64>,
    answers: usize,
    not_now: usize,
    attempts: u64,
    /// The number of answers with receipts.
    receipts: u64,
    wrong: Vec<String>,
}

/// Runs all three phases on one host. Returns the violations.
fn measure(runtime: &Runtime, way: Way, postgres: &PrivatePostgres, time: Duration) -> anyhow::Result<Vec<String>> {
    let url = runtime.block_on(async {
        let url = new_database(&postgres.url("postgres"), way.name()).await?;
        hot::open(&connect(&url).await?, RICH).await;
        anyhow::Ok(url)
    })?;
    let (few, many) = (Mutex::<Tally>::default(), Mutex::<Tally>::default());
    let host = runtime.block_on(Host::start(way, &url))?;
    let mut pairs = Pairs::default();
    for (clients, tally) in [(FEW, &few), (MANY, &many)] {
        let host = &host;
        pairs.add(clients.to_string(), move || runtime.block_on(round(host, clients, time / ROUNDS, tally)));
    }
    let measured = pairs.run(usize::try_from(ROUNDS)?)?;
    drop(host);
    let (few, many) = (inner(few), inner(many));
    println!("\nTransfers between {RICH} accounts through {}", way.title());
    println!(
        "  {:<28}{:>10}{:>10}{:>10}{:>8}{:>8}{:>10}",
        "clients", "a second", "p50 ms", "p99 ms", "ratio", "503 %", "attempts"
    );
    for (clients, tally) in [(FEW, &few), (MANY, &many)] {
        let name = clients.to_string();
        let ratio = 1.0 / measured.ratio(&name, &FEW.to_string());
        tally.print(&name, 1e6 / measured.median(&name), ratio);
    }

    let harmed = Mutex::default();
    let (mut wrong, took) = runtime.block_on(under_harm(way, &url, postgres, time, &harmed))?;
    let harmed = inner(harmed);
    let a_second = harmed.settled.len() as f64 / took.as_secs_f64();
    harmed.print(&format!("{MANY}, under harm"), a_second, a_second * measured.median(&FEW.to_string()) / 1e6);
    for tally in [&few, &many, &harmed] {
        wrong.extend(tally.wrong.iter().cloned());
    }
    let settled: Vec<_> = [few, many, harmed].into_iter().flat_map(|tally| tally.settled).collect();
    let client = runtime.block_on(connect(&url))?;
    wrong.extend(runtime.block_on(hot::audit(&client, &settled)));
    println!("  {} transfers settled, {} things wrong", settled.len(), wrong.len());
    Ok(wrong)
}

/// Runs many clients while faults hit their host's connections and its server. Returns the durations. Then repeats some
/// of the answered transfers, and checks the events.
async fn under_harm(
    way: Way,
    url: &str,
    postgres: &PrivatePostgres,
    time: Duration,
    tally: &Mutex<Tally>,
) -> anyhow::Result<(Vec<String>, Duration)> {
    let wire = Relay::start(url).await;
    let host = Host::start(way, wire.url()).await?;
    let start = Instant::now();
    try_join(clients(&host, MANY, time, tally, NOT_NOW_UNDER_HARM), harm(&wire, postgres, time)).await?;
    let took = start.elapsed();
    wire.spare();

    // By then, delayed messages have arrived.
    let client = connect(url).await?;
    let busy = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                AND state <> 'idle'";
    while !client.query(busy, &[]).await?.is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    let mut wrong = Vec::new();
    let settled: Vec<_> = tally.lock().unwrap_or_else(PoisonError::into_inner).settled.clone();
    let mut asking = host.client().await?;
    for (number, Settled { transfer, status, body, .. }) in settled.iter().enumerate().step_by(AGAIN) {
        let told = asking.ask(number, transfer).await?;
        if (told.status, &told.body) != (*status, body) {
            wrong.push(format!("{transfer:?} was answered {status} {body}, and then {told:?}"));
        }
    }
    if let Host::Bootstrap(_, bus) = &host {
        let rows = client.query("SELECT key FROM tenet.outbox", &[]).await?;
        let left: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        let told = bus.transfers();
        let lost =
            settled.iter().map(|settled| &settled.transfer.id).filter(|id| !told.contains(*id) && !left.contains(*id));
        wrong.extend(lost.map(|id| format!("the event of {id} is neither at the bus nor in the outbox")));
    }
    Ok((wrong, took))
}

/// Cuts connections, injects faults into statements, and restarts the server halfway.
async fn harm(wire: &Wire, postgres: &PrivatePostgres, time: Duration) -> anyhow::Result<()> {
    wire.harm(1, HARM);
    for cut in 0..CUTS {
        sleep(time / (CUTS + 1)).await;
        if cut == CUTS / 2 {
            tokio::task::block_in_place(|| postgres.restart())?;
        }
        wire.cut();
    }
    Ok(())
}

/// Runs this many clients for a while. Returns the time per transfer, over all clients.
async fn round(host: &Host, count: usize, time: Duration, tally: &Mutex<Tally>) -> anyhow::Result<Duration> {
    let settled = || tally.lock().unwrap_or_else(PoisonError::into_inner).settled.len();
    let (before, start) = (settled(), Instant::now());
    clients(host, count, time, tally, NOT_NOW).await?;
    let done = u32::try_from(settled() - before)?;
    ensure!(done > 0, "nothing was done");
    Ok(start.elapsed() / done)
}

async fn clients(
    host: &Host,
    count: usize,
    time: Duration,
    tally: &Mutex<Tally>,
    not_now: &[&str],
) -> anyhow::Result<()> {
    let until = Instant::now() + time;
    let client = async || {
        let mut client = host.client().await?;
        while Instant::now() < until {
            client.settle(tally, not_now).await?;
        }
        anyhow::Ok(())
    };
    try_join_all((0..count).map(|_| client())).await?;
    Ok(())
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Bootstrap => "bootstrap",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Serve => "`tenet serve`, both regions",
            Self::Bootstrap => "`bootstrap`, 64 invocations at a time",
        }
    }
}

impl Host {
    async fn start(way: Way, url: &str) -> anyhow::Result<Self> {
        let (folder, _) = place::rules()?;
        Ok(match way {
            Way::Serve => Self::Serve(Served::start(&place::released_tenet()?, &folder, url).await),
            Way::Bootstrap => {
                let bus = EventBus::start()?;
                let mut program = Program::host_for_many(&folder, url, &bus, u32::try_from(MANY)?)?;
                Self::Bootstrap(Function::start(&mut program)?, bus)
            }
        })
    }

    async fn client(&self) -> anyhow::Result<Client<'_>> {
        Ok(match self {
            Self::Serve(served) => {
                Client::Http([Connection::open(served.east()).await?, Connection::open(served.west()).await?])
            }
            Self::Bootstrap(function, _) => Client::Lambda(function),
        })
    }
}

impl Client<'_> {
    /// Requests one more transfer and retries until it is settled.
    async fn settle(&mut self, tally: &Mutex<Tally>, not_now: &[&str]) -> anyhow::Result<()> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let transfer = Transfer::in_ring(TRANSFER, format!("t-{number}"), fastrand::usize(..RICH), RICH);
        let start = Instant::now();
        for asked in 1..=TIMES {
            let told = self.ask(number + asked, &transfer).await?;
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.answers += 1;
            tally.not_now += usize::from(told.status == 503);
            tally.attempts += told.attempts.unwrap_or_default();
            tally.receipts += u64::from(told.attempts.is_some());
            match transfer.settled(&told, asked, not_now) {
                Ok(Some(settled)) => {
                    tally.settled.push(settled);
                    tally.times.push(start.elapsed().as_secs_f64() * 1e6);
                    return Ok(());
                }
                Ok(None) => {}
                Err(wrong) => tally.wrong.push(wrong),
            }
        }
        bail!("{transfer:?} was asked for {TIMES} times and is not settled");
    }

    /// Sends one request, to the region with this number if there are several.
    async fn ask(&mut self, region: usize, transfer: &Transfer) -> anyhow::Result<Told> {
        let path = format!("/operations/{}", transfer.operation);
        let body = transfer.payload().to_string();
        Ok(match self {
            Self::Http(connections) => {
                let count = connections.len();
                let connection = connections.get_mut(region % count).context("a region")?;
                connection.send("POST", &path, &[JSON, RECEIPT], &body).await?.into()
            }
            Self::Lambda(function) => {
                let answer = function.answer(&http_event(&path, &body).to_string()).await?;
                Told::of_event(&serde_json::from_str(&answer)?)
            }
        })
    }
}

/// A request in the format of API Gateway's HTTP API.
fn http_event(path: &str, body: &str) -> Value {
    json!({
        "version": "2.0", "rawPath": path, "rawQueryString": "", "isBase64Encoded": false, "body": body,
        "headers": {JSON.0: JSON.1, RECEIPT.0: RECEIPT.1},
        "requestContext": {
            "stage": "$default",
            "http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": ""},
        },
    })
}

impl Tally {
    fn print(&self, name: &str, a_second: f64, ratio: f64) {
        let mut times = self.times.clone();
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times.get((times.len() as f64 * part) as usize).map_or(f64::NAN, |micros| micros / 1e3);
        println!(
            "  {name:<28}{a_second:>10.0}{:>10.1}{:>10.1}{ratio:>8.2}{:>8.2}{:>10.2}",
            at(0.5),
            at(0.99),
            100.0 * self.not_now as f64 / self.answers as f64,
            self.attempts as f64 / self.receipts as f64,
        );
    }
}

fn inner(tally: Mutex<Tally>) -> Tally {
    tally.into_inner().unwrap_or_else(PoisonError::into_inner)
}

async fn connect(url: &str) -> anyhow::Result<tokio_postgres::Client> {
    let (client, driver) =
        timeout(Duration::from_secs(60), tokio_postgres::connect(url, tokio_postgres::NoTls)).await??;
    tokio::spawn(driver);
    Ok(client)
}
