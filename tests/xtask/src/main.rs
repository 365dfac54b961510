//! The tasks of this repository: `cargo xtask TASK`.
//!
//! A task does all the set-up that it needs, says what it is doing, and ends what it
//! started. It depends on `host/build` and nothing heavier, so that it starts at once.

mod architecture;
mod bench;
mod campaign;
mod circles;
mod clients;
mod demo;
mod documents;
mod fuzz;
mod glibc;
mod guests;
mod holes;
mod licences;
mod lint;
mod package;
mod rehearse;
mod release;
mod repository;
mod requests;
mod server;
mod simulate;
mod stages;
mod tally;
mod templates;
mod test;
mod venv;

use std::process::ExitCode;

use crate::package::Wanted;
use crate::repository::Repository;

const USAGE: &str = "\
usage: cargo xtask TASK

  demo         build everything and tell the story of one transaction in two regions
  test [NAME]  every check and every test there is; with NAME only tests with it in their name
  campaign [--seed N] [--minutes M] [--worlds K] [--faults S] [--clients C]
               does harm to two regions' hosts, wires and buses from seed N on for M minutes, and
               counts what was lost, doubled or invented; in K worlds at once, in rounds of S seconds
               with C clients each
  simulate [--seed N] [--seeds K] [--transactions M] [--jobs J] [--shrink] [--story] [--mutant NAME]
               runs K stories of M transactions each: two regions' hosts in one process, on a model of
               Aurora DSQL and a simulated clock, under faults that the seed decides; --shrink makes
               the story of the first finding short, --story prints all of it
  fuzz [--seed N] [--minutes M]
               holds the statement policy against PostgreSQL, with statements from seed N, for M
               minutes
  fuzz holes   makes each of the known holes in a copy of the policy and has the fuzzer find it
  bench [NAME] measure what a call, its rows, a start, a transfer and a warm answer cost, what many clients at
               once get, and what an author of rules waits for; with NAME only one of call, load, rows,
               start, transfer, warm, writing
  bench load [--seconds N]
               the load alone, N seconds (60) each for few clients, for many, and for many while
               connections are cut and the server is restarted; then an audit of every answer
  package [x86_64|arm64] [--bundle PATH]
               the zips that Lambda is given, of the function and a bundle's rules (the example
               rules unless one is named), into target/tenet/package
  rehearse     bring a deployment up in two regions on stand-ins, and take it down again
  guests       build the example rules and the guests of the tests into target/tenet
  rights       writes the rights that deploying takes into deploy/rights
  documents    links, tables and words of the documents: a part of lint
  lint         formatting, clippy, documents and documentation, licences and duplicate versions";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let repository = Repository::here();
    let done = match arguments.as_slice() {
        ["demo"] => demo::demo(&repository),
        ["test"] => test::test(&repository, None).map(|()| ExitCode::SUCCESS),
        ["test", name] => test::test(&repository, Some(name)).map(|()| ExitCode::SUCCESS),
        ["bench", rest @ ..] if let Some(wanted) = bench::Wanted::parse(rest) => {
            bench::bench(&repository, wanted).map(|()| ExitCode::SUCCESS)
        }
        ["fuzz", "holes"] => fuzz::holes(&repository, "1").map(|()| ExitCode::SUCCESS),
        ["fuzz", rest @ ..] if let Some(wanted) = fuzz::Wanted::parse(rest) => {
            fuzz::fuzz(&repository, &wanted).map(|()| ExitCode::SUCCESS)
        }
        ["campaign", rest @ ..] if let Some(wanted) = campaign::Wanted::parse(rest) => {
            campaign::campaign(&repository, &wanted)
        }
        ["simulate", rest @ ..] if let Some(wanted) = simulate::Wanted::parse(rest) => {
            simulate::simulate(&repository, &wanted)
        }
        ["rehearse"] => rehearse::rehearse(&repository).map(|()| ExitCode::SUCCESS),
        ["guests"] => guests::task(&repository).map(|()| ExitCode::SUCCESS),
        ["documents"] => documents::check(&repository).map(|()| ExitCode::SUCCESS),
        ["rights"] => templates::write_rights(&repository).map(|()| ExitCode::SUCCESS),
        ["lint"] => lint::task(&repository).map(|()| ExitCode::SUCCESS),
        ["package", rest @ ..] if let Some(wanted) = Wanted::parse(rest) => {
            package::package(&repository, &wanted).map(|()| ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
