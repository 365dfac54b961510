use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tenet_core::Code;
use tenet_core::bundle::Index;
use tenet_database::{Endpoint, Planned, Schema, SchemaError};

use crate::error::{Context, Error, Result};

/// How long applying them to a new database of this machine's own may take.
const HERE: Duration = Duration::from_secs(300);

/// Applies the steps of Tenet and of built bundles to the database with this URL. Gives the number of steps, those
/// included that had been applied before.
///
/// # Errors
/// Fails where the database cannot be reached, or where it refuses a step.
pub async fn apply_to(url: &str, bundles: &[(PathBuf, Index)]) -> Result<usize> {
    apply_by(&Endpoint::parse(url)?, bundles, Instant::now() + HERE).await
}

/// The same by a deadline.
///
/// # Errors
/// As [`apply_to`].
pub async fn apply_by(endpoint: &Endpoint, bundles: &[(PathBuf, Index)], deadline: Instant) -> Result<usize> {
    let applied = Schema::apply(endpoint, &steps(bundles)?, deadline).await;
    applied.map_err(|error| explain(error, endpoint, bundles))
}

/// How each step stands in a database.
///
/// # Errors
/// Fails where the database cannot be reached.
pub async fn plan(endpoint: &Endpoint, bundles: &[(PathBuf, Index)], deadline: Instant) -> Result<Vec<Planned>> {
    let plan = Schema::plan(endpoint, &steps(bundles)?, deadline).await;
    plan.map_err(|error| explain(error, endpoint, bundles))
}

/// An error unless the database is there and has every step.
///
/// # Errors
/// Fails where it is not, or where a step is missing.
pub async fn check(url: &str, bundles: &[(PathBuf, Index)]) -> Result<()> {
    let endpoint = Endpoint::parse(url)?;
    let checked = Schema::check(&endpoint, &steps(bundles)?).await;
    checked.map_err(|error| explain(error, &endpoint, bundles))
}

fn explain(error: SchemaError, endpoint: &Endpoint, bundles: &[(PathBuf, Index)]) -> Error {
    let problem = if error.is_unavailable() {
        let help = "see that it runs, lets you in and is the one you mean; `tenet run` without --database-url starts one of its own";
        Some(Error::new(format!("the database {endpoint} is not to be had"), help).explained(Code::Database))
    } else if error.missing_step().is_some() {
        let folders: String = bundles.iter().map(|(folder, _)| format!(" {}", folder.display())).collect();
        let help = format!("`tenet schema apply --database-url URL{folders}` brings it up to date");
        Some(
            Error::new(format!("the database {endpoint} is not ready for the bundle"), help)
                .explained(Code::SchemaState),
        )
    } else if let Some(file) = error.failed_step().and_then(|step| step.strip_prefix("bundle/")) {
        let help = format!("see what the database says of it, and mend {file}");
        Some(Error::new(format!("{file} cannot be applied"), help).explained(Code::SchemaStep))
    } else {
        None
    };
    match problem {
        Some(problem) => problem.caused_by(error.into()),
        None => error.into(),
    }
}

/// The names and texts of the steps of built bundles, in order.
///
/// # Errors
/// Fails where one cannot be read.
pub fn steps(bundles: &[(PathBuf, Index)]) -> Result<Vec<(String, String)>> {
    let mut steps = Vec::new();
    for (folder, index) in bundles {
        for file in &index.schema {
            steps.push((file.path.clone(), text(folder, &file.path)?));
        }
    }
    Ok(steps)
}

/// The text of a step.
///
/// # Errors
/// Fails where it cannot be read.
pub fn text(folder: &Path, path: impl AsRef<Path>) -> Result<String> {
    let path = folder.join(path);
    tenet_build::text_at_most(&path, tenet_build::MAX_TEXT).with_context(|| format!("cannot read {}", path.display()))
}
