//! Runs every example in the references that come with `tenet`, as an author without other material does.

use std::fs;

use crate::support::tenet::tenet;

/// The tables of the examples.
const ACCOUNTS: &str = "CREATE TABLE IF NOT EXISTS accounts (
    id varchar(64) PRIMARY KEY,
    owner varchar(64) NOT NULL,
    balance numeric(12,2) NOT NULL,
    points bigint NOT NULL DEFAULT 0,
    opened date,
    changed timestamptz,
    data jsonb,
    iban bytea
);
";

/// The grants of the examples.
const GRANTS: &str = r#"
[tables.accounts]
select = "*"
insert = "*"
update = "*"

[events]
bank = ["Account Changed"]

[operations]
schedule = ["ship", "remind", "close", "refund"]

[vault.accounts]
seal = ["iban"]
open = ["iban"]
"#;

/// The beginning of each test file.
const GIVEN: &str = r#"version = 1

[[given.accounts]]
id = "a"
owner = "ada"
balance = 9.50

[[given.accounts]]
id = "b"
owner = "bob"
balance = 1.00
"#;

/// Statements of `tenet explain languages` about JavaScript that no other test covers.
const JAVASCRIPT: &str = "const before = Date.now();
await new Promise((done) => setTimeout(done, 3_600_000));
const held = {
  time: BigInt(Date.now()) === now() / 1000n && new Date().getTime() === before,
  random: Math.random() !== Math.random() && /^[0-9a-f-]{36}$/.test(crypto.randomUUID()),
  languages: typeof Intl === 'undefined' && (1234.5).toLocaleString('de') === '1234.5' && 'ä'.localeCompare('z') > 0,
  normalize: typeof ''.normalize === 'undefined',
  node: typeof process === 'undefined',
  sums: typeof query('SELECT sum(a)::bigint AS b FROM generate_series(1, 3) AS a')[0].b === 'bigint',
  nulls: query(\"SELECT jsonb_build_object('by', $1::text) AS o, $2::date IS NULL AS n\", null, undefined)[0].n,
  list: query('SELECT a FROM accounts, unnest(ARRAY[owner]) AS a WHERE a IN (SELECT jsonb_array_elements_text($1))', json(['ada'])).length === 1,
};
const wrong = Object.keys(held).filter((name) => !held[name]);
if (wrong.length > 0) throw new Error(wrong.join());
";

/// The same for Python.
const PYTHON: &str = "before = time.time()
time.sleep(3600)
assert time.time() == before and datetime.datetime.now(datetime.timezone.utc) == tenet.now()
assert random.random() != random.random() and os.urandom(4) != os.urandom(4) and uuid.uuid4() != uuid.uuid4()
assert unicodedata.normalize('NFC', 'e\\u0301') == '\\u00e9'
assert dict(os.environ) == {}
for refused in (lambda: open('/etc/passwd'), asyncio.new_event_loop, lambda: zoneinfo.ZoneInfo('Europe/Berlin')):
    try:
        refused()
    except (OSError, ImportError):
        continue
    raise AssertionError(refused)
row = tenet.query('SELECT $1 AS i, $2::date + $3::int AS d', datetime.timedelta(days=1), tenet.now().date(), 1)[0]
assert row['i'].days == 1 and row['d'] == tenet.now().date() + datetime.timedelta(days=1)
assert tenet.query(\"SELECT jsonb_build_object('by', $1::text) AS o, $2::date IS NULL AS n\", None, None)[0]['n']
assert type(tenet.query('SELECT sum(a)::bigint AS b FROM generate_series(1, 3) AS a')[0]['b']) is int
";

/// An item of a reference: its name, its declaration and its example.
struct Shown {
    name: String,
    declared: String,
    example: String,
}

fn page(name: &str) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let ended = tenet(scratch.path(), &["explain", name]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    ended.stdout
}

/// The items of a page that have an example.
fn shown(page: &str) -> Vec<Shown> {
    let item = |text: &str| {
        let (name, rest) = text.split_once("`\n")?;
        let (words, code) = rest.split_once("```")?;
        let example = code.split_once('\n')?.1.split("```").next()?;
        let declared = words.lines().find_map(|line| line.strip_prefix("    ")).unwrap_or_default();
        Some(Shown { name: name.to_owned(), declared: declared.to_owned(), example: example.to_owned() })
    };
    page.split("\n### `").skip(1).filter_map(item).collect()
}

/// Runs all examples in a bundle made by `tenet new`, each as a request of its own.
fn run(language: &str, file: &str, source: &str, items: &[Shown]) {
    assert!(items.len() > 20, "{}", items.len());
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("shop");
    let ended = tenet(scratch.path(), &["new", "shop", "--rule", "trial", "--lang", language]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("tenet explain {language}")), "{}", ended.stderr);
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(readme.contains(&format!("`tenet explain {language}`")), "{readme}");
    let rule = folder.join("rules/trial");
    for old in fs::read_dir(&rule).unwrap().chain(fs::read_dir(rule.join("tests")).unwrap()) {
        let old = old.unwrap().path();
        if old.is_file() && !old.ends_with("rule.toml") {
            fs::remove_file(old).unwrap();
        }
    }
    let manifest = fs::read_to_string(rule.join("rule.toml")).unwrap();
    let head: String =
        manifest.lines().take_while(|line| !line.starts_with('[')).map(|line| format!("{line}\n")).collect();
    fs::write(rule.join("rule.toml"), head + GRANTS).unwrap();
    fs::write(rule.join(file), source).unwrap();
    // What the examples schedule follows with payloads of their own, and does nothing.
    let key = "key = { member = \"id\", optional = true }";
    let operations = fs::read_to_string(folder.join("tenet.toml")).unwrap();
    let mut operations = operations.replace("key = \"id\"", key);
    for name in ["ship", "remind", "close", "refund"] {
        operations += &format!("\n[operations.{name}]\nrules = [\"trial\"]\n{key}\n");
    }
    fs::write(folder.join("tenet.toml"), operations).unwrap();
    fs::write(folder.join("schema/0001_trial_balances.sql"), ACCOUNTS).unwrap();
    let step = |item: &Shown| {
        let name = &item.name;
        format!("\n[[step]]\noperation = \"trial\"\npayload = {{ id = \"{name}\", do = \"{name}\" }}\naccept = true\n")
    };
    let steps: String = items.iter().map(step).collect();
    fs::write(rule.join("tests/all.toml"), format!("{GIVEN}{steps}")).unwrap();
    let ended = tenet(&folder, &["grant"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let ended = tenet(&folder, &["test"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
}

/// Indents lines of code.
fn indented(code: &str) -> String {
    code.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }).collect()
}

#[test]
fn every_example_of_the_reference_of_javascript_runs() {
    let page = page("javascript");
    let mut items = shown(&page);
    items.push(Shown { name: "languages".to_owned(), declared: String::new(), example: JAVASCRIPT.to_owned() });
    let is_value = |item: &&Shown| ["class ", "function ", "const "].iter().any(|kind| item.declared.starts_with(kind));
    let values: Vec<&str> = items.iter().filter(is_value).map(|item| item.name.as_str()).collect();
    let import = page.lines().find(|line| line.starts_with("import ")).unwrap();
    let (_, sdk) = import.split_once(" from ").unwrap();
    let example = |Shown { name, example, .. }: &Shown| {
        format!("  '{name}': async () => {{\n{}  }},\n", indented(&example.replace("export const", "const")))
    };
    let examples: String = items.iter().map(example).collect();
    let source = format!(
        "import {{ {} }} from {sdk}\n\nconst schema = {{ type: 'object', properties: {{ id: {{ type: 'string' }}, do: \
         {{ type: 'string' }} }} }};\nconst examples = {{\n{examples}}};\nexport const {{ \
         evaluate, describe }} = rule({{ input: schema }}, async (payload) => {{\n  await \
         examples[payload.do]?.();\n  return true;\n}});\n",
        values.join(", "),
    );
    run("javascript", "rule.ts", &source, &items);
}

#[test]
fn every_example_of_the_reference_of_python_runs() {
    let page = page("python");
    let mut items = shown(&page);
    items.push(Shown { name: "languages".to_owned(), declared: String::new(), example: PYTHON.to_owned() });
    let head = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let named = |name: &str| name.replace('.', "_");
    let example = |Shown { name, example, .. }: &Shown| format!("def of_{}():\n{}\n\n", named(name), indented(example));
    let examples: String = items.iter().map(example).collect();
    let listed: String =
        items.iter().map(|item| format!("    \"{}\": of_{},\n", item.name, named(&item.name))).collect();
    let source = format!(
        "import asyncio, datetime, os, random, time, unicodedata, uuid, zoneinfo\n{head}\n\n{examples}EXAMPLES = {{\n{listed}}}\nSCHEMA = {{\"type\": \"object\", \"properties\": {{\"id\": \
         {{\"type\": \"string\"}}}}}}\n\n\ndef trial(payload):\n    \
         EXAMPLES.get(payload.get(\"do\"), lambda: None)()\n    return True\n\n\nWitWorld = tenet.rule(trial, SCHEMA)\n"
    );
    run("python", "rule.py", &source, &items);
}

#[test]
fn each_page_that_is_listed_is_there() {
    let scratch = tempfile::tempdir().unwrap();
    let listed = tenet(scratch.path(), &["explain"]);
    let pages: Vec<&str> = listed.stdout.lines().filter_map(|line| line.split(':').next()).collect();
    for name in ["book", "rust", "javascript", "python", "types", "sql", "languages", "T0101"] {
        assert!(pages.contains(&name), "{name}: {}", listed.stdout);
    }
    for name in pages {
        let shown = tenet(scratch.path(), &["explain", name]);
        assert!(shown.code == 0 && shown.stdout.starts_with("# "), "{name}: {}", shown.stderr);
    }
    let item = tenet(scratch.path(), &["explain", "rust", "query_opt"]);
    assert!(item.stdout.contains("pub fn query_opt"), "{}{}", item.stdout, item.stderr);
    for arguments in [&["explain", "nothing"][..], &["explain", "python", "nothing"], &["explain", "types", "int"]] {
        let ended = tenet(scratch.path(), arguments);
        assert!(ended.code == 3 && ended.stderr.contains("tenet explain"), "{}", ended.stderr);
    }
    let help = tenet(scratch.path(), &["--help"]);
    assert!(help.stdout.contains("tenet new shop") && help.stdout.contains("tenet explain book"), "{}", help.stdout);
}
