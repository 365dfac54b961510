use std::process::ExitCode;

use anyhow::Context;

use crate::guests::{RULES, build_one};
use crate::repository::{Repository, run};

/// Builds the harness and the example rules and lets the harness tell the story.
pub(crate) fn demo(repository: &Repository) -> anyhow::Result<ExitCode> {
    println!("Building the host; the first time that takes about ten minutes.");
    run(&mut repository.cargo(&["build", "--locked", "-p", "tenet-cli"]))?;
    println!("Building the rules; the first time that takes about two minutes.");
    build_one(repository, "guest/rules", RULES)?;
    let tenet = repository.binary("tenet");
    let status = repository.command(&tenet, &["demo", RULES]).status().context("cannot start tenet")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
