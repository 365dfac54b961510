//! A rule in TypeScript with npm packages, in a folder made by `tenet new`, and the types of the
//! SDK.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::path;
use crate::support::shop::root;
use crate::support::tenet::{run, tenet};

/// The SDK, as a rule of a new bundle imports it.
const SDK: &str = concat!("../../vendor/tenet-", env!("CARGO_PKG_VERSION"), "/guest/javascript/sdk/tenet.js");

/// Packages of both kinds without dependencies: CommonJS and ECMAScript modules.
const PACKAGES: [&str; 2] = ["fast-deep-equal", "index-to-position"];

const RULE: &str = r#"import equal from 'fast-deep-equal';
import indexToPosition from 'index-to-position';
import { execute, nullOf, publish, query, reject, rule } from 'SDK';

enum Kind {
  Gift = 'gift',
  Return = 'return',
}

interface Input {
  id: string;
  customer: string;
  points: bigint;
  by?: string;
}

interface Output {
  customer: string;
  balance: bigint;
  kind: Kind;
  line: number;
  by: unknown;
}

const input = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    customer: { type: 'string' },
    points: { type: 'integer' },
    by: { type: 'string' },
  },
  required: ['id', 'customer', 'points'],
  additionalProperties: false,
} as const;

const decide = ({ id, customer, points, by }: Input): Output => {
  if (equal({ points }, { points: 0n })) reject('nothing', 'points are not 0');
  const [row] = query<{ balance: bigint }>('SELECT balance FROM trial_balances WHERE customer = $1', customer);
  const balance: bigint = (row?.balance ?? 0n) + points;
  execute(
    'INSERT INTO trial_balances (customer, balance) VALUES ($1, $2) ON CONFLICT (customer) DO UPDATE SET balance = excluded.balance',
    customer,
    balance,
  );
  publish('trial', 'Balance Changed', { id, customer, balance });
  const [made] = query<{ made: { by: unknown } }>("SELECT jsonb_build_object('by', $1) AS made", by ?? nullOf('text'));
  const { line } = indexToPosition('a\nb', 2, { oneBased: true });
  return { customer, balance, kind: points < 0n ? Kind.Return : Kind.Gift, line, by: made!.made.by };
};

export const { evaluate, describe } = rule<Input, Output>({ input }, decide);
"#;

/// Code that the types allow, and code that they refuse.
const TYPES: &str = r"import * as tenet from 'SDK';

export const right = (): string => {
  const rows: Record<string, tenet.Cell>[] = tenet.query('SELECT $1, $2', tenet.int8(null), tenet.nullOf('text'));
  const [first] = tenet.batch<{ a: number }>(['SELECT 1 AS a']);
  const total: tenet.Decimal = tenet.Decimal.of('1.50').plus(1n).times(2);
  tenet.log.info('total', total, rows, first?.affected);
  const again: tenet.FollowUpOptions = { afterSeconds: total, onFailure: ['refund', { total }], label: null };
  tenet.log.info(tenet.schedule('ship', { total }, again), tenet.currentFollowUp() ?? 'none');
  return tenet.reject('no', 'not today', { left: 0n });
};
// @ts-expect-error a text is no whole number
tenet.int8('1');
// @ts-expect-error operators refuse a decimal
export const sum = tenet.Decimal.of(1) + 1;
// @ts-expect-error a decimal is not made with new
new tenet.Decimal();
// @ts-expect-error there is no such type
tenet.nullOf('bigint');
// @ts-expect-error a Date is no parameter
tenet.query('SELECT $1', new Date(0));
// @ts-expect-error what follows a rejection is an operation and its payload
tenet.schedule('ship', 1, { onRejection: 'refund' });
// @ts-expect-error a moment is a Date or a bigint
tenet.schedule('ship', 1, { at: 1 });
// @ts-expect-error a rejection has a message
tenet.reject('no');
";

