//! `cargo xtask fuzz` prepares the servers and runs this program.

use std::process::ExitCode;

use clap::Parser;
use tenet_fuzz::judge::Judge;
use tenet_fuzz::run::{Wanted, run};
use tenet_fuzz::shipped;
use tenet_fuzz::world::World;

/// Compares the statement policy with PostgreSQL.
#[derive(Parser)]
struct Arguments {
    /// The seed. The same seed gives the same statements.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The duration of the run.
    #[arg(long)]
    minutes: Option<u64>,
    /// The number of statements, if no duration is given.
    #[arg(long, default_value_t = 20_000)]
    statements: u64,
    /// The number of parallel workers.
    #[arg(long, default_value_t = 6)]
    workers: usize,
    /// Stops at the first finding.
    #[arg(long)]
    first: bool,
    /// Checks this statement for every rule, and prints what is sent.
    #[arg(long)]
    judge: Option<String>,
    /// The URL of a PostgreSQL server.
    #[arg(long, env = "TENET_TEST_POSTGRES")]
    postgres: String,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    let Arguments { seed, minutes, statements, workers, first, judge, postgres } = Arguments::parse();
    if let Some(sql) = judge {
        for number in 0..World::RULES {
            let world = World::new(&postgres, number).await?;
            let mut judge = Judge::new(world, &shipped());
            let sent = judge.policy().statement(&judge.world.rule.name, &sql);
            let verdict = judge.judge(&sql).await?;
            println!("{}: {sent:?}\n  {verdict:?}", judge.world.rule.name);
            judge.world.end().await?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Wanted { server: postgres, seed, statements, minutes, workers, first_only: first };
    let report = run(&wanted, &shipped()).await?;
    let tally = &report.tally;
    println!(
        "seed {seed}: {} statements ({} distinct), {} passed ({} in a thousand), {} of those ran, {} read twice, {} judged alone, {} findings",
        tally.tried,
        tally.distinct,
        tally.passed,
        tally.passed * 1000 / tally.tried.max(1),
        tally.ran,
        tally.read_twice,
        tally.alone,
        report.kinds.values().sum::<u64>()
    );
    for (kind, count) in &report.kinds {
        println!("  {count} times {kind}");
    }
    println!("passed and seldom run: {:?}", tally.rarest().into_iter().take(40).collect::<Vec<_>>());
    println!("made and never passed: {:?}", tally.refused());
    println!("the policy passes and no statement had: {:?}", tally.gaps());
    let mut states: Vec<_> = tally.states.iter().map(|(state, count)| (count, state)).collect();
    states.sort_unstable();
    println!("errors: {:?}", states.into_iter().rev().take(40).collect::<Vec<_>>());
    Ok(if report.found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
