use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tenet_core::IdempotencyKey;
use tenet_events::Buses;
use tenet_harness::Database;
use tenet_harness::building::{self, Opened};
use tenet_harness::hosting::{EVERY_EVENT, Followed, Local, MOST, check_payload, vault};
use tenet_harness::testing::write_capsule;
use tenet_pipeline::{Handled, Invocation, Status};

use crate::args::RunArgs;
use crate::terminal;
use crate::waiting::OnTerminal;

/// The exit code of a command that failed.
pub(crate) const BROKEN: u8 = 3;

/// The exit code of a command whose request cannot be served as it is.
pub(crate) const UNUSABLE: u8 = 2;

/// How long a request on a laptop may take.
pub(crate) const TIME: Duration = Duration::from_secs(30);

/// Runs one operation; prints the answer's body to standard output and everything else
/// to standard error.
pub(crate) async fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let key = args.key.as_deref().map(IdempotencyKey::new).transpose().context("--key")?;
    check_payload(&args.payload)?;
    let Opened { folder, index, postgres } = building::open(&args.bundle, args.out.as_deref(), &OnTerminal).await?;
    let database = Database::open(args.database_url.as_deref(), &folder, &index, postgres, &OnTerminal).await?;
    let url = database.url();
    let buses = Buses::new([args.region.as_str()])?;
    let events = buses.subscribe(&args.region, EVERY_EVENT)?;
    let vault = vault(args.vault_key.as_deref(), &index.host)?;
    let host = Local::start(&args.region, &url, (&folder, &index), &buses, &vault)?;
    let invocation = Invocation { operation: args.operation.clone(), key, payload: args.payload.clone() };
    let (handled, capsule) = host.recorded(invocation, args.caller.clone(), None, TIME).await?;
    terminal::write_json(&handled.answer.body)?;
    terminal::tell(&summary(&handled));
    if let (Some(path), Some(capsule)) = (&args.record, &capsule) {
        write_capsule(path, capsule)?;
        terminal::tell(&format!("recorded: {}", path.display()));
    }
    let mut left: VecDeque<String> = events.take().into();
    let mut following = 0;
    while let Some(event) = left.pop_front() {
        terminal::tell(&format!("event: {event}"));
        for Followed { operation, handled, .. } in host.follow(&event, TIME).await? {
            terminal::tell(&format!("then {operation}: {} {}", summary(&handled), handled.answer.body));
            following += 1;
        }
        left.extend(events.take());
        if following >= MOST {
            terminal::tell(&format!("{following} operations have followed, and no more are run"));
            break;
        }
    }
    Ok(ExitCode::from(code(handled.answer.status)))
}

/// One line: what became of the request and what it cost.
pub(crate) fn summary(handled: &Handled) -> String {
    let (answer, receipt) = (&handled.answer, &handled.receipt);
    let word = match answer.status {
        Status::Accepted => "accepted",
        Status::Rejected => "rejected",
        Status::Invalid => "invalid",
        Status::Forbidden => "forbidden",
        Status::KeyReused => "key reused",
        Status::Failed => "failed",
        Status::Unavailable => "unavailable",
    };
    let stored = if answer.repeated { ", stored answer" } else { "" };
    let count = |number: u32, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let mut line = format!(
        "{word} ({}){stored} in {:.1} ms: {}, {}",
        answer.status.code(),
        receipt.elapsed.as_secs_f64() * 1e3,
        count(receipt.attempts, "attempt"),
        count(receipt.round_trips, "round trip"),
    );
    if let Some(key) = answer.key.as_ref().filter(|_| answer.key_is_given) {
        line.push_str(&format!("; key {}", key.as_str()));
    }
    line
}

fn code(status: Status) -> u8 {
    match status {
        Status::Accepted => 0,
        Status::Rejected => 1,
        Status::Invalid | Status::Forbidden | Status::KeyReused => UNUSABLE,
        Status::Failed | Status::Unavailable => BROKEN,
    }
}
