use tenet_harness::TestOutcome;

use super::errors;

/// Why a test failed, a text for each thing that is said of it.
pub(super) fn failures(outcome: &TestOutcome) -> Vec<String> {
    let unreadable = outcome.unreadable.iter().map(errors::text);
    unreadable.chain(outcome.failure_texts()).collect()
}
