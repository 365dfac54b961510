//! The results of tests for a person.

use tenet_harness::TestOutcome;
use tenet_harness::testing::Coverage;

use super::errors;

/// What a person reads of one test. A file that cannot be read is shown with the place.
pub(crate) fn outcome(of: &TestOutcome) -> String {
    match &of.unreadable {
        Some(error) => of.with_unreadable(&errors::text(error)),
        None => of.to_string(),
    }
}

/// What a person reads of what tests have reached.
pub(crate) fn coverage(coverage: &Coverage) -> Vec<String> {
    let Coverage { all, reached, missing } = coverage;
    let mut lines = vec![format!("coverage: {reached} of {all} ({} %)", coverage.percent())];
    for (rule, missing) in missing {
        lines.push(format!("  {rule}: no test reaches"));
        lines.extend(missing.iter().map(|thing| format!("    {thing}")));
    }
    lines
}
