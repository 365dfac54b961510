//! Generated transactions, one after the other on PostgreSQL and on the model.

use tenet_model_tests::{ModelSide, PostgresSide, Serial};
use tenet_test_support::TestDatabase;

/// The seeds of the rounds begin here.
const SEED: u64 = 1;
const STATEMENTS: u64 = 6_000;

#[tokio::test]
async fn one_after_the_other_transactions_give_the_same_on_both() {
    let name = "TENET_TEST_POSTGRES";
    let server = std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run `cargo xtask test`"));
    let database = TestDatabase::create(&server, "template1").await.unwrap();
    let mut postgres = PostgresSide::new(database.url()).unwrap();
    let report =
        Serial { seed: SEED, statements: STATEMENTS }.run(&mut postgres, &mut ModelSide::new(SEED)).await.unwrap();
    for difference in &report.differences {
        println!("{difference}\n");
    }
    assert!(report.differences.is_empty(), "{report}");
    // The generator writes what the model knows, and what both refuse is the smaller part.
    assert!(report.unsupported * 5 < report.statements && report.failed * 3 < report.statements, "{report}");
}
