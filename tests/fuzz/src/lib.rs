//! The statement policy held against PostgreSQL, by statements from PostgreSQL's own grammar.
//!
//! Whatever the policy passes is run as the owner of the tables, who may do everything, so that only
//! the policy stands between a statement and what its rule may not do; and as a role with the rule's
//! privileges, which PostgreSQL then never may miss. [`world`] has the canaries, [`grammar`] makes
//! the statements, [`judge`] checks the effects of each, [`second`] is another reader of the same
//! text, and [`run`] does it all for as long as is wanted.
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

/// What is tried: the statement policy, or one with a hole that was made on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    pub name: &'static str,
    pub policy: fn(&Index) -> Arc<dyn Policy>,
    pub only_reads: fn(&str) -> bool,
}

/// The policy as it is shipped.
pub fn shipped() -> Subject {
    Subject {
        name: "shipped",
        policy: |index| Arc::new(tenet_policy::StatementPolicy::new(index)),
        only_reads: tenet_policy::only_reads,
    }
}

/// Has each of these found, with the seed and within as many statements as the command line says.
pub async fn holes(subjects: &[Subject]) -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse::<u64>());
    let (seed, statements) = (number(1)?, number(50_000)?);
    let only = std::env::args().nth(3);
    let server = std::env::var("TENET_TEST_POSTGRES")?;
    // What is found has to be the hole.
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
