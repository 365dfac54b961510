//! The results of tests, for people, for CI and for programs.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;
use tenet_core::Code;

use super::case::Case;

/// What a person reads of one test.
pub(crate) fn lines(case: &Case, repeat: &str) -> Vec<String> {
    let word = if case.has_passed() { "pass" } else { "FAIL" };
    let mut lines = vec![format!("{word}  {}  {} ms", case.name, case.took.as_millis())];
    lines.extend(case.notes.iter().map(|note| format!("      {note}")));
    if !case.has_passed() {
        lines.extend(case.about.iter().map(|about| format!("      {about}")));
        for failure in &case.failures {
            // The report about a file that cannot be read has several lines, and is escaped already.
            let parts = if case.is_read { vec![failure.as_str()] } else { failure.lines().collect() };
            lines.extend(parts.into_iter().enumerate().map(|(place, part)| match place {
                0 => format!("      {part}"),
                _ => part.to_owned(),
            }));
        }
        lines.push("      what was done:".to_owned());
        lines.extend(case.told.iter().map(|told| format!("        {told}")));
        lines.push(format!("      again: {repeat}"));
        // A statement that was not sent has a code too, in what was done.
        let codes: BTreeSet<&str> = case.failures.iter().chain(&case.told).filter_map(|line| code(line)).collect();
        lines.extend(codes.into_iter().map(|code| format!("      more: tenet explain {code}")));
    }
    lines
}

/// The code that a failure begins with, or that its reason has.
fn code(failure: &str) -> Option<&str> {
    let mut words = failure.split(|c: char| !c.is_ascii_alphanumeric());
    let is_code = |word: &&str| Code::ALL.iter().any(|code| code.as_str() == *word);
    words.rfind(is_code)
}

/// Writes JUnit's XML.
pub(crate) fn write_junit(path: &Path, cases: &[Case], took: Duration) -> anyhow::Result<()> {
    let mut report = Report::new("tenet");
    report.set_time(took);
    let mut suite = TestSuite::new("tenet test");
    for case in cases {
        let mut status = match case.has_passed() {
            true => TestCaseStatus::success(),
            false => TestCaseStatus::non_success(NonSuccessKind::Failure),
        };
        if !case.has_passed() {
            status.set_message(case.failures.first().map(String::as_str).unwrap_or_default());
            status.set_description([case.failures.join("\n"), case.told.join("\n")].join("\n\n"));
        }
        let mut each = TestCase::new(case.name.as_str(), status);
        each.set_time(case.took);
        suite.add_test_case(each);
    }
    report.add_test_suite(suite);
    let text = report.to_string().context("the results cannot be written as XML")?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// One line of JSON for a program.
pub(crate) fn json(case: &Case) -> String {
    json!({
        "name": case.name,
        "passed": case.has_passed(),
        "micros": u64::try_from(case.took.as_micros()).unwrap_or(u64::MAX),
        "failures": case.failures,
        "notes": case.notes,
        "schedule": case.schedule.as_ref().map(ToString::to_string),
    })
    .to_string()
}
