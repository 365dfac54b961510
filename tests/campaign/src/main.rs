//! `cargo xtask campaign` sets up what this needs and runs it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tenet_campaign::{Kind, Means, Report, Round};

/// Does harm to two regions' hosts and tells what came of it.
#[derive(Parser)]
struct Arguments {
    /// The seed of the first round; each further one has the next.
    #[arg(long)]
    seed: u64,
    /// Rounds are begun for so long.
    #[arg(long)]
    minutes: u64,
    /// Seconds for which harm is done in one round.
    #[arg(long, default_value_t = 40)]
    faults: u64,
    /// How many ask at the same moment.
    #[arg(long, default_value_t = 14)]
    clients: u64,
    /// A promise that the function breaks on purpose, where it is built for that.
    #[arg(long)]
    mutant: Option<String>,
    /// The URL of a PostgreSQL.
    #[arg(long, env = "TENET_TEST_POSTGRES")]
    postgres: String,
    /// The database in it that has every schema.
    #[arg(long, env = "TENET_TEST_TEMPLATE")]
    template: String,
    /// The URL of EventBridge.
    #[arg(long, env = "TENET_TEST_EVENTBRIDGE")]
    events: String,
    /// The function.
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
