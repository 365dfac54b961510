//! Generated statements, one after the other on PostgreSQL and on the model.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it panics")]

use tenet_model_tests::{ModelSide, PostgresSide, References, Serial, SerialReport};
use tenet_test_support::TestDatabase;

/// The seeds of the rounds begin here.
const SEED: u64 = 1;
const STATEMENTS: u64 = 6_000;

/// An empty database of the tests' PostgreSQL.
async fn database() -> TestDatabase {
    let name = "TENET_TEST_POSTGRES";
    let server = std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run `cargo xtask test`"));
    TestDatabase::create(&server, "template1").await.unwrap()
}

fn assert_same(report: &SerialReport) {
    for difference in &report.differences {
        println!("{difference}\n");
    }
    assert!(report.differences.is_empty(), "{report}");
}

#[tokio::test]
async fn one_after_the_other_transactions_give_the_same_on_both() {
    let database = database().await;
    let mut postgres = PostgresSide::new(database.url()).unwrap();
    let report =
        Serial { seed: SEED, statements: STATEMENTS }.run(&mut postgres, &mut ModelSide::new(SEED)).await.unwrap();
    assert_same(&report);
    // The generator writes what the model knows, and what both refuse is the smaller part.
    assert!(report.unsupported * 5 < report.statements && report.failed * 3 < report.statements, "{report}");
}

#[tokio::test]
async fn tables_that_reference_each_other_are_the_same_on_both() {
    let database = database().await;
    let mut postgres = PostgresSide::new(database.url()).unwrap();
    let report =
        References { seed: SEED, statements: STATEMENTS }.run(&mut postgres, &mut ModelSide::new(SEED)).await.unwrap();
    assert_same(&report);
    assert!(report.unsupported * 100 < report.statements && report.failed * 2 < report.statements, "{report}");
}
