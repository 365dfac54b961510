use std::time::{Duration, Instant};

use anyhow::bail;
use tenet_core::Code;
use tenet_database::{Planned, Standing};
use tenet_harness::schema;

use super::bundles;
use crate::args::SchemaArgs;
use crate::endpoint::endpoint;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::terminal;

/// How long reading how steps stand may take.
const READING: Duration = Duration::from_secs(60);

/// Shows how each step stands.
pub(crate) async fn plan(args: &SchemaArgs) -> anyhow::Result<Exit> {
    let bundles = bundles(args).await?;
    let endpoint = endpoint(&args.database).await?;
    let plan = schema::plan(&endpoint, &bundles, Instant::now() + READING).await?;
    let (mut to_do, mut changed, mut foreign) = (0, 0, 0);
    for Planned { step, sql, standing } in &plan {
        let standing = match standing {
            Standing::Applied => "applied",
            Standing::ToDo => {
                to_do += 1;
                "to do"
            }
            Standing::Changed => {
                changed += 1;
                "changed"
            }
            Standing::Foreign => {
                foreign += 1;
                "foreign"
            }
        };
        let first = sql.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        terminal::say(&format!("{standing:<8} {step:<40} {first}"));
    }
    if changed > 0 {
        let what = format!("{changed} steps were applied with another text");
        bail!(
            Problem::new(what, "a step is never edited: put the old text back, and add a new step")
                .explained(Code::SchemaState)
        );
    }
    if foreign > 0 {
        let what = "was applied and is in no bundle that is named: another bundle's, or one whose file is gone";
        terminal::tell(&format!("schema: what is foreign {what}"));
    }
    terminal::tell(&format!("schema: {to_do} of {} steps are to do", plan.len() - foreign));
    Ok(Exit::success_or(to_do == 0, Exit::ToDo))
}
