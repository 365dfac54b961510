//! `tenet test`: tests that are files, run on the host itself.
//!
//! A [file](file::TestFile) gives rows, asks requests and says what has to come of them. Each test
//! has a database to itself, one of as many as run at once ([`site`]), and is run as a
//! [`Case`] on the same engine, pipeline, policy and SQL as in Lambda, with a hand in between
//! ([`injected`]) that takes everything down and makes go wrong what the test says. Requests at
//! once are run in every order of their flights by the [`explorer`].

mod case;
mod coverage;
mod explorer;
pub(crate) mod file;
mod injected;
pub(crate) mod json;
mod null;
mod results;
mod sealed;
pub(crate) mod site;
mod toml_json;
pub(crate) mod transcript;
mod update;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Instant;

use anyhow::{Context, bail};
use tenet_build::Bundle;
use tenet_capsule::Capsule;
use tokio::task::JoinSet;

use self::case::Case;
use self::coverage::Reached;
use self::explorer::Schedule;
use self::file::TestFile;
use self::site::Site;
use crate::args::TestArgs;
use crate::built;
use crate::replay;
use crate::report::{Problem, show};
use crate::terminal;
use crate::watching::Watching;
use tenet_core::Code;

/// The exit code where a test has failed.
const FAILED: u8 = 1;

/// How the name of a capsule ends that is a test.
pub(crate) const CAPSULE: &str = ".capsule.json";

/// The manifest of a rule, in its folder.
const RULE: &str = "rule.toml";

/// One test, before it is run.
enum Test {
    File(Box<TestFile>),
    Capsule(Box<Capsule>),
    /// Why it cannot be.
    Unreadable(String),
}

