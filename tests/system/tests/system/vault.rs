//! Sensitive fields: sealed and opened with keys of a third-party KMS, by hosts of two regions and
//! by the real `bootstrap`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tenet_core::bundle::{INDEX, Index, Operation};
use tenet_core::{BoxFuture, Fault};
use tenet_events::Buses;
use tenet_pipeline::Status;
use tenet_vault::{FieldVault, KeyCachePolicy, KeyFault, Keys, KmsKeys, NewKey, Secret};
use tokio::process::Command;

use crate::lambda::{Lambda, bootstrap};
use crate::support;
use crate::support::database::Database;
use crate::support::embedded_metrics::metrics;
use crate::support::eventbridge::{Bus, config, endpoint};
use crate::support::host::{EAST, Host, WEST};
use crate::support::kms::KmsKey;
use crate::support::tenet::run;

/// A longer wait would never end.
const HANGS: Duration = Duration::from_secs(60);

const IBAN: &str = "DE89370400440532013000";

const CAPSULE_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

const KEEPING: KeyCachePolicy =
    KeyCachePolicy { period: Duration::from_secs(86_400), keys: 10, age: Duration::from_secs(3600) };

/// KMS keys that count the calls.
#[derive(Clone)]
struct Counted(Arc<(KmsKeys, AtomicU32, AtomicU32)>);

impl Counted {
    fn of(key: &KmsKey) -> Self {
        let keys = KmsKeys::new(&config(EAST, &endpoint()), EAST, key.arn()).unwrap();
        Self(Arc::new((keys, AtomicU32::new(0), AtomicU32::new(0))))
    }

    /// The numbers of created and of unwrapped keys.
    fn counts(&self) -> (u32, u32) {
        (self.0.1.load(Ordering::SeqCst), self.0.2.load(Ordering::SeqCst))
    }
}

impl Keys for Counted {
    fn make<'a>(&'a self, operation: &'a str, period: u64, deadline: Instant) -> BoxFuture<'a, Result<NewKey, Fault>> {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        self.0.0.make(operation, period, deadline)
    }

    fn unwrap<'a>(
        &'a self,
        operation: &'a str,
        wrapped: &'a [u8],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Secret, KeyFault>> {
        self.0.2.fetch_add(1, Ordering::SeqCst);
        self.0.0.unwrap(operation, wrapped, deadline)
    }
}

/// A region's host with its own vault.
fn host(database: &Database, region: &'static str, keys: &Counted) -> Host {
    let buses = Buses::new([EAST, WEST]).unwrap();
    let vault = Arc::new(FieldVault::new(keys.clone(), KEEPING));
    Host::start("guests", database.url(), region, &buses).with_vault(vault)
}

