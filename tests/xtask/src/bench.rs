use tenet_build::{PrivatePostgres, Programs, Toolchain};

use crate::guests::{self, GUESTS};
use crate::repository::{Repository, run};
use crate::stages::Stages;

/// The released function, built alone so that it is what is deployed.
const BOOTSTRAP: &str = "target/release/bootstrap";

/// Every benchmark, or the one with this name.
pub(crate) fn bench(repository: &Repository, name: Option<&str>) -> anyhow::Result<()> {
    let mut stages = Stages::default();
    stages.run("setup", || {
        Toolchain::find(&repository.path("guest"))?;
        Programs::find()?;
        Ok(())
    })?;
    stages.run("guests", || guests::task(repository))?;
    stages
        .run("bootstrap", || run(&mut repository.cargo(&["build", "--release", "--locked", "-p", "tenet-lambda"])))?;
    let postgres = stages.run("postgres", || Ok(PrivatePostgres::start()?))?;
    stages.run("benchmarks", || {
        let mut cargo = repository.cargo(&["bench", "--locked", "-p", "tenet-bench"]);
        match name {
            Some(name) => cargo.args(["--bench", name]),
            None => cargo.arg("--benches"),
        };
        cargo
            .env("TENET_BENCH_GUESTS", repository.path(GUESTS))
            .env("TENET_BENCH_BOOTSTRAP", repository.path(BOOTSTRAP))
            .env("TENET_BENCH_DATABASE", postgres.url("postgres"));
        run(&mut cargo)
    })?;
    postgres.stop()?;
    stages.print_summary();
    Ok(())
}
