//! The events that wait in the database.

pub(crate) mod parked;
pub(crate) mod release;

use std::time::{Duration, Instant};

use anyhow::Context;
use tenet_clock::SystemClock;
use tenet_core::Clock;
use tenet_database::Database;

use crate::args::DatabaseArgs;
use crate::endpoint::endpoint;
use crate::problem::Problem;

/// The longest that the database may take.
const TIME: Duration = Duration::from_secs(30);

pub(crate) async fn open(args: &DatabaseArgs) -> anyhow::Result<Database> {
    let endpoint = endpoint(args).await?;
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

pub(crate) fn deadline() -> Instant {
    SystemClock.instant() + TIME
}
