//! `tenet`: the harness that builds rules and runs them on a laptop, with the same
//! engine, pipeline and SQL as in a region.
//!
//! Each command is a file. What a host is made of here is in `local`: the pipeline over the
//! `database`, a private PostgreSQL or any that is named, and an event bus that lives in the
//! process.
//! How an error is told is in `report`, how somebody who waits is told in `waiting`.

// What is shown goes through `terminal`.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod args;
mod bench;
mod build;
mod check;
mod demo;
mod deploy;
mod doctor;
mod door;
mod events;
mod explain;
mod grant;
mod inspect;
mod new;
mod pack;
mod replay;
mod report;
mod results;
mod run;
mod schema;
mod serve;
mod template;
mod terminal;
mod test;
mod upgrade;
mod vendored;
mod waiting;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::args::{Args, Command, EventsCommand, SchemaCommand};
use crate::report::Problem;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(error) = start_log(&args.log) {
        return report::tell(&error);
    }
    let runtime = match tokio::runtime::Runtime::new().context("cannot start the threads") {
        Ok(runtime) => runtime,
        Err(error) => return report::tell(&error),
    };
    let done = runtime.block_on(run(args));
    // A build that a signal has ended the wait for is left behind.
    runtime.shutdown_background();
    done.unwrap_or_else(|error| report::tell(&error))
}

async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Build(args) => build::build(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Check(args) => check::check(&args).await,
        Command::Inspect(args) => inspect::inspect(&args).map(|()| ExitCode::SUCCESS),
        Command::Grant(args) => grant::grant(&args),
        Command::New(args) => new::new(&args).map(|()| ExitCode::SUCCESS),
        Command::Pack(args) => pack::pack(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Deploy(args) => deploy::deploy(&args).await,
        Command::Promote(args) => deploy::promote(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Rollback(args) => deploy::rollback(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Status(args) => deploy::status(&args).await,
        Command::Smoke(args) => deploy::smoke(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Logs(args) => deploy::logs(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Destroy(args) => deploy::destroy(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Upgrade(args) => upgrade::upgrade(&args).map(|()| ExitCode::SUCCESS),
        Command::Explain(args) => explain::explain(&args).map(|()| ExitCode::SUCCESS),
        Command::Bench(args) => bench::bench(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Replay(args) => replay::replay(&args).await,
        Command::Run(args) => crate::run::run(&args).await,
        Command::Test(args) => test::test(&args).await,
        Command::Serve(args) => serve::serve(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Dev(args) => serve::dev(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Demo(args) => demo::demo(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Schema { command: SchemaCommand::Plan(args) } => schema::plan(&args).await,
        Command::Schema { command: SchemaCommand::Grants(args) } => {
            schema::grants(&args).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Schema { command: SchemaCommand::Apply(args) } => {
            schema::apply(&args).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Events { command: EventsCommand::Parked(args) } => {
            events::parked(&args).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Events { command: EventsCommand::Release(args) } => {
            events::release(&args).await.map(|()| ExitCode::SUCCESS)
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
