use std::fs;

use anyhow::Context;
use tenet_build::Deployment;

use crate::guests::{self, RULES};
use crate::repository::{Repository, run};
use crate::stages::Stages;
use crate::templates;
use crate::test::{self, BOOTSTRAP, PACKAGE, Servers};
use crate::venv::Venv;

/// Brings a deployment up in two regions on stand-ins, and takes it down again: the part of the
/// tests that is about deploying, by itself.
pub(crate) fn rehearse(repository: &Repository) -> anyhow::Result<()> {
    let mut stages = Stages::default();
    let done = all(repository, &mut stages);
    stages.print_summary();
    done
}

fn all(repository: &Repository, stages: &mut Stages) -> anyhow::Result<()> {
    let venv = stages.run("setup", || test::set_up(repository))?;
    stages.run("templates", || templates::check(repository, &Venv::for_templates(repository)?))?;
    // As the tests are built: cargo would compile much of it twice for other features.
    stages.run("build", || run(&mut repository.cargo(&["build", "--locked", "--workspace", "--all-targets"])))?;
    stages.run("bootstrap", || test::bootstrap(repository))?;
    stages.run("guests", || guests::build(repository))?;
    stages.run("package", || {
        let bootstrap = fs::read(repository.path(BOOTSTRAP)).context("cannot read bootstrap")?;
        Deployment::new(bootstrap, &repository.path(RULES))?.write(&repository.path(PACKAGE))?;
        Ok(())
    })?;
    let servers = stages.run("servers", || Servers::start(repository, &venv))?;
    stages.run("rehearsal", || {
        let test = ["test", "--locked", "--workspace", "--test"];
        run(repository.cargo(&test).arg("deployments"))?;
        let mut cargo = repository.cargo(&test);
        run(servers.name_to(cargo.args(["system", "rehearsal::"]), repository, &venv))
    })?;
    servers.postgres.stop()?;
    println!("brought up in two regions, watched, changed, gone back from, and taken down");
    Ok(())
}
