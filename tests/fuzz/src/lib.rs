//! Compares the statement policy with PostgreSQL, using statements generated from PostgreSQL's own
//! grammar.
//!
//! Every statement that the policy allows runs twice. It runs as the owner of the tables, who has
//! all privileges, so that only the policy prevents forbidden effects. And it runs as a role with
//! the rule's privileges, which must be sufficient. [`world`] has the canary values, [`grammar`]
//! generates the statements, [`judge`] checks the effects of each, [`second`] is another parser for
//! the same text, and [`run`] repeats this as long as requested.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where it panics"
)]
#![allow(missing_docs, reason = "parts of one test, each named for what it is")]

mod flight;
pub mod grammar;
pub mod judge;
pub mod lexicon;
mod many;
mod outcome;
pub mod run;
pub mod second;
pub mod tally;
pub mod words;
pub mod world;

use std::sync::Arc;

use tenet_core::Policy;
use tenet_core::bundle::Index;

/// The policy under test: the real one, or one with a deliberate hole.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    pub name: &'static str,
    pub policy: fn(&Index) -> Arc<dyn Policy>,
    pub only_reads: fn(&str) -> bool,
}

/// The real policy.
pub fn shipped() -> Subject {
    Subject {
        name: "shipped",
        policy: |index| Arc::new(tenet_policy::StatementPolicy::new(index)),
        only_reads: tenet_policy::only_reads,
    }
}

/// Checks that each of these holes is found, with the seed and the number of statements from the
/// command line.
pub async fn holes(subjects: &[Subject]) -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse::<u64>());
    let (seed, statements) = (number(1)?, number(50_000)?);
    let only = std::env::args().nth(3);
    let server = std::env::var("TENET_TEST_POSTGRES")?;
    // Without a hole nothing may be found.
    let wanted = run::Wanted { server, seed, statements, minutes: None, workers: 6, first_only: true };
    anyhow::ensure!(run::run(&wanted, &shipped()).await?.found.is_empty(), "there is a finding without a hole");
    let mut table = Vec::new();
    for subject in subjects.iter().filter(|subject| only.as_deref().is_none_or(|only| only == subject.name)) {
        let report = run::run(&wanted, subject).await?;
        let first = report.found.iter().min_by_key(|found| found.at);
        table.push((subject.name, first.map(|found| (found.at, found.finding.kind))));
    }
    for (name, found) in &table {
        match found {
            Some((at, kind)) => println!("{name}: {kind}, after {at} statements"),
            None => println!("{name}: NOT FOUND within {statements} statements"),
        }
    }
    anyhow::ensure!(table.iter().all(|(_, found)| found.is_some()), "a hole was not found");
    Ok(())
}
