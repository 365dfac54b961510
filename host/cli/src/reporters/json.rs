//! The results of tests for a program.

use serde_json::json;
use tenet_harness::TestOutcome;

use super::failures::failures;

/// One line of JSON for a program.
pub(crate) fn outcome(of: &TestOutcome) -> String {
    json!({
        "name": of.name,
        "passed": of.has_passed(),
        "micros": u64::try_from(of.took.as_micros()).unwrap_or(u64::MAX),
        "failures": failures(of),
        "notes": of.notes(),
        "schedule": of.schedule.as_ref().map(ToString::to_string),
    })
    .to_string()
}
