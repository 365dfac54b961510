//! Clients that generators of others make of the examples' OpenAPI document, and what they get from a host.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::{self, path};

/// Runs a program to its end in a folder, with Node.js and Python as the tests have them. Gives what it
/// has said.
async fn run(folder: &Path, program: &Path, arguments: &[&str]) -> String {
    let own = path("TENET_TEST_CLIENTS_PYTHON");
    let others = std::env::var_os("PATH").unwrap();
    let places = std::env::join_paths([own].into_iter().chain(std::env::split_paths(&others))).unwrap();
    let mut command = Command::new(program);
    let ran = command.args(arguments).current_dir(folder).env("PATH", places).stdin(Stdio::null()).output().await;
    let ran = ran.unwrap();
    let (said, told) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{}: {said}{told}", program.display());
    format!("{said}{told}")
}

/// A program in Python that uses the client: an answer, the same again, a rejection and a conflict.
const PYTHON: &str = r#"
import sys

from bank import Client
from bank.api.default import open_account, read, show_account, transfer
from bank.models import OpenAccountInput, Problem, ShowAccountInput, TransferTransferPayload

client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)
for account in ["ann", "bob"]:
    opened = open_account.sync(client=client, body=OpenAccountInput(account, daily_ceiling=100, opening_balance=50))
    assert opened.account == account, opened
pay = lambda id, amount: transfer.sync_detailed(
    client=client, body=TransferTransferPayload(transfer_id=id, from_="ann", to="bob", amount=amount)
)
first, again = pay("t-1", 12.5), pay("t-1", 12.5)
assert first.parsed == again.parsed and not isinstance(first.parsed, Problem), first
assert [one.headers["Idempotent-Replayed"] for one in (first, again)] == ["false", "true"]
refused = pay("t-2", 49)
assert (refused.status_code, refused.parsed.code) == (422, "insufficient-funds"), refused
reused = pay("t-1", 13)
assert (reused.status_code, reused.parsed.code) == (409, "key-reused"), reused
shown = show_account.sync(client=client, body=ShowAccountInput("ann"))
assert shown.balance == 37.5, shown
missing = show_account.sync(client=client, body=ShowAccountInput("eve"))
assert missing.code == "no-account", missing
print("used")
"#;

/// The same in TypeScript, with the types that the generator has made.
const TYPESCRIPT: &str = r#"
import createClient from 'openapi-fetch';
import type { paths } from './bank.d.ts';

declare const process: { argv: string[] };

const client = createClient<paths>({ baseUrl: process.argv[2] });
const check = (is: boolean, what: unknown): void => {
  if (!is) throw new Error(JSON.stringify(what));
};
for (const account of ['cat', 'dan']) {
  const opened = await client.POST('/operations/open-account', {
    body: { account, daily_ceiling: 100, opening_balance: 50 },
  });
  check(opened.data?.account === account, opened);
}
const pay = (transfer_id: string, amount: number) =>
  client.POST('/operations/transfer', { body: { transfer_id, from: 'cat', to: 'dan', amount } });
const first = await pay('t-3', 12.5);
const again = await pay('t-3', 12.5);
check(first.response.status === 200 && again.response.headers.get('idempotent-replayed') === 'true', again);
const refused = await pay('t-4', 49);
check(refused.response.status === 422 && refused.error?.code === 'insufficient-funds', refused);
const shown = await client.POST('/operations/show-account', { body: { account: 'cat' } });
const balance: number | undefined = shown.data?.balance;
check(balance === 37.5, shown);
console.log('used');
"#;

#[tokio::test]
async fn clients_that_two_generators_make_are_used() {
    let database = support::database().await;
    let served = support::serve("rules", database.url()).await;
    let (python, node) = (path("TENET_TEST_CLIENTS_PYTHON"), path("TENET_TEST_CLIENTS_NODE"));
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let url = format!("http://{}", served.east());
    let document = format!("{url}/openapi.json");

    // A warning is an operation that is left out.
    let generator = python.join("openapi-python-client");
    let generate = ["generate", "--url", &document, "--meta", "none", "--output-path", "bank", "--fail-on-warning"];
    run(folder, &generator, &generate).await;
    fs::write(folder.join("use.py"), PYTHON).unwrap();
    assert_eq!(run(folder, &python.join("python"), &["use.py", &url]).await, "used\n");

    std::os::unix::fs::symlink(&node, folder.join("node_modules")).unwrap();
    let program = |name: &str| node.join(".bin").join(name);
    run(folder, &program("openapi-typescript"), &[&document, "--output", "bank.d.ts"]).await;
    fs::write(folder.join("use.mts"), TYPESCRIPT).unwrap();
    let types = ["--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom,dom.iterable"];
    let files = ["--skipLibCheck", "use.mts"];
    run(folder, &program("tsc"), &[&types[..], &files].concat()).await;
    assert_eq!(run(folder, &python.join("node"), &["use.mjs", &url]).await, "used\n");
}
