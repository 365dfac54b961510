use tenet_build::{PrivatePostgres, Programs, Toolchain};

use crate::architecture::Architecture;
use crate::guests::{self, GUESTS, RULES};
use crate::package;
use crate::release;
use crate::repository::{Repository, run};
use crate::stages::Stages;
use crate::venv::Venv;

/// The benchmark of many clients at once.
const LOAD: &str = "load";

/// Which benchmarks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    /// The one with this name, or every one.
    name: Option<&'a str>,
    /// For how many seconds each load lasts, if not for as long as it says itself.
    seconds: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// Reads `[NAME]`, and `load --seconds N`.
    pub(crate) fn parse(arguments: &[&'a str]) -> Option<Self> {
        match *arguments {
            [] => Some(Self::default()),
            [name] => Some(Self { name: Some(name), seconds: None }),
            [LOAD, "--seconds", seconds] if seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0) => {
                Some(Self { name: Some(LOAD), seconds: Some(seconds) })
            }
            _ => None,
        }
    }
}

/// Runs the benchmarks that are wanted.
pub(crate) fn bench(repository: &Repository, wanted: Wanted<'_>) -> anyhow::Result<()> {
    let Wanted { name, seconds } = wanted;
    let mut stages = Stages::default();
    stages.run("setup", || {
        Toolchain::find(&repository.path("guest"))?;
        Programs::find()?;
        Ok(())
    })?;
    stages.run("guests", || guests::task(repository))?;
    // The function that is measured is the one that is deployed.
    stages.run("package", || package::package(repository, &package::Wanted::for_this_machine()))?;
    if name.is_none_or(|name| name == LOAD) {
        stages.run("tenet", || run(&mut repository.cargo(&["build", "--release", "--locked", "-p", "tenet-cli"])))?;
    }
    let venv = stages.run("python", || Venv::for_benchmarks(repository))?;
    let postgres = stages.run("postgres", || Ok(PrivatePostgres::start()?))?;
    stages.run("benchmarks", || {
        let mut cargo = repository.cargo(&["bench", "--locked", "-p", "tenet-bench"]);
        match name {
            Some(name) => cargo.args(["--bench", name]),
            None => cargo.arg("--benches"),
        };
        if let Some(seconds) = seconds {
            cargo.args(["--", "--seconds", seconds]);
        }
        cargo
            .env("TENET_BENCH_GUESTS", repository.path(GUESTS))
            .env("TENET_BENCH_RULES", repository.path(RULES))
            .env("TENET_BENCH_BOOTSTRAP", release::path(repository, Architecture::OWN))
            .env("TENET_BENCH_TENET", repository.binary("tenet"))
            .env("TENET_BENCH_RELEASED_TENET", repository.path("target/release/tenet"))
            .env("TENET_BENCH_PYTHON", venv.program("python"))
            .env("TENET_BENCH_DATABASE", postgres.url("postgres"));
        run(&mut cargo)
    })?;
    postgres.stop()?;
    stages.print_summary();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_benchmark_has_a_name_and_a_load_a_length() {
        assert_eq!(Wanted::parse(&[]), Some(Wanted::default()));
        assert_eq!(Wanted::parse(&["warm"]), Some(Wanted { name: Some("warm"), seconds: None }));
        let load = Wanted { name: Some("load"), seconds: Some("5") };
        assert_eq!(Wanted::parse(&["load", "--seconds", "5"]), Some(load));
        for wrong in [&["load", "--seconds"][..], &["load", "--seconds", "0"], &["warm", "--seconds", "5"]] {
            assert_eq!(Wanted::parse(wrong), None, "{wrong:?}");
        }
    }
}
