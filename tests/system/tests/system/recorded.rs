//! Recordings of the real `bootstrap`'s requests, and the rules that it runs as shadows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tenet_core::bundle::{INDEX, Index, Operation};

use crate::lambda::{Lambda, bootstrap};
use crate::support;
use crate::support::embedded_metrics::metrics;
use crate::support::eventbridge::Bus;
use crate::support::tenet::{Ended, run};

/// A longer wait would never end.
const HANGS: Duration = Duration::from_secs(60);

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A function with a changed bundle that records into a folder.
struct Recording {
    lambda: Lambda,
    folder: tempfile::TempDir,
    bundle: tempfile::TempDir,
    database: support::database::Database,
}

impl Recording {
    async fn start(name: &str, key: Option<&str>, change: impl FnOnce(&mut Index)) -> Self {
        let (database, bus) = (support::database().await, Bus::create().await);
        let (bundle, mut index) = support::bundle::copy(name);
        change(&mut index);
        fs::write(bundle.path().join(INDEX), index.to_json()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut function = bootstrap(database.url(), bus.name());
        function.env("TENET_BUNDLE", bundle.path()).env("TENET_CAPSULES", folder.path().join("capsules"));
        fs::create_dir(folder.path().join("capsules")).unwrap();
        if let Some(key) = key {
            function.env("TENET_CAPSULE_KEY", key);
        }
        function.stdout(fs::File::create(folder.path().join("log")).unwrap());
        Self { lambda: Lambda::of(function).await, folder, bundle, database }
    }

    async fn post(&self, operation: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.lambda.send("POST", &format!("/operations/{operation}"), &headers, body).await.status
    }

    /// Waits for this many capsules: they are written after the responses.
    async fn capsules(&self, count: usize) -> Vec<PathBuf> {
        let read = || {
            let entries = fs::read_dir(self.folder.path().join("capsules")).unwrap();
            let paths = entries.map(|entry| entry.unwrap().path());
            paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect::<Vec<_>>()
        };
        self.wait(|| read().len() >= count).await;
        read()
    }

    /// Waits for this many lines about shadows.
    async fn shadows(&self, count: usize) -> Vec<Value> {
        let read = || {
            let text = fs::read_to_string(self.folder.path().join("log")).unwrap();
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines
                .filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with("shadow ")))
                .collect::<Vec<_>>()
        };
        self.wait(|| read().len() >= count).await;
        read()
    }

    async fn wait(&self, there: impl Fn() -> bool) {
        let waiting = async {
            while !there() {
                tokio::task::yield_now().await;
            }
        };
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap();
        tokio::time::timeout(HANGS, waiting).await.unwrap_or_else(|_| panic!("it does not come: {}", log()));
    }

    fn replay(&self, capsule: &Path, key: Option<&str>) -> Ended {
        let mut command = std::process::Command::new(support::path("TENET_TEST_TENET"));
        // Without the key in the environment of the test run, and then with this one.
        let mut wrapped = std::process::Command::new("env");
        if let Some(key) = key {
            wrapped.arg(format!("TENET_CAPSULE_KEY={key}"));
        }
        command.arg("replay").arg(capsule).args(["--times", "20", "--bundle"]).arg(self.bundle.path());
        wrapped.arg(command.get_program()).args(command.get_args());
        run(&mut wrapped)
    }
}

const WRITE: &str = r#"{"transaction_id":"secret-001","amount":100.50}"#;

#[tokio::test]
async fn a_request_that_was_recorded_in_lambda_replays_on_a_laptop() {
    let function = Recording::start("rules", None, |index| index.host.capsule_permille = 1000).await;
    assert_eq!(function.post("write", &[], WRITE).await, 200);
    let [capsule] = function.capsules(1).await.try_into().unwrap();
    let replayed = function.replay(&capsule, None);
    assert_eq!(replayed.code, 0, "{}{}", replayed.stdout, replayed.stderr);
    assert!(replayed.stdout.starts_with("same     "), "{}", replayed.stdout);
}

