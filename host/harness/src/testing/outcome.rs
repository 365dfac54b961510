use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tenet_capsule::Attempt;
use tenet_core::Code;
use tenet_pipeline::Answer;

use super::coverage::Reached;
use super::explorer::{Anomaly, Explored, Ground, Schedule};
use super::file::Change;
use super::json::Json;
use super::transcript;
use crate::error::Error;
use crate::escaped::escaped;

/// One test that was run.
#[derive(Debug)]
pub struct TestOutcome {
    /// Its path in the bundle, without the end of the file's name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What it shows, in its author's words.
    pub about: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// Why its file could not be read, if it could not.
    pub unreadable: Option<Error>,
    /// What is not as it has to be; none where it passed or could not be read.
    pub failures: Vec<TestFailure>,
    /// What was done, in order.
    pub steps: Vec<StepResult>,
    /// By the number of the step, from 1, the orders that requests at once were run in.
    pub explored: Vec<(usize, Explored)>,
    /// The order of requests at once in which it failed.
    pub schedule: Option<Schedule>,
    /// The folder of its bundle.
    pub(crate) bundle: PathBuf,
    pub(crate) actual: Actual,
    pub(crate) reached: Reached,
}

/// Something that is not as it has to be.
#[derive(Debug)]
pub struct TestFailure {
    /// The code under which `tenet explain` has more.
    pub code: Option<Code>,
    /// The number of the step, from 1.
    pub step: Option<usize>,
    /// What was expected, and what was found.
    pub what: String,
    /// Of requests at once, an order that brings what no order of whole requests does.
    pub anomaly: Option<Box<Anomaly>>,
}

/// What was done in a step of a test.
#[derive(Debug)]
pub enum StepResult {
    /// A request was decided.
    Request {
        /// The number of the step, from 1.
        step: usize,
        /// The operation, or the rule alone.
        target: String,
        /// The region that served it.
        region: String,
        /// The answer.
        answer: Answer,
        /// Why it failed, if it did.
        reason: Option<String>,
        /// What each attempt did.
        attempts: Vec<Attempt>,
    },
    /// The relay had its turn.
    Relay {
        /// The number of the step, from 1.
        step: usize,
    },
    /// A recorded request was decided once more.
    Replay {
        /// What each attempt did.
        attempts: Vec<Attempt>,
    },
}

/// The results of a test, as `--update` writes them into its file.
#[derive(Debug, Default)]
pub(crate) struct Actual {
    /// By step; none for those of requests at once.
    pub(crate) steps: Vec<Option<ActualStep>>,
    pub(crate) rows: BTreeMap<String, Change>,
    /// Whether the rows are not what they have to be.
    pub(crate) rows_are_unmet: bool,
    /// The step, counted from 1, whose requests at once fail each alone: nothing behind it was run.
    pub(crate) failed_alone: Option<usize>,
}

/// The results of a step.
#[derive(Debug)]
pub(crate) struct ActualStep {
    /// What the request was answered with. None for a relay's turn.
    pub(crate) answered: Option<Answered>,
    /// The operations that have followed, and their answers.
    pub(crate) followed: Vec<(String, Answer)>,
    /// Whether they are not what they have to be.
    pub(crate) follows_are_unmet: bool,
}

/// What a request was answered with, and what it has left.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    pub(crate) reason: Option<String>,
    pub(crate) events: Vec<Json>,
    pub(crate) follow_ups: Vec<Json>,
    /// Whether the verdict, the events, or what is scheduled are not what they have to be.
    pub(crate) verdict_is_unmet: bool,
    pub(crate) events_are_unmet: bool,
    pub(crate) follow_ups_are_unmet: bool,
}

