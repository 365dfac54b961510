use tenet_build::{PrivatePostgres, Programs, Toolchain};

use crate::architecture::Architecture;
use crate::guests::{self, GUESTS, RULES};
use crate::package::{self, Wanted};
use crate::release;
use crate::repository::{Repository, run};
use crate::stages::Stages;
use crate::venv::Venv;

/// Every benchmark, or the one with this name.
pub(crate) fn bench(repository: &Repository, name: Option<&str>) -> anyhow::Result<()> {
    let mut stages = Stages::default();
    stages.run("setup", || {
        Toolchain::find(&repository.path("guest"))?;
        Programs::find()?;
        Ok(())
    })?;
    stages.run("guests", || guests::task(repository))?;
    // The function that is measured is the one that is deployed.
    stages.run("package", || package::package(repository, &Wanted::for_this_machine()))?;
    let venv = stages.run("python", || Venv::for_benchmarks(repository))?;
    let postgres = stages.run("postgres", || Ok(PrivatePostgres::start()?))?;
    stages.run("benchmarks", || {
        let mut cargo = repository.cargo(&["bench", "--locked", "-p", "tenet-bench"]);
        match name {
            Some(name) => cargo.args(["--bench", name]),
            None => cargo.arg("--benches"),
        };
        cargo
            .env("TENET_BENCH_GUESTS", repository.path(GUESTS))
            .env("TENET_BENCH_RULES", repository.path(RULES))
            .env("TENET_BENCH_BOOTSTRAP", release::path(repository, Architecture::OWN))
            .env("TENET_BENCH_TENET", repository.binary("tenet"))
            .env("TENET_BENCH_PYTHON", venv.program("python"))
            .env("TENET_BENCH_DATABASE", postgres.url("postgres"));
        run(&mut cargo)
    })?;
    postgres.stop()?;
    stages.print_summary();
    Ok(())
}
