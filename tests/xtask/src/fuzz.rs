use crate::campaign::Wanted;
use crate::guests;
use crate::repository::{Repository, run};
use crate::stages::Stages;
use crate::test::{self, Servers};

/// The test that a longer run is made of.
const TEST: &str = "policy::what_the_policy_passes_touches_nothing_that_is_not_granted";

/// Holds the statement policy against PostgreSQL for as long as is wanted, with statements from
/// a seed.
pub(crate) fn fuzz(repository: &Repository, wanted: &Wanted) -> anyhow::Result<()> {
    let mut stages = Stages::default();
    let venv = stages.run("setup", || test::set_up(repository))?;
    stages.run("build", || run(&mut repository.cargo(&["build", "--locked", "--workspace", "--all-targets"])))?;
    stages.run("guests", || guests::build(repository))?;
    let servers = stages.run("servers", || Servers::start(repository, &venv))?;
    let test = ["test", "--locked", "--workspace", "--test", "system", TEST, "--", "--exact", "--nocapture"];
    let mut command = repository.cargo(&test);
    command.env("TENET_TEST_FUZZ_SEED", &wanted.seed).env("TENET_TEST_FUZZ_MINUTES", &wanted.minutes);
    let ended = run(servers.name_to(&mut command, repository, &venv));
    servers.postgres.stop()?;
    ended
}
