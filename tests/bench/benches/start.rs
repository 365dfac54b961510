//! The time from the start of the process to the first answer: the released `bootstrap` under a
//! runtime API in this process, compared with a function that only connects and with a handler in
//! Python.

use std::path::Path;

use tempfile::TempDir;
use tenet_bench::{Function, Pairs, Program, bundle_of, place};

const ROUNDS: usize = 40;

/// No server listens there: connections are refused at once.
const NO_DATABASE: &str = "postgres://bench@127.0.0.1:1/none";

const ONLY_CONNECTS: &str = "a Rust function that only connects";
const PYTHON: &str = "a Python handler with boto3";
const TEN_RULES: &str = "10 rules, a query";
const NO_RULES: &str = "no rules, no database";
const TEN_RULES_ALONE: &str = "10 rules, no database";

fn main() -> anyhow::Result<()> {
    let database = place::database()?;
    let (folder, index) = place::guests()?;
    let bundle = |count| bundle_of(count, &folder, &index);
    let (none, one, ten, hundred) = (bundle(0)?, bundle(1)?, bundle(10)?, bundle(100)?);
    let host = |bundle: &TempDir| Program::host(bundle.path(), &database);
    let alone = |bundle: &TempDir| anyhow::Ok(Program::host(bundle.path(), NO_DATABASE)?.asked_for_nothing());

    let mut pairs = Pairs::default();
    for (name, mut program) in [
        (ONLY_CONNECTS, Program::only_connects(Path::new(env!("CARGO_BIN_EXE_only-connects")), &database)),
        ("1 rule, a query", host(&one)?),
        (TEN_RULES, host(&ten)?),
        ("100 rules, a query", host(&hundred)?),
        ("10 rules, no such operation", host(&ten)?.asked_for_nothing()),
        (NO_RULES, alone(&none)?),
        (TEN_RULES_ALONE, alone(&ten)?),
        (PYTHON, Program::python(&database)?),
    ] {
        pairs.add(name, move || Function::first(&mut program));
    }
    let measured = pairs.run(ROUNDS)?;
    measured.print("From the start to the first answer", ONLY_CONNECTS);
    let more = |name, base| measured.paired(name, base, |time, base| time - base) / 1e3;
    println!("\n  {TEN_RULES}, over {ONLY_CONNECTS}: {:.1} ms more", more(TEN_RULES, ONLY_CONNECTS));
    println!("  {TEN_RULES_ALONE}, over {NO_RULES}: {:.1} ms more", more(TEN_RULES_ALONE, NO_RULES));
    println!("  {PYTHON}, over {TEN_RULES}: {:.1} times as long", measured.ratio(PYTHON, TEN_RULES));
    Ok(())
}
