use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tenet_capsule::Capsule;
use tenet_core::Code;
use tenet_harness::building::{self, Wanted};
use tenet_harness::testing::{CAPSULE, Comparison, Replay, as_test, read_capsule, transcript};

use crate::args::ReplayArgs;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::reporters::progress::OnTerminal;
use crate::terminal::{self, show};

/// Decides the requests of capsules once more and shows what is not as it was.
pub(crate) async fn replay(args: &ReplayArgs) -> anyhow::Result<Exit> {
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
        let capsule = read_capsule(&path)?;
        capsules.push((path, capsule));
    }
    if args.as_test {
        for (path, capsule) in &capsules {
            write_test(path, capsule)?;
        }
        return Ok(Exit::Success);
    }
    let opened = building::open_for(&args.bundle, args.out.as_deref(), Wanted::Tests, &OnTerminal).await?;
    let replay = Replay::new(opened, &args.rules, &capsules, &OnTerminal).await?;
    let mut differ = 0;
    let mut lines = Vec::new();
    for (path, capsule) in &capsules {
        let comparison = replay.compare(capsule, args.times).await.with_context(|| path.display().to_string())?;
        differ += usize::from(!comparison.is_same());
        lines.push(format!("{}  {}", if comparison.is_same() { "same   " } else { "DIFFERS" }, path.display()));
        lines.extend(told(comparison).into_iter().map(|line| format!("      {line}")));
    }
    show(&lines)?;
    terminal::tell(&format!("{} replayed, {differ} of them not as they were", capsules.len()));
    replay.close()?;
    Ok(Exit::success_or(differ == 0, Exit::Differs))
}

/// What is not as it was.
fn told(comparison: Comparison) -> Vec<String> {
    let Comparison { differences: mut told, other_rules, attempts, unsteady } = comparison;
    if !told.is_empty() {
        let other = |rule: String| format!("(the rule {rule} is another version than was recorded)");
        told.extend(other_rules.into_iter().map(other));
        told.push("now:".to_owned());
        told.extend(transcript(&attempts).into_iter().map(|line| format!("  {line}")));
    }
    told.extend(unsteady.map(|time| format!("the replay {time} did not bring the bytes of the first")));
    told
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

/// Writes a test next to a capsule. It runs the capsule's request on its recording.
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
