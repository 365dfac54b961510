//! The locations of what `cargo xtask bench` has built and started.

use std::path::PathBuf;

use anyhow::Context;
use tenet_core::bundle::{INDEX, Index};

/// The built bundle of the tests' guests: its folder and its index.
///
/// # Errors
/// Fails if there is none.
pub fn guests() -> anyhow::Result<(PathBuf, Index)> {
    bundle("TENET_BENCH_GUESTS")
}

/// The built bundle of the example rules.
///
/// # Errors
/// Fails if there is none.
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

/// The released function `bootstrap`.
///
/// # Errors
/// Fails if there is none.
pub fn bootstrap() -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(variable("TENET_BENCH_BOOTSTRAP")?);
    anyhow::ensure!(path.is_file(), "{} is not there; run `cargo xtask bench`", path.display());
    Ok(path)
}

/// The released harness `tenet`.
///
/// # Errors
/// Fails if its location is not set.
pub fn released_tenet() -> anyhow::Result<PathBuf> {
    Ok(PathBuf::from(variable("TENET_BENCH_RELEASED_TENET")?))
}

/// The Python with the packages that the Python handler needs.
///
/// # Errors
/// Fails if its location is not set.
pub fn python() -> anyhow::Result<PathBuf> {
    Ok(PathBuf::from(variable("TENET_BENCH_PYTHON")?))
}

/// The URL of a database that accepts connections.
///
/// # Errors
/// Fails if it is not set.
pub fn database() -> anyhow::Result<String> {
    variable("TENET_BENCH_DATABASE")
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set; run `cargo xtask bench`"))
}
