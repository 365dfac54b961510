//! Runs the campaign. `cargo xtask campaign` sets up what it needs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tenet_audit::{Kind, Report};
use tenet_campaign::{Means, Round};

/// Injects faults into two regions' hosts and reports the result.
#[derive(Parser)]
struct Arguments {
    /// The seed of the first round. Each further round increments it.
    #[arg(long)]
    seed: u64,
    /// How long new rounds are started.
    #[arg(long)]
    minutes: u64,
    /// Seconds of fault injection per round.
    #[arg(long, default_value_t = 40)]
    faults: u64,
    /// The number of concurrent clients.
    #[arg(long, default_value_t = 14)]
    clients: u64,
    /// A guarantee that the function breaks on purpose, if it is built for that.
    #[arg(long)]
    mutant: Option<String>,
    /// The URL of a PostgreSQL.
    #[arg(long, env = "TENET_TEST_POSTGRES")]
    postgres: String,
    /// Its template database with every schema.
    #[arg(long, env = "TENET_TEST_TEMPLATE")]
    template: String,
    /// The URL of EventBridge.
    #[arg(long, env = "TENET_TEST_EVENTBRIDGE")]
    events: String,
    /// The function binary.
    #[arg(long, env = "TENET_TEST_BOOTSTRAP")]
    bootstrap: PathBuf,
    /// The built example rules.
    #[arg(long, env = "TENET_TEST_RULES")]
    bundle: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Arguments { seed, minutes, faults, clients, mutant, postgres, template, events, bootstrap, bundle } =
        Arguments::parse();
    let means = Means { postgres, template, events, bootstrap, bundle };
    let started = Instant::now();
    let mut all = Report::default();
    let mut next = seed;
    while next == seed || started.elapsed() < Duration::from_secs(60 * minutes) {
        let round = Round { seed: next, faults: Duration::from_secs(faults), clients, mutant: mutant.clone() };
        let report = round.run(&means).await?;
        println!("seed {next}: {} transactions, {} wrong", report.transactions, report.wrongs.len());
        for (wrong, story) in report.wrongs.iter().take(20) {
            println!("seed {next}: {wrong}\n{story}");
        }
        all.add(report);
        next += 1;
        if !all.wrongs.is_empty() {
            break;
        }
    }
    println!("\n{} rounds from seed {seed} on, {:.1} minutes", next - seed, started.elapsed().as_secs_f64() / 60.0);
    println!("{all}");
    let well = Kind::ALL.into_iter().all(|kind| all.count(kind) == 0);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
