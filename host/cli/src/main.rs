//! `tenet`: the harness that builds rules and runs them on a laptop, with the same
//! engine, pipeline and SQL as in a region.
//!
//! Each command is a file. What a host is made of here is in `local`: the pipeline over a
//! private PostgreSQL, or any that is named, and an event bus that lives in the process.

mod args;
mod built;
mod database;
mod demo;
mod local;
mod run;
mod schema;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command, SchemaCommand};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(error) = start_log(&args.log) {
        return fail(&error);
    }
    let done = match args.command {
        Command::Build(args) => built::build(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Run(args) => run::run(&args).await,
        Command::Serve(args) => serve::serve(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Demo(args) => demo::demo(&args).await.map(|()| ExitCode::SUCCESS),
        Command::Schema { command: SchemaCommand::Apply(args) } => {
            schema::apply(&args).await.map(|()| ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| fail(&error))
}

fn start_log(filter: &str) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    Ok(())
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(run::BROKEN)
}
