use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use aws_config::BehaviorVersion;
use tenet_core::Grants;
use tenet_core::bundle::Index;
use tenet_database::{Dsql, Endpoint, Planned, Schema, Standing};
use tenet_harness::building::{self, MANIFEST, Opened};
use tenet_harness::schema;

use crate::args::{ApplyArgs, DatabaseArgs, GrantsArgs, SchemaArgs};
use crate::report::{Problem, show};
use crate::terminal;
use crate::waiting::OnTerminal;
use tenet_core::Code;

/// How long reading how steps stand may take.
const READING: Duration = Duration::from_secs(60);

/// The exit code where there is something to do.
const TO_DO: u8 = 2;

/// Applies Tenet's own steps and then those of the built bundles, in order.
pub(crate) async fn apply(ApplyArgs { schema: args, timeout }: &ApplyArgs) -> anyhow::Result<()> {
    let bundles = bundles(args).await?;
    let deadline = Instant::now() + Duration::from_secs(*timeout);
    let steps = schema::apply_by(&endpoint(&args.database).await?, &bundles, deadline).await?;
    terminal::tell(&format!("schema: {steps} steps are in place"));
    Ok(())
}

/// Shows how each step stands.
pub(crate) async fn plan(args: &SchemaArgs) -> anyhow::Result<ExitCode> {
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
    Ok(if to_do > 0 { ExitCode::from(TO_DO) } else { ExitCode::SUCCESS })
}

/// Writes the GRANTs of a role.
pub(crate) async fn grants(args: &GrantsArgs) -> anyhow::Result<()> {
    let mut all = Grants::default();
    for (_, index) in opened(&args.bundles).await? {
        index.rules.into_iter().for_each(|rule| all.add(rule.grants));
    }
    let statements = Schema::privileges(&args.role).into_iter().chain(tenet_policy::privileges(&all, &args.role));
    show(&statements.map(|statement| format!("{statement};")).collect::<Vec<_>>())
}

/// The bundles that are named, with nothing in their steps that DSQL would refuse.
async fn bundles(args: &SchemaArgs) -> anyhow::Result<Vec<(PathBuf, Index)>> {
    let bundles = opened(&args.bundles).await?;
    bundles.iter().try_for_each(|(folder, index)| schema::lint(folder, index))?;
    Ok(bundles)
}

/// The built bundles in these folders. Without any it is the one that the command is given in, if there
/// is one, which is built first.
async fn opened(folders: &[PathBuf]) -> anyhow::Result<Vec<(PathBuf, Index)>> {
    if folders.is_empty() && Path::new(MANIFEST).is_file() {
        let Opened { folder, index, .. } = building::open(Path::new("."), None, &OnTerminal).await?;
        return Ok(vec![(folder, index)]);
    }
    folders.iter().map(|folder| Ok(building::read(folder)?)).collect()
}

/// The database that the arguments name.
pub(crate) async fn endpoint(args: &DatabaseArgs) -> anyhow::Result<Endpoint> {
    let Some(cluster) = &args.dsql_endpoint else {
        return Ok(Endpoint::parse(args.database_url.as_deref().unwrap_or_default())?);
    };
    let read = |path: &PathBuf| schema::text(Path::new(""), path).context("--dsql-ca");
    let cluster = Dsql {
        endpoint: cluster.clone(),
        address: args.dsql_address.clone(),
        region: args.dsql_region.clone(),
        role: Dsql::ADMIN.to_owned(),
        authorities: args.dsql_ca.as_ref().map(read).transpose()?,
        application: "tenet".to_owned(),
    };
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    Endpoint::dsql(&cluster, &aws).map_err(|error| match error.part() {
        Some(part) => anyhow!("--dsql-{part}: {error}"),
        None => anyhow!(error),
    })
}
