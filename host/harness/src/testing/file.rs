use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tenet_core::{Code, FollowUp};
use toml_edit::DocumentMut;

use super::json::Json;
use super::{moment, null, toml_json};
use crate::error::{Context, Error, Place, Result};

/// The version of the format.
const VERSION: u32 = 1;

/// The moment of the first step where the file does not say it: 2026-01-01 00:00:00 UTC.
const NOW: i64 = 1_767_225_600_000_000;

/// From one step to the next, in microseconds.
const STEP: i64 = 1_000_000;

/// Interleavings that are run of requests at once, unless the step says how many.
const SCHEDULES: u32 = 300;

/// The most requests that are run at once: their orders are counted in factorials.
const MOST_AT_ONCE: usize = 4;

/// A test: rows that are given, requests in order, and what has to come of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A test of Tenet's rules")]
struct FileText<J> {
    /// The version of this format: 1.
    version: u32,
    /// What the test shows, for readers of its result.
    about: Option<String>,
    /// The moment of the first step, `2026-01-01T00:00:00Z` unless given; each step comes a second later.
    now: Option<J>,
    /// The region that serves the requests: `us-east-1` unless given.
    region: Option<String>,
    /// Another number gives other random numbers.
    seed: Option<u64>,
    /// The rows that are there before the first step, by table. In a column that a rule seals or opens
    /// `{ sealed = "TEXT" }` is that text sealed in its place, here and in `rows`; `row = "KEY"` next to it
    /// names the columns that tell the row from others, where that is not the one column of the table's key. `{ null = true }`
    /// is NULL, here and in `rows`.
    #[serde(default)]
    given: BTreeMap<String, Vec<BTreeMap<String, J>>>,
    /// What happens, in order.
    #[serde(default)]
    step: Vec<StepText<J>>,
    /// All that the steps have changed, by table. A table that is not named is as it was. Without
    /// this nothing is asked of the rows.
    rows: Option<BTreeMap<String, ChangeText<J>>>,
    /// A capsule next to this file. Its recording takes the place of the database.
    recorded: Option<String>,
}

/// What happens to a table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeText<J> {
    /// Rows that have other values: the columns of the key, and each column that has changed.
    #[serde(default)]
    changed: Vec<BTreeMap<String, J>>,
    /// Rows that have come, whole or in part.
    #[serde(default)]
    added: Vec<BTreeMap<String, J>>,
    /// Rows that have gone, whole or in part.
    #[serde(default)]
    gone: Vec<BTreeMap<String, J>>,
}

/// One step: a request to an operation or to a rule alone, requests at once, or the relay's turn.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StepText<J> {
    /// The operation that is asked for.
    operation: Option<String>,
    /// Or a rule, which is then run alone.
    rule: Option<String>,
    /// Or requests that run at once, in every order of their statements and commits: on the model of Aurora
    /// DSQL, or on PostgreSQL where the model does not know a statement. The result has
    /// to be that of the requests one after the other, in some order. The test goes on, on PostgreSQL, after the
    /// order in which they are listed here.
    together: Option<Vec<AskText<J>>>,
    /// The most orders of `together` that are run: 300 unless given.
    schedules: Option<u32>,
    /// Or the relay, which delivers what is left in the outbox, and has the operations run that were scheduled and are
    /// due by now.
    #[serde(default)]
    relay: bool,
    /// The payload: an object, or JSON text.
    payload: Option<J>,
    /// The idempotency key.
    key: Option<String>,
    /// The caller, as an authoriser would report it.
    caller: Option<String>,
    /// The region that serves it, if another.
    region: Option<String>,
    /// When it comes, if not a second after the step before.
    now: Option<J>,
    /// Or how long after the step before: `90 min`, `3 days`.
    advance: Option<String>,
    /// It is accepted: `true`, or an object with the output, whole or in part. A step that says
    /// nothing of its answer expects to be accepted.
    accept: Option<J>,
    /// It is accepted with this output, byte for byte.
    output: Option<String>,
    /// It is rejected: the code, or an object with `code`, `message` and `details`, or some of them.
    reject: Option<J>,
    /// It fails (500), and the reason in the log contains this.
    fail: Option<String>,
    /// It is answered 503, with this code: `busy`, `unavailable`, `out-of-time`, `outcome-unknown`.
    unavailable: Option<String>,
    /// The status of the answer, for whatever is none of these.
    status: Option<u16>,
    /// Whether the answer is a stored one.
    repeated: Option<bool>,
    /// The events that it leaves, in their order, each whole or in part.
    events: Option<Vec<EventText<J>>>,
    /// The operations that it schedules, in their order, each whole or in part.
    follow_ups: Option<Vec<FollowUpText<J>>>,
    /// The operations that have followed, in their order: those that take an event of this step, or of
    /// one another, and those that are due at once. Without this each has to be accepted or rejected.
    follows: Option<Vec<FollowText<J>>>,
    /// What it may cost at most.
    at_most: Option<AtMost>,
    /// What goes wrong meanwhile.
    fault: Option<FaultText>,
}

