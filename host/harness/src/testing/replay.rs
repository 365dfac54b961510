use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenet_capsule::{Attempt, Capsule, End, Playback, Secrecy, Tape};
use tenet_core::Ledger;
use tenet_core::bundle::{File, Index};
use tenet_pipeline::Backoff;
use toml_edit::{DocumentMut, Item, Table, Value, value};

use super::moment;
use super::site::Site;
use crate::building::Opened;
use crate::error::{Context, Error, Result};
use crate::hosting::answer;
use crate::progress::Progress;

/// How long a request may take that waits for no database.
const TIME: Duration = Duration::from_secs(60);

/// Decides the requests of capsules once more, with a bundle's rules and without a database.
pub struct Replay {
    site: Site,
}

/// How a request that was decided once more compares with its recording.
#[derive(Debug)]
pub struct Comparison {
    /// What is not as it was, or has no answer in the recording.
    pub differences: Vec<String>,
    /// Rules that are of another version than was recorded.
    pub other_rules: Vec<String>,
    /// What was done this time.
    pub attempts: Vec<Attempt>,
    /// The first time, counted from 1, that did not bring the bytes of the first one.
    pub unsteady: Option<u32>,
}

/// A request that was decided once more.
pub(crate) struct Replayed {
    pub(crate) capsule: Capsule,
    /// What was asked that the recording has no answer to.
    pub(crate) unknown: Vec<String>,
}

impl Replay {
    /// Loads a built bundle whose rules decide the requests of these capsules. Each of `rules` is a component that
    /// takes the place of a rule: `NAME=FILE`, or `FILE` where there is one rule only.
    ///
    /// # Errors
    /// Fails where a component cannot be read or a rule is not there, or where the code of a rule cannot be loaded.
    pub async fn new(
        opened: Opened,
        rules: &[String],
        capsules: &[(PathBuf, Capsule)],
        progress: &dyn Progress,
    ) -> Result<Self> {
        let Opened { folder, mut index, .. } = opened;
        for rule in rules {
            substitute(&mut index, rule, capsules)?;
        }
        for (_, capsule) in capsules {
            // The rules of now are asked what the operation of then was.
            index.operations.retain(|operation| operation.name != capsule.operation.name);
            index.operations.push(capsule.operation.clone());
        }
        Ok(Self { site: Site::start(Opened { folder, index, postgres: None }, (false, false), progress).await? })
    }

    /// Replays a capsule so many times.
    ///
    /// # Errors
    /// Fails where the operation is not there, or the recording cannot be used.
    pub async fn compare(&self, capsule: &Capsule, times: u32) -> Result<Comparison> {
        let first = again(&self.site, capsule).await?;
        let mut differences = tenet_capsule::differences(capsule, &first.capsule);
        differences.extend(first.unknown());
        let is_other = |(rule, digest): &(&String, &String)| first.capsule.rules.get(*rule) != Some(digest);
        let other_rules = capsule.rules.iter().filter(is_other).map(|(rule, _)| rule.clone()).collect();
        // What it cost is another thing each time.
        let bytes = |capsule: Capsule| Capsule { receipt: BTreeMap::new(), ..capsule }.to_text(&Secrecy::Open);
        let attempts = first.capsule.attempts.clone();
        let expected = bytes(first.capsule.clone())?;
        let mut unsteady = None;
        for time in 1..times {
            if bytes(again(&self.site, capsule).await?.capsule)? != expected {
                unsteady = Some(time + 1);
                break;
            }
        }
        Ok(Comparison { differences, other_rules, attempts, unsteady })
    }

    /// Ends it.
    ///
    /// # Errors
    /// Fails where a process does not end.
    pub fn close(self) -> Result<()> {
        self.site.close()
    }
}

impl Comparison {
    /// Whether the request was decided as before, to the same bytes each time.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && self.unsteady.is_none()
    }
}

impl Replayed {
    /// What the recording lacks.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = String> {
        self.unknown.iter().map(|statement| format!("the recording has no answer to {statement}"))
    }
}

/// The seed of the request.
pub(crate) fn seed(capsule: &Capsule) -> Result<[u8; 32]> {
    Ok(capsule.request.to_core(Instant::now())?.seed)
}

