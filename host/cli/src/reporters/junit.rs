//! The results of tests for CI.

use std::path::Path;

use anyhow::Context;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use tenet_harness::Report;

use super::failures::failures;

/// Writes JUnit's XML.
pub(crate) fn write(path: &Path, report: &Report) -> anyhow::Result<()> {
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
        let notes = outcome.notes();
        if !notes.is_empty() {
            each.set_system_out(notes.join("\n"));
        }
        suite.add_test_case(each);
    }
    junit.add_test_suite(suite);
    let text = junit.to_string().context("the results cannot be written as XML")?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