/// Runs the tests, once or each time that something is saved.
pub(crate) async fn test(args: &TestArgs) -> anyhow::Result<ExitCode> {
    if args.schema {
        terminal::write(&file::schema())?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.watch {
        return once(args).await;
    }
    let outputs: Vec<&Path> = args.out.as_deref().into_iter().chain(args.junit.as_deref()).collect();
    let mut watching = Watching::new(&args.bundle, &outputs)?;
    loop {
        match once(args).await {
            Ok(_) => {}
            Err(error) => drop(crate::report::tell(&error)),
        }
        terminal::tell(&format!("waiting for a change in {}", args.bundle.display()));
        if !watching.changed().await {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

async fn once(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let schedule = args.schedule.as_deref().map(Schedule::parse).transpose();
    let schedule = schedule.map_err(|what| Problem::new(what, "take the one that a failed test tells"))?;
    let opened = built::open_for(&args.bundle, args.out.as_deref(), built::Wanted::Tests).await?;
    let started = Instant::now();
    let paths = paths(args)?;
    let tests: Vec<(String, Test)> = paths.iter().map(|path| (name(&args.bundle, path), Test::read(path))).collect();
    let with_database = tests.iter().any(|(_, test)| test.wants_a_database());
    let site = Arc::new(Site::start(opened, with_database).await?);
    let jobs = args.jobs.unwrap_or_else(|| available_parallelism().map_or(1, usize::from)).clamp(1, tests.len().max(1));
    let cases = run(&site, Arc::new(tests), jobs, schedule.as_ref()).await?;
    let took = started.elapsed();
    let mut reached = Reached::default();
    let mut failed = 0;
    let mut lines = Vec::new();
    for (case, path) in cases.iter().zip(&paths) {
        reached.merge(&case.reached);
        failed += usize::from(!case.has_passed());
        if args.json {
            lines.push(results::json(case));
            continue;
        }
        lines.extend(results::lines(case, &repeat(args, path, case)));
    }
    let mut updated = 0;
    if args.update {
        for (case, path) in cases.iter().zip(&paths) {
            updated += usize::from(update(case, path, &mut lines)?);
        }
    }
    match args.json {
        true => lines.iter().try_for_each(|line| terminal::write_json(line))?,
        false => show(&lines)?,
    }
    if let Some(path) = &args.junit {
        results::write_junit(path, &cases, took)?;
    }
    terminal::tell(&format!("{} passed, {failed} failed in {:.2} s", cases.len() - failed, took.as_secs_f64()));
    if updated > 0 {
        terminal::tell(&format!("{updated} files were updated: read what has changed before it is committed"));
    }
    let is_covered = covered(args, &reached)?;
    Arc::into_inner(site).map_or(Ok(()), Site::close)?;
    Ok(if failed > 0 || !is_covered { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

/// Runs tests side by side, and gives their results in their order.
async fn run(
    site: &Arc<Site>,
    tests: Arc<Vec<(String, Test)>>,
    jobs: usize,
    schedule: Option<&Schedule>,
) -> anyhow::Result<Vec<Case>> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut running = JoinSet::new();
    let with_database = tests.iter().any(|(_, test)| test.wants_a_database());
    for job in 0..jobs {
        // One after the other: each is a copy of one database that nobody may use meanwhile.
        let rig = if with_database { Some(site.rig(job).await?) } else { None };
        let (site, tests, next, schedule) =
            (Arc::clone(site), Arc::clone(&tests), Arc::clone(&next), schedule.cloned());
        running.spawn(async move {
            let mut cases = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some((name, test)) = tests.get(number) else { return cases };
                let case = match test {
                    Test::File(file) => Case::run(&site, rig.as_ref(), name, file, schedule.as_ref()).await,
                    Test::Capsule(capsule) => case::replay(&site, name, capsule).await,
                    Test::Unreadable(why) => {
                        let mut case = Case::new(name, None);
                        case.failures.push(why.clone());
                        case.is_read = false;
                        case
                    }
                };
                cases.push((number, case));
            }
        });
    }
    let mut cases = Vec::new();
    while let Some(some) = running.join_next().await {
        cases.extend(some?);
    }
    cases.sort_by_key(|(number, _)| *number);
    Ok(cases.into_iter().map(|(_, case)| case).collect())
}

impl Test {
    fn read(path: &Path) -> Self {
        let read = match path.to_string_lossy().ends_with(CAPSULE) {
            true => replay::read(path).map(|capsule| Self::Capsule(Box::new(capsule))),
            false => TestFile::read(path).map(|file| Self::File(Box::new(file))),
        };
        read.unwrap_or_else(|error| Self::Unreadable(crate::report::text(&error)))
    }

    fn wants_a_database(&self) -> bool {
        matches!(self, Self::File(file) if file.recorded.is_none())
    }
}

/// The tests of a bundle and of its rules.
pub(crate) fn files(bundle: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    collect(&bundle.join("tests"), &mut found)?;
    let rules = bundle.join("rules");
    if rules.is_dir() {
        for entry in std::fs::read_dir(&rules).with_context(|| format!("cannot read {}", rules.display()))? {
            collect(&entry?.path().join("tests"), &mut found)?;
        }
    }
    Ok(found)
}

/// The files of the tests that are asked for, in order.
fn paths(args: &TestArgs) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = if args.paths.is_empty() { files(&args.bundle)? } else { BTreeSet::new() };
    for path in &args.paths {
        if !path.exists() {
            let help = "name a test, or a folder of tests";
            bail!(Problem::new(format!("{} is not there", path.display()), help));
        }
        match path.is_dir() {
            // The folder of a rule stands for its tests.
            true if path.join(RULE).is_file() => collect(&path.join("tests"), &mut found)?,
            true => collect(path, &mut found)?,
            false => drop(found.insert(path.clone())),
        }
    }
    let all = found.len();
    if let Some(filter) = &args.filter {
        found.retain(|path| name(&args.bundle, path).contains(filter.as_str()));
    }
    if found.is_empty() {
        let what =
            if all == 0 { "there are no tests".to_owned() } else { format!("none of {all} tests has that name") };
        bail!(
            Problem::new(what, "tests are the files `tests/*.toml` of a rule and of the bundle")
                .explained(Code::NoTests)
        );
    }
    Ok(found.into_iter().collect())
}

/// The tests in a folder and in those below it. A recording that a test goes with is none itself.
fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let text = path.to_string_lossy();
        if path.is_dir() {
            collect(&path, found)?;
        } else if text.ends_with(".toml")
            || (text.ends_with(CAPSULE) && !Path::new(&text.replace(CAPSULE, ".toml")).is_file())
        {
            found.insert(path);
        }
    }
    Ok(())
}

/// Whether a file of this name is a test, or a recording that a test goes with.
pub(crate) fn is_test_file(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.ends_with(".toml") || text.ends_with(CAPSULE)
}

/// The name of a test: its path in the bundle.
fn name(bundle: &Path, path: &Path) -> String {
    let path = path.strip_prefix(bundle).unwrap_or(path);
    let text = path.display().to_string();
    text.strip_suffix(".toml").or_else(|| text.strip_suffix(CAPSULE)).unwrap_or(&text).to_owned()
}

/// The command that runs one test again.
fn repeat(args: &TestArgs, path: &Path, case: &Case) -> String {
    let bundle = match args.bundle == Path::new(".") {
        true => String::new(),
        false => format!(" --bundle {}", args.bundle.display()),
    };
    let schedule = case.schedule.as_ref().map(|schedule| format!(" --schedule '{schedule}'")).unwrap_or_default();
    format!("tenet test{bundle} {}{schedule}", path.display())
}

/// Writes what came of a test into its file. Whether it is another now.
fn update(case: &Case, path: &Path, lines: &mut Vec<String>) -> anyhow::Result<bool> {
    if path.to_string_lossy().ends_with(CAPSULE) {
        return Ok(false);
    }
    // What cannot be read cannot be put right.
    let Ok(file) = TestFile::read(path) else { return Ok(false) };
    if let Some(step) = update::unexpected_failure(&file, &case.actual) {
        lines.push(format!(
            "{}: not updated, since step {step} failed; write `fail` or `unavailable` into it if it is to fail",
            case.name
        ));
        return Ok(false);
    }
    let text = update::updated(&file, &case.actual)?;
    if text == file.text {
        return Ok(false);
    }
    lines.extend(update::diff(&case.name, &file.text, &text).lines().map(str::to_owned));
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(true)
}

/// Tells what no test has reached. Whether it is no more than is allowed.
fn covered(args: &TestArgs, reached: &Reached) -> anyhow::Result<bool> {
    if !args.coverage && args.min_coverage.is_none() {
        return Ok(true);
    }
    let coverage = reached.coverage(&Bundle::open(&args.bundle)?)?;
    coverage.lines().iter().for_each(|line| terminal::tell(line));
    let least = usize::from(args.min_coverage.unwrap_or(0));
    let is_enough = coverage.percent() >= least;
    if !is_enough {
        terminal::tell(&format!("coverage: {least} % were asked for"));
    }
    Ok(is_enough)
}