/// An operation that is scheduled, or a part of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FollowUpText<J> {
    /// The operation.
    operation: Option<String>,
    /// Its payload, whole or in part.
    payload: Option<J>,
    /// How long after the step it is due: `0 s`, `3 days`.
    after: Option<String>,
    /// When it is due: `2026-01-04T00:00:00Z`.
    at: Option<String>,
    /// Its label.
    label: Option<String>,
    /// The operation that follows if it is rejected.
    on_rejection: Option<String>,
    /// The operation that follows if it is given up.
    on_failure: Option<String>,
}

/// An operation that has followed: that takes an event, or was scheduled.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FollowText<J> {
    /// The operation.
    operation: String,
    /// It is accepted: `true`, or an object with the output, whole or in part. One of which nothing is
    /// said is expected to be accepted.
    accept: Option<J>,
    /// It is rejected: the code, or an object with `code`, `message` and `details`, or some of them.
    reject: Option<J>,
    /// It fails (500), and the reason in the log contains this.
    fail: Option<String>,
    /// The events that it leaves, in their order, each whole or in part.
    events: Option<Vec<EventText<J>>>,
    /// The operations that it schedules, in their order, each whole or in part.
    follow_ups: Option<Vec<FollowUpText<J>>>,
}

/// One of the requests of `together`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskText<J> {
    /// The operation that is asked for.
    operation: Option<String>,
    /// Or a rule, which is then run alone.
    rule: Option<String>,
    /// The payload: an object, or JSON text.
    payload: Option<J>,
    /// The idempotency key.
    key: Option<String>,
    /// The caller, as an authoriser would report it.
    caller: Option<String>,
    /// The region that serves it, if another.
    region: Option<String>,
}

/// An event, or a part of one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EventText<J> {
    /// Its source.
    source: Option<String>,
    /// Its detail-type.
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    /// Its detail, whole or in part.
    detail: Option<J>,
}

/// What a request may cost at most, over all its attempts unless it says otherwise.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(crate) struct AtMost {
    /// Attempts.
    pub(crate) attempts: Option<u64>,
    /// Statements of rules.
    pub(crate) statements: Option<u64>,
    /// Waits for the database.
    pub(crate) round_trips: Option<u64>,
    /// Rows read.
    pub(crate) rows_read: Option<u64>,
    /// Bytes read.
    pub(crate) bytes_read: Option<u64>,
    /// Rows inserted, updated and deleted.
    pub(crate) rows_written: Option<u64>,
    /// Events of the last attempt.
    pub(crate) events: Option<u64>,
    /// What the rules of the last attempt compute: about one an instruction of WebAssembly.
    pub(crate) fuel: Option<u64>,
}

/// What goes wrong.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fault")]
pub(crate) struct FaultText {
    /// The flights to the database, counted from 1 over all attempts, that end in a conflict (40001).
    #[serde(default)]
    pub(crate) conflict: Vec<u32>,
    /// The flight at which the caller's time has run out.
    pub(crate) deadline: Option<u32>,
    /// Whether the answer to the first COMMIT is lost, after it was done.
    #[serde(default)]
    pub(crate) lost_commit_answer: bool,
    /// Whether the event bus is away.
    #[serde(default)]
    pub(crate) bus_down: bool,
}

