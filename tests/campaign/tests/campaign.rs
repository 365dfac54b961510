//! Fixed seeds of the fault campaign: correct hosts pass all of them, and a host that breaks a
//! guarantee on purpose fails at least one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it panics")]

use std::path::Path;
use std::time::Duration;

use tenet_audit::{Kind, Report};
use tenet_campaign::{Means, Round};
use tenet_core::Mutant;
use tokio::sync::Mutex;

/// One world at a time: two would overload this machine.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A mutant has to be caught by one of these.
const SEEDS: [u64; 4] = [1, 2, 3, 4];

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run `cargo xtask test`"))
}

fn means(bootstrap: &str) -> Means {
    Means {
        postgres: variable("TENET_TEST_POSTGRES"),
        template: variable("TENET_TEST_TEMPLATE"),
        events: variable("TENET_TEST_EVENTBRIDGE"),
        bootstrap: variable(bootstrap).into(),
        bundle: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tenet/rules"),
        guests: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tenet/guests"),
    }
}

async fn round(seed: u64, mutant: Option<Mutant>) -> Report {
    let bootstrap = if mutant.is_some() { "TENET_TEST_MUTANTS" } else { "TENET_TEST_BOOTSTRAP" };
    let mutant = mutant.map(|mutant| mutant.name().to_owned());
    Round { seed, faults: Duration::from_secs(6), clients: 10, mutant }.run(&means(bootstrap)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_nothing_doubled_nothing_invented_and_no_rule_blamed() {
    let _alone = ALONE.lock().await;
    for seed in SEEDS.into_iter().take(2) {
        let report = round(seed, None).await;
        let wrongs: Vec<_> = report.wrongs.iter().map(|(wrong, story)| format!("{wrong}\n{story}")).collect();
        assert!(wrongs.is_empty(), "seed {seed}:\n{}\n{report}", wrongs.join("\n"));
        // A campaign in which nothing happens proves nothing. How much happens depends on the
        // machine.
        assert!(report.accepted > 10 && report.counts.keys().any(|name| name.starts_with("wire: ")), "{report}");
        for name in ["host: killed", "wire: silence", "answer: a queue may forget it"] {
            assert!(report.counts.keys().any(|counted| counted.starts_with(name)), "{name}: {report}");
        }
    }
}

#[test]
fn what_is_shipped_has_no_way_to_break_a_promise() {
    let knows = |bootstrap: &str| {
        let binary = std::fs::read(variable(bootstrap)).unwrap();
        binary.windows(12).any(|bytes| bytes == b"TENET_MUTANT")
    };
    assert!(!knows("TENET_TEST_BOOTSTRAP") && knows("TENET_TEST_MUTANTS"));
}

/// Checks that the campaign detects hosts that violate this guarantee.
async fn is_caught(mutant: Mutant) {
    let _alone = ALONE.lock().await;
    for seed in SEEDS {
        let report = round(seed, Some(mutant)).await;
        let caught = [Kind::Lost, Kind::Doubled, Kind::Invented].map(|kind| report.count(kind)).iter().sum::<usize>();
        println!("{}: seed {seed}: {caught} of {} transactions", mutant.name(), report.transactions);
        if caught > 0 {
            return;
        }
    }
    panic!("{} was never noticed", mutant.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_without_its_key_row_is_caught() {
    is_caught(Mutant::RejectionWithoutKeyRow).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_row_that_gives_way_is_caught() {
    is_caught(Mutant::KeyRowGivesWay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_before_their_commit_are_caught() {
    is_caught(Mutant::EventsBeforeCommit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_ok_taken_for_a_commit_is_caught() {
    is_caught(Mutant::AnyOkIsCommitted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_write_that_travels_with_begin_is_caught() {
    is_caught(Mutant::FirstWriteWithBegin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_id_without_its_operation_is_caught() {
    is_caught(Mutant::EventIdWithoutOperation).await;
}
