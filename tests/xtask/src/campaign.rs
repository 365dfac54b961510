use std::process::ExitCode;

use crate::guests::{self, RULES};
use crate::repository::{Repository, run};
use crate::stages::Stages;
use crate::test::{self, Servers};

/// What a campaign and a fuzzer are started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) seed: String,
    pub(crate) minutes: String,
}

impl Wanted {
    /// Reads `--seed N --minutes M`, in any order; one minute from seed 1 on if they are not there.
    pub(crate) fn parse(arguments: &[&str]) -> Option<Self> {
        let mut wanted = Self { seed: "1".to_owned(), minutes: "1".to_owned() };
        for pair in arguments.chunks(2) {
            let [name, number] = pair else { return None };
            number.parse::<u64>().ok()?;
            let place = match *name {
                "--seed" => &mut wanted.seed,
                "--minutes" => &mut wanted.minutes,
                _ => return None,
            };
            *place = (*number).to_owned();
        }
        Some(wanted)
    }
}

/// Builds what it needs, starts the servers and does harm for as long as is wanted.
pub(crate) fn campaign(repository: &Repository, wanted: &Wanted) -> anyhow::Result<ExitCode> {
    let mut stages = Stages::default();
    let venv = stages.run("setup", || test::set_up(repository))?;
    stages.run("build", || run(&mut repository.cargo(&["build", "--locked", "--workspace", "--all-targets"])))?;
    stages.run("bootstrap", || test::bootstrap(repository))?;
    stages.run("guests", || guests::build(repository))?;
    let servers = stages.run("servers", || Servers::start(repository, &venv))?;
    let arguments = ["--seed", &wanted.seed, "--minutes", &wanted.minutes];
    let mut command = repository.command(&repository.binary("tenet-campaign"), &arguments);
    command.env("TENET_TEST_RULES", repository.path(RULES));
    let status = servers.name_to(&mut command, repository, &venv).status();
    servers.postgres.stop()?;
    Ok(if status?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_has_a_seed_and_a_length() {
        let wanted = |seed: &str, minutes: &str| Some(Wanted { seed: seed.into(), minutes: minutes.into() });
        assert_eq!(Wanted::parse(&[]), wanted("1", "1"));
        assert_eq!(Wanted::parse(&["--minutes", "30", "--seed", "7"]), wanted("7", "30"));
        for wrong in [&["--seed"][..], &["--seed", "x"], &["--sede", "1"], &["1"]] {
            assert_eq!(Wanted::parse(wrong), None, "{wrong:?}");
        }
    }
}