impl<J> StepText<J> {
    /// What in a step says two things, or says one that nothing would look at, and what to do about it.
    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let Self { payload, key, caller, schedules, fault, repeated, status, .. } = self;
        let verdicts = [
            self.accept.is_some() || self.output.is_some(),
            self.reject.is_some(),
            self.fail.is_some(),
            self.unavailable.is_some(),
        ];
        let verdicts = verdicts.into_iter().filter(|is| *is).count();
        let is_of_request = payload.is_some() || key.is_some() || caller.is_some() || fault.is_some();
        let is_of_answer = verdicts > 0 || repeated.is_some() || status.is_some() || self.at_most.is_some();
        let leaves = self.events.is_some() || self.follow_ups.is_some();
        if verdicts > 1 {
            Some(("a step has one verdict", "leave in one of `accept`, `reject`, `fail` and `unavailable`"))
        } else if self.relay && (is_of_request || is_of_answer || leaves) {
            Some(("a relay's turn is no request", "leave in `region`, `now`, `advance` and `follows`"))
        } else if self.together.is_some()
            && (is_of_request || is_of_answer || leaves || self.follows.is_some() || self.region.is_some())
        {
            Some((
                "requests at once have no answer in common",
                "leave in `schedules`, `now` and `advance`; what a request takes belongs in its entry of `together`",
            ))
        } else if self.together.is_none() && schedules.is_some() {
            Some(("`schedules` is the number of orders of `together`", "remove it"))
        } else if self.follow_ups.iter().flatten().any(FollowUpText::has_two_moments) {
            Some(("a follow-up is due at one moment", "leave in `after` or `at`"))
        } else {
            self.follows.iter().flatten().find_map(FollowText::contradiction)
        }
    }
}

impl<J> FollowText<J> {
    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let verdicts = [self.accept.is_some(), self.reject.is_some(), self.fail.is_some()];
        if verdicts.into_iter().filter(|is| *is).count() > 1 {
            return Some(("what follows has one verdict", "leave in one of `accept`, `reject` and `fail`"));
        }
        let has_two_moments = self.follow_ups.iter().flatten().any(FollowUpText::has_two_moments);
        has_two_moments.then_some(("a follow-up is due at one moment", "leave in `after` or `at`"))
    }
}

impl<J> FollowUpText<J> {
    fn has_two_moments(&self) -> bool {
        self.after.is_some() && self.at.is_some()
    }
}

/// A test, read.
#[derive(Debug)]
pub(crate) struct TestFile {
    pub(crate) text: String,
    pub(crate) about: Option<String>,
    pub(crate) given: Vec<(String, Vec<Json>)>,
    pub(crate) steps: Vec<Step>,
    pub(crate) rows: Option<BTreeMap<String, Change>>,
    pub(crate) recorded: Option<PathBuf>,
}

/// What happens to a table.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) changed: Vec<Json>,
    pub(crate) added: Vec<Json>,
    pub(crate) gone: Vec<Json>,
}

/// A step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Ask(Box<Ask>, Box<Expected>),
    Together { asks: Vec<Ask>, schedules: u32 },
    Relay { turn: Box<Ask>, expected: Box<Expected> },
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) target: Target,
    pub(crate) payload: String,
    pub(crate) key: Option<String>,
    /// The id of the event that asks.
    pub(crate) source_key: Option<String>,
    pub(crate) caller: Option<String>,
    pub(crate) region: String,
    pub(crate) now: i64,
    pub(crate) seed: [u8; 32],
    pub(crate) fault: FaultText,
    /// The follow-up that it is.
    pub(crate) follow_up: Option<Arc<FollowUp>>,
}

/// Whom it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Operation(String),
    Rule(String),
}

/// What has to come of a request.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) accept: Option<Json>,
    pub(crate) output: Option<String>,
    pub(crate) reject: Option<Json>,
    pub(crate) fail: Option<String>,
    pub(crate) unavailable: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) repeated: Option<bool>,
    pub(crate) events: Option<Vec<Json>>,
    /// Operations that have to be scheduled.
    pub(crate) follow_ups: Option<Vec<Json>>,
    /// Operations that have to follow, each with its expected result.
    pub(crate) follows: Option<Vec<(String, Expected)>>,
    pub(crate) at_most: AtMost,
}

