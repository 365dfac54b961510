//! Runs the simulation. `cargo xtask simulate` sets up what it needs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use tenet_audit::{Kind, Report};
use tenet_core::Mutant;
use tenet_simulation::{Components, Outcome, Selection, Shrinker, Simulation};

/// Simulates two regions' hosts under faults and reports the result.
#[derive(Parser)]
struct Arguments {
    /// The seed of the first story. Each further story increments it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of stories.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The number of transactions of a story.
    #[arg(long, default_value_t = 1000)]
    transactions: usize,
    /// The number of stories at the same time. All of them share the engine's instances: with more than five, one could
    /// wait for another.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=5))]
    jobs: u16,
    /// Makes the story of the first finding short.
    #[arg(long)]
    shrink: bool,
    /// The most stories that are run to make one short.
    #[arg(long, default_value_t = 400)]
    stories: u32,
    /// Prints the story of one seed.
    #[arg(long)]
    story: bool,
    /// The parts of a story that are kept, as a finding that was made short prints them.
    #[arg(long)]
    keep: Option<Selection>,
    /// A guarantee that the hosts break on purpose, if it is built for that.
    #[arg(long)]
    mutant: Option<String>,
    /// The built example rules.
    #[arg(long, env = "TENET_TEST_RULES", default_value = "target/tenet/rules")]
    bundle: PathBuf,
    /// The built guests of the tests.
    #[arg(long, env = "TENET_TEST_GUESTS", default_value = "target/tenet/guests")]
    guests: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let components = Arc::new(Components::load(&arguments.bundle, &arguments.guests)?);
    let mutant = match &arguments.mutant {
        None => None,
        Some(name) => Some(Mutant::ALL.into_iter().find(|mutant| mutant.name() == name).context("no such mutant")?),
    };
    let simulation = |seed: u64| Simulation {
        seed,
        transactions: arguments.transactions,
        mutant,
        selection: arguments.keep.clone().unwrap_or_default(),
        keeps_story: arguments.story,
    };
    let started = Instant::now();
    let (next, has_found) = (AtomicU64::new(0), AtomicBool::new(false));
    let all = Mutex::new((Report::default(), 0_u64));
    let found: Mutex<Option<(u64, Outcome)>> = Mutex::default();
    let work = || -> anyhow::Result<()> {
        while !has_found.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= arguments.seeds {
                break;
            }
            let seed = arguments.seed + number;
            let outcome = simulation(seed).run(&components)?;
            let Outcome { report, digest, lines, simulated, .. } = &outcome;
            let (transactions, wrongs) = (report.transactions, report.wrongs.len());
            println!(
                "seed {seed}: {transactions} transactions, {lines} lines, {:.0} s simulated, story {digest}, {wrongs} wrong",
                simulated.as_secs_f64()
            );
            if arguments.story {
                print!("{}", outcome.story);
            }
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.0.add(report.clone());
            all.1 += 1;
            if wrongs > 0 {
                has_found.store(true, Ordering::Relaxed);
                found.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((seed, outcome));
            }
        }
        Ok(())
    };
    thread::scope(|scope| -> anyhow::Result<()> {
        let workers: Vec<_> = (0..arguments.jobs).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a story panicked"))??;
        }
        Ok(())
    })?;
    let (report, stories) = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    let elapsed = started.elapsed().as_secs_f64();
    println!("\n{stories} stories from seed {} on, {:.1} minutes", arguments.seed, elapsed / 60.0);
    println!("{:.0} transactions a second", report.transactions as f64 / elapsed);
    println!("{report}");
    let Some((seed, outcome)) = found.into_inner().unwrap_or_else(PoisonError::into_inner) else {
        let well = Kind::ALL.into_iter().all(|kind| report.count(kind) == 0);
        return Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    for (wrong, history) in outcome.report.wrongs.iter().take(20) {
        println!("seed {seed}: {wrong}\n{history}");
    }
    println!("again: --seed {seed} --transactions {} --story", arguments.transactions);
    let shrinker = Shrinker::new(&components, &simulation(seed), &outcome, arguments.stories);
    if let Some(shrinker) = shrinker.filter(|_| arguments.shrink) {
        let short = shrinker.shrink()?;
        let outcome = short.run(&components)?;
        print!("{}", outcome.story);
        for (wrong, history) in &outcome.report.wrongs {
            println!("{wrong}\n{history}");
        }
        println!("again: --seed {seed} --transactions {} --keep '{}' --story", short.transactions, short.selection);
    }
    Ok(ExitCode::FAILURE)
}
