use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use aws_config::BehaviorVersion;
use tenet_core::Grants;
use tenet_core::bundle::Index;
use tenet_database::{Dsql, Endpoint, Planned, Schema, SchemaError, Standing};

use crate::args::{ApplyArgs, DatabaseArgs, GrantsArgs, SchemaArgs};
use crate::built::{self, Opened};
use crate::lint;
use crate::report::{Problem, show};
use crate::terminal;
use tenet_core::Code;

/// How long reading how steps stand may take.
const READING: Duration = Duration::from_secs(60);

/// How long applying them to a new database of this machine's own may take.
const HERE: Duration = Duration::from_secs(300);

/// The exit code where there is something to do.
const TO_DO: u8 = 2;

/// Applies Tenet's own steps and then those of the built bundles, in order.
pub(crate) async fn apply(ApplyArgs { schema, timeout }: &ApplyArgs) -> anyhow::Result<()> {
    let bundles = bundles(schema).await?;
    let deadline = Instant::now() + Duration::from_secs(*timeout);
    let steps = apply_by(&endpoint(&schema.database).await?, &bundles, deadline).await?;
    terminal::tell(&format!("schema: {steps} steps are in place"));
    Ok(())
}

/// Shows how each step stands.
pub(crate) async fn plan(args: &SchemaArgs) -> anyhow::Result<ExitCode> {
    let bundles = bundles(args).await?;
    let endpoint = endpoint(&args.database).await?;
    let plan = Schema::plan(&endpoint, &steps(&bundles)?, Instant::now() + READING).await;
    let plan = plan.map_err(|error| explain(error, &endpoint, &bundles))?;
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
    bundles.iter().try_for_each(|(folder, index)| lint::check(folder, index))?;
    Ok(bundles)
}

/// The built bundles in these folders. Without any it is the one that the command is given in, if there
/// is one, which is built first.
async fn opened(folders: &[PathBuf]) -> anyhow::Result<Vec<(PathBuf, Index)>> {
    if folders.is_empty() && Path::new(built::MANIFEST).is_file() {
        let Opened { folder, index, .. } = built::open(Path::new("."), None).await?;
        return Ok(vec![(folder, index)]);
    }
    folders.iter().map(|folder| built::read(folder)).collect()
}

/// Gives the number of steps, those included that had been applied before.
pub(crate) async fn apply_to(url: &str, bundles: &[(PathBuf, Index)]) -> anyhow::Result<usize> {
    apply_by(&Endpoint::parse(url)?, bundles, Instant::now() + HERE).await
}

pub(crate) async fn apply_by(
    endpoint: &Endpoint,
    bundles: &[(PathBuf, Index)],
    deadline: Instant,
) -> anyhow::Result<usize> {
    let applied = Schema::apply(endpoint, &steps(bundles)?, deadline).await;
    applied.map_err(|error| explain(error, endpoint, bundles))
}

/// The database that the arguments name.
pub(crate) async fn endpoint(args: &DatabaseArgs) -> anyhow::Result<Endpoint> {
    let Some(cluster) = &args.dsql_endpoint else {
        return Ok(Endpoint::parse(args.database_url.as_deref().unwrap_or_default())?);
    };
    let read = |path: &PathBuf| text(Path::new(""), path).context("--dsql-ca");
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

/// An error unless the database is there and has every step.
pub(crate) async fn check(url: &str, bundles: &[(PathBuf, Index)]) -> anyhow::Result<()> {
    let endpoint = Endpoint::parse(url)?;
    let checked = Schema::check(&endpoint, &steps(bundles)?).await;
    checked.map_err(|error| explain(error, &endpoint, bundles))
}

fn explain(error: SchemaError, endpoint: &Endpoint, bundles: &[(PathBuf, Index)]) -> anyhow::Error {
    let problem = if error.is_unavailable() {
        let help = "see that it runs, lets you in and is the one you mean; `tenet run` without --database-url starts one of its own";
        Some(Problem::new(format!("the database {endpoint} is not to be had"), help).explained(Code::Database))
    } else if error.missing_step().is_some() {
        let folders: String = bundles.iter().map(|(folder, _)| format!(" {}", folder.display())).collect();
        let help = format!("`tenet schema apply --database-url URL{folders}` brings it up to date");
        Some(
            Problem::new(format!("the database {endpoint} is not ready for the bundle"), help)
                .explained(Code::SchemaState),
        )
    } else if let Some(file) = error.failed_step().and_then(|step| step.strip_prefix("bundle/")) {
        let help = format!("see what the database says of it, and mend {file}");
        Some(Problem::new(format!("{file} cannot be applied"), help).explained(Code::SchemaStep))
    } else {
        None
    };
    let error = anyhow::Error::new(error);
    match problem {
        Some(problem) => error.context(problem),
        None => error,
    }
}

pub(crate) fn steps(bundles: &[(PathBuf, Index)]) -> anyhow::Result<Vec<(String, String)>> {
    let mut steps = Vec::new();
    for (folder, index) in bundles {
        for file in &index.schema {
            steps.push((file.path.clone(), text(folder, &file.path)?));
        }
    }
    Ok(steps)
}

pub(crate) fn text(folder: &Path, path: impl AsRef<Path>) -> anyhow::Result<String> {
    let path = folder.join(path);
    tenet_build::text_at_most(&path, tenet_build::MAX_TEXT).with_context(|| format!("cannot read {}", path.display()))
}
