use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tenet_database::Endpoint;
use tenet_events::{Buses, Subscription};
use tenet_harness::hosting::{EAST, EVERY_EVENT, Local, OnFollowUp, WEST, vault};
use tenet_harness::{building, private};

use crate::args::DemoArgs;
use crate::reporters::progress::OnTerminal;
use crate::request::{TIME, summary};
use crate::terminal;

/// How long an event may take to a bus in this process before the story has gone wrong.
const PATIENCE: Duration = Duration::from_secs(10);

const WRITE: &str = r#"{"operation":"write","transaction_id":"test-001","amount":100.50}"#;
const WRITTEN: &str =
    r#"{"statusCode":200,"body":"{\"message\":\"Transaction created successfully\",\"transaction_id\":\"test-001\"}"}"#;
const READ: &str = r#"{"operation":"read"}"#;

/// Tells the story of one transaction and fails with the reason if any of it is not true.
pub(crate) async fn demo(args: &DemoArgs) -> anyhow::Result<()> {
    let (folder, index) = building::read(&args.bundle)?;
    title("One transaction, from request to event");
    terminal::say("");

    let (postgres, steps) = private(&[(folder.clone(), index.clone())], &OnTerminal).await?;
    let url = postgres.url("postgres");
    tell("database", &format!("a private PostgreSQL on 127.0.0.1:{}, {steps} schema steps applied", postgres.port()));

    let buses = Buses::new([EAST, WEST])?;
    let mut at_east = buses.subscribe(EAST, EVERY_EVENT)?;
    let mut at_west = buses.subscribe(WEST, EVERY_EVENT)?;
    let vault = vault(None, &index.host)?;
    let endpoint = Endpoint::parse(&url)?;
    let ignored: OnFollowUp = Arc::new(|_, _, _| {});
    let east = Local::start(EAST, endpoint.clone(), (&folder, &index), &buses, &vault, Arc::clone(&ignored))?;
    let west = Local::start(WEST, endpoint, (&folder, &index), &buses, &vault, ignored)?;
    tell("hosts", &format!("{EAST} and {WEST}, each with its own engine, connections and event bus"));

    title(&format!("A transaction is recorded in {EAST}."));
    let first = ask(EAST, &east, WRITE).await?;
    ensure!(first == WRITTEN, "{EAST} should have answered {WRITTEN}");

    title(&format!("It is there in {WEST} at once."));
    expect_count(&west, 1).await?;

    title("Its event is at both buses, the same one, with its amount exact.");
    let east_event = arrived(EAST, &mut at_east).await?;
    let west_event = arrived(WEST, &mut at_west).await?;
    check_event(&east_event)?;
    ensure!(member(&east_event, "id")? == member(&west_event, "id")?, "the two buses have different events");

    title(&format!("The same request comes again, to {WEST}: same answer, no second row, no second event."));
    let second = ask(WEST, &west, WRITE).await?;
    ensure!(second == first, "the repeated request should have been answered {first}");
    expect_count(&east, 1).await?;
    ensure!(
        at_east.try_next().is_none() && at_west.try_next().is_none(),
        "the repeated request has published an event of its own"
    );

    title("The same key with another amount is refused.");
    let other = ask(WEST, &west, &WRITE.replace("100.50", "100.51")).await?;
    ensure!(other.starts_with(r#"{"statusCode":409,"#), "{WEST} should have refused it with 409");

    drop((east, west));
    postgres.stop()?;
    title("All of it was true; everything is stopped.");
    Ok(())
}

fn title(text: &str) {
    terminal::say("");
    terminal::say(text);
}

fn tell(what: &str, text: &str) {
    terminal::say(&format!("  {what:<10}{text}"));
}

async fn ask(region: &str, host: &Local, event: &str) -> anyhow::Result<String> {
    tell(region, &format!("<- {event}"));
    let (reply, handled) = host.invoke(event, TIME).await?;
    tell("", &format!("-> {reply}"));
    if let Some(handled) = handled {
        tell("", &format!("   {}", summary(&handled)));
    }
    Ok(reply)
}

async fn expect_count(host: &Local, count: u64) -> anyhow::Result<()> {
    let region = host.region();
    let reply = ask(region, host, READ).await?;
    let body = format!(r#"{{"transaction_count":{count},"region":"{region}"}}"#);
    let expected = format!(r#"{{"statusCode":200,"body":{}}}"#, Value::from(body));
    ensure!(reply == expected, "{region} should have answered {expected}");
    Ok(())
}

async fn arrived(region: &str, events: &mut Subscription) -> anyhow::Result<String> {
    let Ok(event) = tokio::time::timeout(PATIENCE, events.next()).await else {
        bail!("no event has arrived at the bus of {region}");
    };
    tell(region, &format!("bus: {event}"));
    Ok(event)
}

fn check_event(event: &str) -> anyhow::Result<()> {
    for part in [
        r#""source":"dsql.application""#,
        r#""detail-type":"Transaction Created""#,
        r#""transaction_id":"test-001""#,
        r#""amount":100.50"#,
        r#""region":"us-east-1""#,
    ] {
        ensure!(event.contains(part), "the event should have {part}");
    }
    Ok(())
}

fn member(event: &str, name: &str) -> anyhow::Result<Value> {
    let event: Value = serde_json::from_str(event)?;
    let found = event.get("detail").and_then(|detail| detail.get("tenet")).and_then(|tenet| tenet.get(name));
    found.cloned().with_context(|| format!("the event's detail has no tenet.{name}"))
}
