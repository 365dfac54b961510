//! The operations that follow others and wait in the database.

use tenet_clock::SystemClock;
use tenet_core::{Clock, OperationCall, moment_text};
use tenet_database::{LISTED_FOLLOW_UPS, WaitingFollowUp};
use tenet_pipeline::FollowUpEnd;

use super::events::parked::age;
use super::events::{all_were, deadline, of_host, open};
use crate::args::{CancelArgs, DatabaseArgs, FollowUpArgs, FollowUpsArgs};
use crate::problem::Problem;
use crate::terminal;

const WAITS: &str =
    "`tenet operations list` shows those that wait; one that does not has ended, or was never committed";

/// Prints those that wait, one a line.
pub(crate) async fn list(args: &DatabaseArgs) -> anyhow::Result<()> {
    let database = open(args).await?;
    let waiting = database.waiting_follow_ups(deadline()).await.map_err(of_host)?;
    database.close(deadline()).await;
    if waiting.is_empty() {
        terminal::tell("no operation waits");
    }
    for one in &waiting {
        terminal::say(&line(one));
    }
    let parked = waiting.iter().filter(|one| one.parked.is_some()).count();
    if [parked, waiting.len() - parked].contains(&LISTED_FOLLOW_UPS) {
        terminal::tell(&format!(
            "there may be more: {LISTED_FOLLOW_UPS} of those that wait and of the parked are shown"
        ));
    }
    Ok(())
}

/// Prints one with what it is, and the others of its chain that wait. No payload is shown.
pub(crate) async fn show(args: &FollowUpArgs) -> anyhow::Result<()> {
    let database = open(&args.database).await?;
    let one = database.waiting_follow_up(args.id, deadline()).await.map_err(of_host)?;
    let others = database.others_of_chain(args.id, deadline()).await.map_err(of_host)?;
    database.close(deadline()).await;
    let Some(one) = one else {
        return Err(Problem::new(format!("the follow-up {} does not wait", args.id), WAITS).into());
    };
    let follow_up = &one.follow_up;
    terminal::say(&line(&one));
    terminal::say(&format!("  of the chain {}", follow_up.chain));
    let parent = follow_up.parent.map_or("a request".to_owned(), |parent| format!("the follow-up {parent}"));
    terminal::say(&format!("  after {parent}, committed in {}", follow_up.region));
    for (when, call) in [("rejected", &follow_up.on_rejection), ("given up", &follow_up.on_failure)] {
        if let Some(OperationCall { operation, .. }) = call {
            terminal::say(&format!("  if it is {when}: {operation}"));
        }
    }
    for other in &others {
        terminal::say(&format!("  of its chain: {}", line(other)));
    }
    Ok(())
}

/// Releases those that are parked, or wait for another try after a failure.
pub(crate) async fn release(args: &FollowUpsArgs) -> anyhow::Result<()> {
    let database = open(&args.database).await?;
    let mut missing = Vec::new();
    for id in &args.ids {
        if database.release_follow_up(*id, SystemClock.now(), deadline()).await.map_err(of_host)? {
            terminal::tell(&format!("{id} is released: the next relay runs it"));
        } else {
            missing.push(id.to_string());
        }
    }
    database.close(deadline()).await;
    all_were("follow-up", "is not parked and has not failed", WAITS, &missing)
}

/// Ends those that wait. With `undo` what follows their rejection follows.
pub(crate) async fn cancel(args: &CancelArgs) -> anyhow::Result<()> {
    let database = open(&args.follow_ups.database).await?;
    let mut missing = Vec::new();
    for id in &args.follow_ups.ids {
        let one = database.waiting_follow_up(*id, deadline()).await.map_err(of_host)?;
        let Some(WaitingFollowUp { follow_up, .. }) = one else {
            missing.push(id.to_string());
            continue;
        };
        let follows = args.undo.then(|| follow_up.after_rejection(SystemClock.now(), &follow_up.region)).flatten();
        let end = FollowUpEnd {
            follow_up: &follow_up,
            code: "cancelled",
            message: "An operator has cancelled the follow-up.",
            follows,
            region: &follow_up.region,
        };
        if !end.commit(&database, &SystemClock, deadline()).await? {
            missing.push(id.to_string());
            continue;
        }
        let then = match (&follow_up.on_rejection, args.undo) {
            (Some(call), true) => format!("; {} follows, as after a rejection", call.operation),
            (Some(call), false) => {
                format!("; {}, which undoes a rejected one, does not follow without `--undo`", call.operation)
            }
            (None, true) => "; nothing is declared to undo it".to_owned(),
            (None, false) => String::new(),
        };
        terminal::tell(&format!("{id} is cancelled: it never runs{then}"));
    }
    database.close(deadline()).await;
    all_were("follow-up", "does not wait", WAITS, &missing)
}

fn line(WaitingFollowUp { follow_up, parked }: &WaitingFollowUp) -> String {
    let seconds = |micros: i64| u64::try_from(micros / 1_000_000).unwrap_or_default();
    let (now, due) = (SystemClock.now().micros(), follow_up.due.micros());
    let when = match parked {
        Some(reason) => format!("parked after {}: {reason}", failures(follow_up.failures)),
        None if due > now => format!("due {}Z in {}", moment_text(due), age(seconds(due - now))),
        None => format!("due for {}", age(seconds(now - due))),
    };
    let tried = match (parked, follow_up.failures) {
        (None, number @ 1..) => format!(" after {}", failures(number)),
        _ => String::new(),
    };
    let label = follow_up.label.as_ref().map(|label| format!("  {label}")).unwrap_or_default();
    format!("{}  {}{label}  {when}{tried}", follow_up.id, follow_up.call.operation)
}

fn failures(number: u32) -> String {
    format!("{number} failure{}", if number == 1 { "" } else { "s" })
}
