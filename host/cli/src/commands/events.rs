//! The events that wait in the database.

pub(crate) mod parked;
pub(crate) mod release;

use std::time::{Duration, Instant};

use anyhow::Context;
use tenet_clock::SystemClock;
use tenet_core::{Clock, Code, Fault};
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

/// An error of the database, with the next step where its tables are missing.
pub(crate) fn of_host(fault: Fault) -> anyhow::Error {
    if fault.code() != Some(Code::DatabaseSchema) {
        return fault.into();
    }
    let problem = Problem::new("the database lacks tables of the host", "`tenet schema apply` creates them");
    anyhow::Error::from(fault).context(problem.explained(Code::DatabaseSchema))
}

/// Fails if something was not as it has to be with some of the ids of a command. The others are done.
pub(crate) fn all_were(kind: &str, lacking: &str, help: &str, missing: &[String]) -> anyhow::Result<()> {
    match missing {
        [] => Ok(()),
        [id] => Err(Problem::new(format!("the {kind} {id} {lacking}"), help).into()),
        ids => {
            let each = ids.iter().map(|id| format!("the {kind} {id} {lacking}")).collect::<Vec<_>>();
            Err(Problem::new(each.join("; "), help).into())
        }
    }
}
