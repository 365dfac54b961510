use std::process::ExitCode;

use crate::guests::{self, GUESTS, RULES};
use crate::repository::{Repository, run};
use crate::stages::Stages;

/// How much the workspace's own crates are optimised: a million transactions compute for hours. The dependencies are
/// those of the tests.
const OPTIMISED: (&str, &str) = ("CARGO_PROFILE_DEV_OPT_LEVEL", "2");

/// What a simulation is started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Passed on to the program.
    arguments: Vec<String>,
    has_mutant: bool,
}

impl Wanted {
    /// Reads the arguments of the task, in any order.
    pub(crate) fn parse(arguments: &[&str]) -> Option<Self> {
        let mut wanted = Self::default();
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            wanted.arguments.push((*name).to_owned());
            match *name {
                "--shrink" | "--story" => {}
                "--seed" | "--seeds" | "--transactions" | "--jobs" | "--stories" => {
                    let number = rest.next()?;
                    number.parse::<u64>().ok()?;
                    wanted.arguments.push((*number).to_owned());
                }
                "--keep" | "--mutant" => {
                    wanted.has_mutant |= *name == "--mutant";
                    wanted.arguments.push((*rest.next()?).to_owned());
                }
                _ => return None,
            }
        }
        Some(wanted)
    }
}

/// Builds what it needs, and simulates the hosts of two regions.
pub(crate) fn simulate(repository: &Repository, wanted: &Wanted) -> anyhow::Result<ExitCode> {
    let mut stages = Stages::default();
    stages.run("guests", || guests::task(repository))?;
    let features: &[&str] = if wanted.has_mutant { &["--features", "tenet-simulation/mutants"] } else { &[] };
    let build = ["build", "--locked", "-p", "tenet-simulation", "-p", "tenet-features"];
    stages.run("build", || run(repository.cargo(&build).args(features).env(OPTIMISED.0, OPTIMISED.1)))?;
    let program = repository.binary("tenet-simulation");
    let arguments: Vec<_> = wanted.arguments.iter().map(String::as_str).collect();
    let mut command = repository.command(&program, &arguments);
    command.env("TENET_TEST_RULES", repository.path(RULES)).env("TENET_TEST_GUESTS", repository.path(GUESTS));
    Ok(if command.status()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_a_simulation_is_passed_on() {
        let wanted = Wanted::parse(&["--seed", "7", "--shrink", "--mutant", "probe-held"]).unwrap();
        assert_eq!(wanted.arguments, ["--seed", "7", "--shrink", "--mutant", "probe-held"]);
        assert!(wanted.has_mutant && !Wanted::parse(&["--story"]).unwrap().has_mutant);
        for wrong in [&["--seed"][..], &["--seed", "x"], &["--sede", "1"], &["1"], &["--keep"]] {
            assert_eq!(Wanted::parse(wrong), None, "{wrong:?}");
        }
    }
}