#[test]
fn a_rule_in_typescript_with_packages_of_npm_is_built_tested_and_run() {
    let scratch = tempfile::tempdir().unwrap();
    let ended = tenet(scratch.path(), &["new", "shop", "--rule", "trial", "--lang", "javascript"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let folder = scratch.path().join("shop");
    fs::remove_file(folder.join("rules/trial/rule.js")).unwrap();
    let source = folder.join("rules/trial/rule.ts");
    fs::write(&source, RULE.replace("SDK", SDK)).unwrap();
    // The error for a missing package names its line and the command that installs it.
    let refused = tenet(&folder, &["build"]);
    assert!(refused.code == 3 && refused.stderr.contains("fast-deep-equal"), "{}", refused.stderr);
    assert!(refused.stderr.contains("npm install"), "{}", refused.stderr);
    // Placed where `npm install` puts them.
    fs::create_dir(folder.join("node_modules")).unwrap();
    for package in PACKAGES {
        let from = path("TENET_TEST_CLIENTS_NODE").join(package);
        let copied = run(Command::new("cp").arg("-r").args([&from, &folder.join("node_modules")]));
        assert_eq!(copied.code, 0, "{}", copied.stderr);
    }
    for name in ["at-once", "changes-a-balance", "refuses"] {
        fs::remove_file(folder.join(format!("rules/trial/tests/{name}.toml"))).unwrap();
    }
    let test = "version = 1\n\n[[step]]\noperation = \"trial\"\n\
         payload = { id = \"1\", customer = \"ada\", points = 5 }\n\
         accept = { balance = 5, kind = \"gift\", line = 2 }\n\n[[step]]\noperation = \"trial\"\n\
         payload = { id = \"2\", customer = \"ada\", points = -2, by = \"bob\" }\n\
         accept = { balance = 3, kind = \"return\", by = \"bob\" }\n\n[[step]]\noperation = \"trial\"\n\
         payload = { id = \"3\", customer = \"ada\", points = 0 }\nreject = \"nothing\"\n\n\
         [rows.trial_balances]\nadded = [{ customer = \"ada\", balance = 3 }]\n";
    fs::write(folder.join("rules/trial/tests/all.toml"), test).unwrap();
    let ended = tenet(&folder, &["test"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);

    // The columns of `*` have to be granted, and each used column is listed.
    let manifest = folder.join("rules/trial/rule.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let text = text.replace("select = [\"customer\", \"balance\"]", "select = \"*\"");
    fs::write(&manifest, text.replace("insert = [\"customer\", \"balance\"]", "insert = \"*\"")).unwrap();
    fs::write(folder.join("schema/0002_note.sql"), "ALTER TABLE trial_balances ADD COLUMN note text;\n").unwrap();
    assert_eq!(tenet(&folder, &["grant"]).code, 0);
    assert_eq!(tenet(&folder, &["build"]).code, 0);
    let shown = tenet(&folder, &["inspect"]).stdout;
    for line in [
        "  asked  granted  part  select trial_balances.*\n",
        "  asked  granted  used  select trial_balances.balance\n",
        "  asked  granted  used  insert trial_balances.customer\n",
        "  asked  granted  used  update trial_balances.balance\n",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }

    // The TypeScript compiler accepts its types and those of the SDK.
    fs::write(folder.join("rules/trial/types.ts"), TYPES.replace("SDK", SDK)).unwrap();
    let mut compile = Command::new(path("TENET_TEST_CLIENTS_PYTHON").join("node"));
    compile.arg(path("TENET_TEST_CLIENTS_NODE").join("typescript/bin/tsc")).current_dir(&folder);
    compile.args(["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022"]);
    compile.args(["--module", "esnext", "--moduleResolution", "bundler", "--esModuleInterop"]);
    let ended = run(compile.args(["rules/trial/rule.ts", "rules/trial/types.ts"]));
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
}

/// The names that a module exports.
fn exported(file: &Path, kinds: &[&str]) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let mut names = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("export ")) {
        let list = line.strip_prefix("const ").unwrap_or(line).strip_prefix('{');
        if let Some((list, _)) = list.and_then(|list| list.split_once('}')) {
            names.extend(list.split(',').map(|name| name.trim().to_owned()));
        } else if let Some((kind, rest)) = line.split_once(' ')
            && kinds.contains(&kind)
        {
            let name = rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
            names.insert(name.to_owned());
        }
    }
    names
}

#[test]
fn the_types_name_what_the_sdk_exports_and_nothing_else() {
    let sdk = root().join("guest/javascript/sdk");
    let kinds = ["const", "function", "class"];
    let exports = exported(&sdk.join("tenet.js"), &kinds);
    assert!(exports.contains("reject") && exports.contains("Decimal") && exports.contains("caller"), "{exports:?}");
    assert_eq!(exported(&sdk.join("tenet.d.ts"), &kinds), exports);
}
