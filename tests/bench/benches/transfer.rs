//! Transfers per second, and the duration of one, through the host (pipeline, engine, rules and
//! ledger; a bus that accepts everything at once) compared with the same transfer written by hand
//! with the driver: the same PostgreSQL and number of connections, in one run. With 1, 8 and 32
//! clients, and with a database that is 5 ms away, where round trips dominate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use tenet_bench::{Direct, Pairs, Ready, new_database, place, rows};
use tenet_clock::SystemClock;
use tenet_core::{Clock, IdempotencyKey, Request};
use tenet_database::{Database, Endpoint};
use tenet_engine::{Engine, Library};
use tenet_pipeline::{Pipeline, Status};
use tenet_test_support::{Latency, Relay};
use tenet_wiring::HostBuilder;
use tokio::runtime::Runtime;

const ACCOUNTS: u64 = 10_000;
const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(700);

const HOST: &str = "the host";
const DIRECT: &str = "by hand on tokio-postgres";

/// The duration of each transfer, in microseconds.
type Times = Mutex<Vec<f64>>;

fn main() -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    let url = runtime.block_on(database())?;
    runtime.block_on(round_trips(&url))?;
    let far = runtime.block_on(Latency::start(&url, Duration::from_millis(5)));
    for (way, url) in [("without latency", url.as_str()), ("5 ms away", far.url())] {
        for clients in [1, 8, 32] {
            compare(&runtime, way, url, clients)?;
        }
    }
    Ok(())
}

fn compare(runtime: &Runtime, way: &str, url: &str, clients: usize) -> anyhow::Result<()> {
    let pipeline = pipeline(url, clients)?;
    let connections = runtime.block_on(try_join_all((0..clients).map(|_| Direct::connect(url))))?;
    let (of_host, of_direct) = (Times::default(), Times::default());
    let mut pairs = Pairs::default();
    pairs.add(DIRECT, || {
        runtime.block_on(round(&of_direct, connections.iter().map(|connection| by_hand(connection, &of_direct))))
    });
    pairs.add(HOST, || runtime.block_on(round(&of_host, (0..clients).map(|_| through_host(&pipeline, &of_host)))));
    let measured = pairs.run(ROUNDS)?;
    println!(
        "\n{clients} clients, a database {way}\n{:>42}{:>12}{:>12}{:>10}",
        "a second", "p50 µs", "p99 µs", "ratio"
    );
    for (name, times) in [(DIRECT, of_direct), (HOST, of_host)] {
        let mut times = times.into_inner().unwrap_or_default();
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or(f64::NAN);
        let a_second = 1e6 / measured.median(name);
        println!(
            "  {name:<28}{a_second:>12.0}{:>12.0}{:>12.0}{:>10.2}",
            at(0.5),
            at(0.99),
            1.0 / measured.ratio(name, DIRECT)
        );
    }
    Ok(())
}

/// Runs all clients for a while. Returns the time per transfer, over all clients.
async fn round<F: Future<Output = anyhow::Result<()>>>(
    times: &Times,
    clients: impl Iterator<Item = F>,
) -> anyhow::Result<Duration> {
    let count = || times.lock().map(|times| times.len()).unwrap_or_default();
    let (before, start) = (count(), Instant::now());
    try_join_all(clients).await?;
    let done = u32::try_from(count() - before)?;
    ensure!(done > 0, "nothing was done");
    Ok(start.elapsed() / done)
}

/// A new transfer: its id and two accounts.
fn next() -> (String, String, String) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let from = fastrand::u64(0..ACCOUNTS);
    let to = (from + fastrand::u64(1..ACCOUNTS)) % ACCOUNTS;
    (format!("t-{}", NUMBER.fetch_add(1, Ordering::Relaxed)), format!("a-{from}"), format!("a-{to}"))
}

fn note(times: &Times, start: Instant) {
    if let Ok(mut times) = times.lock() {
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
}

async fn by_hand(connection: &Direct, times: &Times) -> anyhow::Result<()> {
    let until = Instant::now() + ROUND;
    while Instant::now() < until {
        let (id, from, to) = next();
        let start = Instant::now();
        let posted = connection.transfer(&id, &from, &to, "0.01").await?;
        note(times, start);
        connection.forget(&posted).await?;
    }
    Ok(())
}

async fn through_host(pipeline: &Pipeline, times: &Times) -> anyhow::Result<()> {
    let until = Instant::now() + ROUND;
    while Instant::now() < until {
        let request = request()?;
        let start = Instant::now();
        let handled = pipeline.handle(request).await;
        ensure!(handled.answer.status == Status::Accepted, "{}", handled.answer.body);
        note(times, start);
        let pending = handled.pending.context("a transfer has an event")?;
        pipeline.publish(pending, Instant::now() + Duration::from_secs(60)).await;
    }
    Ok(())
}

fn request() -> anyhow::Result<Request> {
    let (id, from, to) = next();
    Ok(Request {
        operation: "transfer".to_owned(),
        key: Some(IdempotencyKey::new(id.clone())?),
        source_key: None,
        payload: format!(r#"{{"transfer_id":"{id}","from":"{from}","to":"{to}","amount":0.01}}"#),
        caller: None,
        region: "us-east-1".to_owned(),
        now: SystemClock.now(),
        seed: std::array::from_fn(|_| fastrand::u8(..)),
        deadline: Instant::now() + Duration::from_secs(60),
        trace: None,
        follow_up: None,
    })
}

fn pipeline(url: &str, connections: usize) -> anyhow::Result<Pipeline> {
    let (folder, index) = place::rules()?;
    let connections = u32::try_from(connections)?;
    let database = Arc::new(Database::new(Endpoint::parse(url)?, connections));
    let library = Arc::new(Library::open(Engine::new(connections)?, &folder, &index)?);
    let builder = HostBuilder::new(&index, database, library, Arc::new(Ready::new(rows(1)?)));
    Ok(builder.concurrency(connections).pipeline()?)
}

/// A new database with the schema and rich accounts.
async fn database() -> anyhow::Result<String> {
    let url = new_database(&place::database()?, "transfers").await?;
    let (client, driver) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(driver);
    let accounts = format!(
        "INSERT INTO accounts (id, balance, daily_ceiling, opened_at) \
         SELECT 'a-' || n, 1000000, 1000000000, now() FROM generate_series(0, {}) n",
        ACCOUNTS - 1
    );
    client.batch_execute(&accounts).await?;
    client.batch_execute("ANALYZE").await?;
    Ok(url)
}

/// The round trips of one transfer, including the removal of its event, as counted by the proxy.
async fn round_trips(url: &str) -> anyhow::Result<()> {
    let wire = Relay::start(url).await;
    let connection = Direct::connect(wire.url()).await?;
    let pipeline = pipeline(wire.url(), 1)?;
    let times = Times::default();
    let once = async |of_host: bool| {
        if of_host {
            let handled = pipeline.handle(request()?).await;
            note(&times, Instant::now());
            pipeline.publish(handled.pending.context("an event")?, Instant::now() + ROUND).await;
        } else {
            let (id, from, to) = next();
            let posted = connection.transfer(&id, &from, &to, "0.01").await?;
            connection.forget(&posted).await?;
        }
        anyhow::Ok(())
    };
    println!("Round trips of a transfer, with the removal of its event");
    for (name, of_host) in [(DIRECT, false), (HOST, true)] {
        // The first one opens its connection.
        once(of_host).await?;
        wire.reset();
        once(of_host).await?;
        println!("  {name:<28}{:>12}", wire.round_trips());
    }
    Ok(())
}
