//! Events against event patterns, by moto's matcher.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::path;
use super::rehearsal::root;

/// For each event the places of the patterns that it matches.
pub(crate) fn matched(patterns: &[String], events: &[Value]) -> Vec<Vec<usize>> {
    let mut python = Command::new(path("TENET_TEST_SCHEMATHESIS").with_file_name("python"))
        .arg(root().join("tests/system/tests/system/support/matched.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = json!({"patterns": patterns, "events": events}).to_string();
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}
