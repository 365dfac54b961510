//! What authors see when a rule in JavaScript, TypeScript or Python fails, in a folder made by
//! `tenet new`.

use std::fs;

use tempfile::TempDir;

use crate::support;
use crate::support::tenet::{Ended, tenet};

/// The SDK, as a rule of a new bundle imports it.
const SDK: &str = concat!("'../../vendor/tenet-", env!("CARGO_PKG_VERSION"), "/guest/javascript/sdk/tenet.js'");

/// A new bundle with the one rule `trial`, which each test rewrites.
struct Shop(TempDir);

impl Shop {
    fn new(language: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let ended = tenet(scratch.path(), &["new", "shop", "--rule", "trial", "--lang", language]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let shop = Self(scratch);
        for name in ["at-once", "changes-a-balance", "refuses"] {
            fs::remove_file(shop.0.path().join(format!("shop/rules/trial/tests/{name}.toml"))).unwrap();
        }
        shop
    }

    fn write(&self, path: &str, text: &str) {
        let place = self.0.path().join("shop").join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join("shop").join(path)).unwrap()
    }

    fn tenet(&self, arguments: &[&str]) -> Ended {
        tenet(&self.0.path().join("shop"), arguments)
    }

    /// Runs `tenet test` with one step for each action of the rule, with its expected result.
    fn test(&self, steps: &[(&str, &str)]) {
        let step = |(thing, verdict): &(&str, &str)| {
            format!(
                "[[step]]\noperation = \"trial\"\npayload = {{ id = \"{thing}\", do = \"{thing}\" }}\n{verdict}\n\n"
            )
        };
        let steps: String = steps.iter().map(step).collect();
        self.write("rules/trial/tests/all.toml", &format!("version = 1\n\n{steps}"));
        let ended = self.tenet(&["test"]);
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    }

    /// A build that fails with these messages.
    fn refused(&self, file: &str, text: &str, told: &[&str]) {
        self.write(file, text);
        let ended = self.tenet(&["build"]);
        assert_eq!(ended.code, 3, "{text}: {}", ended.stderr);
        for told in told {
            assert!(ended.stderr.contains(told), "{text}: no {told:?} in {}", ended.stderr);
        }
    }
}

