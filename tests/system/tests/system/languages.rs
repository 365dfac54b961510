//! Rules in three languages and one table of cases: what is stored is what was computed, or there
//! is an error.

use std::fs;
use std::path::Path;

use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tenet_core::{CallerId, FollowUpId, IdempotencyKey, Timestamp};
use tenet_events::Buses;
use tenet_pipeline::{Answer, Status};

use crate::support;
use crate::support::bundle::languages;
use crate::support::database::Database;
use crate::support::host::{EAST, Host};
use crate::support::tenet::tenet;

/// The languages, with one operation each.
const LANGUAGES: [&str; 3] = ["rust", "javascript", "python"];

/// As many concurrent requests as a sandbox has connections.
const AT_ONCE: usize = 16;

#[derive(Deserialize)]
struct Cases {
    write: Vec<Case>,
    /// Values that are counted in units: Python has its own types for them.
    count: Vec<Case>,
    copy: Vec<Copy>,
    /// Types, each tested with NULL.
    none: Vec<String>,
    compute: Vec<Computation>,
}

#[derive(Deserialize)]
struct Case {
    r#type: String,
    value: Box<RawValue>,
    stored: Option<String>,
    /// The path in the payload of a text that cannot be stored.
    path: Option<String>,
}

#[derive(Deserialize)]
struct Copy {
    r#type: String,
    /// In PostgreSQL's notation.
    value: String,
    #[serde(default)]
    refused: Vec<String>,
}

#[derive(Deserialize)]
struct Computation {
    r#do: String,
    one: Box<RawValue>,
    other: Option<Box<RawValue>>,
    precision: Option<u32>,
    scale: Option<u32>,
    is: Option<String>,
}

