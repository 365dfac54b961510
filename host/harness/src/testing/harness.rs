use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Instant;

use tenet_capsule::Capsule;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::discovery::{self, CAPSULE};
use super::explorer::Schedule;
use super::file::{Step, TestFile, What};
use super::outcome::TestOutcome;
use super::report::Report;
use super::site::Site;
use super::{capsule_file, case};
use crate::building::{self, Wanted};
use crate::error::{Context, Result};
use crate::progress::{Progress, Silent};

/// Builds a bundle and runs its tests: what `tenet test` does, with nothing chosen.
///
/// ```no_run
/// #[test]
/// fn rules() {
///     tenet_harness::run("path/to/bundle").unwrap().assert_passed();
/// }
/// ```
///
/// It blocks, on a runtime of its own; asynchronous code uses a [`Harness`]. Each call builds the bundle into the folder
/// `target/tenet` of the bundle, and starts and stops a private PostgreSQL, which it installs where there is none
/// and the process is root.
///
/// # Errors
/// Fails if the bundle cannot be built or has no tests, or if the database does not start. A failed test is not an
/// error: it is in the report.
pub fn run(bundle: impl AsRef<Path>) -> Result<Report> {
    let harness = Harness::new(bundle);
    let run = || {
        let runtime = tokio::runtime::Runtime::new().context("cannot start the threads")?;
        runtime.block_on(harness.run(&Silent, |_| {}))
    };
    // A runtime cannot be started on a thread that is one of another's.
    let ran = std::thread::scope(|scope| scope.spawn(run).join());
    ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs the tests of a bundle: the files `tests/*.toml` of the bundle and of its rules.
///
/// ```no_run
/// # async fn example() -> Result<(), tenet_harness::Error> {
/// use tenet_harness::{Harness, Silent, TestEvent};
///
/// let harness = Harness::new("path/to/bundle").filter("transfer").jobs(2);
/// let report = harness
///     .run(&Silent, |event| match event {
///         TestEvent::Started { tests } => println!("{tests} tests"),
///         TestEvent::Ended(outcome) => println!("{}", outcome.name),
///         _ => {}
///     })
///     .await?;
/// report.assert_passed();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Harness {
    bundle: PathBuf,
    out: Option<PathBuf>,
    paths: Vec<PathBuf>,
    filter: Option<String>,
    jobs: Option<usize>,
    schedule: Option<Schedule>,
    on_postgres: bool,
}

/// What happens while tests run.
#[derive(Debug)]
#[non_exhaustive]
pub enum TestEvent<'a> {
    /// The bundle is built, and its tests begin.
    Started {
        /// How many tests there are.
        tests: usize,
    },
    /// A test has ended. Tests run side by side, and end in any order.
    Ended(&'a TestOutcome),
}

/// One test, before it is run.
struct Test {
    /// Its place in the order of the tests.
    number: usize,
    name: String,
    path: PathBuf,
    content: Content,
}

/// What is in the file of a test.
enum Content {
    File(Box<TestFile>),
    Capsule(Box<Capsule>),
}

impl Harness {
    /// For the bundle in this folder: sources with `tenet.toml`, which are built first, or a built bundle.
    pub fn new(bundle: impl AsRef<Path>) -> Self {
        let bundle = bundle.as_ref().to_owned();
        Self { bundle, out: None, paths: Vec::new(), filter: None, jobs: None, schedule: None, on_postgres: false }
    }

    /// Builds into this folder and not into `target/tenet` of the bundle's.
    #[must_use]
    pub fn out(self, out: impl Into<PathBuf>) -> Self {
        Self { out: Some(out.into()), ..self }
    }

    /// Runs these tests, or those in these folders, and not all of the bundle. Paths are relative to the working
    /// directory.
    #[must_use]
    pub fn paths(self, paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        Self { paths: paths.into_iter().map(Into::into).collect(), ..self }
    }

    /// Runs only tests with this in their name, which is `rules/NAME/tests/FILE` for a rule's.
    #[must_use]
    pub fn filter(self, part: impl Into<String>) -> Self {
        Self { filter: Some(part.into()), ..self }
    }

    /// Runs this many tests in parallel, and not one for each processor.
    #[must_use]
    pub fn jobs(self, jobs: usize) -> Self {
        Self { jobs: Some(jobs), ..self }
    }

    /// Runs `together` requests only in this schedule.
    #[must_use]
    pub fn schedule(self, schedule: Schedule) -> Self {
        Self { schedule: Some(schedule), ..self }
    }

