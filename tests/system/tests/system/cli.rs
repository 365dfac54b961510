//! The error messages of the harness: what is wrong, where, and what to do next.

use std::fs;
use std::net::TcpListener;

use crate::support;
use crate::support::bundle::bundle;
use crate::support::tenet::tenet;

/// A bundle with one rule, whose manifest ends with this text. It is never built.
fn scratch(rest: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("rules/record")).unwrap();
    for (path, text) in [
        ("tenet.toml", format!("version = 1\n\n[operations.write]\n{rest}").as_str()),
        ("rules/record/Cargo.toml", ""),
        ("rules/record/rule.toml", "version = 1\ndescription = \"Records.\"\n"),
    ] {
        fs::write(folder.path().join(path), text).unwrap();
    }
    folder
}

#[test]
fn an_error_of_a_manifest_shows_the_line_and_the_name_that_was_meant() {
    let folder = scratch("rules = [\"recrod\"]\nkey = \"id\"\n");
    let ended = tenet(folder.path(), &["build"]);
    assert_eq!(ended.code, 3);
    assert_eq!(
        ended.stderr,
        r#"  error[T0104]: the operation write names the rule recrod, and there is no folder rules/recrod
   ,-[tenet.toml:4:10]
 3 | [operations.write]
 4 | rules = ["recrod"]
   :          ^^^^^^^^
 5 | key = "id"
   `----
  help: did you mean `record`?
"#
    );
}

#[test]
fn a_pattern_that_is_not_understood_is_shown_with_the_operation_and_the_reason() {
    let good = "[[operations.write.events]]\nsource = [\"bank\"]\n\n";
    let bad = "[[operations.write.events]]\ndetail.amount = [{ numric = [\">\", 100.5] }]\n";
    let folder = scratch(&format!("rules = [\"record\"]\n\n{good}{bad}"));
    let ended = tenet(folder.path(), &["build"]);
    assert_eq!(ended.code, 3);
    assert_eq!(
        ended.stderr,
        r#"  error[T0108]: the operation write cannot take events by this pattern: the operator `numric` is not understood (detail.amount)
    ,-[tenet.toml:9:1]
  8 | 
  9 | [[operations.write.events]]
    : ^^^^^^^^^^^^^^^^^^^^^^^^^^^
 10 | detail.amount = [{ numric = [">", 100.5] }]
    `----
"#
    );
}

#[test]
fn what_eventbridge_would_not_compare_or_take_is_refused_before_anything_is_built() {
    for (pattern, says) in [
        ("detail.n = [9007199254740993]", "the number 9007199254740993 is none that EventBridge promises to compare"),
        ("detail.n = [{ numeric = [\">\", 5000000001] }]", "-5e9 to 5e9"),
        ("detail.n = [{ numeric = [\"<\", 0.1234567] }]", "six of them behind the point"),
        ("detail.n = [nan]", "NaN is no number of JSON"),
        ("detail.n = [{ null = false }]", "null is written `{ null = true }`"),
    ] {
        let folder = scratch(&format!("rules = [\"record\"]\n[[operations.write.events]]\n{pattern}\n"));
        let ended = tenet(folder.path(), &["build"]);
        assert!(ended.code == 3 && ended.stderr.contains("error[T0108]"), "{pattern}: {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{pattern}: {}", ended.stderr);
    }
    let folder = scratch("rules = [\"record\"]\n");
    let text = "version = 1\ndescription = \"Records.\"\n\n[events]\n\"aws.ec2\" = [\"*\"]\n";
    fs::write(folder.path().join("rules/record/rule.toml"), text).unwrap();
    let ended = tenet(folder.path(), &["build"]);
    assert_eq!(ended.code, 3);
    for part in [",-[rules/record/rule.toml:5:1]\n", "EventBridge keeps to AWS's own services", "\"aws.ec2\""] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn an_error_of_a_rule_s_manifest_names_that_file() {
    let folder = scratch("rules = [\"record\"]\n");
    let text = "version = 1\ndescription = \"Records.\"\n\n[limits]\nstatments = 2\n";
    fs::write(folder.path().join("rules/record/rule.toml"), text).unwrap();
    let ended = tenet(folder.path(), &["run", "write"]);
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains(",-[rules/record/rule.toml:5:1]\n"), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("  help: did you mean `statements`?\n"), "{}", ended.stderr);
}