/// Decides the request of a capsule once more.
pub(crate) async fn again(site: &Site, capsule: &Capsule) -> Result<Replayed> {
    let playback = Arc::new(Playback::new(capsule));
    let backoff = Backoff { base: Duration::ZERO, cap: Duration::ZERO, ..Backoff::default() };
    let hosts = site.over(Ledger::of_transactions(Arc::clone(&playback) as _), Arc::clone(&playback) as _, backoff)?;
    let request = capsule.request.to_core(Instant::now() + TIME)?;
    let tape = Tape::new();
    let handled = hosts.decide(request.clone(), &tape).await?;
    let again = Capsule::new(&site.index, &request, tape.attempts(), answer(&handled), &handled.receipt);
    let again = again.with_context(|| format!("there is no operation {}", capsule.request.operation))?;
    Ok(Replayed { capsule: again, unknown: playback.unknown() })
}

/// Puts a component in the place of a rule: `FILE`, where there is one rule only, or `NAME=FILE`.
fn substitute(index: &mut Index, argument: &str, capsules: &[(PathBuf, Capsule)]) -> Result<()> {
    let (name, file) = match argument.split_once('=') {
        Some((name, file)) => (name.to_owned(), file),
        None => {
            let mut names = capsules.iter().flat_map(|(_, capsule)| &capsule.operation.rules).collect::<Vec<_>>();
            names.dedup();
            match names.as_slice() {
                [one] => ((*one).clone(), argument),
                _ => return Err(Error::new("more than one rule decides it", "say which is meant: --rule NAME=FILE")),
            }
        }
    };
    let path = std::fs::canonicalize(file).with_context(|| format!("cannot open {file}"))?;
    let bytes = tenet_build::read_at_most(&path, tenet_engine::Compiler::MAX_BYTES);
    let bytes = bytes.with_context(|| format!("cannot read {file}"))?;
    let Some(rule) = index.rules.iter_mut().find(|rule| rule.name == name) else {
        return Err(Error::new(format!("there is no rule {name}"), "`tenet inspect` shows which there are"));
    };
    rule.component = File { path: path.display().to_string(), sha256: tenet_build::sha256(&bytes) };
    Ok(())
}

/// The text of a test that asks the request of the capsule at `path` of its recording.
pub fn as_test(path: &Path, capsule: &Capsule) -> String {
    let mut document = DocumentMut::new();
    document.insert("version", value(1));
    document.insert("about", value(format!("A request of {} that was recorded", capsule.operation.name)));
    let now = moment::text(capsule.request.now).parse::<toml_edit::Datetime>();
    if let Ok(now) = now {
        document.insert("now", value(now));
    }
    document.insert("region", value(capsule.request.region.as_str()));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    document.insert("recorded", value(name.as_ref()));
    let mut step = Table::new();
    match capsule.request.operation.strip_prefix("rule/") {
        Some(rule) => step.insert("rule", value(rule)),
        None => step.insert("operation", value(capsule.request.operation.as_str())),
    };
    // As text, so that it stays what it was, byte for byte.
    step.insert("payload", value(capsule.request.payload.as_str()));
    for (name, text) in [("key", &capsule.request.key), ("caller", &capsule.request.caller)] {
        if let Some(text) = text {
            step.insert(name, value(text.as_str()));
        }
    }
    let code = serde_json::from_str::<serde_json::Value>(&capsule.answer.body).ok();
    let code = code.as_ref().and_then(|body| body.get("code")?.as_str()).unwrap_or_default();
    match capsule.answer.status {
        200 => step.insert("output", value(capsule.answer.body.as_str())),
        422 => step.insert("reject", value(code)),
        503 => step.insert("unavailable", value(code)),
        status => step.insert("status", value(i64::from(status))),
    };
    if capsule.answer.repeated {
        step.insert("repeated", value(true));
    }
    let ended = capsule.attempts.last().and_then(|attempt| attempt.ended.as_ref());
    if let Some(End::Accept { events, .. }) = ended.map(|ended| &ended.by)
        && !events.is_empty()
    {
        let event = |event: &tenet_capsule::Event| {
            let mut table = toml_edit::InlineTable::new();
            table.insert("source", Value::from(event.source.as_str()));
            table.insert("detail-type", Value::from(event.detail_type.as_str()));
            table
        };
        step.insert("events", value(events.iter().map(event).collect::<toml_edit::Array>()));
    }
    let mut steps = toml_edit::ArrayOfTables::new();
    steps.push(step);
    document.insert("step", Item::ArrayOfTables(steps));
    document.to_string()
}
