//! `tenet`: the harness that builds rules and runs them on a laptop, with the same
//! engine, pipeline and SQL as in a region.
//!
//! A command is a file of `commands`. What it does with rules is in the library `tenet-harness`; here are
//! arguments (`args`), what is shown of results, errors and long work (`reporters`, `terminal`), and the
//! codes that commands end with (`exit`). `server` is the HTTP server of `serve` and `dev`, `deployment`
//! what the deployer's commands share.

// What is shown goes through `terminal`.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod args;
mod commands;
mod deployment;
mod endpoint;
mod exit;
mod packing;
mod problem;
mod reporters;
mod request;
mod server;
mod template;
mod terminal;
mod vendored;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::args::{Args, Command, EventsCommand, OperationsCommand, SchemaCommand};
use crate::commands::{
    bench, build, check, demo, deploy, destroy, dev, doctor, events, explain, grant, inspect, logs, new, operations,
    pack, promote, replay, rollback, schema, serve, smoke, status, test, upgrade,
};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::reporters::errors;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(error) = start_log(&args.log) {
        return errors::tell(&error).into();
    }
    let runtime = match tokio::runtime::Runtime::new().context("cannot start the threads") {
        Ok(runtime) => runtime,
        Err(error) => return errors::tell(&error).into(),
    };
    let done = runtime.block_on(run(args));
    // A build that a signal has ended the wait for is left behind.
    runtime.shutdown_background();
    done.unwrap_or_else(|error| errors::tell(&error)).into()
}

async fn run(args: Args) -> anyhow::Result<Exit> {
    match args.command {
        Command::Build(args) => build::build(&args).await.map(Exit::from),
        Command::Check(args) => check::check(&args).await,
        Command::Inspect(args) => inspect::inspect(&args).map(Exit::from),
        Command::Grant(args) => grant::grant(&args),
        Command::New(args) => new::new(&args).map(Exit::from),
        Command::Pack(args) => pack::pack(&args).await.map(Exit::from),
        Command::Deploy(args) => deploy::deploy(&args).await,
        Command::Promote(args) => promote::promote(&args).await.map(Exit::from),
        Command::Rollback(args) => rollback::rollback(&args).await.map(Exit::from),
        Command::Status(args) => status::status(&args).await,
        Command::Smoke(args) => smoke::smoke(&args).await.map(Exit::from),
        Command::Logs(args) => logs::logs(&args).await.map(Exit::from),
        Command::Destroy(args) => destroy::destroy(&args).await.map(Exit::from),
        Command::Doctor(args) => doctor::doctor(&args).await,
        Command::Upgrade(args) => upgrade::upgrade(&args).map(Exit::from),
        Command::Explain(args) => explain::explain(&args).map(Exit::from),
        Command::Bench(args) => bench::bench(&args).await.map(Exit::from),
        Command::Replay(args) => replay::replay(&args).await,
        Command::Run(args) => commands::run::run(&args).await,
        Command::Test(args) => test::test(&args).await,
        Command::Serve(args) => serve::serve(&args).await.map(Exit::from),
        Command::Dev(args) => dev::dev(&args).await.map(Exit::from),
        Command::Demo(args) => demo::demo(&args).await.map(Exit::from),
        Command::Schema { command: SchemaCommand::Plan(args) } => schema::plan::plan(&args).await,
        Command::Schema { command: SchemaCommand::Grants(args) } => schema::grants::grants(&args).await.map(Exit::from),
        Command::Schema { command: SchemaCommand::Apply(args) } => schema::apply::apply(&args).await.map(Exit::from),
        Command::Operations { command: OperationsCommand::List(args) } => operations::list(&args).await.map(Exit::from),
        Command::Operations { command: OperationsCommand::Show(args) } => operations::show(&args).await.map(Exit::from),
        Command::Operations { command: OperationsCommand::Release(args) } => {
            operations::release(&args).await.map(Exit::from)
        }
        Command::Operations { command: OperationsCommand::Cancel(args) } => {
            operations::cancel(&args).await.map(Exit::from)
        }
        Command::Events { command: EventsCommand::Parked(args) } => events::parked::parked(&args).await.map(Exit::from),
        Command::Events { command: EventsCommand::Release(args) } => {
            events::release::release(&args).await.map(Exit::from)
        }
    }
}

fn start_log(filter: &str) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).context(Problem::new(
        format!("{filter:?} does not say what is logged"),
        "give a level, `info`, or a filter such as `tenet_pipeline=debug`, with --log or TENET_LOG",
    ))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(|| terminal::Log)
        .without_time()
        .init();
    Ok(())
}
