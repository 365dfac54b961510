use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tenet_capsule::{Capsule, End, Key, Playback, Tape};
use tenet_core::bundle::{File, Index};
use tenet_pipeline::Backoff;
use toml_edit::{DocumentMut, Item, Table, Value, value};

use crate::args::ReplayArgs;
use crate::built::{self, Opened};
use crate::local::answer;
use crate::moment;
use crate::report::{Problem, show};
use crate::terminal;
use crate::testing::site::Site;
use crate::testing::{CAPSULE, transcript};
use tenet_core::{Code, Ledger};

/// The exit code where something is not as it was.
const DIFFERS: u8 = 1;

/// How long a request may take that waits for no database.
const TIME: Duration = Duration::from_secs(60);

/// The variable with the key of sealed capsules.
const KEY: &str = "TENET_CAPSULE_KEY";

/// A request that was decided once more.
pub(crate) struct Replayed {
    pub(crate) capsule: Capsule,
    /// What was asked that the recording has no answer to.
    pub(crate) unknown: Vec<String>,
}

/// Decides the requests of capsules once more and shows what is not as it was.
pub(crate) async fn replay(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let mut files = Vec::new();
    for path in &args.files {
        collect(path, &mut files)?;
    }
    if files.is_empty() {
        bail!(
            Problem::new("there is no capsule", format!("name files, or folders with files called NAME{CAPSULE}"))
                .explained(Code::Capsule)
        );
    }
    let mut capsules = Vec::new();
    for path in files {
        let capsule = read(&path)?;
        capsules.push((path, capsule));
    }
    if args.as_test {
        for (path, capsule) in &capsules {
            write_test(path, capsule)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let Opened { folder, mut index, .. } =
        built::open_for(&args.bundle, args.out.as_deref(), built::Wanted::Tests).await?;
    for rule in &args.rules {
        substitute(&mut index, rule, &capsules)?;
    }
    for (_, capsule) in &capsules {
        // The rules of now are asked what the operation of then was.
        index.operations.retain(|operation| operation.name != capsule.operation.name);
        index.operations.push(capsule.operation.clone());
    }
    let site = Site::start(Opened { folder, index, postgres: None }, false).await?;
    let mut differ = 0;
    let mut lines = Vec::new();
    for (path, capsule) in &capsules {
        let told = told(&site, capsule, args.times).await.with_context(|| path.display().to_string())?;
        differ += usize::from(!told.is_empty());
        lines.push(format!("{}  {}", if told.is_empty() { "same   " } else { "DIFFERS" }, path.display()));
        lines.extend(told.into_iter().map(|line| format!("      {line}")));
    }
    show(&lines)?;
    terminal::tell(&format!("{} replayed, {differ} of them not as they were", capsules.len()));
    site.close()?;
    Ok(if differ > 0 { ExitCode::from(DIFFERS) } else { ExitCode::SUCCESS })
}

/// What is not as it was, however often it is replayed; each time has to bring the same bytes.
async fn told(site: &Site, capsule: &Capsule, times: u32) -> anyhow::Result<Vec<String>> {
    let first = again(site, capsule).await?;
    let mut told = tenet_capsule::differences(capsule, &first.capsule);
    told.extend(first.unknown.iter().map(|statement| format!("the recording has no answer to {statement}")));
    let other = |(rule, digest): (&String, &String)| {
        let now = first.capsule.rules.get(rule);
        (now != Some(digest)).then(|| format!("(the rule {rule} is another version than was recorded)"))
    };
    if !told.is_empty() {
        told.extend(capsule.rules.iter().filter_map(other));
        told.push("now:".to_owned());
        told.extend(transcript::lines(&first.capsule.attempts).into_iter().map(|line| format!("  {line}")));
    }
    let (bytes, costs) = (first.capsule.clone(), std::collections::BTreeMap::new());
    let bytes = Capsule { receipt: costs.clone(), ..bytes }.to_text(&tenet_capsule::Secrecy::Open)?;
    for time in 1..times {
        let next = Capsule { receipt: costs.clone(), ..again(site, capsule).await?.capsule };
        if next.to_text(&tenet_capsule::Secrecy::Open)? != bytes {
            told.push(format!("the replay {} did not bring the bytes of the first", time + 1));
            break;
        }
    }
    Ok(told)
}

/// Reads a capsule; one that is sealed with the key that the environment has.
pub(crate) fn read(path: &Path) -> anyhow::Result<Capsule> {
    let text = tenet_build::text_at_most(path, tenet_build::MAX_RECORD);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let key = key()?;
    Capsule::parse(&text, key.as_ref()).map_err(|error| {
        let help = match error.is_sealed() {
            true => format!("set {KEY} to the key that it was sealed with"),
            false => "take a file that `--record` wrote, or a function".to_owned(),
        };
        anyhow::Error::new(error)
            .context(Problem::new(format!("{} cannot be used", path.display()), help).explained(Code::Capsule))
    })
}

/// Writes a capsule as its operation wants it kept.
pub(crate) fn write(path: &Path, capsule: &Capsule) -> anyhow::Result<()> {
    let key = key()?;
    let text = capsule.to_text(&Capsule::secrecy(&capsule.operation, key.as_ref()))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What seals capsules, if there is a key.
pub(crate) fn key() -> anyhow::Result<Option<Key>> {
    let key = std::env::var(KEY).ok().map(|text| Key::parse(&text)).transpose();
    key.with_context(|| KEY.to_owned())
}

/// The seed of the request.
pub(crate) fn seed(capsule: &Capsule) -> anyhow::Result<[u8; 32]> {
    Ok(capsule.request.to_core(Instant::now())?.seed)
}

/// Decides the request of a capsule once more.
pub(crate) async fn again(site: &Site, capsule: &Capsule) -> anyhow::Result<Replayed> {
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
fn substitute(index: &mut Index, argument: &str, capsules: &[(PathBuf, Capsule)]) -> anyhow::Result<()> {
    let (name, file) = match argument.split_once('=') {
        Some((name, file)) => (name.to_owned(), file),
        None => {
            let mut names = capsules.iter().flat_map(|(_, capsule)| &capsule.operation.rules).collect::<Vec<_>>();
            names.dedup();
            match names.as_slice() {
                [one] => ((*one).clone(), argument),
                _ => bail!(Problem::new("more than one rule decides it", "say which is meant: --rule NAME=FILE")),
            }
        }
    };
    let path = std::fs::canonicalize(file).with_context(|| format!("cannot open {file}"))?;
    let bytes = tenet_build::read_at_most(&path, tenet_engine::Compiler::MAX_BYTES);
    let bytes = bytes.with_context(|| format!("cannot read {file}"))?;
    let Some(rule) = index.rules.iter_mut().find(|rule| rule.name == name) else {
        bail!(Problem::new(format!("there is no rule {name}"), "`tenet inspect` shows which there are"));
    };
    rule.component = File { path: path.display().to_string(), sha256: tenet_build::sha256(&bytes) };
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut inside = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    inside.sort();
    for path in inside {
        if path.is_dir() || path.to_string_lossy().ends_with(CAPSULE) {
            collect(&path, files)?;
        }
    }
    Ok(())
}

/// Writes a test beside a capsule, which asks its request of its recording.
fn write_test(path: &Path, capsule: &Capsule) -> anyhow::Result<()> {
    let text = path.to_string_lossy();
    let stem = text.strip_suffix(CAPSULE).or_else(|| text.strip_suffix(".json")).unwrap_or(&text);
    let place = PathBuf::from(format!("{stem}.toml"));
    let test = as_test(path, capsule);
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&place);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, test.as_bytes()))
        .with_context(|| format!("cannot write {}", place.display()))?;
    terminal::tell(&format!("made the test {}", place.display()));
    Ok(())
}

fn as_test(path: &Path, capsule: &Capsule) -> String {
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
