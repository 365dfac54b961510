use std::fs;
use std::num::NonZeroUsize;
use std::process::Command;
use std::thread;

use anyhow::{Context, anyhow};
use tenet_build::{Deployment, PrivatePostgres, Programs, Toolchain};

use crate::clients::Clients;
use crate::guests::{self, GUESTS, RULES};
use crate::lint;
use crate::repository::{self, Repository, run};
use crate::requests::Requests;
use crate::server::Server;
use crate::stages::Stages;
use crate::tally::Tally;
use crate::templates;
use crate::venv::Venv;

/// The database that a test's own is a copy of: every schema is in it.
const TEMPLATE: &str = "tenet_template";

/// The Lambda function built alone, as it is deployed: a build of the whole workspace would
/// unify its features with the harness's and put a compiler into it.
pub(crate) const BOOTSTRAP: &str = "target/tenet/bootstrap";

/// The same with every way in it to break a promise on purpose.
const MUTANTS: &str = "target/tenet/mutants";

/// The same with the example rules, packed as it is for Lambda.
pub(crate) const PACKAGE: &str = "target/tenet/package.zip";

/// Every check and every test there is; with `name` only the tests that have it in theirs.
pub(crate) fn test(repository: &Repository, name: Option<&str>) -> anyhow::Result<()> {
    let mut stages = Stages::default();
    let mut tally = Tally::default();
    let done = all(repository, name, &mut stages, &mut tally);
    stages.print_summary();
    if tally != Tally::default() {
        println!("{} passed, {} failed", tally.passed, tally.failed);
    }
    done
}

fn all(repository: &Repository, name: Option<&str>, stages: &mut Stages, tally: &mut Tally) -> anyhow::Result<()> {
    // Downloads take minutes and cargo does not need them: they go on meanwhile.
    let of_setup = repository.clone();
    let setup = thread::spawn(move || {
        anyhow::Ok((set_up(&of_setup)?, Venv::for_templates(&of_setup)?, Clients::ready(&of_setup)?))
    });
    lint::all(repository, stages)?;
    stages.run("build", || run(&mut repository.cargo(&["build", "--locked", "--workspace", "--bins", "--tests"])))?;
    // What the tests start, before the next stage puts another of its kind into its place.
    stages.run("bootstrap", || bootstrap(repository))?;
    stages.run("mutants", || {
        run(&mut function(repository, &["--features", "tenet-lambda/mutants"]))?;
        keep(repository, MUTANTS)
    })?;
    let (venv, of_templates, clients) =
        stages.run("setup", || setup.join().map_err(|_| anyhow!("the set-up panicked"))?)?;
    stages.run("templates", || templates::check(repository, &of_templates))?;
    stages.run("guests", || guests::build(repository))?;
    stages.run("package", || {
        let bootstrap = fs::read(repository.path(BOOTSTRAP)).context("cannot read bootstrap")?;
        Deployment::new(bootstrap, &repository.path(RULES))?.write(&repository.path(PACKAGE))?;
        Ok(())
    })?;
    let servers = stages.run("servers", || Servers::start(repository, &venv))?;
    stages.run("tests", || {
        let test = ["test", "--locked", "--workspace", "--no-fail-fast"];
        let mut tests = repository.cargo(&test);
        // Half of the time of a system test is waiting: for a silence, a deadline, a process.
        let threads = thread::available_parallelism().map_or(2, NonZeroUsize::get) * 2;
        tests.args(name).env("RUST_TEST_THREADS", threads.to_string());
        tests.env("TENET_TEST_TEMPLATES", of_templates.program("python"));
        tally.run(clients.name_to(servers.name_to(&mut tests, repository, &venv)))?;
        // By itself: a build of the whole workspace would put mutants into the function.
        let mut mutants = repository.cargo(&["test", "--locked", "-p", "tenet-simulation", "-p", "tenet-features"]);
        mutants.args(["--features", "tenet-simulation/mutants", "--test", "mutants"]);
        tally.run(mutants.args(name))?;
        for guests in repository::GUESTS {
            tally.run(repository.cargo_for_guests(&test).args(["--manifest-path", guests]).args(name))?;
        }
        tally.check()
    })?;
    stages.run("requests", || servers.requests.check(repository, &venv))?;
    servers.postgres.stop()?;
    Ok(())
}

/// Builds the function as it is deployed.
pub(crate) fn bootstrap(repository: &Repository) -> anyhow::Result<()> {
    run(&mut function(repository, &[]))?;
    keep(repository, BOOTSTRAP)
}

/// The command that builds the function.
pub(crate) fn function(repository: &Repository, features: &[&str]) -> Command {
    // With what it shares with the workspace, so that hardly a dependency is compiled again.
    let mut build = repository.cargo(&["build", "--locked", "-p", "tenet-lambda", "-p", "tenet-features"]);
    build.args(features);
    build
}

/// Copies the function that was built last.
pub(crate) fn keep(repository: &Repository, to: &str) -> anyhow::Result<()> {
    fs::create_dir_all(repository.path("target/tenet"))?;
    fs::copy(repository.binary("bootstrap"), repository.path(to)).with_context(|| format!("cannot copy {to}"))?;
    Ok(())
}

/// What has to be on the machine, as far as cargo does not bring it.
pub(crate) fn set_up(repository: &Repository) -> anyhow::Result<Venv> {
    Toolchain::find(&repository.path("guest"))?;
    Programs::find()?;
    Venv::for_tests(repository)
}

/// The servers that the tests use.
pub(crate) struct Servers {
    pub(crate) postgres: PrivatePostgres,
    pub(crate) requests: Requests,
    moto: Server,
    ministack: Server,
}

impl Servers {
    pub(crate) fn start(repository: &Repository, venv: &Venv) -> anyhow::Result<Self> {
        let postgres = PrivatePostgres::start()?;
        postgres.create_database(TEMPLATE)?;
        let url = postgres.url(TEMPLATE);
        let apply = ["schema", "apply", "--database-url", &url, RULES, GUESTS];
        run(&mut repository.command(&repository.binary("tenet"), &apply))?;
        let requests = Requests::new(repository)?;
        let moto = Server::moto(repository, venv, &requests)?;
        let ministack = Server::ministack(repository, venv, &requests)?;
        Ok(Self { postgres, requests, moto, ministack })
    }

    /// Hands on where everything is.
    pub(crate) fn name_to<'a>(
        &self,
        command: &'a mut Command,
        repository: &Repository,
        venv: &Venv,
    ) -> &'a mut Command {
        command
            .env("TENET_TEST_POSTGRES", self.postgres.url("postgres"))
            .env("TENET_TEST_TEMPLATE", TEMPLATE)
            .env("TENET_TEST_EVENTBRIDGE", self.moto.url())
            .env("TENET_TEST_MINISTACK", self.ministack.url())
            .env("TENET_TEST_REQUESTS", self.requests.file("memory"))
            .env("TENET_TEST_PACKAGE", repository.path(PACKAGE))
            .env("TENET_TEST_BOOTSTRAP", repository.path(BOOTSTRAP))
            .env("TENET_TEST_MUTANTS", repository.path(MUTANTS))
            .env("TENET_TEST_CARGO_LAMBDA", venv.program("cargo-lambda"))
            .env("TENET_TEST_SCHEMATHESIS", venv.program("schemathesis"))
            .env("TENET_TEST_TENET", repository.binary("tenet"))
    }
}
