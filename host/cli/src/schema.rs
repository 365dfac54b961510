use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use aws_config::BehaviorVersion;
use tenet_core::bundle::Index;
use tenet_database::{Dsql, Endpoint, Schema, SchemaError};

use crate::args::{DatabaseArgs, SchemaArgs};
use crate::built;
use crate::report::Problem;

/// Applies Tenet's own steps and then those of the built bundles, in order.
pub(crate) async fn apply(args: &SchemaArgs) -> anyhow::Result<()> {
    let bundles = args.bundles.iter().map(|folder| built::read(folder)).collect::<anyhow::Result<Vec<_>>>()?;
    let steps = apply_by(&endpoint(&args.database).await?, &bundles).await?;
    eprintln!("schema: {steps} steps are in place");
    Ok(())
}

/// Gives the number of steps, those included that had been applied before.
pub(crate) async fn apply_to(url: &str, bundles: &[(PathBuf, Index)]) -> anyhow::Result<usize> {
    apply_by(&Endpoint::parse(url)?, bundles).await
}

async fn apply_by(endpoint: &Endpoint, bundles: &[(PathBuf, Index)]) -> anyhow::Result<usize> {
    let applied = Schema::apply(endpoint, &steps(bundles)?).await;
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
        Some(Problem::new(format!("the database {endpoint} is not to be had"), help))
    } else if error.missing_step().is_some() {
        let folders: String = bundles.iter().map(|(folder, _)| format!(" {}", folder.display())).collect();
        let help = format!("`tenet schema apply --database-url URL{folders}` brings it up to date");
        Some(Problem::new(format!("the database {endpoint} is not ready for the bundle"), help))
    } else {
        None
    };
    let error = anyhow::Error::new(error);
    match problem {
        Some(problem) => error.context(problem),
        None => error,
    }
}

fn steps(bundles: &[(PathBuf, Index)]) -> anyhow::Result<Vec<(String, String)>> {
    let mut steps = Vec::new();
    for (folder, index) in bundles {
        for file in &index.schema {
            steps.push((file.path.clone(), text(folder, &file.path)?));
        }
    }
    Ok(steps)
}

fn text(folder: &Path, path: impl AsRef<Path>) -> anyhow::Result<String> {
    let path = folder.join(path);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}
