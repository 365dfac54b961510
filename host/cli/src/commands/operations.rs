//! The operations that follow others and wait in the database.

use tenet_clock::SystemClock;
use tenet_core::{Clock, FollowUpId, OperationCall, moment_text};
use tenet_database::WaitingFollowUp;
use tenet_pipeline::FollowUpEnd;

use super::events::parked::age;
use super::events::{deadline, open};
use crate::args::{DatabaseArgs, FollowUpArgs, FollowUpsArgs};
use crate::problem::Problem;
use crate::terminal;

/// Prints those that wait, one a line.
pub(crate) async fn list(args: &DatabaseArgs) -> anyhow::Result<()> {
    let database = open(args).await?;
    let waiting = database.waiting_follow_ups(deadline()).await?;
    database.close(deadline()).await;
    if waiting.is_empty() {
        terminal::tell("no operation waits");
    }
    for one in &waiting {
        terminal::say(&line(one));
    }
    Ok(())
}

/// Prints one with what it is, and the others of its chain that wait. No payload is shown.
pub(crate) async fn show(args: &FollowUpArgs) -> anyhow::Result<()> {
    let database = open(&args.database).await?;
    let chain = database.chain_of(args.id, deadline()).await?;
    database.close(deadline()).await;
    let Some(one) = chain.iter().find(|one| one.follow_up.id == args.id) else {
        return Err(not_there(args.id).into());
    };
    let follow_up = &one.follow_up;
    terminal::say(&line(one));
    terminal::say(&format!("  of the chain {}", follow_up.chain));
    let parent = follow_up.parent.map_or("a request".to_owned(), |parent| format!("the follow-up {parent}"));
    terminal::say(&format!("  after {parent}, committed in {}", follow_up.region));
    for (when, call) in [("rejected", &follow_up.on_rejection), ("given up", &follow_up.on_failure)] {
        if let Some(OperationCall { operation, .. }) = call {
            terminal::say(&format!("  if it is {when}: {operation}"));
        }
    }
    for other in chain.iter().filter(|other| other.follow_up.id != args.id) {
        terminal::say(&format!("  of its chain: {}", line(other)));
    }
    Ok(())
}

/// Releases those that are parked.
pub(crate) async fn release(args: &FollowUpsArgs) -> anyhow::Result<()> {
    let database = open(&args.database).await?;
    for id in &args.ids {
        if !database.release_follow_up(*id, SystemClock.now(), deadline()).await? {
            let help = "`tenet operations list` shows those that are; one that is not there has ended";
            return Err(Problem::new(format!("the follow-up {id} is not parked"), help).into());
        }
        terminal::tell(&format!("{id} is released: the next relay runs it"));
    }
    database.close(deadline()).await;
    Ok(())
}

/// Ends those that wait.
pub(crate) async fn cancel(args: &FollowUpsArgs) -> anyhow::Result<()> {
    let database = open(&args.database).await?;
    for id in &args.ids {
        let chain = database.chain_of(*id, deadline()).await?;
        let Some(one) = chain.iter().find(|one| one.follow_up.id == *id) else { return Err(not_there(*id).into()) };
        let end = FollowUpEnd {
            follow_up: &one.follow_up,
            code: "cancelled",
            message: "An operator has cancelled the follow-up.",
            follows: None,
            region: &one.follow_up.region,
        };
        if end.commit(&database, &SystemClock, deadline()).await? {
            terminal::tell(&format!("{id} is cancelled: it never runs"));
        } else {
            terminal::tell(&format!("{id} has ended meanwhile"));
        }
    }
    database.close(deadline()).await;
    Ok(())
}

fn line(WaitingFollowUp { follow_up, parked }: &WaitingFollowUp) -> String {
    let seconds = |micros: i64| u64::try_from(micros / 1_000_000).unwrap_or_default();
    let (now, due) = (SystemClock.now().micros(), follow_up.due.micros());
    let when = match parked {
        Some(reason) => format!("parked after {} failures: {reason}", follow_up.failures),
        None if due > now => format!("due {}Z in {}", moment_text(due), age(seconds(due - now))),
        None => format!("due for {}", age(seconds(now - due))),
    };
    let failures = match (parked, follow_up.failures) {
        (None, failures @ 1..) => format!(", has failed {failures} times"),
        _ => String::new(),
    };
    let label = follow_up.label.as_ref().map(|label| format!("  {label}")).unwrap_or_default();
    format!("{}  {}{label}  {when}{failures}", follow_up.id, follow_up.call.operation)
}

fn not_there(id: FollowUpId) -> Problem {
    Problem::new(
        format!("no follow-up {id} waits"),
        "`tenet operations list` shows those that do; one that is not there has ended, or was never committed",
    )
}
