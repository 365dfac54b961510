//! The workflow of a rule's author: from nothing to a tested rule, as shown in the terminal.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use snapbox::{assert_data_eq, str};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_postgres::error::SqlState;

use crate::support::database::connect;
use crate::support::shop::{Shop, cargo, root};
use crate::support::tenet::{Ended, tenet};
use crate::support::{self, bundle};

/// A timeout longer than any expected output takes.
const HANGS: Duration = Duration::from_secs(300);

const RULE: &str = "rules/gift/src/lib.rs";

#[test]
fn from_nothing_to_a_tested_rule_broken_mended_run_recorded_and_replayed() {
    let shop = Shop::new("gift");
    let ended = tenet(&shop.folder, &["new", "gift-twice"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.ends_with("next: tenet test --filter gift-twice\n"), "{}", ended.stderr);
    // It is formatted, and its native tests pass.
    cargo(&shop.folder, &["fmt", "--check"]);
    cargo(&shop.folder, &["clippy", "--locked", "--all-targets", "--", "-D", "warnings"]);
    cargo(&shop.folder, &["test", "--locked"]);

    // Its tests pass, and cover all of it.
    let junit = shop.folder.join("junit.xml");
    let ended = shop.tenet(&["test", "--min-coverage", "100", "--junit", junit.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    // Without a terminal there are plain lines: no colour, and nothing is redrawn.
    assert!(ended.stderr.starts_with("building 2 rules with "), "{}", ended.stderr);
    assert!(ended.stderr.contains("   Compiling gift v0.1.0"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(['\u{1b}', '\r']), "{:?}", ended.stderr);
    assert_data_eq!(
        ended.stdout,
        str![[r#"
pass  rules/gift/tests/at-once  [..] ms
      step 1: [..] orders run, [..] of them with a conflict injected[..]
pass  rules/gift/tests/changes-a-balance  [..] ms
pass  rules/gift/tests/refuses  [..] ms
pass  rules/gift-twice/tests/at-once  [..] ms
      step 1: [..] orders run, [..] of them with a conflict injected[..]
pass  rules/gift-twice/tests/changes-a-balance  [..] ms
pass  rules/gift-twice/tests/refuses  [..] ms

"#]]
    );
    assert!(ended.stderr.contains("6 passed, 0 failed in ") && ended.stderr.contains("(100 %)"), "{}", ended.stderr);
    let written = fs::read_to_string(&junit).unwrap();
    assert!(written.contains("tests=\"6\"") && written.contains("failures=\"0\""), "{written}");

    // A broken rule.
    shop.edit(RULE, "Some(balance) = input.balance_after(before)", "Some(balance) = Some(before + input.points)");
    let ended = shop.tenet(&["test", "--filter", "gift/tests/refuses"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert_data_eq!(
        ended.stdout,
        str![[r#"
FAIL  rules/gift/tests/refuses  [..] ms
      What cannot be is rejected and changes nothing
      T0602 step 1: expected to be rejected, and the answer is 200 {"customer":"ada","balance":-1}
      T0603 rows.gift_balances.added: found {"balance":-1,"customer":"ada"}, which is not expected
      what was done:
        step 1: gift in us-east-1 -> 200 {"customer":"ada","balance":-1}
            gift       SELECT balance FROM gift_balances WHERE customer = $1  ["ada"]
            gift         -> no row
            gift       INSERT INTO gift_balances (customer, balance) VALUES ($1, $2) ON CONFLICT (customer) DO UPDATE SET balance = excluded.balance  ["ada", -1]
            gift         -> 1 rows
            gift       publish gift "Balance Changed" {"id":"1","customer":"ada","points":-1,"balance":-1}
            commit {"customer":"ada","balance":-1}
        step 2: gift in us-east-1 -> 422 {"code":"invalid-customer","message":"a name has 1 to 255 bytes"}
            roll back, commit the rejection {"code":"invalid-customer","message":"a name has 1 to 255 bytes"}
      again: tenet test ./rules/gift/tests/refuses.toml
      more: tenet explain T0602
      more: tenet explain T0603

"#]]
    );
    let explained = tenet(&shop.folder, &["explain", "T0602"]);
    assert!(
        explained.stdout.starts_with("# T0602: An answer is not the one that is expected\n"),
        "{}",
        explained.stdout
    );

    // A panic is reported with its code and its place.
    shop.edit(
        RULE,
        "Some(balance) = Some(before + input.points)",
        "Some(balance) = Some(i64::MAX + input.points + before)",
    );
    let ended = shop.tenet(&["test", "--json", "rules/gift/tests/changes-a-balance.toml"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let result: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(result["passed"], false);
    assert!(result["failures"][0].as_str().unwrap().contains("(T0501: rule gift: it trapped: "), "{result}");

    // A step without an expectation expects acceptance, and a failure is never recorded as
    // expected.
    let new = shop.folder.join("tests/new.toml");
    fs::create_dir_all(new.parent().unwrap()).unwrap();
    let text =
        "version = 1\n\n[[step]]\noperation = \"gift\"\npayload = { id = \"1\", customer = \"bob\", points = 3 }\n";
    fs::write(&new, text).unwrap();
    let ended = shop.tenet(&["test", "tests/new.toml", "--update"]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let said = "T0602 step 1: expected to be accepted, as the step says nothing else, and the answer is 500 ";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert!(ended.stdout.contains("tests/new: not updated, since step 1 failed"), "{}", ended.stdout);
    assert_eq!(fs::read_to_string(&new).unwrap(), text);

    // Fixed again.
    let mended = "Some(balance) = input.balance_after(before)";
    shop.edit(RULE, "Some(balance) = Some(i64::MAX + input.points + before)", mended);
    let ended = shop.tenet(&["test", "--filter", "tests/new", "--update"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_data_eq!(
        ended.stdout,
        str![[r#"
pass  tests/new  [..] ms
--- tests/new
+++ tests/new
@@ -4,2 +4,8 @@
 operation = "gift"
 payload = { id = "1", customer = "bob", points = 3 }
+accept = { customer = "bob", balance = 3 }
+events = [{ source = "gift", detail-type = "Balance Changed", detail = { id = "1", customer = "bob", points = 3, balance = 3 } }]
+
+[[rows.gift_balances.added]]
+balance = 3
+customer = "bob"

"#]]
    );
    assert_eq!(shop.tenet(&["test", "--filter", "tests/new"]).code, 0);

    // If the database cannot type a parameter of a statement, that is not an error. A column that
    // defaults to the current time is reported.
    let step = "schema/0001_gift_balances.sql";
    shop.edit(
        step,
        "balance bigint NOT NULL",
        "balance bigint NOT NULL, given_at timestamptz NOT NULL DEFAULT now(), made date DEFAULT 'today'",
    );
    let (source, hour) = (fs::read_to_string(shop.folder.join(RULE)).unwrap(), "SELECT date_trunc('hour', $1), -$2");
    let more = format!("{source}\n#[allow(dead_code)]\nconst HOUR: &str = \"{hour} FROM gift_balances\";\n");
    fs::write(shop.folder.join(RULE), more).unwrap();
    let checked = shop.tenet(&["check"]);
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
    let told = |what: &str| checked.stdout.lines().any(|line| line.contains(what));
    assert!(told(": not checked without the types of its parameters: function date_trunc("), "{}", checked.stdout);
    assert!(told("warning: rule gift: gift_balances.given_at becomes now() by default"), "{}", checked.stdout);
    let frozen = "warning: schema/0001_gift_balances.sql:3: this default is the time at which the step is applied";
    assert!(told(frozen), "{}", checked.stdout);
    fs::write(shop.folder.join(RULE), source).unwrap();
    shop.edit(step, ", given_at timestamptz NOT NULL DEFAULT now(), made date DEFAULT 'today'", "");

    // Run, recorded, replayed.
    let payload = r#"{"id": "1", "customer": "ada", "points": 5}"#;
    let ended = shop.tenet(&["run", "gift", "--payload", payload, "--record", "tests/gift.capsule.json"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "{\"customer\":\"ada\",\"balance\":5}\n"), "{}", ended.stderr);
    let event = ended.stderr.lines().find_map(|line| line.strip_prefix("event: ")).unwrap();
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    assert_eq!((&event["source"], &event["detail-type"]), (&"gift".into(), &"Balance Changed".into()));
    assert_eq!((&event["detail"]["id"], &event["detail"]["balance"]), (&"1".into(), &5.into()));
    let ended = shop.tenet(&["replay", "tests/gift.capsule.json", "--times", "1000"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "same     tests/gift.capsule.json\n"), "{}", ended.stderr);
    // A folder of capsules is a test suite, and a capsule can become a test with expectations.
    assert_eq!(shop.tenet(&["test", "--filter", "tests/gift"]).code, 0);
    assert_eq!(shop.tenet(&["replay", "tests/gift.capsule.json", "--as-test"]).code, 0);
    // Concurrent requests with too many possible orders meet conflicts in half of the runs.
    let three: String = (1..4)
        .map(|id| {
            format!("{{ operation = \"gift\", payload = {{ id = \"{id}\", customer = \"ada\", points = 1 }} }}, ")
        })
        .collect();
    let text = format!("version = 1\n\n[[step]]\nschedules = 12\ntogether = [{three}]\n");
    fs::write(shop.folder.join("tests/three.toml"), text).unwrap();
    let ended = shop.tenet(&["test", "tests/three.toml"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let told = ended.stdout.lines().find(|line| line.contains("orders run")).unwrap();
    assert!(!told.contains(" 0 of them with a conflict") && told.contains("; there are more ("), "{told}");
    let ended = shop.tenet(&["test", "tests/gift.toml"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let before = fs::read(shop.built.path().join("rules/gift.wasm")).unwrap();
    shop.edit(RULE, "\"Balance Changed\", &event", "\"Balance  Changed\", &event");
    let ended = shop.tenet(&["replay", "tests/gift.capsule.json"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stdout.contains("event before: gift \"Balance Changed\""), "{}", ended.stdout);
    assert!(ended.stdout.contains("not taken: T0403 "), "{}", ended.stdout);
    assert!(ended.stdout.contains("the rule gift is another version"), "{}", ended.stdout);
    // Replaced by the previous version.
    fs::write(shop.folder.join("before.wasm"), before).unwrap();
    let ended = shop.tenet(&["replay", "tests/gift.capsule.json", "--rule", "before.wasm"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);

    fs::write(shop.folder.join(RULE), "fn broken() -> u8 { \"no\" }\n").unwrap();
    let ended = shop.tenet(&["build"]);
    assert_eq!(ended.code, 3);
    let told = "error[E0308]: mismatched types\n --> rules/gift/src/lib.rs:1:21\n";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(ended.stderr.contains("  error[T0201]: cargo could not build the rules of "), "{}", ended.stderr);
    assert!(ended.stderr.contains("  help: cargo's own message is above"), "{}", ended.stderr);
}

#[tokio::test]
async fn what_is_saved_is_served_with_its_statements_and_what_was_kept_is_there_again() {
    let shop = Shop::new("thank");
    let kept = |shop: &Shop| shop.built.path().join("kept.json").is_file();
    let payload = |id: u32| format!(r#"{{"id":"{id}","customer":"ada","points":1}}"#);
    for round in 0..2 {
        let mut dev = tokio::process::Command::new(support::path("TENET_TEST_TENET"));
        let mut dev = dev
            .args(["dev", "--port", "0", "--keep", "--out", shop.built.path().to_str().unwrap()])
            .current_dir(&shop.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(dev.stdout.take().unwrap()).lines();
        let mut told = async |part: &str| loop {
            let line = tokio::time::timeout(HANGS, lines.next_line()).await.expect(part).unwrap().expect(part);
            if line.contains(part) {
                return line;
            }
        };
        let address = told("us-east-1  http://").await.split_once("http://").unwrap().1.to_owned();
        let database = told("is the database, which ends with this").await;
        let database = connect(database.split_whitespace().next().unwrap()).await;
        let json = [("content-type", "application/json"), ("tenet-receipt", "1")];
        let ask =
            async |id| support::http::send(&address, "POST", "/operations/thank", &json, &payload(id)).await.unwrap();
        let answer = ask(round * 2).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, format!(r#"{{"customer":"ada","balance":{}}}"#, round * 2 + 1).as_str())
        );
        let receipt = answer.header("tenet-receipt").unwrap();
        assert!(receipt.contains("attempts=1, round_trips=3") && receipt.contains("statements=2"), "{receipt}");
        told("SELECT balance FROM thank_balances WHERE customer = $1  [\"ada\"]").await;
        let (from, to) =
            if round == 0 { ("checked_add(self.points)", "checked_add(self.points + 0)") } else { ("+ 0", "") };
        let note = "ALTER TABLE thank_balances ADD COLUMN IF NOT EXISTS note text";
        // As editors do: the file is there whole or not at all.
        let unsaved = shop.folder.join(".note.sql");
        fs::write(&unsaved, note).unwrap();
        fs::rename(unsaved, shop.folder.join(format!("schema/000{}_note.sql", round + 2))).unwrap();
        shop.edit("rules/thank/src/lib.rs", from, to);
        // Requests during the build are served by the previous version.
        let meanwhile = ask(round * 2).await;
        assert_eq!((meanwhile.status, meanwhile.header("idempotent-replayed")), (200, Some("true")));
        told("serving what was saved").await;
        assert_eq!(ask(round * 2 + 1).await.status, 200);
        // A changed schema is read on the running server, in a separate database.
        let sql =
            "SELECT count(note), (SELECT count(*) FROM pg_database WHERE datname LIKE 'made%') FROM thank_balances";
        // The command may have seen the second of the two saves first, and then builds twice.
        let found = loop {
            match database.query_one(sql, &[]).await {
                Err(error) if error.code() == Some(&SqlState::UNDEFINED_COLUMN) => {
                    told("serving what was saved").await;
                }
                found => break found.unwrap(),
            }
        };
        assert!(found.get::<_, i64>(1) >= 1, "{found:?}");
        let process = dev.id().unwrap().to_string();
        let killed = tokio::process::Command::new("kill").args(["-TERM", &process]).status().await.unwrap();
        assert!(killed.success() && dev.wait().await.unwrap().success());
        assert!(kept(&shop));
    }

    // Tests are run again after each save too, and saving a test builds nothing. Files that the
    // command itself writes, or that no test reads, start no run.
    let mut watch = tokio::process::Command::new(support::path("TENET_TEST_TENET"));
    let mut watch = watch
        .args(["test", "--watch", "rules/thank", "--filter", "refuses", "--junit", "junit.xml"])
        .args(["--out", shop.built.path().to_str().unwrap()])
        .current_dir(&shop.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stderr.take().unwrap()).lines();
    let mut runs = Vec::new();
    let mut told = async |part: &str| loop {
        let line = tokio::time::timeout(HANGS, lines.next_line()).await.expect(part).unwrap().expect(part);
        assert!(runs.is_empty() || !line.contains("building"), "{line}");
        let is_it = line.contains(part);
        if line.contains(" passed, ") {
            runs.push(line);
        }
        if is_it {
            return;
        }
    };
    told("waiting for a change").await;
    fs::write(shop.folder.join("README.md"), "Ours.").unwrap();
    fs::write(shop.folder.join("server.log"), "started").unwrap();
    shop.edit("rules/thank/tests/refuses.toml", "not-possible", "possible");
    told("waiting for a change").await;
    fs::write(shop.folder.join("server.log"), "stopped").unwrap();
    shop.edit("rules/thank/tests/refuses.toml", "possible", "not-possible");
    told("waiting for a change").await;
    let passed = |run: &String| run.starts_with("1 passed, 0 failed");
    assert_eq!(runs.iter().map(passed).collect::<Vec<_>>(), [true, false, true], "{runs:?}");
    assert!(shop.folder.join("junit.xml").is_file());
    // It ends at once on SIGTERM.
    let process = watch.id().unwrap().to_string();
    let killed = tokio::process::Command::new("kill").args(["-TERM", &process]).status().await.unwrap();
    assert!(killed.success());
    tokio::time::timeout(HANGS, watch.wait()).await.unwrap().unwrap();
}

/// The names of the passed tests. Checks that none failed.
fn passed(ended: &Ended) -> Vec<String> {
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let names = ended.stdout.lines().filter_map(|line| line.strip_prefix("pass  "));
    names.map(|line| line.split("  ").next().unwrap().to_owned()).collect()
}

#[test]
fn the_same_test_files_are_passed_by_three_languages() {
    let test = |bundle: &str, out: &str| {
        let arguments = ["test", "--bundle", bundle, "--out", out, "--filter", "rules/transfer/"];
        passed(&tenet(&root(), &arguments))
    };
    let rust = test("guest/rules", "target/tenet/rules");
    assert!(rust.len() >= 3, "{rust:?}");
    assert_eq!(test("guest/javascript", "target/tenet/javascript"), rust);
    assert_eq!(test("guest/python", "target/tenet/python"), rust);
}

#[test]
fn the_examples_pass_their_tests_which_reach_all_of_them() {
    let (out, _) = bundle::bundle("rules");
    let arguments = ["test", "--bundle", "guest/rules", "--out", out.to_str().unwrap(), "--min-coverage", "100"];
    let ended = tenet(&root(), &arguments);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn a_write_skew_is_found_with_the_schedule_that_repeats_it_and_its_correction_passes() {
    let (out, _) = bundle::bundle("guests");
    let test = |arguments: &[&str]| {
        let bundle = ["test", "--bundle", "tests/guests", "--out", out.to_str().unwrap()];
        tenet(&root(), &[&bundle, arguments].concat())
    };
    assert_eq!(passed(&test(&["--filter", "guarded"])), ["rules/guarded/tests/at-once"]);
    let ended = test(&["--filter", "skewed"]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.contains("T0606 step 1: the result of the requests at once is the result of no order"),
        "{}",
        ended.stdout
    );
    let again = ended.stdout.lines().find_map(|line| line.trim().strip_prefix("again: ")).unwrap();
    let schedule = again.split('\'').nth(1).unwrap();
    let ended = test(&["tests/guests/rules/skewed/tests/at-once.toml", "--schedule", schedule]);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(ended.stdout.contains(&format!("the order `{schedule}` brings")), "{}", ended.stdout);
    // One after the other, nothing is wrong.
    assert_eq!(test(&["--filter", "skewed", "--schedule", "1 1 1 2 2 2"]).code, 0);
    let ended = test(&["--filter", "skewed", "--schedule", "1 7"]);
    assert!(ended.stdout.contains("cannot be run: request 7"), "{}", ended.stdout);
}

#[test]
fn what_goes_wrong_can_be_tested() {
    let (out, _) = bundle::bundle("rules");
    let folder = tempfile::tempdir().unwrap();
    let test = |text: &str| {
        let path = folder.path().join("t.toml");
        fs::write(&path, format!("version = 1\n{text}")).unwrap();
        tenet(&root(), &["test", "--bundle", out.to_str().unwrap(), path.to_str().unwrap()])
    };
    let write = "[[step]]\noperation = \"write\"\npayload = { transaction_id = \"t-1\", amount = 1 }\n";
    let row = "[rows]\ntransactions.added = [{ id = \"t-1\" }]\n";
    for (fault, expected) in [
        ("conflict = [1, 2]", "accept = true\nat_most = { attempts = 3 }"),
        ("lost_commit_answer = true", "accept = true\nrepeated = false"),
        ("bus_down = true", "accept = true"),
    ] {
        let relay = if fault.starts_with("bus") { "[[step]]\nrelay = true\n" } else { "" };
        passed(&test(&format!("{write}{expected}\nfault = {{ {fault} }}\n{relay}{row}")));
    }
    passed(&test(&format!("{write}unavailable = \"out-of-time\"\nfault = {{ deadline = 1 }}\n[rows]\n")));
    let ended =
        test(&format!("{write}accept = true\nfault = {{ conflict = [1] }}\nat_most = {{ attempts = 1, fuel = 10 }}\n"));
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("T0605 step 1: at_most.attempts: 1 allowed, 2 used"), "{}", ended.stdout);
    assert!(ended.stdout.contains("T0605 step 1: at_most.fuel: 10 allowed, "), "{}", ended.stdout);
    let ended = test(&format!("{write}accpt = true\n"));
    assert!(ended.stdout.contains("error[T0601]: unknown field `accpt`"), "{}", ended.stdout);
    let nothing = tenet(folder.path(), &["test", "--bundle", out.to_str().unwrap()]);
    assert!(nothing.code == 3 && nothing.stderr.contains("error[T0607]: there are no tests"), "{}", nothing.stderr);
}

#[test]
fn what_is_wrong_with_a_bundle_has_a_code_that_explains_it() {
    let scratch = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let place = scratch.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    };
    let rule = "version = 1\ndescription = \"Records.\"\n";
    let manifest = "version = 1\n\n[operations.write]\nrules = [\"record\"]\n";
    let javascript = "export const evaluate = 1, describe = 2;\n";
    for (code, path, text, told) in [
        ("T0102", "tenet.toml", "version = 1\nsurprise = true\n", "unknown field `surprise`"),
        ("T0103", "tenet.toml", "version = 9\n", "version 9"),
        ("T0104", "tenet.toml", "version = 1\n[operations.write]\nrules = [\"x\"]\n", "no folder rules/x"),
        (
            "T0104",
            "tenet.toml",
            "version = 1\n[operations.write]\nrules = [\"record\"]\nshadow = { record = \"x\" }\n",
            "the shadow x",
        ),
        ("T0105", "rules/record/rule.py", "", "written in one way"),
        (
            "T0106",
            "rules/record/rule.toml",
            "version = 1\ndescription = \"d\"\n[limits]\ncpu_ms = 60000\n",
            "above its ceiling",
        ),
        (
            "T0107",
            "rules/record/rule.toml",
            "version = 1\ndescription = \"d\"\n[tables.a]\nselect = [\"b\"]\n",
            "select a.b",
        ),
        ("T0203", "rules/record/rule.js", "import x from 'left-pad';\n", "left-pad"),
        ("T0202", "rules/record/rule.wasm", "not WebAssembly", "did not become a component"),
    ] {
        for (path, text) in
            [("tenet.toml", manifest), ("rules/record/rule.toml", rule), ("rules/record/rule.js", javascript)]
        {
            write(path, text);
        }
        for other in ["rule.py", "rule.wasm"] {
            let _gone = fs::remove_file(scratch.path().join("rules/record").join(other));
        }
        if path.ends_with(".wasm") {
            fs::remove_file(scratch.path().join("rules/record/rule.js")).unwrap();
        }
        write(path, text);
        let ended = tenet(scratch.path(), &["build"]);
        assert_eq!(ended.code, 3, "{code}: {}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains(&format!("  error[{code}]: ")), "{code}: {}", ended.stderr);
        assert!(ended.stderr.contains(told), "{code}: {}", ended.stderr);
        let page = tenet(scratch.path(), &["explain", code]);
        assert!(page.code == 0 && page.stdout.starts_with(&format!("# {code}: ")), "{}", page.stdout);
    }
    let all = tenet(scratch.path(), &["explain"]).stdout;
    assert!(all.lines().filter(|line| line.starts_with('T')).count() > 30, "{all}");
    assert!(all.lines().any(|line| line.starts_with("sql")), "{all}");
    assert!(tenet(scratch.path(), &["explain", "T9999"]).stderr.contains("there is no page T9999"));
}

#[test]
fn a_key_that_no_payload_has_fails_the_build_where_it_stands() {
    let shop = Shop::new("bonus");
    let key = |from: &str, to: &str| shop.edit("tenet.toml", from, to);
    let refused = |told: &str| {
        let ended = shop.tenet(&["build"]);
        assert_eq!(ended.code, 3, "{}", ended.stderr);
        let (_, error) = ended.stderr.split_once("  error[").unwrap();
        assert_eq!(format!("  error[{error}"), told);
    };
    key("key = \"id\"", "key = \"idd\"");
    refused(
        r#"  error[T0109]: the operation bonus has the key idd, and none of its rules takes such a member
   ,-[tenet.toml:7:7]
 6 | rules = ["bonus"]
 7 | key = "idd"
   :       ^^^^^
   `----
  help: did you mean `id`?
"#,
    );
    // Nothing is served that was not built.
    let built = shop.built.path().to_str().unwrap();
    let ended = tenet(&shop.folder, &["run", "bonus", "--bundle", built]);
    assert!(ended.code == 3 && ended.stderr.contains("not compiled"), "{}", ended.stderr);

    // A number is a valid key, like a string.
    for (from, to) in [("\"idd\"", "\"points\""), ("\"points\"", "\"id\"")] {
        key(from, to);
        assert_eq!(shop.tenet(&["build"]).code, 0);
    }

    // An optional member is a key only if the manifest says so.
    let rule = "rules/bonus/src/lib.rs";
    shop.edit(rule, "    id: String,", "    id: Option<String>,");
    shop.edit(rule, "id: &input.id,", "id: input.id.as_deref().unwrap_or(\"?\"),");
    let ended = shop.tenet(&["build"]);
    assert!(ended.code == 3 && ended.stderr.contains("a request may leave the member out"), "{}", ended.stderr);
    assert!(ended.stderr.contains("`key = { member = \"id\", optional = true }`"), "{}", ended.stderr);
    key("key = \"id\"", "key = { member = \"id\", optional = true }");
    let ended = shop.tenet(&["run", "bonus", "--payload", r#"{"customer": "ada", "points": 5}"#]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "{\"customer\":\"ada\",\"balance\":5}\n"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("T0109"), "{}", ended.stderr);
}

#[test]
fn what_goes_wrong_inside_a_rule_has_a_code_as_well() {
    let (out, _) = bundle::bundle("guests");
    let folder = tempfile::tempdir().unwrap();
    for (payload, told) in [
        ("do = \"panic\"", "T0501: rule probe: it trapped"),
        ("do = \"bug\"", "T0502: rule probe: it says that it is broken"),
        ("do = \"loop\"", "T0503: rule probe: the limit cpu_ms was passed"),
        ("do = \"swallow\"", "T0504: rule probe: it accepted although its statement 1 had failed"),
    ] {
        let path = folder.path().join("t.toml");
        fs::write(
            &path,
            format!("version = 1\n[[step]]\nrule = \"probe\"\npayload = {{ {payload} }}\naccept = true\n"),
        )
        .unwrap();
        let ended = tenet(&root(), &["test", "--bundle", out.to_str().unwrap(), path.to_str().unwrap()]);
        assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains(told), "{told}: {}", ended.stdout);
        assert!(ended.stdout.contains(&format!("more: tenet explain {}", &told[..5])), "{}", ended.stdout);
    }
}

#[test]
fn a_machine_is_looked_at_and_a_rule_is_measured() {
    let ended = tenet(&root(), &["doctor", "guest/rules"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.lines().any(|line| line.starts_with("ok") && line.contains("PostgreSQL")), "{}", ended.stdout);
    assert!(ended.stdout.lines().any(|line| line.contains("for JavaScript and TypeScript")), "{}", ended.stdout);
    assert!(tenet(&root(), &["new", "--help"]).stdout.contains("`rule.ts`"));
    let (out, _) = bundle::bundle("rules");
    let test = "guest/rules/rules/transfer/tests/moves-money.toml";
    let ended = tenet(&root(), &["bench", test, "--bundle", out.to_str().unwrap(), "--requests", "5"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.starts_with("5 requests, each answered 200;"), "{}", ended.stdout);
    assert!(ended.stdout.contains(" fuel, 3 statements"), "{}", ended.stdout);
}

#[test]
fn a_finished_component_is_a_rule_whatever_made_it() {
    let (out, _) = bundle::bundle("rules");
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    fs::create_dir_all(folder.join("rules/transfer")).unwrap();
    fs::create_dir(folder.join("schema")).unwrap();
    let source = root().join("guest/rules");
    fs::copy(out.join("rules/transfer.wasm"), folder.join("rules/transfer/rule.wasm")).unwrap();
    fs::copy(source.join("rules/transfer/rule.toml"), folder.join("rules/transfer/rule.toml")).unwrap();
    fs::copy(root().join("guest/javascript/tenet.toml"), folder.join("tenet.toml")).unwrap();
    for step in fs::read_dir(source.join("schema")).unwrap() {
        let step = step.unwrap();
        fs::copy(step.path(), folder.join("schema").join(step.file_name())).unwrap();
    }
    assert_eq!(tenet(folder, &["grant"]).code, 0);
    let tests = source.join("rules/transfer/tests");
    assert!(passed(&tenet(folder, &["test", tests.to_str().unwrap()])).len() >= 3);

    // It was built without the description, so no schema contains the key of its operation.
    let built = tenet(folder, &["build"]);
    let warned = r#"  warning[T0109]: the operation transfer has the key transfer_id, and none of its rules describes such a member
   ,-[tenet.toml:5:7]
 4 | rules = ["transfer"]
 5 | key = "transfer_id"
   :       ^^^^^^^^^^^^^
   `----
  help: describe it in the schema of a rule's payload: a required string or number
"#;
    assert_eq!((built.code, built.stderr.matches(warned).count()), (0, 1), "{}", built.stderr);
    assert_eq!(built.stderr.matches("T0109").count(), 1, "{}", built.stderr);
    let misspelt = r#"{"transfr_id": "t-1", "from": "ann", "to": "bob", "amount": 1}"#;
    let run = |arguments: &[&str]| tenet(folder, &[&["run", "transfer", "--payload"], arguments].concat());
    let refused = run(&[misspelt]);
    assert_eq!(refused.code, 2, "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stdout.contains(r#"The member \"transfer_id\" is missing"#), "{}", refused.stdout);
    // With a separate key the request reaches the rule.
    let rejected = run(&[misspelt, "--key", "k-1"]);
    assert_eq!(rejected.code, 1, "{}{}", rejected.stdout, rejected.stderr);
}
