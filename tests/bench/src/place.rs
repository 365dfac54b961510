//! Where everything is that `cargo xtask bench` has built and started.

use std::path::PathBuf;

use anyhow::Context;
use tenet_core::bundle::{INDEX, Index};

/// The bundle of the tests' guests, built: where it lies and its index.
///
/// # Errors
/// Fails where there is none.
pub fn guests() -> anyhow::Result<(PathBuf, Index)> {
    bundle("TENET_BENCH_GUESTS")
}

/// The same of the example rules.
///
/// # Errors
/// Fails where there is none.
pub fn rules() -> anyhow::Result<(PathBuf, Index)> {
    bundle("TENET_BENCH_RULES")
}

fn bundle(variable_name: &str) -> anyhow::Result<(PathBuf, Index)> {
    let folder = PathBuf::from(variable(variable_name)?);
    let path = folder.join(INDEX);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} cannot be read; run `cargo xtask bench`", path.display()))?;
    Ok((folder, Index::parse(&text)?))
}

/// The function `bootstrap`, as it is released.
///
/// # Errors
/// Fails where there is none.
pub fn bootstrap() -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(variable("TENET_BENCH_BOOTSTRAP")?);
    anyhow::ensure!(path.is_file(), "{} is not there; run `cargo xtask bench`", path.display());
    Ok(path)
}

/// The harness `tenet`, as it is released.
///
/// # Errors
/// Fails where none is named.
pub fn released_tenet() -> anyhow::Result<PathBuf> {
    Ok(PathBuf::from(variable("TENET_BENCH_RELEASED_TENET")?))
}

/// The Python that has what the handler in Python wants.
///
/// # Errors
/// Fails where none is named.
pub fn python() -> anyhow::Result<PathBuf> {
    Ok(PathBuf::from(variable("TENET_BENCH_PYTHON")?))
}

/// The URL of a database that takes connections.
///
/// # Errors
/// Fails where none is named.
pub fn database() -> anyhow::Result<String> {
    variable("TENET_BENCH_DATABASE")
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set; run `cargo xtask bench`"))
}
