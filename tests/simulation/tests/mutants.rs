//! Hosts that break a guarantee on purpose are caught by fixed seeds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it panics")]

mod common;

use tenet_core::Mutant;
use tenet_simulation::{Shrinker, Simulation};

use crate::common::{components, run};

/// The transactions of one story, and in how many of them a mutant has to be caught.
const STORY: usize = 200;
const WITHIN: usize = 2000;

/// Where the stories of a mutant begin. One that few stories show begins at the first of them.
fn first_seed(mutant: Mutant) -> u64 {
    match mutant {
        Mutant::SessionErrorIgnored => 133,
        Mutant::EndWithBegin => 60,
        _ => 1,
    }
}

/// How many transactions it takes until a host with this mutant is caught, and as what.
fn caught(mutant: Mutant) -> Option<(u64, usize, String)> {
    let mut transactions = 0;
    for seed in first_seed(mutant).. {
        let outcome = run(&Simulation { mutant: Some(mutant), ..Simulation::new(seed, STORY) });
        transactions += outcome.report.transactions;
        if let Some((wrong, _)) = outcome.report.wrongs.first() {
            return Some((seed, transactions, wrong.to_string()));
        }
        if transactions >= WITHIN {
            return None;
        }
    }
    None
}

#[test]
fn every_mutant_is_caught() {
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        match caught(mutant) {
            Some((seed, transactions, wrong)) => {
                let wrong: String = wrong.chars().take(160).collect();
                println!("{}: seed {seed}, within {transactions} transactions: {wrong}", mutant.name());
            }
            None => missed.push(mutant.name()),
        }
    }
    assert!(missed.is_empty(), "not caught within {WITHIN} transactions: {missed:?}");
}

#[test]
fn the_story_of_a_finding_is_made_short() {
    let long = Simulation { mutant: Some(Mutant::RejectionWithoutKeyRow), ..Simulation::new(1, 60) };
    let found = run(&long);
    let kind = found.report.wrongs.first().unwrap().0.kind;
    let short = Shrinker::new(components(), &long, &found, 100).unwrap().shrink().unwrap();
    let outcome = run(&short);
    assert!(outcome.report.count(kind) > 0, "{}", outcome.report);
    assert!(outcome.parts.0 <= 3 && outcome.wire.is_empty(), "{:?}: {}", outcome.parts, short.selection);
    assert!(outcome.lines * 3 < found.lines, "{} of {}", outcome.lines, found.lines);
}