async fn put(host: &Host, id: &str) {
    let event = format!(r#"{{"operation":"safe","do":"put","id":"{id}","iban":"{IBAN}"}}"#);
    let answer = host.invoke(&event).await.answer;
    assert_eq!(answer.status, Status::Accepted, "{}", answer.body);
}

/// The answer to a read: the IBAN, or the code of the refusal.
async fn ask(host: &Host, what: &str) -> String {
    let answer = host.invoke(&format!(r#"{{"operation":"safe-read",{what}}}"#)).await.answer;
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    body["iban"].as_str().or(body["code"].as_str()).unwrap_or_else(|| panic!("{body}")).to_owned()
}

#[tokio::test]
async fn what_one_region_seals_the_other_opens_and_each_asks_kms_once() {
    let (database, key) = (support::database().await, KmsKey::create().await);
    let (of_east, of_west) = (Counted::of(&key), Counted::of(&key));
    let (east, west) = (host(&database, EAST, &of_east), host(&database, WEST, &of_west));
    for id in ["ann", "bob", "cyd"] {
        put(&east, id).await;
    }
    for id in ["ann", "bob", "cyd"] {
        assert_eq!(ask(&west, &format!(r#""do":"get","id":"{id}""#)).await, IBAN);
        assert_eq!(ask(&east, &format!(r#""do":"get","id":"{id}""#)).await, IBAN);
    }
    assert_eq!((of_east.counts(), of_west.counts()), ((1, 0), (0, 1)));
    let distinct = database.count("select count(distinct iban) from secrets").await;
    assert_eq!(distinct, 3, "equal values do not look equal");
    let bare = format!("select count(*) from secrets where position('{IBAN}'::bytea in iban) > 0");
    assert_eq!(database.count(&bare).await, 0);
}

#[tokio::test]
async fn what_was_moved_or_changed_or_is_not_granted_is_refused() {
    let (database, key) = (support::database().await, KmsKey::create().await);
    let keys = Counted::of(&key);
    let east = host(&database, EAST, &keys);
    assert_eq!(ask(&east, r#""do":"put-bic","id":"ann""#).await, "not-granted");
    assert_eq!(keys.counts(), (0, 0), "KMS is not asked for what is not granted");
    put(&east, "ann").await;
    assert_eq!(ask(&east, r#""do":"get-as","id":"ann","other":"bob""#).await, "elsewhere");
    assert_eq!(ask(&east, r#""do":"get-as-bic","id":"ann""#).await, "elsewhere");
    database.execute("insert into secrets (id, iban) select 'eve', iban from secrets where id = 'ann'").await;
    let moved = east.invoke(r#"{"operation":"safe-read","do":"get","id":"eve"}"#).await;
    assert_eq!(ask(&east, r#""do":"get-as","id":"eve","other":"eve""#).await, "elsewhere");
    assert!(!moved.answer.body.contains(IBAN), "{}", moved.answer.body);
    assert_eq!(ask(&east, r#""do":"get","id":"ann""#).await, IBAN);
    // Changes the wrapped key.
    database.execute("update secrets set iban = set_byte(iban, 80, get_byte(iban, 80) # 1) where id = 'ann'").await;
    assert_eq!(ask(&east, r#""do":"get-as","id":"ann","other":"ann""#).await, "elsewhere");
    database.execute(&format!("update secrets set iban = '{IBAN}' where id = 'ann'")).await;
    assert_eq!(ask(&east, r#""do":"get-as","id":"ann","other":"ann""#).await, "not-sealed");
}

#[tokio::test]
async fn a_row_that_was_sealed_under_an_earlier_key_opens_as_long_as_kms_has_it() {
    let database = support::database().await;
    let (old, new) = (KmsKey::create().await, KmsKey::create().await);
    put(&host(&database, EAST, &Counted::of(&old)), "ann").await;
    let keys = Counted::of(&new);
    let east = host(&database, EAST, &keys);
    put(&east, "bob").await;
    assert_eq!(ask(&east, r#""do":"get","id":"ann""#).await, IBAN);
    assert_eq!(ask(&east, r#""do":"get","id":"bob""#).await, IBAN);
    assert_eq!(keys.counts(), (1, 1));
}

#[tokio::test]
async fn a_thousand_values_are_sealed_by_one_call_and_too_large_a_one_is_refused() {
    let (database, key) = (support::database().await, KmsKey::create().await);
    let keys = Counted::of(&key);
    let east = host(&database, EAST, &keys);
    let many = east.invoke(r#"{"operation":"safe-read","do":"many","values":1000,"bytes":22}"#).await;
    let bytes: Value = serde_json::from_str(&many.answer.body).unwrap();
    let each = bytes["bytes"].as_u64().unwrap() / 1000;
    assert!((100..=322).contains(&each), "{each} bytes for 22");
    assert_eq!(keys.counts(), (1, 0));
    assert_eq!(ask(&east, r#""do":"many","values":1,"bytes":65537"#).await, "unusable");
    let more = east.invoke(r#"{"operation":"safe-read","do":"many","values":2001,"bytes":1}"#).await;
    assert!(more.reason.unwrap().contains("host_calls"), "each is a call of the host");
}

#[tokio::test]
async fn on_a_laptop_the_key_is_in_a_file_or_is_one_that_everybody_knows() {
    let (database, folder) = (support::database().await, tempfile::tempdir().unwrap());
    let bundle = support::bundle::bundle("guests").0;
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (one, other) = (file("one", &"0a".repeat(32)), file("other", &"0b".repeat(32)));
    let ran = |operation: &str, payload: &str, key: Option<&PathBuf>| {
        let mut command = std::process::Command::new(support::path("TENET_TEST_TENET"));
        command.args(["run", operation, "--payload", payload, "--database-url", database.url(), "--bundle"]);
        command.arg(&bundle);
        if let Some(key) = key {
            command.arg("--vault-key").arg(key);
        }
        run(&mut command)
    };
    let get = r#"{"do":"get-as","id":"ann","other":"ann"}"#;
    for key in [None, Some(&one)] {
        assert_eq!(ran("safe", &put_body("ann"), key).code, 0);
        let got = ran("safe-read", get, key);
        assert!(got.code == 0 && got.stdout.contains(IBAN), "{}{}", got.stdout, got.stderr);
        let refused = ran("safe-read", get, Some(&other));
        assert!(refused.code == 1 && refused.stdout.contains("elsewhere"), "{}{}", refused.stdout, refused.stderr);
    }
    let bad = ran("safe-read", get, Some(&file("bad", "secret")));
    assert!(bad.code == 3 && bad.stderr.contains("is no key of the vault"), "{}", bad.stderr);
    assert!(!bad.stderr.contains("secret"), "{}", bad.stderr);
}

/// The real function with the guests, with a folder for its log and its capsules.
struct Function {
    lambda: Lambda,
    folder: tempfile::TempDir,
    bundle: tempfile::TempDir,
    database: Database,
}

impl Function {
    async fn start(change: impl FnOnce(&mut Index), set: impl FnOnce(&mut Command)) -> Self {
        let (database, bus, key) = (support::database().await, Bus::create().await, KmsKey::create().await);
        let (bundle, mut index) = support::bundle::copy("guests");
        change(&mut index);
        fs::write(bundle.path().join(INDEX), index.to_json()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("capsules")).unwrap();
        let mut function = bootstrap(database.url(), bus.name());
        function
            .env("TENET_BUNDLE", bundle.path())
            .env("TENET_CAPSULES", folder.path().join("capsules"))
            .env("TENET_VAULT_KEY", key.arn())
            .env("AWS_LAMBDA_LOG_LEVEL", "TRACE")
            .stdout(fs::File::create(folder.path().join("log")).unwrap());
        set(&mut function);
        Self { lambda: Lambda::of(function).await, folder, bundle, database }
    }

    async fn post(&self, operation: &str, body: &str) -> (u16, Value) {
        let headers = [("content-type", "application/json")];
        let answer = self.lambda.send("POST", &format!("/operations/{operation}"), &headers, body).await;
        (answer.status, answer.json())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits for this many lines with this message.
    async fn lines(&self, message: &str, count: usize) -> Vec<Value> {
        let read = || {
            let text = self.log();
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.filter(|line| line["message"] == message).collect::<Vec<_>>()
        };
        self.wait(|| read().len() >= count).await;
        read()
    }

    /// Waits for this many capsules.
    async fn capsules(&self, count: usize) -> Vec<PathBuf> {
        let read = || {
            let entries = fs::read_dir(self.folder.path().join("capsules")).unwrap();
            let paths = entries.map(|entry| entry.unwrap().path());
            paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect::<Vec<_>>()
        };
        self.wait(|| read().len() >= count).await;
        read()
    }

    /// Replays the requests of these capsules, without KMS.
    fn replays(&self, capsules: &[PathBuf]) {
        let mut command = std::process::Command::new("env");
        command.arg(format!("TENET_CAPSULE_KEY={CAPSULE_KEY}")).arg(support::path("TENET_TEST_TENET"));
        command.arg("replay").args(capsules).args(["--times", "5", "--bundle"]).arg(self.bundle.path());
        let replayed = run(&mut command);
        assert_eq!(replayed.code, 0, "{}{}", replayed.stdout, replayed.stderr);
        assert_eq!(replayed.stdout.matches("same     ").count(), capsules.len(), "{}", replayed.stdout);
    }

    async fn wait(&self, there: impl Fn() -> bool) {
        let waiting = async {
            while !there() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(HANGS, waiting).await.unwrap_or_else(|_| panic!("it does not come: {}", self.log()));
    }
}

fn put_body(id: &str) -> String {
    format!(r#"{{"do":"put","id":"{id}","iban":"{IBAN}"}}"#)
}

/// Whether a text contains any of the IBAN, in any encoding of its bytes.
fn tells(text: &str) -> bool {
    let hex = tenet_core::hex(IBAN.as_bytes());
    let list = format!("{:?}", IBAN.as_bytes());
    let list = list.trim_matches(['[', ']']);
    [IBAN, &hex, list, &list.replace(' ', "")].iter().any(|form| text.contains(form))
}

#[tokio::test]
async fn nothing_of_a_value_is_in_the_log_or_in_a_capsule_and_a_sealed_one_replays() {
    for sealed in [false, true] {
        let function = Function::start(
            |index| index.host.capsule_permille = 1000,
            |function| {
                if sealed {
                    function.env("TENET_CAPSULE_KEY", CAPSULE_KEY);
                }
            },
        )
        .await;
        assert_eq!(function.post("safe", &put_body("ann")).await.0, 200);
        let (status, body) = function.post("safe-read", r#"{"do":"get","id":"ann"}"#).await;
        assert_eq!((status, &body["iban"]), (200, &IBAN.into()));
        let (status, body) = function.post("safe-read", r#"{"do":"get-as","id":"ann","other":"bob"}"#).await;
        assert_eq!((status, &body["code"]), (422, &"elsewhere".into()));
        let capsules = function.capsules(3).await;
        for capsule in &capsules {
            let text = fs::read_to_string(capsule).unwrap();
            assert!(!tells(&text) && text.contains(r#""sealed":"#) == sealed, "{text}");
        }
        let (status, body) = function.post("safe", r#"{"do":"put-bic","id":"cid"}"#).await;
        assert_eq!((status, &body["code"]), (422, &"not-granted".into()));
        function.lines("request over", 4).await;
        let refused = function.lines("the vault refused", 2).await;
        assert_eq!(refused[0]["field"], "secrets.iban");
        // A rule can build the name of a column that is not granted from data that it has read.
        assert_eq!((&refused[1]["code"], refused[1].get("field")), (&"not-granted".into(), None));
        assert!(!tells(&function.log()), "{}", function.log());
        if sealed {
            function.replays(&capsules);
        }
    }
}

#[tokio::test]
async fn with_kms_away_the_answer_is_503_and_nothing_has_changed() {
    let away = |function: &mut Command| {
        function.env("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1").env("TENET_CAPSULE_KEY", CAPSULE_KEY);
    };
    let function = Function::start(|index| index.host.capsule_failures = true, away).await;
    let (status, body) = function.post("safe", &put_body("ann")).await;
    assert_eq!((status, &body["code"]), (503, &"vault-away".into()), "{body}");
    assert_eq!(function.database.count("select count(*) from secrets").await, 0);
    assert_eq!(function.database.count("select count(*) from tenet.keys").await, 0);
    let line = function.lines("vault key", 1).await.remove(0);
    assert!(line["reason"].as_str().unwrap().starts_with("KMS was not reached"), "{line}");
    let counted = metrics(&line);
    let call = vec!["call=GenerateDataKey".to_owned()];
    assert_eq!(counted[&(call.clone(), "VaultFailures".to_owned())], 1.0);
    assert_eq!(counted[&(call, "VaultCalls".to_owned())], 1.0);
    function.replays(&function.capsules(1).await);
    // Other rules do not need it.
    assert_eq!(function.post("probe", r#"{"do":"increment","id":1}"#).await.0 / 100, 4);
}

#[tokio::test]
async fn a_shadow_is_told_what_the_live_rule_was_and_asks_kms_for_nothing() {
    let shadowed = |name: &str, read_only| Operation {
        name: name.into(),
        rules: vec!["safe".into()],
        read_only,
        shadow: BTreeMap::from([("safe".into(), "safe".into())]),
        ..Operation::default()
    };
    let function =
        Function::start(|index| index.operations.extend([shadowed("put", false), shadowed("get", true)]), |_| ()).await;
    assert_eq!(function.post("put", &put_body("ann")).await.0, 200);
    function.lines("shadow over", 1).await;
    assert_eq!(function.post("get", r#"{"do":"get","id":"ann"}"#).await.0, 200);
    for line in function.lines("shadow over", 2).await {
        assert_eq!(line["ShadowAgreed"], 1, "{line}");
    }
    assert_eq!(function.lines("vault key", 1).await.len(), 1);
    assert_eq!(function.database.count("select count(*) from secrets").await, 1);
}

#[tokio::test]
async fn a_function_whose_rules_want_the_vault_does_not_start_without_its_key() {
    let start = async |key: Option<&str>| {
        let mut function = bootstrap("postgres://missing@127.0.0.1:1/none", "bus");
        function
            .env("TENET_BUNDLE", support::bundle::bundle("guests").0)
            .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
            .env_remove("TENET_VAULT_KEY")
            .envs(key.map(|key| ("TENET_VAULT_KEY", key)))
            .stderr(Stdio::piped());
        let refused = function.output().await.unwrap();
        assert!(!refused.status.success());
        String::from_utf8_lossy(&refused.stderr).into_owned()
    };
    let unset = start(None).await;
    assert!(unset.contains("TENET_VAULT_KEY is not set") && unset.contains("the rule safe"), "{unset}");
    let elsewhere = start(Some("arn:aws:kms:us-west-2:111122223333:key/mrk-1")).await;
    assert!(elsewhere.contains("TENET_VAULT_KEY") && elsewhere.contains("us-west-2"), "{elsewhere}");
}
