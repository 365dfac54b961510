//! The time of a warm function to answer with one query, and its memory then: the released
//! `bootstrap` with ten rules, compared with functions that only run the query.

use std::cell::RefCell;
use std::path::Path;

use tenet_bench::{Function, Pairs, Program, bundle_of, place};

const ROUNDS: usize = 1000;

const ONLY_CONNECTS: &str = "a Rust function that only connects";
const HOST: &str = "10 rules";
const PYTHON: &str = "a Python handler with boto3";

fn main() -> anyhow::Result<()> {
    let database = place::database()?;
    let (folder, index) = place::guests()?;
    let bundle = bundle_of(10, &folder, &index)?;
    let mut running = Vec::new();
    for (name, mut program) in [
        (ONLY_CONNECTS, Program::only_connects(Path::new(env!("CARGO_BIN_EXE_only-connects")), &database)),
        (HOST, Program::host(bundle.path(), &database)?),
        (PYTHON, Program::python(&database)?),
    ] {
        let function = Function::start(&mut program)?;
        running.push((name, program, RefCell::new(function)));
    }
    let mut pairs = Pairs::default();
    for (name, program, function) in &running {
        pairs.add(*name, move || function.borrow_mut().invoke(program));
    }
    let measured = pairs.run(ROUNDS)?;
    measured.print("A warm answer with one query", ONLY_CONNECTS);
    let more = measured.paired(HOST, ONLY_CONNECTS, |time, base| time - base);
    println!("\n  {HOST}, over {ONLY_CONNECTS}: {more:.0} µs more");
    println!("\nIn memory after {ROUNDS} answers\n{:>54}{:>10}", "MB", "at most");
    for (name, _, function) in &running {
        let memory = function.borrow().memory()?;
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        println!("  {name:<42}{:>10.1}{:>10.1}", megabytes(memory.resident), megabytes(memory.peak));
    }
    Ok(())
}
