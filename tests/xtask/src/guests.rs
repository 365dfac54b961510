use crate::repository::{Repository, run};

/// The built example rules.
pub(crate) const RULES: &str = "target/tenet/rules";

/// The built guests of the tests.
pub(crate) const GUESTS: &str = "target/tenet/guests";

/// Builds the harness, the example rules and the guests of the tests.
pub(crate) fn task(repository: &Repository) -> anyhow::Result<()> {
    run(&mut repository.cargo(&["build", "--locked", "-p", "tenet-cli"]))?;
    build(repository)
}

/// Builds both bundles with a harness that is built already.
pub(crate) fn build(repository: &Repository) -> anyhow::Result<()> {
    build_one(repository, "guest/rules", RULES)?;
    build_one(repository, "tests/guests", GUESTS)
}

pub(crate) fn build_one(repository: &Repository, bundle: &str, out: &str) -> anyhow::Result<()> {
    let tenet = repository.binary("tenet");
    run(&mut repository.command(&tenet, &["build", bundle, "--out", out]))
}
