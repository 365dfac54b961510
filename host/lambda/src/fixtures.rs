//! Runs every event collected by the authors of `aws_lambda_events` through the function's readers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tenet_core::bundle::Operation;
use tenet_events::Routes;

use crate::http_event;
use crate::source::Source;
use crate::sqs_batch::SqsBatch;
use tenet_pipeline::BridgeEvent;

/// The fixtures by name, from the sources of the crate version in use.
fn fixtures() -> BTreeMap<String, String> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", tenet_engine::OWN_TARGET])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "aws_lambda_events").unwrap();
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
    let folder = manifest.parent().unwrap().join("src/fixtures");
    let fixture = |path: &Path| {
        let name = path.file_stem().unwrap().to_str().unwrap().trim_start_matches("example-").to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| fixture(&path))
        .collect()
}

/// The kind of a fixture, from its name.
fn kind(name: &str) -> &'static str {
    let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| name.starts_with(beginning));
    if begins(&["apigw-v2-request-", "apigw-sam-http-request"]) {
        "http"
    } else if begins(&["sqs-event"]) {
        "queue"
    // A lifecycle hook has no envelope, and one alarm has its data next to the detail.
    } else if name == "codedeploy-lifecycle-event" || name == "codepipeline_job-event" {
        "other"
    } else if name == "cloudwatch-alarm-composite-with-suppressor-alarm" {
        "event without a detail"
    } else if begins(&["autoscaling-", "codebuild-", "codedeploy-", "codepipeline-", "ecr-", "eventbridge-"]) {
        "event"
    } else {
        "other"
    }
}

#[test]
fn every_fixture_of_the_kinds_that_are_served_goes_through_and_every_other_is_told_what_is_served() {
    let takes = |name: &str, pattern| Operation {
        name: name.into(),
        rules: vec![],
        key: None,
        read_only: false,
        callers: None,
        events: vec![pattern],
        ..tenet_core::bundle::Operation::default()
    };
    let routes = Routes::new(&[
        takes("stopped", json!({ "detail": { "state": ["pending"] } })),
        takes("nightly", json!({ "resources": [{ "suffix": ":rule/my-scheduled-rule" }] })),
        takes("every", json!({ "source": [{ "prefix": "aws." }] })),
    ])
    .unwrap();
    let mut served = BTreeMap::<_, usize>::new();
    for (name, text) in fixtures() {
        *served.entry(kind(&name)).or_default() += 1;
        match (kind(&name), Source::of(&text)) {
            ("http", Source::Http) => {
                let event = http_event::read(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(event.request.path.as_str().starts_with('/'), "{name}");
            }
            ("queue", Source::Queue) => drop(SqsBatch::read(&text).unwrap()),
            ("event", Source::Bridge) => {
                let event = BridgeEvent::read(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(event.key().unwrap().is_some(), "{name}");
                assert!(event.invocation("every").unwrap().payload.starts_with('{'), "{name}");
                let own = match name.as_str() {
                    "eventbridge-event-obj" => vec!["stopped", "every"],
                    "eventbridge-schedule" => vec!["nightly", "every"],
                    _ => vec!["every"],
                };
                assert_eq!(routes.takers(&text), own, "{name}");
            }
            ("event without a detail", Source::Bridge) => {
                assert!(BridgeEvent::read(&text).unwrap_err().contains("`detail`"), "{name}");
            }
            ("other", Source::UnsupportedSync(what) | Source::UnsupportedAsync(what)) => {
                assert!(!what.is_empty(), "{name}")
            }
            // AppSync names an operation of its own, which no bundle has.
            ("other", Source::Direct) => assert!(name.starts_with("appsync-"), "{name}"),
            (kind, source) => panic!("{name} is {kind} and was taken for {source:?}"),
        }
    }
    assert!(served.iter().all(|(kind, count)| *count >= if *kind == "queue" { 2 } else { 1 }), "{served:?}");
    assert!(served["http"] >= 6 && served["event"] >= 14 && served["other"] >= 100, "{served:?}");
}

#[test]
fn what_is_not_waited_for_fails_so_that_its_source_learns_of_it() {
    let fixtures = fixtures();
    for (name, what) in [
        ("s3-event", "aws:s3"),
        ("sns-event", "aws:sns"),
        ("kinesis-event", "aws:kinesis"),
        ("dynamodb-event", "aws:dynamodb"),
        ("ses-event", "aws:ses"),
        ("kafka-event", "aws:kafka"),
        ("rabbitmq-event", "aws:rmq"),
        ("documentdb-insert-event", "aws:docdb"),
        ("cloudwatch_logs-event", "CloudWatch logs"),
        ("config-event", "AWS Config"),
        ("cloudformation-custom-resource-create-request", "custom resource"),
    ] {
        match Source::of(&fixtures[name]) {
            Source::UnsupportedAsync(text) => assert!(text.contains(what), "{name}: {text}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    for (name, what) in [
        ("apigw-request", "payload 1.0"),
        ("alb-lambda-target-request-headers-only", "Load Balancer"),
        ("apigw-websocket-request", "WebSocket"),
        ("apigw-v2-custom-authorizer-v2-request", "authoriser"),
        ("apigw-custom-auth-request-type-request", "authoriser"),
        ("vpc-lattice-v2-request", "VPC Lattice"),
        ("lex-event", "\"bot\""),
    ] {
        match Source::of(&fixtures[name]) {
            Source::UnsupportedSync(text) => assert!(text.contains(what), "{name}: {text}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_damaged_event_is_read_or_refused_and_never_more() {
    let mut state = 6_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % limit.max(1)
    };
    let mut tried = 0;
    for (_, text) in fixtures() {
        for _ in 0..60 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..=below(3) {
                let at = below(bytes.len());
                match below(4) {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, b"{}[]\",:0\\e"[below(10)]),
                    2 if at < bytes.len() => drop(bytes.remove(at)),
                    _ if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1),
                    _ => {}
                }
            }
            let Ok(event) = String::from_utf8(bytes) else { continue };
            tried += 1;
            match Source::of(&event) {
                Source::Http => drop(http_event::read(&event)),
                Source::Queue => drop(SqsBatch::read(&event)),
                Source::Bridge => {
                    if let Ok(event) = BridgeEvent::read(&event) {
                        let _ = (event.key(), event.invocation("any"));
                    }
                }
                Source::Direct => drop(tenet_pipeline::direct::read(&event)),
                Source::Relay | Source::UnsupportedSync(_) | Source::UnsupportedAsync(_) => {}
            }
        }
    }
    assert!(tried > 5_000, "{tried}");
}
