use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Context;
use tenet_capsule::Capsule;
use tenet_core::IdempotencyKey;
use tenet_events::Buses;
use tenet_harness::Database;
use tenet_harness::building::{self, Opened};
use tenet_harness::hosting::{EVERY_EVENT, Followed, Local, MOST, OnFollowUp, check_payload, vault};
use tenet_harness::testing::write_capsule;
use tenet_pipeline::{Handled, Invocation, Status};

use crate::args::RunArgs;
use crate::exit::Exit;
use crate::reporters::progress::OnTerminal;
use crate::request::{TIME, later, summary, unmodelled};
use crate::terminal;

/// Runs one operation; prints the answer's body to standard output and everything else
/// to standard error.
pub(crate) async fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let key = args.key.as_deref().map(IdempotencyKey::new).transpose().context("--key")?;
    check_payload(&args.payload)?;
    let Opened { folder, index, postgres } = building::open(&args.bundle, args.out.as_deref(), &OnTerminal).await?;
    let database = match args.dsql {
        true => {
            // It was needed to build the bundle.
            drop(postgres);
            Database::model(&folder, &index).await?
        }
        false => Database::open(args.database_url.as_deref(), &folder, &index, postgres, &OnTerminal).await?,
    };
    let buses = Buses::new([args.region.as_str()])?;
    let events = buses.subscribe(&args.region, EVERY_EVENT)?;
    let vault = vault(args.vault_key.as_deref(), &index.host)?;
    let on_follow_up: OnFollowUp = Arc::new(then);
    let host = Local::start(&args.region, database.endpoint()?, (&folder, &index), &buses, &vault, on_follow_up)?;
    let invocation = Invocation { operation: args.operation.clone(), key, payload: args.payload.clone() };
    let (handled, capsule) = host.recorded(invocation, args.caller.clone(), None, TIME).await?;
    terminal::write_json(&handled.answer.body)?;
    terminal::tell(&summary(&handled));
    unmodelled(capsule.as_ref()).iter().for_each(|line| terminal::tell(line));
    later(&handled, capsule.as_ref()).iter().for_each(|line| terminal::tell(line));
    if let (Some(path), Some(capsule)) = (&args.record, &capsule) {
        write_capsule(path, capsule)?;
        terminal::tell(&format!("recorded: {}", path.display()));
    }
    let mut left: VecDeque<String> = events.take().into();
    let mut following = 0;
    while let Some(event) = left.pop_front() {
        terminal::tell(&format!("event: {event}"));
        for Followed { operation, handled, capsule } in host.follow(&event, TIME).await? {
            then(&operation, &handled, capsule.as_ref());
            following += 1;
        }
        left.extend(events.take());
        if following >= MOST {
            terminal::tell(&format!("{following} operations have followed, and no more are run"));
            break;
        }
    }
    let left = host.all_followed().await;
    if left > 0 {
        let number = match left {
            1 => "one operation that follows has not ended".to_owned(),
            _ => format!("{left} operations that follow have not ended"),
        };
        let then = match &database {
            Database::Named(_) => "`tenet operations list` shows what waits",
            Database::Private(_) | Database::Model(_) => "this database ends with this run",
        };
        terminal::tell(&format!("{number}: {then}"));
    }
    Ok(exit(handled.answer.status))
}

/// Tells what an operation did that followed.
fn then(operation: &str, handled: &Handled, capsule: Option<&Capsule>) {
    terminal::tell(&format!("then {operation}: {} {}", summary(handled), handled.answer.body));
    unmodelled(capsule).iter().for_each(|line| terminal::tell(line));
    later(handled, capsule).iter().for_each(|line| terminal::tell(line));
}

fn exit(status: Status) -> Exit {
    match status {
        Status::Accepted => Exit::Success,
        Status::Rejected => Exit::Rejected,
        Status::Invalid | Status::Forbidden | Status::KeyReused => Exit::Unusable,
        Status::Failed | Status::Unavailable => Exit::Broken,
    }
}