/// The JSON Schema of the files, which editors complete and check them with.
pub fn schema() -> String {
    let schema = schemars::schema_for!(FileText<serde_json::Value>);
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

impl TestFile {
    /// Reads the test at `path`; an error shows its place.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = tenet_build::text_at_most(path, tenet_build::MAX_TEXT);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(path, &text)
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self> {
        let place = |span| Place { name: path.display().to_string(), text: text.to_owned(), span };
        // Once for its form, with places, and once for its values, with their digits.
        let invalid = |error: toml::de::Error| {
            let message = error.message().trim_end().to_owned();
            let help = "`tenet explain T0601` shows what a test has, and editors complete it by its `#:schema` line";
            Error::new(message, help).explained(Code::TestFile).at(place(error.span().unwrap_or_default()))
        };
        let form: FileText<IgnoredAny> = toml::from_str(text).map_err(invalid)?;
        if form.version != VERSION {
            let what = format!("the test has version {}, and this tenet reads version {VERSION}", form.version);
            return Err(Error::new(what, format!("write `version = {VERSION}`"))
                .explained(Code::TestFile)
                .at(place(0..0)));
        }
        let document: DocumentMut = text.parse()?;
        let json =
            toml_json::document(&document).map_err(|what| Error::new(what, "write a finite number").at(place(0..0)))?;
        let file: FileText<Box<RawValue>> = serde_json::from_str(&json).with_context(|| path.display().to_string())?;
        let lines: Vec<usize> = headers(text, "[[step]]").collect();
        let whole = Reading { path, file: &file, lines: &lines, text };
        let mut steps = Vec::new();
        let mut now = match &file.now {
            Some(now) => whole.moment(now)?,
            None => NOW,
        };
        for (number, step) in file.step.iter().enumerate() {
            let step_now = match (&step.now, &step.advance) {
                (Some(_), Some(_)) => {
                    let error = Error::new("a step has one moment", "leave in `now` or `advance`");
                    return Err(error.explained(Code::TestFile).at(place(0..0)));
                }
                (Some(now), None) => whole.moment(now)?,
                // From the step before, which is a second behind.
                (None, Some(span)) => now - if number == 0 { 0 } else { STEP } + whole.span(span)?,
                (None, None) => now,
            };
            steps.push(whole.step(number, step, step_now)?);
            now = step_now + STEP;
        }
        if file.recorded.is_some() && (!file.given.is_empty() || file.rows.is_some()) {
            let what = "a test over a recording has no database";
            let help = "remove `given` and `rows`, or `recorded`";
            return Err(Error::new(what, help).explained(Code::TestFile).at(place(0..0)));
        }
        if steps.is_empty() {
            return Err(Error::new("the test has no step", "add `[[step]]` with an `operation`")
                .explained(Code::TestFile)
                .at(place(0..0)));
        }
        Ok(Self {
            text: text.to_owned(),
            about: file.about.clone(),
            given: file.given.iter().map(|(table, rows)| (table.clone(), objects(rows))).collect(),
            steps,
            rows: file.rows.as_ref().map(|rows| {
                rows.iter()
                    .map(|(table, change)| {
                        (
                            table.clone(),
                            Change {
                                changed: objects(&change.changed),
                                added: objects(&change.added),
                                gone: objects(&change.gone),
                            },
                        )
                    })
                    .collect()
            }),
            recorded: file.recorded.as_ref().map(|name| path.with_file_name(name)),
        })
    }
}

/// The lines, from 1, that are this header.
fn headers(text: &str, header: &'static str) -> impl Iterator<Item = usize> {
    text.lines().enumerate().filter(move |(_, line)| line.trim_start().starts_with(header)).map(|(line, _)| line + 1)
}

/// A file while it is read.
struct Reading<'a> {
    path: &'a Path,
    file: &'a FileText<Box<RawValue>>,
    lines: &'a [usize],
    text: &'a str,
}

