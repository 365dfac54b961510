//! Runs the campaign. `cargo xtask campaign` sets up what it needs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use tenet_audit::{Kind, Report};
use tenet_campaign::{Means, PHASE, Round};
use tokio::task::JoinSet;

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
    #[arg(long, default_value_t = 120)]
    faults: u64,
    /// The number of concurrent clients in a round.
    #[arg(long, default_value_t = 14)]
    clients: u64,
    /// The number of rounds at the same time. They share the servers, and nothing else.
    #[arg(long, default_value_t = 4)]
    worlds: u64,
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
    /// The built guests of the tests.
    #[arg(long, env = "TENET_TEST_GUESTS")]
    guests: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Arguments {
        seed,
        minutes,
        faults,
        clients,
        worlds,
        mutant,
        postgres,
        template,
        events,
        bootstrap,
        bundle,
        guests,
    } = Arguments::parse();
    let means = Means { postgres, template, events, bootstrap, bundle, guests };
    let started = Instant::now();
    let mut all = Report::default();
    let mut next = seed;
    let mut running = JoinSet::new();
    loop {
        while (running.len() as u64) < worlds.max(1)
            && all.wrongs.is_empty()
            && (next - seed < worlds.max(1) || started.elapsed() < Duration::from_secs(60 * minutes))
        {
            let round = Round { seed: next, faults: Duration::from_secs(faults), clients, mutant: mutant.clone() };
            let means = means.clone();
            running.spawn(async move { (round.seed, round.run(&means).await) });
            next += 1;
        }
        let Some(ended) = running.join_next().await else { break };
        let (seed, report) = ended?;
        let report = report.with_context(|| format!("seed {seed}"))?;
        println!("seed {seed}: {}", summary(&report));
        for (wrong, story) in report.wrongs.iter().take(20) {
            println!("seed {seed}: {wrong}\n{story}");
        }
        all.add(report);
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("\n{} rounds from seed {seed} on, {:.1} minutes", next - seed, seconds / 60.0);
    println!("{all}");
    println!("{:.1} transactions a second; {}", all.transactions as f64 / seconds, density(&all));
    let well = Kind::ALL.into_iter().all(|kind| all.count(kind) == 0);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A round in one line, with the seconds that its phases took.
fn summary(report: &Report) -> String {
    let phases = report.counts.iter().filter_map(|(name, ms)| {
        let name = name.strip_prefix(PHASE)?;
        Some(format!("{name} {:.1} s", *ms as f64 / 1000.0))
    });
    let phases: Vec<_> = phases.collect();
    format!("{} transactions, {} wrong; {}", report.transactions, report.wrongs.len(), phases.join(", "))
}

/// How often the worst faults happened per thousand transactions.
fn density(report: &Report) -> String {
    let faults = [
        ("hosts killed", "host: killed"),
        ("endpoints down", "endpoint: down"),
        ("endpoints silent", "endpoint: silent"),
        ("statements and answers harmed", "wire: "),
        ("bus calls disturbed", "bus: "),
    ];
    let of = |beginning: &str| -> u64 {
        report.counts.iter().filter(|(name, _)| name.starts_with(beginning)).map(|(_, count)| count).sum()
    };
    let rates = faults.map(|(what, beginning)| {
        format!("{what}: {:.1}", of(beginning) as f64 * 1000.0 / report.transactions.max(1) as f64)
    });
    format!("per 1,000 of them, {}", rates.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_how_long_its_parts_took_and_how_frequent_faults_were() {
        let counts = [("ms: faults", 40_000), ("host: killed", 30), ("wire: delay", 2), ("wire: reset", 3)];
        let counts = counts.map(|(name, count)| (name.to_owned(), count)).into();
        let report = Report { transactions: 500, counts, ..Report::default() };
        assert_eq!(summary(&report), "500 transactions, 0 wrong; faults 40.0 s");
        let density = density(&report);
        assert!(density.contains("hosts killed: 60.0, endpoints down: 0.0"), "{density}");
        assert!(density.contains("statements and answers harmed: 10.0"), "{density}");
    }
}