impl TestOutcome {
    pub(crate) fn new(bundle: &Path, name: &str, path: &Path) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            about: None,
            took: Duration::ZERO,
            unreadable: None,
            failures: Vec::new(),
            steps: Vec::new(),
            explored: Vec::new(),
            schedule: None,
            bundle: bundle.to_owned(),
            actual: Actual::default(),
            reached: Reached::default(),
        }
    }

    /// Whether all was as it has to be.
    pub fn has_passed(&self) -> bool {
        self.failures.is_empty() && self.unreadable.is_none()
    }

    /// The failures as texts, one for each thing that is said of them.
    pub fn failure_texts(&self) -> Vec<String> {
        self.failures.iter().flat_map(TestFailure::texts).collect()
    }

    /// What was done, as texts: requests, each with its statements, its log and its events.
    pub fn step_texts(&self) -> Vec<String> {
        self.steps.iter().flat_map(StepResult::texts).collect()
    }

    /// What is worth knowing although it passed, as texts.
    pub fn notes(&self) -> Vec<String> {
        self.explored.iter().map(|(step, explored)| format!("step {step}: {explored}")).collect()
    }

    /// The command that runs this test alone, in the order in which it failed.
    pub fn command(&self) -> String {
        let bundle = match self.bundle == Path::new(".") {
            true => String::new(),
            false => format!(" --bundle {}", self.bundle.display()),
        };
        let asked = |(_, explored): &(usize, Explored)| explored.ground == Ground::Postgres(None);
        let ground = if self.explored.iter().any(asked) { " --postgres" } else { "" };
        let schedule = self.schedule.as_ref().map(|schedule| format!(" --schedule '{schedule}'")).unwrap_or_default();
        format!("tenet test{bundle}{ground} {}{schedule}", self.path.display())
    }

    /// What a person reads of it, with `unreadable` about its file: lines whose other texts are escaped. In the
    /// place of its own [`unreadable`](Self::unreadable), for those that show a place in a file their own way.
    pub fn with_unreadable(&self, unreadable: &str) -> String {
        let mut shown = Lines(String::new());
        let word = if self.has_passed() { "pass" } else { "FAIL" };
        shown.line(&format!("{word}  {}  {} ms", self.name, self.took.as_millis()));
        self.notes().iter().for_each(|note| shown.line(&format!("      {note}")));
        if self.has_passed() {
            return shown.0;
        }
        self.about.iter().for_each(|about| shown.line(&format!("      {about}")));
        let (failures, steps) = (self.failure_texts(), self.step_texts());
        failures.iter().for_each(|failure| shown.line(&format!("      {failure}")));
        // It may have several lines.
        for (place, line) in unreadable.lines().enumerate() {
            shown.line(&format!("{}{line}", if place == 0 { "      " } else { "" }));
        }
        shown.line("      what was done:");
        steps.iter().for_each(|step| shown.line(&format!("        {step}")));
        shown.line(&format!("      again: {}", self.command()));
        // A statement that was not sent has a code too, in what was done.
        let texts = failures.iter().chain(&steps).map(String::as_str).chain([unreadable]);
        let codes: BTreeSet<&str> = texts.filter_map(code).collect();
        codes.into_iter().for_each(|code| shown.line(&format!("      more: tenet explain {code}")));
        shown.0
    }
}

/// What a person reads of it.
impl fmt::Display for TestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unreadable = self.unreadable.as_ref().map(|error| format!("{error:?}")).unwrap_or_default();
        f.write_str(&self.with_unreadable(&unreadable))
    }
}

/// Lines that end, each without anything that would end it sooner.
struct Lines(String);

impl Lines {
    fn line(&mut self, text: &str) {
        self.0.push_str(&escaped(text));
        self.0.push('\n');
    }
}

/// The code that a failure begins with, or that its reason has.
fn code(failure: &str) -> Option<&str> {
    let mut words = failure.split(|c: char| !c.is_ascii_alphanumeric());
    let is_code = |word: &&str| Code::ALL.iter().any(|code| code.as_str() == *word);
    words.rfind(is_code)
}

impl TestFailure {
    pub(crate) fn new(code: Code, step: Option<usize>, what: impl Into<String>) -> Self {
        Self { code: Some(code), step, what: what.into(), anomaly: None }
    }

    /// The failure as texts: what it is and, of requests at once, what each order brings.
    pub fn texts(&self) -> Vec<String> {
        let anomaly = self.anomaly.iter().flat_map(|anomaly| anomaly.texts());
        std::iter::once(self.to_string()).chain(anomaly).collect()
    }
}

/// What broke while a test was run.
impl From<Error> for TestFailure {
    fn from(error: Error) -> Self {
        Self { code: None, step: None, what: format!("{error:#}"), anomaly: None }
    }
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code {
            write!(f, "{code} ")?;
        }
        if let Some(step) = self.step {
            write!(f, "step {step}: ")?;
        }
        f.write_str(&self.what)
    }
}

impl StepResult {
    /// It as texts: what was asked and answered, and each thing that was done.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Request { step, target, region, answer, reason, attempts } => {
                let status = answer.status.code();
                let mut texts = vec![format!("step {step}: {target} in {region} -> {status} {}", answer.body)];
                texts.extend(reason.as_ref().map(|reason| format!("  because {reason}")));
                texts.extend(transcript::texts(attempts).into_iter().map(|text| format!("  {text}")));
                texts
            }
            Self::Relay { step } => vec![format!("step {step}: the relay")],
            Self::Replay { attempts } => transcript::texts(attempts),
        }
    }
}