impl Reading<'_> {
    fn step(&self, number: usize, step: &StepText<Box<RawValue>>, now: i64) -> Result<Step> {
        let line = self.lines.get(number).copied().unwrap_or(1);
        let refuse = |what: &str, help: &str| {
            let start: usize = self.text.split_inclusive('\n').take(line - 1).map(str::len).sum();
            let place = Place {
                name: self.path.display().to_string(),
                text: self.text.to_owned(),
                span: start..start + "[[step]]".len(),
            };
            Error::new(what, help).explained(Code::TestFile).at(place)
        };
        let StepText { operation, rule, together, relay, .. } = step;
        let kinds = [operation.is_some(), rule.is_some(), together.is_some(), *relay];
        if kinds.into_iter().filter(|is| *is).count() != 1 {
            return Err(refuse("a step is one thing", "give it `operation`, `rule`, `together` or `relay = true`"));
        }
        if let Some(refused) = step.contradiction() {
            return Err(refuse(refused.0, refused.1));
        }
        let what = if *relay {
            // No request, but what follows one has its moment and its randomness.
            let nothing = Target::Operation(String::new());
            let turn = self.ask(number * 10, nothing, now, (&None, &None, &None, &step.region), None)?;
            What::Relay { turn: Box::new(turn), expected: Box::new(self.expected(step, now)?) }
        } else if let Some(together) = together {
            if !(2..=MOST_AT_ONCE).contains(&together.len()) {
                return Err(refuse(
                    "between 2 and 4 requests are run at once",
                    "put the others into steps of their own",
                ));
            }
            let ask = |(place, ask): (usize, &AskText<Box<RawValue>>)| {
                let target = target(&ask.operation, &ask.rule)
                    .ok_or_else(|| refuse("a request goes to one thing", "give it `operation` or `rule`"))?;
                self.ask(number * 10 + place, target, now, (&ask.payload, &ask.key, &ask.caller, &ask.region), None)
            };
            let asks = together.iter().enumerate().map(ask).collect::<Result<_>>()?;
            What::Together { asks, schedules: step.schedules.unwrap_or(SCHEDULES) }
        } else {
            let target = target(operation, rule).ok_or_else(|| refuse("a step is one thing", ""))?;
            let rest = (&step.payload, &step.key, &step.caller, &step.region);
            let ask = self.ask(number * 10, target, now, rest, step.fault.clone())?;
            What::Ask(Box::new(ask), Box::new(self.expected(step, now)?))
        };
        Ok(Step { what })
    }

    #[expect(clippy::type_complexity, reason = "what a step and a request of several have in common")]
    fn ask(
        &self,
        number: usize,
        target: Target,
        now: i64,
        (payload, key, caller, region): (&Option<Box<RawValue>>, &Option<String>, &Option<String>, &Option<String>),
        fault: Option<FaultText>,
    ) -> Result<Ask> {
        let payload = match payload.as_deref() {
            None => "{}".to_owned(),
            // What is text already is taken as it is.
            Some(raw) => serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned()),
        };
        let seed = tenet_build::sha256(format!("{} {number}", self.file.seed.unwrap_or_default()).as_bytes());
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(seed.bytes()).for_each(|(byte, digit)| *byte = digit);
        Ok(Ask {
            target,
            payload,
            key: key.clone(),
            source_key: None,
            caller: caller.clone(),
            region: region
                .clone()
                .or_else(|| self.file.region.clone())
                .unwrap_or_else(|| crate::hosting::EAST.to_owned()),
            now,
            seed: bytes,
            fault: fault.unwrap_or_default(),
            follow_up: None,
        })
    }

    fn expected(&self, step: &StepText<Box<RawValue>>, now: i64) -> Result<Expected> {
        let follow = |follow: &FollowText<Box<RawValue>>| {
            let FollowText { operation, accept, reject, fail, events, follow_ups } = follow;
            let expected = Expected {
                accept: json(accept),
                reject: json(reject),
                fail: fail.clone(),
                events: events.as_deref().map(objects_of),
                follow_ups: self.follow_ups(follow_ups.as_deref(), now)?,
                ..Expected::default()
            };
            Ok((operation.clone(), expected))
        };
        let follows = step.follows.as_ref().map(|all| all.iter().map(follow).collect::<Result<_>>());
        Ok(Expected {
            accept: json(&step.accept),
            output: step.output.clone(),
            reject: json(&step.reject),
            fail: step.fail.clone(),
            unavailable: step.unavailable.clone(),
            status: step.status,
            repeated: step.repeated,
            events: step.events.as_deref().map(objects_of),
            follow_ups: self.follow_ups(step.follow_ups.as_deref(), now)?,
            follows: follows.transpose()?,
            at_most: step.at_most.clone().unwrap_or_default(),
        })
    }

    /// Follow-ups as objects with what is expected of them, for a request at this moment.
    fn follow_ups(&self, wanted: Option<&[FollowUpText<Box<RawValue>>]>, now: i64) -> Result<Option<Vec<Json>>> {
        let follow_up = |wanted: &FollowUpText<Box<RawValue>>| {
            let text = |text: &Option<String>| text.clone().map(Json::Text);
            let due = match (&wanted.at, &wanted.after) {
                (Some(at), _) => Some(moment::parse(at).with_context(|| self.no_moment(&format!("{at:?}")))?),
                (None, Some(span)) => Some(now + self.span(span)?),
                (None, None) => None,
            };
            let members = [
                ("operation", text(&wanted.operation)),
                ("payload", json(&wanted.payload)),
                ("due", due.map(|due| Json::Text(moment::text(due)))),
                ("label", text(&wanted.label)),
                ("on_rejection", text(&wanted.on_rejection)),
                ("on_failure", text(&wanted.on_failure)),
            ];
            Ok(Json::Object(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()))
        };
        wanted.map(|all| all.iter().map(follow_up).collect()).transpose()
    }

    fn span(&self, text: &str) -> Result<i64> {
        moment::span(text).with_context(|| {
            let what = format!("{}: {text:?} is no span of time", self.path.display());
            Error::new(what, "write it as `30 s`, `90 min`, `12 h` or `3 days`")
        })
    }

    fn moment(&self, raw: &RawValue) -> Result<i64> {
        let text: Option<String> = serde_json::from_str(raw.get()).ok();
        let micros = text.as_deref().and_then(moment::parse);
        micros.with_context(|| self.no_moment(raw.get()))
    }

    fn no_moment(&self, written: &str) -> Error {
        let what = format!("{}: {written} is no moment", self.path.display());
        Error::new(what, "write it as 2026-01-01T00:00:00Z")
    }
}

