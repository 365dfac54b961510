use std::time::{Duration, Instant};

use anyhow::Context;
use tenet_core::Clock;
use tenet_database::Database;
use tenet_pipeline::SystemClock;

use crate::args::{DatabaseArgs, ReleaseArgs};
use crate::report::Problem;
use crate::schema;
use crate::terminal;

/// The longest that the database may take.
const TIME: Duration = Duration::from_secs(30);

/// Prints the parked events, one a line.
pub(crate) async fn parked(args: &DatabaseArgs) -> anyhow::Result<()> {
    let database = open(args).await?;
    let events = database.parked_events(deadline()).await?;
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

/// Releases parked events.
pub(crate) async fn release(args: &ReleaseArgs) -> anyhow::Result<()> {
    let database = open(&args.database).await?;
    for id in &args.ids {
        if !database.release(*id, deadline()).await? {
            let help = "`tenet events parked` lists those that are; one that is not there is at the bus or on its way";
            return Err(Problem::new(format!("the event {id} is not parked"), help).into());
        }
        terminal::tell(&format!("{id} is released: the next relay offers it to the bus"));
    }
    database.close(deadline()).await;
    Ok(())
}

async fn open(args: &DatabaseArgs) -> anyhow::Result<Database> {
    let endpoint = schema::endpoint(args).await?;
    let name = endpoint.to_string();
    let database = Database::new(endpoint, 1);
    let warm = database.warm(deadline()).await;
    warm.with_context(|| {
        Problem::new(
            format!("the database {name} is not to be had"),
            "see that it runs, lets you in and is the one you mean",
        )
    })?;
    Ok(database)
}

fn deadline() -> Instant {
    SystemClock.instant() + TIME
}

/// In the largest unit that there is one of.
fn age(seconds: u64) -> String {
    let (unit, name) = match seconds {
        0..60 => (1, "s"),
        60..3600 => (60, "min"),
        3600..86_400 => (3600, "h"),
        _ => (86_400, "d"),
    };
    format!("{} {name}", seconds / unit)
}
