use std::process::ExitCode;

use crate::guests::{self, GUESTS, RULES};
use crate::repository::{Repository, run};
use crate::stages::Stages;
use crate::test::{self, Servers};

/// How much the workspace's own crates are optimised: they are half of what a request costs. The dependencies are those
/// of the tests.
const OPTIMISED: (&str, &str) = ("CARGO_PROFILE_DEV_OPT_LEVEL", "2");

/// What a campaign is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Passed on to the program.
    arguments: Vec<String>,
}

impl Wanted {
    /// Reads the arguments of the task, in any order; one minute from seed 1 on if they are not there.
    pub(crate) fn parse(arguments: &[&str]) -> Option<Self> {
        let mut wanted = vec![("--seed", "1"), ("--minutes", "1")];
        for pair in arguments.chunks(2) {
            let [name @ ("--seed" | "--minutes" | "--faults" | "--clients" | "--worlds"), number] = *pair else {
                return None;
            };
            number.parse::<u64>().ok()?;
            wanted.retain(|(known, _)| *known != name);
            wanted.push((name, number));
        }
        let arguments = wanted.into_iter().flat_map(|(name, number)| [name.to_owned(), number.to_owned()]);
        Some(Self { arguments: arguments.collect() })
    }
}

/// Builds what it needs, starts the servers and does harm for as long as is wanted.
pub(crate) fn campaign(repository: &Repository, wanted: &Wanted) -> anyhow::Result<ExitCode> {
    let mut stages = Stages::default();
    let venv = stages.run("setup", || test::set_up(repository))?;
    stages.run("guests", || guests::task(repository))?;
    stages.run("bootstrap", || {
        let mut function = test::function(repository, &[]);
        run(function.env(OPTIMISED.0, OPTIMISED.1))?;
        test::keep(repository, test::BOOTSTRAP)
    })?;
    let build = ["build", "--locked", "-p", "tenet-campaign", "-p", "tenet-features"];
    stages.run("build", || run(repository.cargo(&build).env(OPTIMISED.0, OPTIMISED.1)))?;
    let servers = stages.run("servers", || Servers::start(repository, &venv))?;
    let arguments: Vec<_> = wanted.arguments.iter().map(String::as_str).collect();
    let mut command = repository.command(&repository.binary("tenet-campaign"), &arguments);
    command.env("TENET_TEST_RULES", repository.path(RULES)).env("TENET_TEST_GUESTS", repository.path(GUESTS));
    let status = servers.name_to(&mut command, repository, &venv).status();
    servers.postgres.stop()?;
    Ok(if status?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_has_a_seed_and_a_length_and_what_else_is_asked_of_it() {
        let arguments = |arguments: &[&str]| Wanted::parse(arguments).unwrap().arguments;
        assert_eq!(arguments(&[]), ["--seed", "1", "--minutes", "1"]);
        let asked = ["--minutes", "30", "--seed", "7", "--worlds", "3"];
        assert_eq!(arguments(&asked), asked);
        for wrong in [&["--seed"][..], &["--seed", "x"], &["--sede", "1"], &["1"]] {
            assert_eq!(Wanted::parse(wrong), None, "{wrong:?}");
        }
    }
}