fn target(operation: &Option<String>, rule: &Option<String>) -> Option<Target> {
    match (operation, rule) {
        (Some(operation), None) => Some(Target::Operation(operation.clone())),
        (None, Some(rule)) => Some(Target::Rule(rule.clone())),
        _ => None,
    }
}

fn json(raw: &Option<Box<RawValue>>) -> Option<Json> {
    raw.as_deref().and_then(|raw| Json::parse(raw.get()))
}

/// Events as objects with what is expected of them.
fn objects_of(events: &[EventText<Box<RawValue>>]) -> Vec<Json> {
    let event = |event: &EventText<Box<RawValue>>| {
        let text = |text: &Option<String>| text.clone().map(Json::Text);
        let members = [
            ("source", text(&event.source)),
            ("detail-type", text(&event.detail_type)),
            ("detail", json(&event.detail)),
        ];
        Json::Object(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    };
    events.iter().map(event).collect()
}

fn objects(rows: &[BTreeMap<String, Box<RawValue>>]) -> Vec<Json> {
    let value = |text: &str| Json::parse(text).map(|value| if null::is_null(&value) { Json::Null } else { value });
    let object = |row: &BTreeMap<String, Box<RawValue>>| {
        Json::Object(row.iter().filter_map(|(name, written)| Some((name.clone(), value(written.get())?))).collect())
    };
    rows.iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<TestFile> {
        TestFile::parse(Path::new("t.toml"), text)
    }

    #[test]
    fn a_file_is_read_with_every_digit_of_it() {
        let file = parse(
            "version = 1\nnow = 2026-03-01T12:00:00Z\n[[given.accounts]]\nid = \"a\"\nbalance = 100.50\nnote = { null = true }\n\n\
             [[step]]\noperation = \"transfer\"\npayload = { amount = 40.50 }\nreject = \"no\"\n\n\
             [[step]]\nrule = \"transfer\"\npayload = '{\"amount\": 1e2}'\n\n\
             [rows.accounts]\nchanged = [{ id = \"a\", balance = 60.00 }]\n",
        )
        .unwrap();
        assert_eq!(file.given[0].1[0].to_string(), r#"{"balance":100.50,"id":"a","note":null}"#);
        let What::Ask(first, expected) = &file.steps[0].what else { panic!() };
        assert_eq!((first.payload.as_str(), first.now), (r#"{"amount":40.50}"#, 1_772_366_400_000_000));
        assert_eq!(expected.reject, Some(Json::Text("no".into())));
        let What::Ask(second, _) = &file.steps[1].what else { panic!() };
        assert_eq!((second.payload.as_str(), second.now), (r#"{"amount": 1e2}"#, 1_772_366_401_000_000));
        assert_eq!(second.target, Target::Rule("transfer".into()));
        assert_ne!(first.seed, second.seed);
        assert_eq!(file.rows.unwrap()["accounts"].changed[0].to_string(), r#"{"balance":60.00,"id":"a"}"#);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_shown_in_it() {
        for (text, told) in [
            ("version = 2\n[[step]]\noperation = \"a\"", "version 2"),
            ("version = 1", "no step"),
            ("version = 1\n[[step]]\noperation = \"a\"\nrejct = \"b\"", "unknown field `rejct`"),
            ("version = 1\n[[step]]\nreject = \"b\"", "one thing"),
            ("version = 1\n[[step]]\noperation = \"a\"\naccept = true\nreject = \"b\"", "one verdict"),
            ("version = 1\nnow = \"yesterday\"\n[[step]]\noperation = \"a\"", "no moment"),
            ("version = 1\n[[step]]\ntogether = []", "between 2 and 4"),
            ("version = 1\n[[step]]\nrelay = true\nadvance = \"soon\"", "no span"),
            ("version = 1\n[[step]]\nrelay = true\nadvance = \"1 s\"\nnow = 2026-01-01T00:00:00Z", "one moment"),
            ("version = 1\n[[step]]\nrelay = true\naccept = true", "no request"),
            ("version = 1\n[[step]]\nrelay = true\nfollow_ups = []", "no request"),
            ("version = 1\n[[step]]\noperation = \"a\"\nschedules = 3", "orders of `together`"),
            ("version = 1\n[[step]]\ntogether = [{ rule = \"a\" }, { rule = \"a\" }]\nreject = \"b\"", "in common"),
            ("version = 1\n[[step]]\ntogether = [{ rule = \"a\" }, { rule = \"a\" }]\nkey = \"b\"", "in common"),
            (
                "version = 1\n[[step]]\nrelay = true\nfollows = [{ operation = \"a\", accept = true, fail = \"b\" }]",
                "one verdict",
            ),
            (
                "version = 1\n[[step]]\noperation = \"a\"\nfollow_ups = [{ after = \"1 s\", at = \"2026-01-01T00:00:00Z\" }]",
                "one moment",
            ),
            ("version = 1\nrecorded = \"c\"\n[given]\na = [{ b = 1 }]\n[[step]]\noperation = \"a\"", "no database"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(format!("{error:#}").contains(told), "{text}: {error:#}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_file_that_was_damaged_is_read_or_refused(
            at in 0..10_000_usize,
            length in 0..40_usize,
            by in prop_oneof!["[\\[\\]{}=\"'.,#0-9T:\n -~]{0,8}", Just("[".repeat(5000)), Just("a.".repeat(5000))],
        ) {
            let text = "version = 1\nabout = \"x\"\nnow = 2026-03-01T12:00:00Z\n[[given.accounts]]\nid = \"a\"\n\
                balance = 100.50\nnote = { null = true }\n[[step]]\noperation = \"transfer\"\n\
                payload = { amount = 40.50 }\nreject = \"no\"\n[[step]]\nrule = \"transfer\"\n\
                payload = '{\"amount\": [1e2]}'\n[rows.accounts]\nchanged = [{ id = \"a\", balance = 60.00 }]\n";
            let start = at % (text.len() + 1);
            let end = (start + length).min(text.len());
            if let Err(error) = parse(&[&text[..start], &by, &text[end..]].concat()) {
                let told = format!("{error:?}");
                prop_assert!(!told.is_empty());
            }
        }
    }

    #[test]
    fn the_schema_knows_every_part() {
        let schema = schema();
        for part in ["lost_commit_answer", "detail-type", "together", "at_most", "changed"] {
            assert!(schema.contains(&format!("\"{part}\"")), "{part}");
        }
    }
}
