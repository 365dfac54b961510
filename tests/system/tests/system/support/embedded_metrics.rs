//! Reads log lines as CloudWatch does.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::path;

const SCHEMA: &str = include_str!("embedded_metrics.schema.json");

/// Reads the schema, then one document per line, and prints the errors.
const VALIDATE: &str = "
import json, sys, jsonschema_rs
validator = jsonschema_rs.validator_for(json.loads(sys.argv[1]))
for line in sys.stdin:
    for error in validator.iter_errors(json.loads(line)):
        print(error, line)
";

/// One metric in one set of dimensions, in the form `name=value`.
pub(crate) type Series = (Vec<String>, String);

/// The values that CloudWatch extracts from a line, checked against the schema and the rest of the
/// format's specification: everything that is named is a member of the line. Each set of dimensions
/// begins with the deployment, which is left out here.
pub(crate) fn metrics(line: &Value) -> BTreeMap<Series, f64> {
    validate(line);
    let mut values = BTreeMap::new();
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        for set in directive["Dimensions"].as_array().unwrap() {
            let dimension = |name: &Value| {
                let name = name.as_str().unwrap();
                let value = line[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {line}"));
                assert!((1..=1024).contains(&value.len()) && value.is_ascii(), "{value}");
                format!("{name}={value}")
            };
            let mut dimensions: Vec<_> = set.as_array().unwrap().iter().map(dimension).collect();
            assert!(dimensions.remove(0).starts_with("deployment="), "{set}");
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                let value = line[name].as_f64().unwrap_or_else(|| panic!("{name} is no number in {line}"));
                values.insert((dimensions.clone(), name.to_owned()), value);
            }
        }
    }
    values
}

/// Runs a third-party validator of JSON Schema.
fn validate(line: &Value) {
    let python = path("TENET_TEST_SCHEMATHESIS").with_file_name("python");
    let mut validator = Command::new(python)
        .args(["-c", VALIDATE, SCHEMA])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(validator.stdin.take().unwrap(), "{line}").unwrap();
    let output = validator.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
