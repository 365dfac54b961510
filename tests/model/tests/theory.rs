//! Histories of the model, held against the theory.

use tenet_model_tests::{Concurrent, check};

fn of(seed: u64) -> Concurrent {
    Concurrent { seed, connections: 6, transactions: 150, keys: 4, locks_reads: false }
}

#[tokio::test]
async fn transactions_at_the_same_time_are_isolated_by_snapshots() {
    let (mut skewed, mut conflicts) = (0, 0);
    for seed in 0..60 {
        let history = of(seed).run().await.unwrap();
        let verdict = check(&history);
        assert!(verdict.anomalies.is_empty(), "seed {seed}: {:?}\n{history:#?}", verdict.anomalies);
        skewed += usize::from(verdict.is_skewed);
        conflicts += history.transactions.iter().filter(|transaction| !transaction.is_committed).count();
    }
    assert!(skewed > 0, "no write skew happened, which snapshot isolation allows");
    assert!(conflicts > 0, "nothing conflicted");
}

#[tokio::test]
async fn transactions_that_lock_what_they_read_have_a_serial_order() {
    for seed in 0..60 {
        let history = Concurrent { locks_reads: true, ..of(seed) }.run().await.unwrap();
        let verdict = check(&history);
        assert!(verdict.anomalies.is_empty() && !verdict.is_skewed, "seed {seed}: {verdict:?}");
    }
}