    /// Runs `together` requests on PostgreSQL, and not on the model of Aurora DSQL where that knows their statements.
    #[must_use]
    pub fn on_postgres(self) -> Self {
        Self { on_postgres: true, ..self }
    }

    /// Builds the bundle, runs the tests, and calls `events` with what happens. It blocks its thread while it builds, so
    /// run it on a runtime with several.
    ///
    /// # Errors
    /// Fails if the bundle cannot be built, if there is no test to run, or if the database does not start. A failed test
    /// is not an error: it is in the report.
    pub async fn run(&self, progress: &dyn Progress, mut events: impl FnMut(TestEvent<'_>)) -> Result<Report> {
        let opened = building::open_for(&self.bundle, self.out.as_deref(), Wanted::Tests, progress).await?;
        let started = Instant::now();
        let paths = discovery::paths(&self.bundle, &self.paths, self.filter.as_deref())?;
        let (mut tests, mut outcomes) = (Vec::new(), Vec::new());
        for (number, path) in paths.into_iter().enumerate() {
            let name = discovery::name(&self.bundle, &path);
            match Content::read(&path) {
                Ok(content) => tests.push(Test { number, name, path, content }),
                Err(error) => {
                    let outcome = TestOutcome::new(&self.bundle, &name, &path);
                    outcomes.push((number, TestOutcome { unreadable: Some(error), ..outcome }));
                }
            }
        }
        let with_database = tests.iter().any(Test::wants_a_database);
        let with_model = !self.on_postgres && tests.iter().any(Test::wants_a_model);
        let site = Arc::new(Site::start(opened, (with_database, with_model), progress).await?);
        events(TestEvent::Started { tests: tests.len() + outcomes.len() });
        outcomes.iter().for_each(|(_, outcome)| events(TestEvent::Ended(outcome)));
        let (ended, mut ending) = unbounded_channel();
        let mut running = self.start(&site, Arc::new(tests), ended).await?;
        while let Some((number, outcome)) = ending.recv().await {
            events(TestEvent::Ended(&outcome));
            outcomes.push((number, outcome));
        }
        while let Some(job) = running.join_next().await {
            job?;
        }
        let took = started.elapsed();
        outcomes.sort_by_key(|(number, _)| *number);
        let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
        Arc::into_inner(site).map_or(Ok(()), Site::close)?;
        Ok(Report { outcomes, took, bundle: self.bundle.clone() })
    }

    /// Begins to run tests side by side. Each is given to `ended` with its place in their order.
    async fn start(
        &self,
        site: &Arc<Site>,
        tests: Arc<Vec<Test>>,
        ended: UnboundedSender<(usize, TestOutcome)>,
    ) -> Result<JoinSet<()>> {
        let jobs = self.jobs.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
        let with_database = tests.iter().any(Test::wants_a_database);
        let next = Arc::new(AtomicUsize::new(0));
        let mut running = JoinSet::new();
        for job in 0..jobs.clamp(1, tests.len().max(1)) {
            // One after the other: each is a copy of one database, which has to be unused meanwhile.
            let rig = if with_database { Some(site.rig(job).await?) } else { None };
            let (site, tests, next, ended) = (Arc::clone(site), Arc::clone(&tests), Arc::clone(&next), ended.clone());
            let (bundle, schedule) = (self.bundle.clone(), self.schedule.clone());
            running.spawn(async move {
                loop {
                    let next = next.fetch_add(1, Ordering::Relaxed);
                    let Some(Test { number, name, path, content }) = tests.get(next) else { break };
                    let outcome = TestOutcome::new(&bundle, name, path);
                    let outcome = match content {
                        Content::File(file) => case::run(&site, rig.as_ref(), outcome, file, schedule.as_ref()).await,
                        Content::Capsule(capsule) => case::replay(&site, outcome, capsule).await,
                    };
                    // The receiver goes only with all of it.
                    let _gone = ended.send((*number, outcome));
                }
            });
        }
        Ok(running)
    }
}

impl Content {
    fn read(path: &Path) -> Result<Self> {
        match path.to_string_lossy().ends_with(CAPSULE) {
            true => capsule_file::read(path).map(|capsule| Self::Capsule(Box::new(capsule))),
            false => TestFile::read(path).map(|file| Self::File(Box::new(file))),
        }
    }
}

impl Test {
    fn wants_a_model(&self) -> bool {
        let is_together = |step: &Step| matches!(step.what, What::Together { .. });
        matches!(&self.content, Content::File(file) if file.recorded.is_none() && file.steps.iter().any(is_together))
    }

    fn wants_a_database(&self) -> bool {
        matches!(&self.content, Content::File(file) if file.recorded.is_none())
    }
}
