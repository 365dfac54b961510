use tenet_clock::SystemClock;
use tenet_core::Clock;

use super::{deadline, of_host, open};
use crate::args::DatabaseArgs;
use crate::terminal;

/// Prints the parked events, one a line.
pub(crate) async fn parked(args: &DatabaseArgs) -> anyhow::Result<()> {
    let database = open(args).await?;
    let events = database.parked_events(deadline()).await.map_err(of_host)?;
    database.close(deadline()).await;
    if events.is_empty() {
        terminal::tell("no event is parked");
    }
    let now = SystemClock.now().micros();
    for event in events {
        let seconds = u64::try_from(now.saturating_sub(event.at.micros()) / 1_000_000).unwrap_or_default();
        terminal::say(&format!("{}  {}  {}  {}", event.id, event.operation, age(seconds), event.reason));
    }
    Ok(())
}

/// In the largest unit that there is one of.
pub(crate) fn age(seconds: u64) -> String {
    let (unit, name) = match seconds {
        0..60 => (1, "s"),
        60..3600 => (60, "min"),
        3600..86_400 => (3600, "h"),
        _ => (86_400, "d"),
    };
    format!("{} {name}", seconds / unit)
}