#[tokio::test]
async fn who_asks_for_a_capsule_gets_one_where_that_is_allowed_and_a_failure_is_kept() {
    let function = Recording::start("guests", None, |index| {
        index.host.capsule_asked = true;
        index.host.capsule_failures = true;
    })
    .await;
    assert_eq!(function.post("probe", &[], r#"{"do":"panic"}"#).await, 500);
    assert_eq!(function.capsules(1).await.len(), 1, "the one that failed");
    // If callers may not request capsules, a requested one is not written: only the later one is.
    let closed = Recording::start("guests", None, |index| index.host.capsule_failures = true).await;
    let veto = r#"{"do":"reject"}"#;
    assert!(closed.post("probe", &[("tenet-capsule", "1")], veto).await < 500);
    assert_eq!(closed.post("probe", &[], r#"{"do":"panic"}"#).await, 500);
    let [capsule] = closed.capsules(1).await.try_into().unwrap();
    assert!(fs::read_to_string(&capsule).unwrap().contains("panic"), "{}", capsule.display());
    let asked = Recording::start("rules", None, |index| index.host.capsule_asked = true).await;
    assert_eq!(asked.post("write", &[], WRITE).await, 200);
    assert_eq!(asked.post("read", &[("tenet-capsule", "1")], "{}").await, 200);
    let [capsule] = asked.capsules(1).await.try_into().unwrap();
    assert!(capsule.file_name().unwrap().to_str().unwrap().starts_with("read-"), "{}", capsule.display());
}

#[tokio::test]
async fn an_operation_that_follows_is_recorded_like_a_request() {
    let function = Recording::start("guests", None, |index| index.host.capsule_failures = true).await;
    let broken = r#"{"do":"schedule","then":[{"operation":"probe","payload":{"do":"panic"}}]}"#;
    assert_eq!(function.post("probe", &[], broken).await, 200);
    let [capsule] = function.capsules(1).await.try_into().unwrap();
    assert!(fs::read_to_string(&capsule).unwrap().contains("panic"), "{}", capsule.display());
    let replayed = function.replay(&capsule, None);
    assert!(replayed.stdout.starts_with("same     "), "{}{}", replayed.stdout, replayed.stderr);
}

#[tokio::test]
async fn what_an_operation_keeps_secret_is_sealed_or_left_out() {
    let secret = |index: &mut Index| {
        index.host.capsule_permille = 1000;
        index.operations.iter_mut().for_each(|operation| operation.secret = vec!["transaction_id".into()]);
    };
    let open = Recording::start("rules", None, secret).await;
    assert_eq!(open.post("write", &[], WRITE).await, 200);
    let [capsule] = open.capsules(1).await.try_into().unwrap();
    let text = fs::read_to_string(&capsule).unwrap();
    assert!(!text.contains("secret-001") && text.contains("INSERT INTO transactions"), "{text}");
    let replayed = open.replay(&capsule, None);
    assert!(replayed.code == 3 && replayed.stderr.contains("without its values"), "{}", replayed.stderr);

    let sealed = Recording::start("rules", Some(KEY), secret).await;
    assert_eq!(sealed.post("write", &[], WRITE).await, 200);
    let [capsule] = sealed.capsules(1).await.try_into().unwrap();
    let text = fs::read_to_string(&capsule).unwrap();
    assert!(!text.contains("secret-001") && !text.contains("INSERT"), "{text}");
    let replayed = sealed.replay(&capsule, None);
    assert!(replayed.code == 3 && replayed.stderr.contains("error[T0701]"), "{}", replayed.stderr);
    let replayed = sealed.replay(&capsule, Some(KEY));
    assert_eq!(replayed.code, 0, "{}{}", replayed.stdout, replayed.stderr);
}

/// An operation with this rule and its shadow.
fn shadowed(rule: &str, by: &str) -> Operation {
    Operation {
        name: rule.into(),
        rules: vec![rule.into()],
        shadow: BTreeMap::from([(rule.into(), by.into())]),
        ..Operation::default()
    }
}

#[tokio::test]
async fn a_shadow_is_compared_and_changes_nothing() {
    let function = Recording::start("guests", None, |index| {
        index.operations.push(shadowed("guarded", "guarded"));
        index.operations.push(shadowed("skewed", "guarded"));
        index.operations.push(Operation { name: "newer".into(), ..shadowed("guarded", "skewed") });
    })
    .await;
    function.database.execute("INSERT INTO counters VALUES (0, 100), (1, 50), (2, 50)").await;
    let take = r#"{"counter":1,"amount":3}"#;
    let rest = async || function.database.count("select sum(value)::bigint from counters where id > 0").await;

    // A rule agrees with itself, and its integers have the same form as in the live request.
    assert_eq!(function.post("guarded", &[], r#"{"counter":1,"amount":3.0}"#).await, 200);
    let agreed = function.shadows(1).await.remove(0);
    assert_eq!(
        (&agreed["ShadowAgreed"], &agreed["ShadowDiffered"], &agreed["newer"]),
        (&1.into(), &0.into(), &false.into())
    );
    let counted = metrics(&agreed);
    assert_eq!(counted[&(vec!["operation=guarded".to_owned()], "ShadowAgreed".to_owned())], 1.0);
    assert_eq!(rest().await, 97, "it was taken once");

    // Another write is never sent, so its result is unknown.
    assert_eq!(function.post("skewed", &[], take).await, 200);
    let other = function.shadows(2).await.remove(1);
    assert_eq!((&other["ShadowAgreed"], &other["ShadowNotComparable"]), (&0.into(), &1.into()));
    assert_eq!(function.database.count("select value from counters where id = 0").await, 97);
    assert_eq!(rest().await, 94);

    // Another read uses a newer snapshot, and the verdicts can be compared.
    assert_eq!(function.post("newer", &[], take).await, 200);
    let newer = function.shadows(3).await.remove(2);
    assert_eq!((&newer["ShadowDiffered"], &newer["newer"]), (&1.into(), &true.into()), "{newer}");
    // The two that differ have left capsules; the first has not.
    assert_eq!(function.capsules(2).await.len(), 2);
}
