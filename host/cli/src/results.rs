//! The results of tests, for people, for CI and for programs.

use std::path::Path;

use anyhow::Context;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;
use tenet_harness::testing::Coverage;
use tenet_harness::{Report, TestOutcome};

use crate::report;

/// What a person reads of one test. A file that cannot be read is shown with the place.
pub(crate) fn for_people(outcome: &TestOutcome) -> String {
    match &outcome.unreadable {
        Some(error) => outcome.with_unreadable(&report::text(error)),
        None => outcome.to_string(),
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

fn failures(outcome: &TestOutcome) -> Vec<String> {
    let unreadable = outcome.unreadable.iter().map(report::text);
    unreadable.chain(outcome.failure_texts()).collect()
}

/// Writes JUnit's XML.
pub(crate) fn write_junit(path: &Path, report: &Report) -> anyhow::Result<()> {
    let mut junit = quick_junit::Report::new("tenet");
    junit.set_time(report.took);
    let mut suite = TestSuite::new("tenet test");
    for outcome in &report.outcomes {
        let mut status = match outcome.has_passed() {
            true => TestCaseStatus::success(),
            false => TestCaseStatus::non_success(NonSuccessKind::Failure),
        };
        if !outcome.has_passed() {
            let failures = failures(outcome);
            status.set_message(failures.first().map(String::as_str).unwrap_or_default());
            status.set_description([failures.join("\n"), outcome.step_texts().join("\n")].join("\n\n"));
        }
        let mut each = TestCase::new(outcome.name.as_str(), status);
        each.set_time(outcome.took);
        suite.add_test_case(each);
    }
    junit.add_test_suite(suite);
    let text = junit.to_string().context("the results cannot be written as XML")?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// One line of JSON for a program.
pub(crate) fn json(outcome: &TestOutcome) -> String {
    json!({
        "name": outcome.name,
        "passed": outcome.has_passed(),
        "micros": u64::try_from(outcome.took.as_micros()).unwrap_or(u64::MAX),
        "failures": failures(outcome),
        "notes": outcome.notes(),
        "schedule": outcome.schedule.as_ref().map(ToString::to_string),
    })
    .to_string()
}