fn cases() -> Cases {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../languages/cases.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Hosts for the rules in all languages, on one database.
struct Hosts {
    guests: Host,
    languages: Host,
}

impl Hosts {
    fn start(database: &Database) -> Self {
        let buses = Buses::new([EAST]).unwrap();
        let (folder, index) = languages();
        Self {
            guests: Host::start("guests", database.url(), EAST, &buses),
            languages: Host::of(database.url(), EAST, &buses, &folder, &index),
        }
    }

    /// The host of the rule in a language, and its operation.
    fn of<'a>(&'a self, language: &'a str) -> (&'a Host, &'a str) {
        match language {
            "rust" => (&self.guests, "values"),
            _ => (&self.languages, language),
        }
    }

    /// The answer of the rule in a language to these members, which begin with a comma.
    async fn ask(&self, language: &str, id: &str, members: &str) -> Answer {
        let (host, operation) = self.of(language);
        host.invoke(&format!(r#"{{"operation":"{operation}","id":"{id}"{members}}}"#)).await.answer
    }

    /// The output of an accepted request.
    async fn output(&self, language: &str, members: &str) -> Value {
        let answer = self.ask(language, "1", members).await;
        assert_eq!(answer.status, Status::Accepted, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

/// The result of a case as text: the stored value, or the code of the refusal.
fn told(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    match answer.status {
        Status::Accepted => body.as_str().unwrap().to_owned(),
        Status::Rejected => "refused".to_owned(),
        _ => answer.body.clone(),
    }
}

/// Runs all concurrently, and returns what is wrong.
async fn wrong(asked: impl Iterator<Item = impl Future<Output = Option<String>>>) -> Vec<String> {
    stream::iter(asked).buffer_unordered(AT_ONCE).filter_map(async |wrong| wrong).collect().await
}

#[tokio::test]
async fn what_is_stored_is_what_was_computed_or_an_error_in_every_language() {
    let database = support::database().await;
    let hosts = Hosts::start(&database);
    let cases = cases();

    let written = cases.write.iter().flat_map(|case| LANGUAGES.map(|language| (language, case)));
    let counted = cases.count.iter().flat_map(|case| ["rust", "javascript"].map(|language| (language, case)));
    let one = async |number: usize, language: &str, case: &Case| {
        let members = format!(r#","do":"write","type":"{}","value":{}"#, case.r#type, case.value);
        let answer = hosts.ask(language, &format!("write-{number}"), &members).await;
        let mut is = told(&answer);
        let mut should = case.stored.as_deref().unwrap_or("refused").to_owned();
        if let Some(path) = &case.path {
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            is = format!("{} {}", body["code"], body["details"]["path"]);
            should = format!("\"invalid-payload\" {}", serde_json::to_string(path).unwrap());
        }
        (is != should).then(|| format!("{language} writes {} {}: {is}, not {should}", case.r#type, case.value))
    };
    let all = written.chain(counted).enumerate();
    let wrong_writes = wrong(all.map(|(number, (language, case))| one(number, language, case))).await;
    assert!(wrong_writes.is_empty(), "{wrong_writes:#?}");

    let client = database.connect().await;
    for (number, Copy { r#type, value, .. }) in cases.copy.iter().enumerate() {
        for language in LANGUAGES {
            let value = value.replace('\'', "''");
            let row = format!("INSERT INTO held (id, of_{type}) VALUES ('{language}-{number}', '{value}')");
            client.batch_execute(&row).await.unwrap();
        }
    }
    let one = async |number: usize, language: &str, Copy { r#type, value, refused }: &Copy| {
        let id = format!("{language}-{number}");
        let is = hosts.ask(language, &id, &format!(r#","do":"copy","type":"{type}""#)).await;
        let should = if refused.iter().any(|other| other == language) { Status::Rejected } else { Status::Accepted };
        let same = format!(
            "SELECT count(*) FROM held a, held b WHERE a.id = '{id}' AND b.id = '{id}-copy' \
             AND a.of_{type}::text = b.of_{type}::text"
        );
        let copies = database.count(&same).await;
        let right = is.status == should && copies == i64::from(should == Status::Accepted);
        (!right).then(|| format!("{language} copies {type} {value}: {} with {copies} copies", is.body))
    };
    let all =
        cases.copy.iter().enumerate().flat_map(|(number, copy)| LANGUAGES.map(|language| (number, language, copy)));
    let wrong_copies = wrong(all.map(|(number, language, copy)| one(number, language, copy))).await;
    assert!(wrong_copies.is_empty(), "{wrong_copies:#?}");

    let one = async |number: usize, language: &str, case: &Computation| {
        let member = |name: &str, value: Option<String>| value.map(|value| format!(r#","{name}":{value}"#));
        let members = [
            Some(format!(r#","do":"{}""#, case.r#do)),
            member("one", Some(case.one.to_string())),
            member("other", case.other.as_ref().map(|other| other.to_string())),
            member("precision", case.precision.map(|precision| precision.to_string())),
            member("scale", case.scale.map(|scale| scale.to_string())),
        ];
        let members: String = members.into_iter().flatten().collect();
        let is = told(&hosts.ask(language, &format!("compute-{language}-{number}"), &members).await);
        let should = case.is.as_deref().unwrap_or("refused");
        (is != should).then(|| format!("{language} computes {members}: {is}, not {should}"))
    };
    let all = cases.compute.iter().enumerate().flat_map(|(number, case)| LANGUAGES.map(|it| (number, it, case)));
    let wrong_results = wrong(all.map(|(number, language, case)| one(number, language, case))).await;
    assert!(wrong_results.is_empty(), "{wrong_results:#?}");
}

#[tokio::test]
async fn null_has_a_type_in_every_language() {
    let database = support::database().await;
    let hosts = Hosts::start(&database);
    for language in LANGUAGES {
        for kind in cases().none {
            let members = format!(r#","do":"none","type":"{kind}""#);
            let answer = hosts.ask(language, &format!("{language}-{kind}"), &members).await;
            assert_eq!(told(&answer), r#"{"is": null}"#, "{language} {kind}");
        }
    }
    // One row each, except for `json`, which has no column.
    let rows = i64::try_from(LANGUAGES.len() * (cases().none.len() - 1)).unwrap();
    assert_eq!(database.count("SELECT count(*) FROM held").await, rows);
}

#[tokio::test]
async fn a_value_that_the_database_does_not_take_is_a_rejection_in_every_language() {
    let database = support::database().await;
    let hosts = Hosts::start(&database);
    for language in LANGUAGES {
        let answer = hosts.ask(language, language, r#","do":"divide""#).await;
        assert_eq!(answer.status, Status::Rejected, "{language}: {}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((&body["code"], &body["details"]["sqlstate"]), (&json!("invalid-data"), &json!("22012")));
    }
}

#[tokio::test]
async fn what_follows_is_the_same_in_every_language() {
    let database = support::database().await;
    let hosts = Hosts::start(&database);
    let client = database.connect().await;
    let now = Timestamp(1_769_860_800_123_456);
    let members = r#","do":"schedule","value":[9.50,12345678901234567890,"ä"]"#;
    for language in LANGUAGES {
        let (host, operation) = hosts.of(language);
        let event = format!(r#"{{"operation":"{operation}","id":"{language}"{members}}}"#);
        let answer = host.invoke_at(now, &event).await.answer;
        assert_eq!(answer.status, Status::Accepted, "{language}: {}", answer.body);
        let key = IdempotencyKey::new(language).unwrap();
        let ids: Vec<String> = (0..3)
            .map(|ordinal| FollowUpId::derive(operation, CallerId::ANONYMOUS, &key, now, ordinal).to_string())
            .collect();
        assert_eq!(answer.body, format!("\"{}\"", ids.join(" ")), "{language}");

        let rows = "SELECT id::text, due::text, operation, payload, on_rejection, rejection_payload, on_failure, \
                    failure_payload, label FROM tenet.follow_ups ORDER BY due";
        let rows = client.query(rows, &[]).await.unwrap();
        let rows: Vec<Vec<Option<String>>> =
            rows.iter().map(|row| (0..row.len()).map(|column| row.get(column)).collect()).collect();
        let next = |name: &str| {
            let id = format!(r#"{{"id":"{language}-{name}","do":"current""#);
            Some(format!(r#"{id},"value":[9.50,12345678901234567890,"ä"]}}"#))
        };
        let call = |name: &str| [Some(operation.to_owned()), next(name)];
        let row = |ordinal: usize, due: &str, name: &str, [rejected, failed]: [[Option<String>; 2]; 2], label: &str| {
            let due = format!("2026-01-31 {due}+00");
            let label = Some(label.to_owned()).filter(|label| !label.is_empty());
            [vec![Some(ids[ordinal].clone()), Some(due)], call(name).into(), [rejected, failed].concat(), vec![label]]
                .concat()
        };
        let none = || [[None, None], [None, None]];
        let expected = [
            row(0, "12:00:00.123456", "once", none(), ""),
            row(1, "12:00:01.623456", "after", [call("rejected"), call("failed")], "one ä"),
            row(2, "13:00:00.5", "at", none(), ""),
        ];
        assert_eq!(rows, expected, "{language}");

        // All are past. Each is asked which it is, and a request is none.
        assert_eq!(host.relay().await.followed, 3, "{language}");
        let held = format!("SELECT of_text FROM held WHERE id LIKE '{language}-%' ORDER BY of_text");
        let held = client.query(&held, &[]).await.unwrap();
        let held: Vec<String> = held.iter().map(|row| row.get(0)).collect();
        let mut sorted = ids;
        sorted.sort();
        assert_eq!(held, sorted, "{language}");
        let asked = hosts.ask(language, &format!("{language} asked"), r#","do":"current""#).await;
        assert_eq!(told(&asked), "none", "{language}");

        let event = format!(r#"{{"operation":"{operation}","id":"{language} again"{members}}}"#);
        let scheduled: String = serde_json::from_str(&host.invoke(&event).await.answer.body).unwrap();
        for id in scheduled.split(' ') {
            // Two spellings, since the member is also the key.
            for (id, waited) in [(id.to_owned(), "true"), (id.to_uppercase(), "false")] {
                let cancelled = hosts.ask(language, &format!("cancel {id}"), r#","do":"cancel""#).await;
                assert_eq!(told(&cancelled), waited, "{language}");
            }
        }
        assert_eq!(host.relay().await.followed, 0, "{language}");
        let cancelled = hosts.ask(language, "cancel one", r#","do":"cancel""#).await;
        assert_eq!(cancelled.status, Status::Failed, "{language}: {}", cancelled.body);
    }
}

#[tokio::test]
async fn a_payload_that_a_statement_is_refused_for_stays_refused() {
    let database = support::database().await;
    let hosts = Hosts::start(&database);
    // In Rust an error is a value, which can be ignored: the statement was not sent.
    let lost = hosts.ask("rust", "rust", r#","do":"lose","one":1,"value":"a\u0000""#).await;
    assert!(lost.status == Status::Rejected && lost.body.contains(r#""path":"/value""#), "{}", lost.body);
}

#[tokio::test]
async fn numbers_of_a_payload_are_of_one_type_each() {
    let database = support::database().await;
    let hosts = Hosts::start(&database);
    for (at, (whole, told)) in
        [("5", "bigint"), ("5.0", "bigint"), ("5e0", "bigint"), ("1e30", "bigint")].into_iter().enumerate()
    {
        let members = format!(r#","do":"types","whole":{whole},"value":[5,5.0,0.5,1e30]"#);
        let types = hosts.ask("javascript", &at.to_string(), &members).await.body;
        assert_eq!(types, format!("\"{told} Decimal Decimal Decimal Decimal number bigint Decimal Decimal\""));
        let types = hosts.ask("python", &at.to_string(), &members).await.body;
        assert_eq!(types, "\"int Decimal Decimal Decimal Decimal int int Decimal Decimal\"");
    }
    for language in ["javascript", "python"] {
        let answer = hosts.ask(language, "fraction", r#","do":"types","whole":0.5,"value":[]"#).await;
        assert!(answer.body.contains(r#""details":{"path":"/whole"}"#), "{}", answer.body);
    }
}

#[tokio::test]
async fn javascript_neither_wraps_nor_cuts_a_number_and_its_operators_refuse_a_decimal() {
    let database = support::database().await;
    let hosts = Hosts::start(&database);
    let operators = hosts.output("javascript", r#","do":"operators","one":9.50,"other":100.00"#).await;
    let (thrown, text) = (json!("TypeError"), json!("9.50"));
    assert_eq!((&operators["text"], &operators["json"]), (&text, &json!(r#"{"one":9.50}"#)));
    for (operator, said) in operators.as_object().unwrap() {
        assert!(operator == "text" || operator == "json" || said == &thrown, "{operator}: {said}");
    }
    let helpers = hosts.ask("javascript", "helpers", r#","do":"helpers""#).await.body;
    let helpers: Value = serde_json::from_str(&helpers).unwrap();
    for (helper, said) in helpers.as_object().unwrap() {
        let should = match helper.as_str() {
            "map" | "promise" | "forged" | "unknown" | "number" | "both" | "pair" | "option" => "TypeError",
            "refused" => "Error",
            _ => "DataError",
        };
        assert!(said == should || (helper == "nothing" && said == "null"), "{helper}: {said}");
    }
}

#[tokio::test]
async fn python_computes_exactly_or_not_at_all() {
    let database = support::database().await;
    let hosts = Hosts::start(&database);
    let computed = hosts.ask("python", "operators", r#","do":"operators""#).await.body;
    let ones = "1".repeat(40);
    for (name, is) in [
        ("sum", format!("{ones}.{ones}")),
        ("negated", format!("-{ones}")),
        ("quarter", "0.25".to_owned()),
        ("rounded", "1.00".to_owned()),
        ("third", "\"Inexact\"".to_owned()),
        ("quantize", "\"Inexact\"".to_owned()),
        ("float", "\"FloatOperation\"".to_owned()),
        ("large", "\"DataError\"".to_owned()),
    ] {
        assert!(computed.contains(&format!("\"{name}\":{is}")), "{name}: {computed}");
    }
    let helpers = hosts.ask("python", "helpers", r#","do":"helpers""#).await.body;
    let helpers: Value = serde_json::from_str(&helpers).unwrap();
    // A date within JSON is its text.
    assert_eq!(helpers["date"], 1);
    for (helper, said) in helpers.as_object().unwrap().iter().filter(|(helper, _)| *helper != "date") {
        let should = match helper.as_str() {
            "zoned" | "set" | "unknown" | "seconds" | "naive" | "both" | "pair" => "TypeError",
            "refused" => "RuntimeError",
            _ => "DataError",
        };
        assert_eq!(said, should, "{helper}");
    }
}

#[tokio::test]
async fn a_rule_is_run_to_its_end_and_a_rejection_is_its_answer() {
    let database = support::database().await;
    let hosts = Hosts::start(&database);
    let ask = async |language: &str, what: &str| hosts.ask(language, what, &format!(r#","do":"{what}""#)).await;
    for (language, what) in
        [("javascript", "late"), ("javascript", "forgotten"), ("javascript", "swallowed"), ("python", "swallowed")]
    {
        let answer = ask(language, what).await;
        assert_eq!(answer.status, Status::Rejected, "{language} {what}: {}", answer.body);
    }
    for (language, what) in
        [("javascript", "never"), ("javascript", "generator"), ("python", "late"), ("python", "generator")]
    {
        let answer = ask(language, what).await;
        assert_eq!(answer.status, Status::Failed, "{language} {what}: {}", answer.body);
    }
    assert_eq!(database.count("SELECT count(*) FROM held").await, 0);
    let answer = ask("javascript", "waits").await;
    assert_eq!((answer.status, answer.body.as_str()), (Status::Accepted, "\"1\""));
    assert_eq!(database.count("SELECT count(*) FROM held").await, 1);
}

#[test]
fn a_rule_that_would_not_be_run_is_refused_when_it_is_built() {
    let scratch = tempfile::tempdir().unwrap();
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest").canonicalize().unwrap();
    let write = |path: &str, text: &str| {
        let place = scratch.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    };
    for file in fs::read_dir(guest.join("javascript/sdk")).unwrap() {
        let file = file.unwrap();
        write(&format!("sdk/{}", file.file_name().display()), &fs::read_to_string(file.path()).unwrap());
    }
    write("tenet.toml", "version = 1\n\n[operations.r]\nrules = [\"r\"]\n");
    let python_path = guest.join("python/sdk");
    for (file, text, told) in [
        (
            "rule.js",
            "import { rule } from '../../sdk/tenet.js';\nexport const { evaluate, describe } = rule({}, function* () {});\n",
            "a rule is a function, and no generator",
        ),
        (
            "rule.py",
            "import tenet\n\n\nasync def r(payload):\n    pass\n\n\nWitWorld = tenet.rule(r)\n",
            "a rule is a function that returns its output: no coroutine",
        ),
    ] {
        let _gone = fs::remove_dir_all(scratch.path().join("rules"));
        write(&format!("rules/r/{file}"), text);
        let path = if file == "rule.py" { format!("python_path = [{python_path:?}]\n") } else { String::new() };
        write("rules/r/rule.toml", &format!("version = 1\ndescription = \"Does nothing\"\n{path}"));
        let ended = tenet(scratch.path(), &["build"]);
        assert!(ended.code == 3 && ended.stderr.contains(told), "{}", ended.stderr);
    }
}
