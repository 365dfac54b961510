//! Fixed seeds of the simulation.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it panics")]

mod common;

use tenet_simulation::{Outcome, Selection, Simulation};

use crate::common::run;

fn assert_well(seed: u64, outcome: &Outcome) {
    let wrongs: Vec<_> = outcome.report.wrongs.iter().map(|(wrong, story)| format!("{wrong}\n{story}")).collect();
    assert!(wrongs.is_empty(), "seed {seed}:\n{}\n{}", wrongs.join("\n"), outcome.report);
}

#[test]
fn nothing_is_lost_nothing_doubled_nothing_invented_and_no_rule_blamed() {
    for seed in 1..=4 {
        let outcome = run(&Simulation::new(seed, 150));
        assert_well(seed, &outcome);
        // A story in which nothing happens proves nothing.
        let counts = &outcome.report.counts;
        assert!(outcome.report.accepted > 50 && outcome.wire.len() > 20, "{}", outcome.report);
        for name in
            ["told: Conflicts", "told: UnknownCommits", "world: a host killed", "no answer: its client has left"]
        {
            assert!(counts.contains_key(name), "{name}: {}", outcome.report);
        }
    }
}

#[test]
fn without_faults_there_are_only_conflicts() {
    let outcome = run(&Simulation::new(0, 150));
    assert_well(0, &outcome);
    assert!(outcome.wire.is_empty() && outcome.report.counts.contains_key("told: Conflicts"), "{}", outcome.report);
}

#[test]
fn one_seed_has_one_story_and_another_seed_another() {
    let story = |seed: u64| run(&Simulation { keeps_story: true, ..Simulation::new(seed, 60) });
    let (first, second) = (story(5), story(5));
    assert_eq!(first.story, second.story);
    assert_eq!(first.digest, second.digest);
    assert_ne!(first.digest, story(6).digest);
}

#[test]
fn the_whole_of_a_story_by_its_parts_is_the_same_story() {
    let whole = run(&Simulation::new(7, 60));
    let selection = Selection {
        steps: Some((0..whole.parts.0).collect()),
        faults: Some((0..whole.parts.1).collect()),
        wire: Some(whole.wire.iter().cloned().collect()),
    };
    let selection = selection.to_string().parse().unwrap();
    let again = run(&Simulation { selection, ..Simulation::new(7, 60) });
    assert_eq!(again.digest, whole.digest);
}