#[test]
fn javascript_tells_what_failed_and_where_and_what_to_do() {
    let shop = Shop::new("javascript");
    let rule = format!(
        "import {{ execute, log, publish, query, reject, rule }} from {SDK};

const input = {{
  type: 'object',
  properties: {{ id: {{ type: 'string' }}, do: {{ type: 'string' }} }},
  required: ['id', 'do'],
}};
const deep = (left) => (left === 0 ? null.found : deep(left - 1));
const all = {{
  type: () => deep(3),
  database: () => execute('INSERT INTO trial_balances (customer, balance) VALUES ($1, $2)', null, 1n),
  object() {{
    throw {{ code: 7 }};
  }},
  string() {{
    throw 'nothing left';
  }},
  undefined() {{
    throw undefined;
  }},
  cause() {{
    try {{
      deep(0);
    }} catch (cause) {{
      throw new RangeError('outer', {{ cause }});
    }}
  }},
  async waits() {{
    await null;
    deep(0);
  }},
  plain: () => reject('no', 'not today'),
  'no-message': () => reject('no'),
  'null-details': () => reject('no', 'not today', null),
  details: () => reject('no', 'not today', {{ left: {{ a: 1n }}, none: undefined }}),
  'all-details': () => reject('no', 'not today', 'all'),
  log() {{
    log.warn({{ a: 1, b: 2n }}, 'and', undefined);
    log.warn(new Error('worth a line'));
    return 1;
  }},
  date() {{
    publish('trial', 'Balance Changed', {{ at: new Date(1000) }});
    return {{ at: new Date(0) }};
  }},
  parameter: () => query('SELECT $1', new Date(0)),
  map: () => new Map(),
  nameless: () => new (class {{}})(),
  names: () => ({{ '': {{ '': 1n }} }}),
  'half-name': () => ({{ '\\ud800': 1 }}),
  twice: () => query('SELECT 1 AS a, 2 AS a'),
  pattern: () => new RegExp('\\\\p{{L}}', 'u'),
  never: () => new Promise(() => {{}}),
  garbage() {{
    for (let turn = 0; turn < 1000000; turn += 1) all.kept = turn % 1000 === 0 ? null : {{ kept: all.kept }};
  }},
}};

export const {{ evaluate, describe }} = rule({{ input }}, (payload) => all[payload.do](payload));
"
    );
    shop.write("rules/trial/rule.js", &rule);
    // A collector of garbage reads the clock more often than that.
    let manifest = shop.read("rules/trial/rule.toml");
    shop.write("rules/trial/rule.toml", &format!("{manifest}\n[limits]\ncpu_ms = 10000\nhost_calls = 100\n"));
    let granted = shop.tenet(&["grant"]);
    assert_eq!(granted.code, 0, "{}", granted.stderr);
    let at = |thing: &str| {
        let line = rule.lines().position(|line| line.contains(thing)).unwrap() + 1;
        format!("(at rules/trial/rule.js:{line}")
    };
    let fail = |says: &str| format!("fail = {says:?}");
    shop.test(&[
        ("type", &fail(&format!("TypeError: can't access property \"found\" of null {}", at("const deep")))),
        ("database", &fail(&format!("violates not-null constraint (SQLSTATE 23502) {}", at("database:")))),
        ("object", &fail("{\"code\":7} was thrown, which is no Error and knows no line: throw new Error(...)")),
        ("string", &fail("nothing left was thrown, which is no Error")),
        ("undefined", &fail("undefined was thrown, which is no Error")),
        ("cause", &fail(&format!("RangeError: outer {}", at("RangeError")))),
        ("waits", &fail(&at("const deep"))),
        ("plain", "reject = { code = \"no\", message = \"not today\" }"),
        ("no-message", &fail(&format!("both texts: reject('sold-out', 'all seats are booked') {}", at("'no-message'")))),
        ("null-details", "reject = { code = \"no\" }"),
        ("details", "reject = { code = \"no\", details = { left = '{\"a\":1}' } }"),
        ("all-details", &fail("the details of a rejection are an object")),
        ("log", "accept = true"),
        (
            "date",
            "accept = { at = \"1970-01-01T00:00:00.000Z\" }\nevents = [{ detail = { at = \"1970-01-01T00:00:01.000Z\" } }]",
        ),
        ("parameter", &fail("a Date is no parameter: send timestamptz(BigInt(value.getTime()) * 1000n)")),
        ("map", &fail("what a Map holds is not JSON")),
        ("nameless", &fail("what a class without a name holds is not JSON")),
        ("names", "output = '{\"\":{\"\":1}}'"),
        ("half-name", "reject = { code = \"invalid-data\", message = \"a text has half a character\" }"),
        ("twice", &fail(&format!("two columns of the result are called a: give each a name of its own with AS {}", at("twice:")))),
        ("pattern", &fail("patterns know no \\p{..} in rules")),
        ("never", &fail("T0502: rule trial: it says that it is broken: a promise that it waits for never settles: ")),
        ("garbage", "accept = true"),
    ]);
    // Of requests at once that fail alone, the reasons and nothing that follows from them.
    let ask = |thing: &str| format!("{{ operation = \"trial\", payload = {{ id = \"{thing}\", do = \"{thing}\" }} }}");
    let both = format!("version = 1\n\n[[step]]\ntogether = [{}, {}]\n", ask("plain"), ask("type"));
    shop.write("rules/trial/tests/both.toml", &both);
    let ended = shop.tenet(&["test", "--filter", "both"]);
    let why = format!(
        "request 2 of 2 failed: T0502: rule trial: it says that it is broken: TypeError: can't access property \"found\" of null {}",
        at("const deep")
    );
    assert!(ended.code == 1 && ended.stdout.contains(&why), "no {why} in {}", ended.stdout);
    assert!(!ended.stdout.contains("T0606") && !ended.stdout.contains("request 1"), "{}", ended.stdout);
    let updated = shop.tenet(&["test", "--filter", "both", "--update"]);
    assert!(updated.stdout.contains("not updated, since step 1 failed"), "{}", updated.stdout);
    let ended = shop.tenet(&["run", "trial", "--payload", r#"{"id":"1","do":"log"}"#]);
    let line = format!("Error: worth a line {}", at("worth a line"));
    assert!(
        ended.stderr.contains(r#"{"a":1,"b":2} and undefined"#) && ended.stderr.contains(&line),
        "{}",
        ended.stderr
    );
}

#[test]
fn javascript_that_wants_what_there_is_not_is_refused_when_it_is_built() {
    let shop = Shop::new("javascript");
    let with = |line: &str| {
        format!(
            "import {{ query, rule }} from {SDK};\n\n{line}\nexport const {{ evaluate, describe }} = rule({{}}, () => 1);\n"
        )
    };
    let place = "rules/trial/rule.js:3:1";
    for (line, told) in [
        ("const at = Date.now();", &["Date.now() at the top of a module", "move it into the function", place][..]),
        ("new Date().getTime();", &["new Date() at the top of a module", place]),
        ("const odd = Math.random();", &["Math.random() at the top of a module", place]),
        ("const id = crypto.randomUUID();", &["crypto.randomUUID() at the top of a module", place]),
        ("const rows = query('SELECT 1');", &["it calls the host while its modules are loaded (tenet:rule/database"]),
        ("/^\\p{L}+$/u.test('a');", &["patterns know no \\p{..} in rules", place]),
        (
            "globalThis.say = () => new Intl.NumberFormat('de');",
            &["rules in JavaScript have no Intl", "rules/trial/rule.js:3"],
        ),
        ("null.found;", &["TypeError: can't access property", place]),
    ] {
        shop.refused("rules/trial/rule.js", &with(line), told);
    }
    // A fixed date does not read the clock.
    shop.write("rules/trial/rule.js", &with("const FIRST = new Date(2026, 0, 1);"));
    let ended = shop.tenet(&["build"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn python_tells_what_failed_and_where_and_what_to_do() {
    let shop = Shop::new("python");
    let rule = "import random
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import tenet
from tenet import reject

INPUT = {
    \"type\": \"object\",
    \"properties\": {\"id\": {\"type\": \"string\"}, \"do\": {\"type\": \"string\"}},
    \"required\": [\"id\", \"do\"],
}


def deep(left):
    return {}[\"found\"] if left == 0 else deep(left - 1)


def caused():
    try:
        deep(0)
    except KeyError as error:
        raise ValueError(\"outer\") from error


def typed():
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
    return [moment, datetime(2026, 1, 2, 3, 4), date(2026, 1, 2), time(3, 4), Decimal(\"1.50\"), UUID(int=5)]


def logged():
    tenet.log(ValueError(\"worth a line\"), level=\"warn\")
    return 1


ALL = {
    \"type\": lambda: deep(3),
    \"database\": lambda: tenet.execute(\"INSERT INTO trial_balances (customer, balance) VALUES ($1, $2)\", None, 1),
    \"cause\": caused,
    \"exit\": lambda: exit(3),
    \"plain\": lambda: reject(\"no\", \"not today\"),
    \"no-message\": lambda: reject(\"no\", None),
    \"details\": lambda: reject(\"no\", \"not today\", left={\"a\": 1}, none=None),
    \"log\": logged,
    \"level\": lambda: tenet.log(\"x\", level=\"loud\"),
    \"types\": typed,
    \"set\": lambda: {1, 2},
    \"parameter\": lambda: tenet.query(\"SELECT $1\", {1, 2}),
    \"twice\": lambda: tenet.query(\"SELECT 1 AS a, 2 AS a\"),
    \"random\": lambda: random.random(),
    \"import\": lambda: __import__(\"csv\"),
}


def trial(payload):
    return ALL[payload[\"do\"]]()


WitWorld = tenet.rule(trial, INPUT)
";
    shop.write("rules/trial/rule.py", rule);
    let at = |thing: &str| format!("(at rule.py:{}", rule.lines().position(|line| line.contains(thing)).unwrap() + 1);
    let fail = |says: &str| format!("fail = {says:?}");
    shop.test(&[
        ("type", &fail(&format!("KeyError: 'found' {}", at("return {}")))),
        ("database", &fail(&format!("violates not-null constraint (SQLSTATE 23502) {}", at("\"database\":")))),
        ("cause", &fail(&format!("ValueError: outer {}", at("raise ValueError")))),
        ("exit", &fail("SystemExit: 3 (at")),
        ("plain", "reject = { code = \"no\", message = \"not today\" }"),
        ("no-message", &fail("a rejection has a code and a message, both str")),
        ("details", "reject = { code = \"no\", details = { left = '{\"a\":1}' } }"),
        ("log", "accept = true"),
        ("level", &fail("a line is of the level debug, info, warn or error, and not 'loud'")),
        (
            "types",
            "output = '[\"2026-01-02T02:04:05Z\",\"2026-01-02T03:04:00\",\"2026-01-02\",\"03:04:00\",1.50,\
             \"00000000-0000-0000-0000-000000000005\"]'",
        ),
        ("import", &fail("import it at the top of a module: a rule has what is loaded when it is built")),
        ("set", &fail("set is not JSON: give a dict, a list, a text or a number of it")),
        ("parameter", &fail("set is no parameter: send Json(value)")),
        ("twice", &fail("two columns of the result are called a: give each a name of its own with AS")),
    ]);
    // Different requests have different random numbers.
    let random = |id: &str| {
        let payload = format!(r#"{{"id":"{id}","do":"random"}}"#);
        shop.tenet(&["run", "trial", "--payload", &payload]).stdout
    };
    assert_ne!(random("1"), random("2"));
    let ended = shop.tenet(&["run", "trial", "--payload", r#"{"id":"1","do":"log"}"#]);
    assert!(ended.stderr.contains("ValueError: worth a line"), "{}", ended.stderr);
}

#[test]
fn python_that_asks_a_clock_while_it_is_loaded_is_refused_when_it_is_built() {
    let shop = Shop::new("python");
    let with = |lines: &str| {
        format!("import tenet\n{lines}\n\n\ndef trial(payload):\n    return 1\n\n\nWitWorld = tenet.rule(trial)\n")
    };
    for (lines, told) in [
        ("import time as clock\nAT = clock.time()", &["time.time() at the top of a module", "rule.py:3:1"][..]),
        (
            "from datetime import datetime\nAT = [datetime.now()]",
            &["datetime.datetime.now() at the top", "rule.py:3:1"],
        ),
        (
            "import random\nODD = random.random()",
            &["random.random() at the top of a module", "move it into the function"],
        ),
        (
            "from uuid import uuid4\n\n\ndef f(id=uuid4()):\n    pass",
            &["uuid.uuid4() at the top of a module", "rule.py:5:1"],
        ),
        ("import other", &["time.time() at the top of a module", "other.py:2:1"]),
        ("{}[\"found\"]", &["KeyError: 'found'", "rule.py:2:1"]),
    ] {
        shop.write("rules/trial/other.py", "import time\nAT = time.time()\n");
        shop.refused("rules/trial/rule.py", &with(lines), told);
    }
    shop.write(
        "rules/trial/rule.py",
        &with("import random\nimport time\n\nSEEDED = random.Random(5).random()\nLATER = lambda: time.time()"),
    );
    let ended = shop.tenet(&["build"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn rust_tells_where_it_panicked_and_which_member_is_wrong() {
    let shop = support::shop::Shop::new("stumble");
    let write = |path: &str, text: &str| fs::write(shop.folder.join(path), text).unwrap();
    fs::remove_dir_all(shop.folder.join("rules/stumble/tests")).unwrap();
    fs::create_dir(shop.folder.join("rules/stumble/tests")).unwrap();
    let rule = "//! Fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
struct Input {
    #[serde(rename = \"id\")]
    _id: String,
    lines: Vec<Line>,
}

#[derive(Deserialize, JsonSchema)]
struct Line {
    amount: i32,
    /// A date, which the schema does not check.
    day: Option<tenet::Date>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    first: i32,
}

#[tenet::rule]
fn stumble(Input { _id, lines }: Input) -> tenet::Result<Output> {
    let first = &lines[0];
    Ok(Output { first: first.amount + first.day.map_or(0, |_| 1) })
}
";
    write("rules/stumble/src/lib.rs", rule);
    write(
        "rules/stumble/rule.toml",
        "version = 1\ndescription = \"Fails\"\n\n[tables.stumble_balances]\nselect = [\"balance\"]\n",
    );
    let schema =
        "CREATE TABLE IF NOT EXISTS stumble_balances (customer varchar(255) PRIMARY KEY, balance numeric(20,2));\n";
    write("schema/0001_stumble_balances.sql", schema);
    assert_eq!(tenet(&shop.folder, &["grant"]).code, 0);
    let step = |id: &str, lines: &str, verdict: &str| {
        format!("[[step]]\noperation = \"stumble\"\npayload = {{ id = \"{id}\", lines = {lines} }}\n{verdict}\n\n")
    };
    let misfit = "reject = { code = \"invalid-payload\", details = { path = \"/lines/1/day\" } }";
    let lines = "[{ amount = 1, day = \"2026-01-01\" }, { amount = 1, day = \"2026-02-30\" }]";
    let steps = step("1", lines, misfit) + &step("2", "[]", "accept = true");
    write("rules/stumble/tests/all.toml", &format!("version = 1\n\n{steps}"));
    let ended = shop.tenet(&["test", "--json"]);
    let line = rule.lines().position(|line| line.contains("lines[0]")).unwrap() + 1;
    let place = format!("panic at rules/stumble/src/lib.rs:{line}:");
    let failures: Vec<&str> = ended.stdout.lines().filter(|line| line.contains("T0602")).collect();
    assert!(failures.len() == 1 && failures[0].contains(&place), "{}{}", ended.stdout, ended.stderr);
    assert!(failures[0].contains("step 2") && !failures[0].contains("step 1"), "{}", ended.stdout);
    let ended = shop.tenet(&["test"]);
    assert!(ended.stdout.contains(&place) && ended.stdout.contains("index out of bounds"), "{}", ended.stdout);
}
