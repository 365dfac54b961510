use std::path::Path;

use similar::TextDiff;
use tenet_harness::testing::{Schedule, Update, file_schema};
use tenet_harness::{Harness, Report, TestOutcome, Watching};

use crate::args::TestArgs;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::reporters::progress::OnTerminal;
use crate::reporters::{errors, json, junit, people};
use crate::terminal;

/// Runs the tests, once or each time that something is saved.
pub(crate) async fn test(args: &TestArgs) -> anyhow::Result<Exit> {
    if args.schema {
        terminal::write(&file_schema())?;
        return Ok(Exit::Success);
    }
    if !args.watch {
        return once(args).await;
    }
    let outputs: Vec<&Path> = args.out.as_deref().into_iter().chain(args.junit.as_deref()).collect();
    let mut watching = Watching::new(&args.bundle, &outputs)?;
    loop {
        match once(args).await {
            Ok(_) => {}
            Err(error) => drop(errors::tell(&error)),
        }
        terminal::tell(&format!("waiting for a change in {}", args.bundle.display()));
        if !watching.changed().await {
            return Ok(Exit::Success);
        }
    }
}

async fn once(args: &TestArgs) -> anyhow::Result<Exit> {
    let report = harness(args)?.run(&OnTerminal, |_| {}).await?;
    let mut updated = 0;
    let mut differences = Vec::new();
    if args.update {
        for outcome in &report.outcomes {
            updated += usize::from(update(outcome, &mut differences)?);
        }
    }
    match args.json {
        true => {
            let results = report.outcomes.iter().map(json::outcome);
            results.chain(differences).try_for_each(|line| terminal::write_json(&line))?;
        }
        false => {
            let results: String = report.outcomes.iter().map(people::outcome).collect();
            terminal::write(&(results + &terminal::text(&differences)))?;
        }
    }
    if let Some(path) = &args.junit {
        junit::write(path, &report)?;
    }
    let (failed, took) = (report.failures().count(), report.took.as_secs_f64());
    terminal::tell(&format!("{} passed, {failed} failed in {took:.2} s", report.outcomes.len() - failed));
    if updated > 0 {
        terminal::tell(&format!("{updated} files were updated: read what has changed before it is committed"));
    }
    let is_covered = covered(args, &report)?;
    Ok(Exit::success_or(failed == 0 && is_covered, Exit::TestFailed))
}

fn harness(args: &TestArgs) -> anyhow::Result<Harness> {
    let schedule = args.schedule.as_deref().map(Schedule::parse).transpose();
    let schedule = schedule.map_err(|what| Problem::new(what, "take the one that a failed test tells"))?;
    let mut harness = Harness::new(&args.bundle).paths(args.paths.iter().cloned());
    if let Some(out) = &args.out {
        harness = harness.out(out);
    }
    if let Some(filter) = &args.filter {
        harness = harness.filter(filter);
    }
    if let Some(jobs) = args.jobs {
        harness = harness.jobs(jobs);
    }
    if let Some(schedule) = schedule {
        harness = harness.schedule(schedule);
    }
    if args.postgres {
        harness = harness.on_postgres();
    }
    Ok(harness)
}

/// Writes what came of a test into its file. Whether it is another now.
fn update(outcome: &TestOutcome, lines: &mut Vec<String>) -> anyhow::Result<bool> {
    let name = &outcome.name;
    match outcome.update()? {
        Update::Unchanged => Ok(false),
        Update::Failed { step } => {
            lines.push(format!(
                "{name}: not updated, since step {step} failed; write `fail` or `unavailable` into it if it is to fail"
            ));
            Ok(false)
        }
        Update::Written { old, new } => {
            let difference = TextDiff::from_lines(&old, &new);
            let difference = difference.unified_diff().context_radius(2).header(name, name).to_string();
            lines.extend(difference.lines().map(str::to_owned));
            Ok(true)
        }
    }
}

/// Tells what no test has reached. Whether it is no more than is allowed.
fn covered(args: &TestArgs, report: &Report) -> anyhow::Result<bool> {
    if !args.coverage && args.min_coverage.is_none() {
        return Ok(true);
    }
    let coverage = report.coverage()?;
    people::coverage(&coverage).iter().for_each(|line| terminal::tell(line));
    let least = usize::from(args.min_coverage.unwrap_or(0));
    let is_enough = coverage.percent() >= least;
    if !is_enough {
        terminal::tell(&format!("coverage: {least} % were asked for"));
    }
    Ok(is_enough)
}
