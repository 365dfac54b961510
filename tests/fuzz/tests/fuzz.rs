//! A short run with a fixed seed. `cargo xtask fuzz` runs longer, and `cargo xtask fuzz holes`
//! checks that holes are found.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it panics")]

use tenet_fuzz::run::{Wanted, run};
use tenet_fuzz::shipped;

/// The number of statements.
const STATEMENTS: u64 = 9_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_passes_does_nothing_that_is_not_granted() {
    let name = "TENET_TEST_POSTGRES";
    let server = std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run `cargo xtask test`"));
    let wanted = Wanted { server, seed: 6, statements: STATEMENTS, minutes: None, workers: 3, first_only: false };
    let report = run(&wanted, &shipped()).await.unwrap();
    let tally = &report.tally;
    println!("{} statements, {} passed, {} of those ran", tally.tried, tally.passed, tally.ran);
    assert!(report.found.is_empty(), "{:#?}", report.found);
    // A policy that allows nothing would pass the checks above, and so would a grammar that
    // generates nothing.
    assert!(tally.passed * 3 > tally.tried && tally.ran * 4 > tally.passed, "{} {}", tally.passed, tally.ran);
    assert!(tally.rarest().len() > 250, "{}", tally.rarest().len());
}