#[test]
fn a_payload_that_is_not_json_is_shown_where_it_is_not() {
    let folder = scratch("rules = [\"record\"]\n");
    let ended = tenet(folder.path(), &["run", "write", "--payload", "{\"id\": \"1\", points: 5}"]);
    assert_eq!(ended.code, 2, "the request cannot be served as it is");
    assert_eq!(ended.stdout, "");
    assert_eq!(
        ended.stderr,
        r#"  error[T0802]: the payload is not JSON: key must be a string
   ,-[--payload:1:13]
 1 | {"id": "1", points: 5}
   :             ^
   `----
  help: it is a JSON object; in a shell, put it in single quotes
"#
    );
    let cut = tenet(folder.path(), &["run", "write", "--payload", "{\"id\": \"1\""]);
    assert_eq!(cut.code, 2);
    assert!(cut.stderr.contains(",-[--payload:1:10]"), "{}", cut.stderr);
    let cut = tenet(folder.path(), &["run", "write", "--payload", "{\"id\": “1”}"]);
    assert!(cut.stderr.contains(",-[--payload:1:8]"), "{}", cut.stderr);
}

#[test]
fn a_folder_that_is_no_bundle_is_told_with_the_command_that_makes_one() {
    let folder = tempfile::tempdir().unwrap();
    let ended = tenet(folder.path(), &["run", "write"]);
    assert_eq!(ended.code, 3);
    assert_eq!(
        ended.stderr,
        "  error[T0101]: . is no bundle: it has neither tenet.toml nor index.json\n  \
           help: name one with --bundle; `tenet new PATH` makes one\n"
    );
}

#[test]
fn a_bundle_that_is_not_built_is_told_with_the_command_that_builds_it() {
    let folder = scratch("rules = [\"record\"]\n");
    let url = "postgres://missing@127.0.0.1/nothing";
    let ended = tenet(folder.path(), &["schema", "apply", "--database-url", url, "."]);
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.starts_with("  error[T0101]: . is no built bundle\n"), "{}", ended.stderr);
    assert!(
        ended.stderr.ends_with("  help: `tenet build .` builds it; then name ./target/tenet\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://app:hunter2@127.0.0.1:{port}/orders");
    let (rules, _) = bundle("rules");
    let run = ["run", "read", "--database-url", &url, "--bundle", rules.to_str().unwrap()];
    let ended = tenet(&rules, &run);
    assert_eq!((ended.code, ended.stdout.as_str()), (3, ""));
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    let told = format!("  error[T0801]: the database 127.0.0.1:{port}/orders is not to be had\n");
    assert!(ended.stderr.starts_with(&told), "{}", ended.stderr);
    assert!(ended.stderr.contains("refused") && ended.stderr.contains("  help: see that it runs"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_database_without_the_tables_is_told_with_the_command_that_makes_them() {
    let database = support::empty_database().await;
    let (rules, _) = bundle("rules");
    let bundle = rules.to_str().unwrap();
    let run = ["run", "read", "--database-url", database.url(), "--bundle", bundle];
    let ended = tenet(&rules, &run);
    assert_eq!((ended.code, ended.stdout.as_str()), (3, ""));
    assert!(ended.stderr.contains("the schema step tenet/0001_schema is not applied\n"), "{}", ended.stderr);
    let help = format!("  help: `tenet schema apply --database-url URL {bundle}` brings it up to date\n");
    assert!(ended.stderr.ends_with(&help), "{}", ended.stderr);

    // The host's own tables alone are not enough.
    assert_eq!(tenet(&rules, &["schema", "apply", "--database-url", database.url()]).code, 0);
    let ended = tenet(&rules, &run);
    assert!(ended.stderr.contains("bundle/schema/0001_transactions.sql is not applied\n"), "{}", ended.stderr);

    assert_eq!(tenet(&rules, &["schema", "apply", "--database-url", database.url(), bundle]).code, 0);
    let ended = tenet(&rules, &run);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "{\"transaction_count\":0,\"region\":\"us-east-1\"}\n"));
}

#[tokio::test]
async fn a_bundle_is_checked_before_it_is_shipped() {
    let database = support::database().await;
    let (folder, _) = bundle("rules");
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/rules").canonicalize().unwrap();
    let [source, out] = [&source, &folder].map(|path| path.to_str().unwrap());
    let checked = tenet(&folder, &["check", source, "--out", out, "--database-url", database.url()]);
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stdout.contains("transfer                 update accounts.balance\n"), "{}", checked.stdout);
    assert!(checked.stderr.ends_with("check: 0 errors, 0 warnings\n"), "{}", checked.stderr);

    // The same rules on a database without the tables that they need.
    database.execute("ALTER TABLE ledger DROP COLUMN payee").await;
    database.execute("ALTER TABLE daily_totals ALTER COLUMN day TYPE text").await;
    let checked = tenet(&folder, &["check", source, "--out", out, "--database-url", database.url()]);
    assert_eq!(checked.code, 1, "{}{}", checked.stdout, checked.stderr);
    let found = |what: &str| checked.stdout.lines().any(|line| line.starts_with("error: ") && line.contains(what));
    assert!(found("rule transfer: asks for ledger.payee, and the table has no such column"), "{}", checked.stdout);
    assert!(found("rules/transfer/src/lib.rs:39: column \"payee\" of relation"), "{}", checked.stdout);

    let component = folder.join("index.json");
    let refused = tenet(&folder, &["check", "--component", component.to_str().unwrap()]);
    assert_eq!(refused.code, 1);
    assert!(refused.stdout.contains("not WebAssembly"), "{}", refused.stdout);
}

#[test]
fn what_is_asked_is_granted_by_a_command_of_its_own_and_shown_as_a_difference() {
    let folder = scratch("rules = [\"record\"]\n");
    let manifest = folder.path().join("rules/record/rule.toml");
    let asks = |rest: &str| fs::write(&manifest, format!("version = 1\ndescription = \"d\"\n{rest}")).unwrap();
    let grant = |arguments: &[&str]| tenet(folder.path(), &[&["grant"], arguments].concat());
    asks("[tables.accounts]\nselect = [\"id\", \"balance\"]\n[limits]\ncpu_ms = 500\n");
    let built = tenet(folder.path(), &["build"]);
    assert_eq!(built.code, 3);
    let lacks = "asks for what is not granted to it: select accounts.balance, select accounts.id, cpu_ms 500";
    assert!(built.stderr.contains(lacks) && built.stderr.contains("`tenet grant`"), "{}", built.stderr);

    let plus = "+ record: cpu_ms 500\n+ record: select accounts.balance\n+ record: select accounts.id\n";
    let checked = grant(&["--check"]);
    assert_eq!((checked.code, checked.stdout.as_str()), (2, plus));
    assert!(!folder.path().join("grants.lock").exists());
    let granted = grant(&[]);
    assert_eq!((granted.code, granted.stdout.as_str()), (0, plus));
    assert_eq!(grant(&["--check"]).code, 0);

    asks("[tables.accounts]\nselect = [\"id\"]\nupdate = [\"balance\"]\n");
    let granted = grant(&["--rule", "record"]);
    let changed = "- record: cpu_ms 500\n- record: select accounts.balance\n+ record: update accounts.balance\n";
    assert_eq!((granted.code, granted.stdout.as_str()), (0, changed));
    let inspected = tenet(folder.path(), &["inspect"]);
    assert!(inspected.stdout.contains("asked  granted  ?     update accounts.balance"), "{}", inspected.stdout);

    asks("[tables.\"tenet.keys\"]\nselect = \"*\"\n");
    let refused = grant(&[]);
    assert!(refused.code == 3 && refused.stderr.contains("tenet.keys belongs to the host"), "{}", refused.stderr);
    asks("[limits]\ncpu_ms = 60000\n");
    let refused = grant(&[]);
    assert!(refused.stderr.contains("cpu_ms was passed: 10000 allowed, 60000 used"), "{}", refused.stderr);
    asks("");
    assert!(grant(&["--rule", "recrod"]).stderr.contains("did you mean"), "a rule that is not there");
}

/// A component with this many nested components.
fn nested(depth: usize) -> Vec<u8> {
    const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
    // Built from the inside out, so from the end to the beginning.
    let mut reversed: Vec<u8> = HEADER.iter().rev().copied().collect();
    for _ in 1..depth {
        let (mut length, mut section) = (reversed.len(), vec![4]);
        while length > 0x7f {
            section.push(length as u8 | 0x80);
            length >>= 7;
        }
        section.push(length as u8);
        reversed.extend([HEADER, &section].concat().iter().rev());
    }
    reversed.reverse();
    reversed
}

#[test]
fn a_component_that_a_compiler_would_drown_in_is_refused_before_it_is_compiled() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bomb.wasm"), nested(100_000)).unwrap();
    let ended = tenet(folder.path(), &["check", "--component", "bomb.wasm"]);
    let says = "more than 8 modules and components inside each other";
    assert!(ended.code == 1 && ended.stdout.contains(says), "{}{}", ended.stdout, ended.stderr);
    // A file may be endless.
    let ended = tenet(folder.path(), &["check", "--component", "/dev/zero"]);
    assert!(ended.code == 3 && ended.stderr.contains("more than 67108864 bytes"), "{}{}", ended.stdout, ended.stderr);
}

/// Checks that a text contains only characters that a terminal displays.
fn shows_only(text: &str) {
    let obeyed = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}');
    assert!(!text.contains(obeyed), "{text:?}");
    assert!(!text.lines().any(|line| line.trim_start().starts_with("error: made up")), "{text}");
}

#[tokio::test]
async fn what_a_rule_a_database_or_a_file_says_is_obeyed_by_no_terminal() {
    const HOSTILE: &str = "\u{1b}[2J\u{9b}31m\u{202e}\nerror: made up\r";
    const SHOWN: &str = r"\u{1b}[2J\u{9b}31m\u{202e}\nerror: made up\r";
    let hostile = serde_json::to_string(HOSTILE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let step = |payload: &str| format!("[[step]]\noperation = \"probe\"\npayload = {payload}\nreject = \"never\"\n");
    let log = step(&format!("{{ do = \"log\", message = {hostile} }}"));
    let sql = step(&format!(
        "{{ do = \"sql\", sql = {} }}",
        hostile.replacen('"', "\"SELECT CAST('", 1).replace(r#"\r""#, r#"\r' AS integer)""#)
    ));
    // TOML requires the other characters to be escaped too.
    let text = format!("version = 1\n{log}{sql}").replace('\u{9b}', r"\u009b").replace('\u{202e}', r"\u202e");
    let name = "a\u{1b}[31m\u{9b}\u{202e}.toml";
    fs::write(folder.path().join(name), text).unwrap();
    let (guests, _) = bundle("guests");
    let ended = tenet(folder.path(), &["test", "--bundle", guests.to_str().unwrap(), name]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    for says in [format!("log info: {SHOWN}"), format!("integer: \"{SHOWN}\""), r"a\u{1b}[31m".to_owned()] {
        assert!(ended.stdout.contains(&says), "{says}: {}", ended.stdout);
    }
    shows_only(&ended.stdout);
    shows_only(&ended.stderr);
    let ended = tenet(folder.path(), &["test", "--json", "--bundle", guests.to_str().unwrap(), name]);
    let case: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(case["name"].as_str(), name.strip_suffix(".toml"), "{}{}", ended.stdout, ended.stderr);
    shows_only(&ended.stdout);

    let database = support::database().await;
    let payload = format!("{{\"do\":\"sql\",\"sql\":{hostile}}}");
    let run = ["run", "probe", "--key", "k", "--database-url", database.url(), "--payload", &payload, "--bundle"];
    let ended = tenet(folder.path(), &[&run[..], &[guests.to_str().unwrap()]].concat());
    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    shows_only(&ended.stderr);
    // An answer that goes into a pipe may still end at a terminal.
    let payload = format!("{{\"do\":\"reject\",\"code\":\"no\",\"message\":{hostile}}}");
    let run = ["run", "probe", "--key", "l", "--database-url", database.url(), "--payload", &payload, "--bundle"];
    let ended = tenet(folder.path(), &[&run[..], &[guests.to_str().unwrap()]].concat());
    assert!(ended.stdout.contains(r"\u001b[2J\u009b31m\u202e\nerror: made up\r"), "{}", ended.stdout);
    shows_only(&ended.stdout);
    let answer: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, &answer["message"]), (1, &HOSTILE.into()), "{}{}", ended.stdout, ended.stderr);

    let scratch = scratch("rules = [\"rec\u{9b}rod\"]\n# \u{202e}");
    let ended = tenet(scratch.path(), &["build"]);
    assert!(ended.code == 3 && ended.stderr.contains("the rule"), "{}", ended.stderr);
    shows_only(&ended.stderr);
    let ended = tenet(folder.path(), &["check", "--component", HOSTILE]);
    assert!(ended.code == 3 && ended.stderr.contains(&format!("cannot read {SHOWN}")), "{}", ended.stderr);
    shows_only(&ended.stderr);
}
